"""Stills after the encode: the best poster, and the track that points into sprites."""

from __future__ import annotations

from pathlib import Path

from ..contract import Sprites

POSTER = "poster.jpg"
THUMBNAILS = "thumbnails.vtt"
SPRITES_FOLDER = "sprites"

_SHORTEST_CUE = 0.001
"""Seconds: WebVTT counts milliseconds, and a cue has to end after it begins."""


def choose_poster(folder: Path) -> Path | None:
    """
    Keep the candidate with the most to see as `poster.jpg`; the others are deleted.

    At one quality, a JPEG's size is the detail in it: black, fades, blur and titles
    are small. None when no picture was decoded.
    """
    candidates = sorted(folder.glob("poster-*.jpg"))
    if not candidates:
        return None
    best = max(candidates, key=lambda path: path.stat().st_size)
    poster = best.replace(folder / POSTER)
    for path in candidates:
        path.unlink(missing_ok=True)
    return poster


def write_thumbnails(
    folder: Path, sprites: Sprites, *, end_seconds: float
) -> Path | None:
    """
    Write `thumbnails.vtt`: for each interval of the video, its place in a sheet.

    Cues follow on each other and the last one ends at *end_seconds*; a clip shorter
    than one interval has one. None when there is no sheet.
    """
    sheets = sorted((folder / SPRITES_FOLDER).glob("*.jpg"))
    if not sheets:
        return None
    per_sheet = sprites.columns * sprites.rows
    cues = ["WEBVTT"]
    for tile in range(min(sprites.count, len(sheets) * per_sheet)):
        begin = tile * sprites.interval_seconds
        end = begin + sprites.interval_seconds
        if tile == sprites.count - 1:
            end = max(end_seconds, begin + _SHORTEST_CUE)
        sheet, place = divmod(tile, per_sheet)
        row, column = divmod(place, sprites.columns)
        width, height = sprites.tile_width, sprites.tile_height
        cues.append(
            f"{_clock(begin)} --> {_clock(end)}\n"
            f"{SPRITES_FOLDER}/{sheets[sheet].name}"
            f"#xywh={column * width},{row * height},{width},{height}"
        )
    path = folder / THUMBNAILS
    path.write_text("\n\n".join(cues) + "\n", encoding="utf-8")
    return path


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
