"""Groups of pictures through libavcodec: which of them decode, and to what."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...media.colours import MATRICES, PRIMARIES, RANGES, TRANSFERS
from ...media.side_data import light, mastering
from ..seen import SIDE, Seen
from .tracks import Decoded, TrackColour

if TYPE_CHECKING:
    import av.audio.stream
    import av.container
    import av.packet
    import av.video.stream

    AnyStream = av.video.stream.VideoStream | av.audio.stream.AudioStream

_LONGEST_GROUP = 600
"""Packets of one group that are kept or decoded at most; bounds memory and time where
a copied stream has a single keyframe."""
_MOST_PROBLEMS = 3


class Readable(Protocol):
    """What a demuxer needs of a file that it does not seek in."""

    def read(self, size: int, /) -> bytes: ...


def open_media(stream: Readable, demuxer: str) -> av.container.InputContainer:
    import av  # noqa: PLC0415  loading is billed: at first use only

    # Always a forced demuxer: a file object obeys no whitelist of protocols, and a
    # text that calls itself .mp4 must not be taken for a playlist.
    return av.open(stream, "r", format=demuxer, metadata_errors="replace")


def media_errors() -> tuple[type[Exception], ...]:
    import av  # noqa: PLC0415  as above

    # ValueError: what PyAV itself says of streams without a codec.
    return av.FFmpegError, ValueError, AttributeError


def said(exc: BaseException) -> str:
    if isinstance(exc, FileNotFoundError) and exc.filename:
        return f"{Path(exc.filename).name} is missing"
    return str(exc) or type(exc).__name__


@dataclass(frozen=True, slots=True)
class SampleTimes:
    """Which pictures are kept, small, of the groups that are decoded."""

    times: Sequence[tuple[Fraction, int]]
    """Seconds, in order; each with the number that it is kept under."""
    near: Fraction = Fraction(0)
    """Seconds: the first picture so little before such a time, or behind it."""


class Decoder:
    """
    Decodes groups of pictures, each from an empty decoder to its last picture.

    A group that is not due is kept until the next one begins, because it may turn out
    to be the last, which is always decoded. With *hear* all is decoded in one go, as a
    player does it, and every frame handed on. Where to *look*, pictures are kept.
    """

    def __init__(
        self,
        stream: AnyStream,
        base: Fraction,
        *,
        full: bool,
        hear: Callable[[Any], None] | None = None,
        look: SampleTimes | None = None,
    ) -> None:
        self._hear = hear
        self._look = deque(() if look is None else look.times)
        self._near = Fraction(0) if look is None else look.near
        self._beside: list[tuple[int, Seen]] = []
        self._context: Any = stream.codec_context
        self._is_video = stream.type == "video"
        self._base = base
        self._full = full or hear is not None
        self._decoding = False
        self._kept: list[av.packet.Packet[Any]] = []
        self._group_at = 0
        self._fed = self._came = 0
        self._frames = self._errors = 0
        self._problems: list[str] = []
        self._first: Any = None
        self._sizes: set[tuple[int, int]] = set()
        # One thread: several have been seen to lock up for ever on a damaged stream.
        # Errors are to be counted and not painted over; no pixel is looked at, so
        # deblocking (a quarter of the time, measured) is left out.
        self._context.thread_count = 1
        # What is cropped on the left is so to the pixel, and not to what is read fast.
        self._context.options = {
            "err_detect": "explode",
            "skip_loop_filter": "all",
            "flags": "+unaligned",
        }

    def begin(self, when: int, *, due: bool) -> None:
        """Start a group; the one before it is complete."""
        if self._hear is not None:
            # An emptied decoder would fade in anew, which is to be heard.
            self._group_at, self._decoding = when, True
            return
        self._finish()
        self._kept.clear()
        self._group_at, self._decoding = when, due or self._full

    def take(self, packet: av.packet.Packet[Any]) -> None:
        if not self._decoding and len(self._kept) < _LONGEST_GROUP:
            self._kept.append(packet)
        elif self._decoding and (self._full or self._fed < _LONGEST_GROUP):
            self._feed(packet)

    def end(self) -> None:
        """The last group is complete."""
        for packet in self._kept:
            self._feed(packet)
        self._kept.clear()
        self._finish()

    def result(self) -> Decoded:
        first = self._first
        colour, display, levels = TrackColour(), None, None
        if first is not None and self._is_video:
            colour = _colour(first)
            display, levels = mastering(first), light(first)
        return Decoded(
            frames=self._frames,
            errors=self._errors,
            problems=tuple(self._problems),
            pixel_format=first.format.name if first is not None else None,
            colour=colour,
            mastering=None if display is None else tuple(display),
            light=None if levels is None else tuple(levels),
            seen=_seen(first) if first is not None and self._is_video else None,
            beside=tuple(self._beside),
            sizes=frozenset(self._sizes),
        )

    def _feed(self, packet: av.packet.Packet[Any] | None) -> None:
        if packet is not None and not packet.is_discard:
            self._fed += 1
        try:
            frames = self._context.decode(packet)
        except media_errors() as exc:
            self._wrong(f"it does not decode ({said(exc)})", 1)
            return
        for frame in frames:
            self._came += 1
            if frame.is_corrupt:
                self._wrong("a frame is damaged", 1)
            if self._first is None:
                self._first = frame
            if self._is_video:
                self._sizes.add((frame.width, frame.height))
                self._see(frame)
            if self._hear is not None:
                self._hear(frame)

    def _finish(self) -> None:
        if not self._fed:
            return
        before = self._errors
        self._feed(None)
        # Of sound, the first packets of a group prime the decoder and are dropped.
        missing = self._fed - self._came
        if missing > 0 and self._is_video and self._errors == before:
            self._wrong(f"{missing} of {self._fed} frames do not come out", missing)
        self._frames += self._came
        self._fed = self._came = 0
        self._context.flush_buffers()

    def _see(self, frame: Any) -> None:
        if not self._look or frame.pts is None:
            return
        time = frame.pts * self._base
        while self._look and self._look[0][0] < time - self._near:
            self._look.popleft()
        if self._look and self._look[0][0] <= time + self._near:
            self._beside.append((self._look.popleft()[1], _seen(frame)))

    def _wrong(self, what: str, count: int) -> None:
        self._errors += count
        text = f"{what} in the group at {float(self._group_at * self._base):.3f} s"
        if text not in self._problems and len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(text)


def _seen(frame: Any) -> Seen:
    small = frame.reformat(
        SIDE,
        SIDE,
        "yuv444p",
        interpolation="AREA",
        dst_color_range="MPEG",
    )
    luma, blue, red = (
        b"".join(
            bytes(memoryview(plane)[row * plane.line_size :][:SIDE])
            for row in range(SIDE)
        )
        for plane in small.planes
    )
    shape = Fraction(frame.width, frame.height)
    return Seen(aspect=shape, luma=luma, blue=blue, red=red)


def _colour(frame: Any) -> TrackColour:
    return TrackColour(
        range=RANGES.get(frame.color_range),
        primaries=PRIMARIES.get(frame.color_primaries),
        transfer=TRANSFERS.get(frame.color_trc),
        space=MATRICES.get(frame.colorspace),
    )
