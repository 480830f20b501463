"""A watermark's image: measured by its header alone, never decoded in this process."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import Literal

from ..contract import MarkImage
from ..errors import WatermarkError

LARGEST_BYTES = 8 * 2**20
LARGEST_SIDE = 4096
"""Pixels; nothing larger is visible in a corner, and decoding it costs 64 MiB."""

_Format = Literal["png", "jpeg", "webp"]
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start-of-frame markers: ITU-T T.81, table B.1."""


def look_at(path: Path) -> MarkImage:
    """
    What the image at *path* is. Raises `WatermarkError`.

    Only PNG, JPEG and still WebP, told by their content: whatever the name says, a
    drawing, a playlist or a video is refused here and never opened by a decoder.
    """
    data = read(path)
    found = _measured(data)
    if found is None:
        raise WatermarkError(
            f"The watermark {str(path)!r} is no PNG, JPEG or WebP picture; convert it "
            "to PNG.",
            image=str(path),
        )
    kind, width, height = found
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise WatermarkError(
            f"The watermark {str(path)!r} is {width}x{height} pixels; up to "
            f"{LARGEST_SIDE} on each side are accepted.",
            image=str(path),
        )
    return MarkImage(
        path=str(path.absolute()),
        sha256=hashlib.sha256(data).hexdigest(),
        format=kind,
        width=width,
        height=height,
    )


def refuse_change(image: MarkImage) -> None:
    """Raises `WatermarkError` when the file is no longer the one that was planned."""
    if hashlib.sha256(read(Path(image.path))).hexdigest() != image.sha256:
        raise WatermarkError(
            f"The watermark {image.path!r} was changed while the job ran; run again.",
            image=image.path,
        )


def read(path: Path) -> bytes:
    """The whole file, if it is a plain one of a reasonable size."""
    try:
        # Not blocking: a pipe of that name must not hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise WatermarkError(
                    f"The watermark {str(path)!r} is no plain file.", image=str(path)
                )
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        raise WatermarkError(
            f"The watermark {str(path)!r} cannot be read: {why}.", image=str(path)
        ) from exc
    if len(data) > LARGEST_BYTES:
        raise WatermarkError(
            f"The watermark {str(path)!r} has more than {LARGEST_BYTES >> 20} MiB; "
            "make it smaller.",
            image=str(path),
        )
    return data


def _measured(data: bytes) -> tuple[_Format, int, int] | None:
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) > 24:  # noqa: PLR2004
        width, height = struct.unpack(">II", data[16:24])
        return "png", width, height
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _jpeg(data: bytes) -> tuple[_Format, int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - a marker
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes
            at += 1
            continue
        length, height, width = struct.unpack(">HxHH", data[at + 2 : at + 9])
        if marker in _FRAMES:
            return "jpeg", width, height
        at += 2 + max(length, 2)
    return None


def _webp(data: bytes) -> tuple[_Format, int, int] | None:
    """RFC 9649, 2.5 to 2.7; an animation is a film, and no watermark."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:  # noqa: PLR2004 - the longest of the three headers
        return None
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return "webp", width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and body[0] == 0x2F:  # noqa: PLR2004 - its signature
        bits = int.from_bytes(body[1:5], "little")
        return "webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and not body[0] & 2:
        width = int.from_bytes(body[4:7], "little") + 1
        return "webp", width, int.from_bytes(body[7:10], "little") + 1
    return None
