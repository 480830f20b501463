"""How light a still picture is, and how much light and shade there is in it."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev

from .verify_decode import media_errors, open_media

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
    dots = [it for at in range(height) for it in rows[at * step : at * step + width]]
    return fmean(dots), pstdev(dots)
