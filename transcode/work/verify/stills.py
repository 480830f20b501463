"""Poster, sprite sheets and the thumbnails track against each other and the plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path

from ...contract import Check, CmafPackaging, Poster, Sprites, Task
from ...media.timeline import ends_open
from .playlists import BrokenPlaylist, read_fetched, read_mpd
from .tracks import Track

_CUE = re.compile(r"([\d:.]+)\s+-->\s+([\d:.]+)")
_AREA = re.compile(r"(.+)#xywh=(\d+),(\d+),(\d+),(\d+)")
_TOLERANCE = Fraction(1, 2)
_HAIR = Fraction(1, 1000)

Measure = Callable[[Path], "tuple[int, int] | str"]
"""A picture's width and height, or a sentence saying why it has none."""


def stills_check(
    task: Task, tracks: Sequence[Track], *, staging: Path, measure: Measure
) -> Check:
    """Pictures decode at their planned sizes, and the track's cues point into them."""
    wrong: list[str] = []
    recipe = task.recipe
    if recipe.poster is not None:
        wrong += _poster(recipe.poster, staging / "poster.jpg", measure)
    if recipe.sprites is not None:
        sheets = {
            path.name: measure(path)
            for path in sorted((staging / "sprites").glob("*.jpg"))
        }
        lasts = max((t.end for t in tracks if t.is_video), default=None)
        sprites = recipe.sprites
        guessed = lasts is not None and ends_open(task.media, recipe)
        if lasts is not None and guessed:
            # As many as it lasts, whatever was guessed.
            most = ceil((lasts + _TOLERANCE) / Fraction(sprites.interval_seconds))
            sprites = sprites.model_copy(update={"count": most})
        fewest = _fewest(sprites, lasts)
        made = fewest if guessed else sprites.count
        wrong += _sheets(sprites, sheets, fewest=made)
        wrong += _cues(
            sprites, sheets, staging / "thumbnails.vtt", lasts, fewest=fewest
        )
        packaging = recipe.packaging
        if isinstance(packaging, CmafPackaging) and packaging.dash:
            wrong += _dash(recipe.sprites, sheets, staging / "manifest.mpd", lasts)
        if isinstance(packaging, CmafPackaging) and packaging.hls:
            wrong += _hls(recipe.sprites, sheets, staging, lasts)
    return Check(
        name="stills",
        passed=not wrong,
        detail="; ".join(wrong) or "pictures decode, thumbnails cover the duration",
    )


def _poster(plan: Poster, path: Path, measure: Measure) -> Iterator[str]:
    size = measure(path)
    if isinstance(size, str):
        yield f"poster.jpg: {size}"
    elif size != (plan.width, plan.height):
        yield f"poster.jpg is {size[0]}x{size[1]}, not {plan.width}x{plan.height}"


def _fewest(plan: Sprites, lasts: Fraction | None) -> int:
    """None for a time that the picture does not reach, where sound goes on after it."""
    if lasts is None:
        return plan.count
    reached = (lasts - _TOLERANCE) / Fraction(plan.interval_seconds)
    return min(plan.count, ceil(reached))


def _sheets(
    plan: Sprites, sheets: dict[str, tuple[int, int] | str], *, fewest: int
) -> Iterator[str]:
    per_sheet = plan.columns * plan.rows
    wanted = ceil(plan.count / per_sheet)
    if not ceil(fewest / per_sheet) <= len(sheets) <= wanted:
        yield f"{len(sheets)} sprite sheets, {wanted} make {plan.count} thumbnails"
    for name, size in sheets.items():
        if isinstance(size, str):
            yield f"sprites/{name}: {size}"
        elif (
            size[0] != plan.columns * plan.tile_width
            or size[1] % plan.tile_height
            or size[1] > plan.rows * plan.tile_height
        ):
            yield (
                f"sprites/{name} is {size[0]}x{size[1]}, no sheet of "
                f"{plan.tile_width}x{plan.tile_height} tiles"
            )


def _dash(
    plan: Sprites,
    sheets: Mapping[str, tuple[int, int] | str],
    path: Path,
    lasts: Fraction | None,
) -> Iterator[str]:
    """Whether a player that counts finds the sheet, and the tile, of each time."""
    try:
        images = read_mpd(path.read_text(encoding="utf-8")).images
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return  # `playlists` says so
    if len(images) != 1:
        yield f"{path.name} has {len(images)} sets of thumbnails"
        return
    [found] = images
    names = [found.sheet(index) for index in range(len(sheets))]
    if names != [f"sprites/{name}" for name in sheets]:
        yield f"{path.name} has thumbnails in {', '.join(names)}"
    if {found.size} != {*sheets.values()}:
        yield f"{path.name}: thumbnails in sheets of {found.size}, there is none"
    if found.tiles != f"{plan.columns}x{plan.rows}":
        yield f"{path.name}: {found.tiles} thumbnails in a sheet"
    tile = found.seconds / (plan.columns * plan.rows)
    if abs(tile - Fraction(plan.interval_seconds)) > _HAIR * tile:
        yield f"{path.name}: a thumbnail every {float(tile):.3f} s"
    if lasts is not None and found.seconds * len(sheets) < lasts - _TOLERANCE:
        yield f"{path.name}: thumbnails end before the video"


def _hls(
    plan: Sprites,
    sheets: Mapping[str, tuple[int, int] | str],
    staging: Path,
    lasts: Fraction | None,
) -> Iterator[str]:
    try:
        text = (staging / "thumbnails.m3u8").read_text(encoding="utf-8")
        listed, _ = read_fetched(text)
        master = (staging / "master.m3u8").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        yield f"thumbnails.m3u8: {exc}"
        return
    if 'URI="thumbnails.m3u8"' not in master:
        yield "master.m3u8 does not list thumbnails.m3u8"
    if [it.uri for it in listed] != [f"sprites/{name}" for name in sheets]:
        yield "thumbnails.m3u8 does not list the sheets"
    tiles = (
        f"RESOLUTION={plan.tile_width}x{plan.tile_height},"
        f"LAYOUT={plan.columns}x{plan.rows},"
    )
    if text.count(f"#EXT-X-TILES:{tiles}") != len(listed):
        yield f"thumbnails.m3u8 does not say {tiles}"
    total = sum((it.seconds for it in listed), Fraction(0))
    if lasts is not None and total < lasts - _TOLERANCE:
        yield f"thumbnails.m3u8 lasts {float(total):.3f} s"


def _cues(
    plan: Sprites,
    sheets: dict[str, tuple[int, int] | str],
    path: Path,
    lasts: Fraction | None,
    *,
    fewest: int,
) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield "thumbnails.vtt is missing or no text"
        return
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("WEBVTT"):
        yield "thumbnails.vtt does not begin with WEBVTT"
    ends = Fraction(0)
    count = 0
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if (cue := _CUE.fullmatch(line)) is None:
            continue
        count += 1
        begins = _seconds(cue[1])
        if begins != ends:
            yield f"thumbnail {count} begins at {cue[1]}, not where the last one ends"
        ends = _seconds(cue[2])
        yield from _target(plan, sheets, following)
    if not fewest <= count <= plan.count:
        yield f"thumbnails.vtt has {count} cues, planned were {plan.count}"
    if lasts is not None and abs(ends - lasts) > _TOLERANCE:
        yield f"thumbnails end at {float(ends):.3f} s, the video {float(lasts):.3f} s"


def _target(
    plan: Sprites, sheets: dict[str, tuple[int, int] | str], line: str
) -> Iterator[str]:
    area = _AREA.fullmatch(line)
    if area is None:
        yield f"a thumbnail points to {line or 'nothing'}"
        return
    folder, _, name = area[1].rpartition("/")
    size = sheets.get(name)
    if folder != "sprites" or size is None:
        yield f"a thumbnail points to {area[1]}, which does not exist"
        return
    x, y, width, height = (int(area[index]) for index in range(2, 6))
    outside = isinstance(size, tuple) and (x + width > size[0] or y + height > size[1])
    if (width, height) != (plan.tile_width, plan.tile_height) or outside:
        yield f"a thumbnail points to {line}, no tile of its sheet"


def _seconds(text: str) -> Fraction:
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds
