"""What probing learned of an upload; absent facts are None."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from pydantic import Field

from .value import Ratio, Value

# ── what probing learned ──────────────────────────────────────────────────────


class DynamicRange(StrEnum):
    SDR = "sdr"
    HDR10 = "hdr10"
    HLG = "hlg"
    DOLBY_VISION = "dolby_vision"
    """Dolby Vision without a usable HDR10, HLG or SDR base layer."""


class MasteringDisplay(Value):
    """The display that HDR was graded on (SMPTE ST 2086)."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]
    """CIE 1931 x and y."""
    max_nits: float
    min_nits: float
    """Luminance in cd/m²."""


class ContentLight(Value):
    """How bright HDR content gets, in cd/m² (CTA-861.3)."""

    max_nits: int
    """MaxCLL, the brightest pixel; 0 is not known."""
    average_nits: int
    """MaxFALL, the brightest frame's average; 0 is not known."""


class Fields(Value):
    """What a sample of the frames was, told by their pictures (ffmpeg's idet)."""

    top_first: int
    bottom_first: int
    """Frames woven of two fields, by which one was earlier."""
    progressive: int
    """Frames without motion belong to none of the three."""


class VideoStream(Value):
    """One moving picture. Cover art is not one; see `Media.others`."""

    index: int
    """The container's stream index, as ffmpeg's `0:index`."""
    codec: str
    profile: str | None = None
    level: int | None = None
    width: int
    height: int
    """Size in pixels as decoded and cropped, before aspect ratio and rotation."""
    sample_aspect_ratio: Ratio = Fraction(1)
    shape_overruled: bool = False
    """The stream's own headers say otherwise of its pixels' shape."""
    display_width: int
    display_height: int
    """Size as seen: after aspect ratio, then rotation."""
    rotation_degrees: int = 0
    """Clockwise turn needed to stand upright: 0, 90, 180 or 270."""
    mirrored: bool = False
    cropped: tuple[int, int, int, int] | None = None
    """Left, right, top, bottom: columns and lines that the container hides, already
    taken from `width` and `height`."""
    carried: tuple[str, ...] = ()
    """What a copy would take along that encoded renditions lack (cropping by the
    container, an orientation in messages): clauses, none for most."""
    frame_rate: Ratio | None
    """Average rate; for constant rate material exact (`30000/1001`)."""
    variable_frame_rate: bool | None
    longest_still_seconds: float | None = None
    """From one picture shown to the next, at most; None where not all were seen."""
    last_still_seconds: float | None = None
    """For how long the last picture is shown; None where nothing tells it."""
    frames: int | None
    """As the container's index counts them; None with a reason in `unknown`."""
    start_seconds: float | None = None
    duration_seconds: float | None = None
    time_base: Ratio | None = None
    bit_rate: int | None = None
    pixel_format: str | None
    bit_depth: int | None = None
    has_alpha: bool = False
    color_range: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    color_space: str | None = None
    """ffmpeg's names (`tv`/`pc`, `bt709`, `smpte2084`, …); None where untagged."""
    dynamic_range: DynamicRange = DynamicRange.SDR
    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    """Of HDR10, where the stream says so."""
    dolby_vision_profile: int | None = None
    """Where there is Dolby Vision besides; `dynamic_range` is its base layer's."""
    interlaced: bool | None = None
    field_order: str | None = None
    """`tt`, `bb`, `tb`, `bt` or `progressive`; None where untagged."""
    oriented_twice: bool = False
    """Messages in the stream say how to turn it, and so does the container, which is
    the one that counts."""
    field_pictures: bool = False
    """Each picture is one field, decoded by itself at half the height (HEVC)."""
    resizable: bool = False
    """Later pictures may have another size than the first, in containers where they
    usually do not: parameters lie among them, or the container has several sets."""
    fields_seen: Fields | None = None
    """Where pictures have a size and rate that come in fields."""
    has_b_frames: bool | None = None
    keyframe_seconds: tuple[float, ...] | None = None
    """Presentation times of keyframes from the container's index."""
    longest_gop_seconds: float | None = None
    closed_gops: bool | None = None
    """True only where every keyframe looked at was an IDR or a clean random access."""
    language: str | None = None
    default: bool = False
    program: int | None = None
    """Number of the program of a transport stream that it belongs to."""
    decodable: bool = True
    untimed: bool = False
    """No packet of it has a time: the decoder shows one picture after another."""
    retimed: Literal["start", "count"] | None = None
    """Where ffmpeg's times are wrong: the first picture shown belongs at
    `start_seconds`, or pictures are to be counted at `frame_rate` from there."""
    unknown: Mapping[str, str] = Field(default_factory=dict)
    """Field name → why it is None."""


AudioKind = Literal["main", "commentary", "description"]


"""What a soundtrack is for: `description` tells those who do not see the picture."""


class AudioStream(Value):
    """One soundtrack."""

    index: int
    codec: str
    profile: str | None = None
    sample_rate: int | None
    channels: int | None
    layout: str | None
    """ffmpeg's name (`stereo`, `5.1(side)`); None where the container gives none."""
    channel: str | None = None
    """Of a mono track: which channel it is (`FL`, `LFE`), where anything names it."""
    start_seconds: float | None = None
    duration_seconds: float | None = None
    bit_rate: int | None = None
    language: str | None = None
    title: str | None = None
    default: bool = False
    program: int | None = None
    """Number of the program of a transport stream that it belongs to."""
    decodable: bool = True
    retimed: Literal["count"] | None = None
    """Where the container's times are wrong: samples follow one another from
    `start_seconds` on."""
    silent: bool | None = None
    """Whether nothing was heard where it was listened to; None where it was not, as the
    only one is not."""
    kind: AudioKind = "main"
    """As the container flags it; `main` also where it flags nothing."""
    unknown: Mapping[str, str] = Field(default_factory=dict)


class SubtitleStream(Value):
    """One subtitle track."""

    index: int
    codec: str
    text: bool
    """True for text formats; False for pictures (PGS, VobSub, DVB)."""
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False


class OtherStream(Value):
    """What is listed and left alone: data, timecode, attachments, cover art."""

    index: int
    kind: Literal["data", "attachment", "cover_art", "unknown"]
    codec: str | None
    reason: str


class Truncation(Value):
    """The end of an upload is missing, and how that is known."""

    reason: str
    """What in the file says so, to follow "it was cut off: "."""
    promised_seconds: float | None = None
    """What its index or header promises; None where nothing does."""


class Media(Value):
    """What probing learned about an upload; absent facts are None with a reason."""

    container: str
    """A short name: `mp4`, `mov`, `matroska`, `webm`, `mpegts`, `avi`, …"""
    format_name: str
    """The demuxer's own name, the one passed to ffmpeg with `-f`."""
    bytes: int | None = None
    duration_seconds: float | None
    """Presentation duration, cross-checked; never the header's word alone."""
    duration_estimated: bool = False
    """Guessed from bytes, for want of times that can be believed: no promise."""
    truncated: Truncation | None = None
    """Only where partial results were accepted; else nobody gets to see it."""
    end_unmarked: bool = False
    """Nothing says where the last picture ends: only decoding tells if it is whole."""
    start_seconds: float | None = None
    clock_seconds: float | None = None
    """What ffmpeg calls 0, where that is not `start_seconds`: a caption or data may
    come first, or a picture be shown that is stored after another."""
    fragmented: bool | None = None
    faststart: bool | None = None
    """MP4 only: the index precedes the samples."""
    bit_rate: int | None = None
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    others: tuple[OtherStream, ...] = ()
    warnings: tuple[str, ...] = ()
    probe_bytes: int | None = None
    """Bytes read to learn all this."""
    probe_seconds: float | None = None
    unknown: Mapping[str, str] = Field(default_factory=dict)
