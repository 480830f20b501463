"""Stills after the encode: the best poster, and the track that points into sprites."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from ..contract import CmafPackaging, Sprites, Task
from ..media.samples import deviation, mean
from ..media.timeline import end_seconds, ends_open
from .package import folder
from .served import serve
from .verify.decode import media_errors, open_media

POSTER = "poster.jpg"


THUMBNAILS = "thumbnails.vtt"


SPRITES_FOLDER = "sprites"


_WHITE = 255


_DIM = 48


"""Mean of luma, from black or from white, below which a picture is too dark or light:
a night scene has about 40 (our choice)."""


_FLAT = 32


"""Standard deviation of luma below which a picture is a haze (our choice)."""


_LEAST_EXPOSURE = 0.05


_SHORTEST_CUE = 0.001


"""Seconds: WebVTT counts milliseconds, and a cue has to end after it begins."""


def finish_stills(task: Task, staging: Path, *, encoded_seconds: float | None) -> None:
    """
    What the encoder left of a poster and thumbnails becomes what the task asks.

    *encoded_seconds* is what the encoder came to, for a source that nobody knew the
    end of.
    """
    recipe = task.recipe
    if recipe.poster is not None:
        choose_poster(staging)
    if recipe.sprites is not None:
        planned = recipe.sprites.count * recipe.sprites.interval_seconds
        ends = end_seconds(task.media, recipe)
        end = encoded_seconds if ends is None else float(ends)
        if ends is None:
            # What counts as encoded is the sound, too, that may go on behind it.
            end = _made_until(task, staging) or end
        clip = recipe.clip
        if ends is None and end and clip is not None and clip.end_seconds is not None:
            # What counts as encoded are sheets of thumbnails and sound, too, that end
            # later.
            used = (it for it in task.media.video if it.index == recipe.video_index)
            known = next((it.duration_seconds for it in used), None)
            length = clip.end_seconds - clip.start_seconds
            end = min(end, length if known is None else known)
        end = end or task.media.duration_seconds or planned
        sprites = recipe.sprites
        if ends_open(task.media, recipe):
            sprites = until(sprites, end)
            _drop_empty(staging, sprites)
        write_thumbnails(staging, sprites, end_seconds=end)


def _made_until(task: Task, staging: Path) -> float | None:
    """When the picture goes of the segments that were made; None of single files."""
    if not isinstance(task.recipe.packaging, CmafPackaging):
        return None
    made = [serve(task, it, staging / folder(it)) for it in task.recipe.video]
    return max((float(it.end) for it in made if it is not None), default=None)


def _drop_empty(staging: Path, sprites: Sprites) -> None:
    """Of a picture that goes when a tile is due, that tile was made, too."""
    needed = ceil(sprites.count / (sprites.columns * sprites.rows))
    for sheet in sorted((staging / SPRITES_FOLDER).glob("*.jpg"))[needed:]:
        sheet.unlink()


def until(sprites: Sprites, end_seconds: float) -> Sprites:
    """As many of *sprites* as a picture needs that ends then."""
    # A hair less: a last tile that would show the very end only is none.
    count = max(1, ceil(end_seconds / sprites.interval_seconds - 1e-6))
    return sprites.model_copy(update={"count": count})


def choose_poster(folder: Path) -> Path | None:
    """
    Keep the candidate most worth showing as `poster.jpg`; the others are deleted.

    At one quality, a JPEG's size is the detail in it: black, blur and titles are
    small. What is nearly black, nearly white or without contrast (fades, noise in the
    dark) counts for less. None when no picture was decoded.
    """
    candidates = sorted(folder.glob("poster-*.jpg"))
    if not candidates:
        return None
    best, most = candidates[0], -1.0
    # None is worth more than its size: those below the best need no look.
    for path in sorted(candidates, key=_bytes, reverse=True):
        if _bytes(path) < most:
            break
        worth = _bytes(path) * _exposure(path)
        if worth > most:
            best, most = path, worth
    poster = best.replace(folder / POSTER)
    for path in candidates:
        path.unlink(missing_ok=True)
    return poster


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _exposure(path: Path) -> float:
    """From 0.05 (black, white, grey) to 1 (light and shade); 1 where it is unknown."""
    light = luma(path)
    if light is None:
        return 1.0
    mean, spread = light
    centred = min(mean, _WHITE - mean) / _DIM
    return max(_LEAST_EXPOSURE, min(1.0, centred) * min(1.0, spread / _FLAT))


def write_thumbnails(
    folder: Path, sprites: Sprites, *, end_seconds: float
) -> Path | None:
    """
    Write `thumbnails.vtt`: for each interval of the video, its place in a sheet.

    Cues follow on each other, none begins at *end_seconds* or later, and the last one
    ends there; a clip shorter than one interval has one. None when there is no sheet.
    """
    sheets = sorted((folder / SPRITES_FOLDER).glob("*.jpg"))
    if not sheets:
        return None
    per_sheet = sprites.columns * sprites.rows
    cues = ["WEBVTT"]
    shown = until(sprites, end_seconds).count
    count = min(sprites.count, shown, len(sheets) * per_sheet)
    for tile in range(count):
        begin = tile * sprites.interval_seconds
        end = begin + sprites.interval_seconds
        if tile == count - 1:
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


_SIZE = (64, 36)
"""Enough for light and shade; noise is averaged away."""


def luma(path: Path) -> tuple[float, float] | None:
    """Mean and standard deviation of a JPEG's luma, 0 to 255; None where it is none."""
    try:
        with path.open("rb") as stream, open_media(stream, "mjpeg") as container:
            frame = next(container.decode(video=0), None)
            if frame is None:
                return None
            plane = frame.reformat(*_SIZE, format="gray").planes[0]
            rows, step = bytes(plane), plane.line_size
    except OSError:
        return None
    except media_errors():
        return None
    width, height = _SIZE
    dots = b"".join(rows[at * step : at * step + width] for at in range(height))
    return mean(dots), deviation(dots)
