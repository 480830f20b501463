"""How sprite sheets stand in HLS and DASH: pictures for a player's seek bar."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from ..contract import Sprites
from .stills import SPRITES_FOLDER

PLAYLIST = "thumbnails.m3u8"
"""Of HLS only, in the job's folder."""
TILES = "http://dashif.org/guidelines/thumbnail_tile"


def sheet_seconds(sprites: Sprites) -> Fraction:
    """How long one full sheet lasts."""
    per_sheet = sprites.columns * sprites.rows
    # An MPD counts in 32 bits.
    return Fraction(sprites.interval_seconds).limit_denominator(10_000) * per_sheet


def image_playlist(
    sprites: Sprites, sheets: Sequence[str], *, seconds: Fraction
) -> str:
    """
    *sheets* as an image media playlist over *seconds*.

    No part of RFC 8216, whose players pass over it: Roku's extension, which Shaka
    Player reads, too.
    """
    lasts = sheet_seconds(sprites)
    tiles = (
        f"#EXT-X-TILES:RESOLUTION={sprites.tile_width}x{sprites.tile_height},"
        f"LAYOUT={sprites.columns}x{sprites.rows},"
        f"DURATION={float(sprites.interval_seconds):g}"
    )
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, ceil(min(lasts, seconds)))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-IMAGES-ONLY",
    ]
    for number, name in enumerate(sheets):
        left = max(seconds - number * lasts, Fraction(0))
        shown = float(min(lasts, left))
        lines += [f"#EXTINF:{shown:.3f},", tiles, f"{SPRITES_FOLDER}/{name}"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def image_tag(sprites: Sprites, sizes: Sequence[int]) -> str:
    """The line of the multivariant playlist that names it; *sizes* in bytes."""
    return (
        f"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={_bit_rate(sprites, sizes)},"
        f'CODECS="jpeg",RESOLUTION={sprites.tile_width}x{sprites.tile_height},'
        f'URI="{PLAYLIST}"\n'
    )


def image_set(sprites: Sprites, sizes: Sequence[int], *, number: int) -> str:
    """An adaptation set of images (DASH-IF IOP 4.3 §6.2.6), as XML."""
    lasts = sheet_seconds(sprites)
    return (
        f'    <AdaptationSet id="{number}" contentType="image" mimeType="image/jpeg">\n'
        f'      <SegmentTemplate media="{SPRITES_FOLDER}/$Number%05d$.jpg"'
        f' timescale="{lasts.denominator}" duration="{lasts.numerator}"'
        ' startNumber="1"/>\n'
        f'      <Representation id="thumbnails" bandwidth="{_bit_rate(sprites, sizes)}"'
        f' width="{sprites.columns * sprites.tile_width}"'
        f' height="{sprites.rows * sprites.tile_height}">\n'
        f'        <EssentialProperty schemeIdUri="{TILES}"'
        f' value="{sprites.columns}x{sprites.rows}"/>\n'
        "      </Representation>\n"
        "    </AdaptationSet>\n"
    )


def _bit_rate(sprites: Sprites, sizes: Sequence[int]) -> int:
    return ceil(max(sizes, default=0) * 8 / sheet_seconds(sprites))
