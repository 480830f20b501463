"""A finished rendition as it was read back: what the checks look at."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise

from ...contract import AudioRendition, LoudnessFacts, VideoRendition
from ..seen import Seen
from .cmaf import Segment, TrackHeader

BUDGET = Fraction(1, 100)
"""Share of a source's packets that may be undecodable (valid Theora and damaged
broadcasts have some; more is damage that a viewer sees)."""


@dataclass(frozen=True, slots=True)
class TrackColour:
    """ffmpeg's names; None where the stream says nothing."""

    range: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    space: str | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding some or all groups of pictures came to."""

    frames: int = 0
    errors: int = 0
    problems: tuple[str, ...] = ()
    """The first few of them."""
    pixel_format: str | None = None
    colour: TrackColour = TrackColour()
    mastering: tuple[float, ...] | None = None
    light: tuple[int, ...] | None = None
    """As `sidedata` reads them off the first frame."""
    seen: Seen | None = None
    """The first frame, as `seen` has the source's."""
    beside: tuple[tuple[int, Seen], ...] = ()
    """Frames at the times of those that were sampled of the source; which, and it."""
    sizes: frozenset[tuple[int, int]] = frozenset()
    """Every picture size met; more than one is a change in mid-stream."""


@dataclass(frozen=True, slots=True)
class Track:
    """One rendition, every packet of it. Times in `time_base`, presentation order."""

    plan: VideoRendition | AudioRendition
    place: str
    """File or folder, relative to the job's."""
    codec: str
    time_base: Fraction
    times: array[int]
    """Eight bytes a packet: all that is kept of each."""
    length: int
    """Of the last packet shown, in `time_base`; of pictures in MP4 what all samples
    last together leaves for it, as players add them up."""
    in_order: bool
    """Decoding times strictly increase."""
    keyframes: array[int]
    """Presentation times, of pictures."""
    packets: int
    media_bytes: int
    demuxed_start: Fraction
    """First presentation time as libavformat reports it, seconds."""
    decoded: Decoded
    width: int | None = None
    height: int | None = None
    sample_aspect_ratio: Fraction | None = None
    sample_rate: int | None = None
    channels: int | None = None
    header: TrackHeader | None = None
    """With `segments`, of CMAF only."""
    loudness: LoudnessFacts | str | None = None
    """Of encoded sound; a clause that says why where there is none."""
    segments: tuple[Segment, ...] = ()
    stated_seconds: Fraction | None = None
    """How long it lasts by the file's header; None where that says nothing of it."""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def is_video(self) -> bool:
        return isinstance(self.plan, VideoRendition)

    @property
    def start(self) -> Fraction:
        """Seconds; priming that lies before zero is not presented."""
        first = self.times[0] * self.time_base
        return first if self.is_video else max(first, Fraction(0))

    @property
    def end(self) -> Fraction:
        """When the last frame stops being shown, seconds."""
        return (self.times[-1] + self.length) * self.time_base

    @property
    def duration(self) -> Fraction:
        return self.end - self.start

    @property
    def longest_step(self) -> Fraction:
        """Longest time between two frames, seconds."""
        steps = (b - a for a, b in pairwise(self.times))
        return max(chain(steps, [self.length])) * self.time_base

    @property
    def step(self) -> Fraction:
        """Mean time from one frame to the next, seconds."""
        return (self.times[-1] + self.length - self.times[0]) * (
            self.time_base / len(self.times)
        )
