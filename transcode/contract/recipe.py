"""
What is to be made, resolved for one source: renditions, soundtracks, packaging, stills.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from .media import AudioKind
from .value import Ratio, Value

# ── what to make ──────────────────────────────────────────────────────────────

MadeBy = Literal["encoded", "copied", "remuxed", "generated"]


ArtifactKind = Literal[
    "rendition",
    "audio",
    "captions",
    "playlist",
    "manifest",
    "segment",
    "poster",
    "sprite",
    "thumbnails",
]


VideoCodec = Literal["h264", "hevc", "av1", "vp9"]


AudioCodec = Literal["aac", "opus"]


class Rung(StrEnum):
    """How much work the job is, least first."""

    SKIP = "skip"
    """The destination already holds this job's manifest."""
    COPY = "copy"
    """Every stream is copied; the container stays."""
    REMUX = "remux"
    """Every stream is copied into another container."""
    AUDIO_ONLY = "audio_only"
    """Video is copied or absent; audio is encoded."""
    FULL = "full"
    """At least one video rendition is encoded (the top one may still be copied)."""


VmafModel = Literal["1080p", "4k", "phone"]
QualityMetric = Literal["vmaf", "xpsnr"]
"""VMAF, 0 to 100; or XPSNR in dB, weighted over the planes, which knows HDR and
pictures of any size (`media.metrics`)."""


class QualityTarget(Value):
    """How good a rendition is to be, compared at its own size with what it is of."""

    score: float
    """Mean over the pictures, in the metric's unit."""
    metric: QualityMetric = "vmaf"
    model: VmafModel | None
    """Of VMAF, which screen and distance it is judged for."""
    expected: float | None = None
    """What the factor that a search found is expected to reach; None: none was found
    yet, and the profile's own factor stands in for it."""
    fall: float | None = None
    """By so much the score falls with each unit of the factor, as the search saw it."""
    most_bit_rate: int | None = None
    """Bits per second, on average, that the source's own rate justifies; None: it says
    nothing of it."""


class VideoRendition(Value):
    """One video output stream."""

    name: str
    """Unique within the recipe and safe in a path: `1080p`."""
    made_by: Literal["encoded", "copied"]
    codec: VideoCodec
    encoder: str | None
    """ffmpeg's encoder (`libx264`); None when copied."""
    width: int
    height: int
    pixel_format: str = "yuv420p"
    codec_profile: str | None = None
    crf: float | None = None
    max_bit_rate: int | None = None
    buffer_bits: int | None = None
    """VBV buffer, bits."""
    most_bit_rate: int | None = None
    """Bits per second of the whole, on average, where the source's own rate justifies
    no more; None: its rung's cap is lower, or the source says nothing of it."""
    preset: str | None = None
    tune: str | None = None
    frame_rate: Ratio | None = None
    """Constant rate to convert to; None keeps every source frame and its time."""
    target: QualityTarget | None = None
    """What `crf` is to be found for by a search; None: it is as the profile says."""


class Loudness(Value):
    """EBU R128 target."""

    integrated_lufs: float = Field(ge=-70, le=-5)
    true_peak_dbtp: float = Field(-1.5, ge=-9, le=0)


class AudioRendition(Value):
    """One audio output stream."""

    name: str
    made_by: Literal["encoded", "copied"]
    codec: AudioCodec
    encoder: str | None
    source_index: int
    channel_indices: tuple[int, ...] = ()
    """Of mono tracks that are one soundtrack: the streams of the channels behind that
    of `source_index`, in order."""
    bit_rate: int | None
    sample_rate: int
    channels: int
    language: str | None = None
    title: str | None = None
    default: bool = False
    loudness: Loudness | None = None
    kind: AudioKind = "main"


class CaptionRendition(Value):
    """One text subtitle track, written as WebVTT."""

    name: str
    """Unique within the recipe and safe in a path: `eng`, `fra-forced`."""
    source_index: int
    language: str | None = None
    """As the source tags it, where that looks like BCP 47; None: not known."""
    title: str | None = None
    default: bool = False
    """Shown unless the viewer says otherwise; of one track at most."""
    forced: bool = False
    """Only what has to be read to follow the story."""


class Clip(Value):
    """The part of the source that is made; seconds from where the source begins."""

    start_seconds: float
    """Becomes 0; at a constant rate, where a picture begins."""
    end_seconds: float | None = None
    """None: to the source's own end."""
    seek_seconds: float | None = None
    """The keyframe where reading begins; None: the source's beginning."""
    slack_seconds: float = 0.0
    """Half a picture at a constant rate: so far a picture's time may be rounded."""
    zero_seconds: float = 0.0
    """Of a chunk: where the whole's first picture begins, and keyframes are counted."""
    lead_pictures: int = 0
    """Of a first chunk: so often its first picture is shown before it begins, while
    there is only sound."""
    entire: bool = False
    """Of a part that rate factors are tried on: it is all that is made, and begins and
    ends as that does."""


Position = Literal[
    "top-left",
    "top",
    "top-right",
    "left",
    "center",
    "right",
    "bottom-left",
    "bottom",
    "bottom-right",
]


class MarkImage(Value):
    """A watermark's picture, as its header and its bytes say."""

    path: str
    """Absolute."""
    sha256: str
    """Hex digits of the whole file."""
    format: Literal["png", "jpeg", "webp"]
    width: int
    height: int


class Watermark(Value):
    """A picture over every picture."""

    image: MarkImage
    position: Position
    margin: float
    """Distance from the frame's edges, as a share of its short side."""
    size: float
    """Share of the frame's width and height that it may fill; its shape stays."""
    opacity: float
    """1: as the image is; 0: not to be seen."""


class CmafPackaging(Value):
    """CMAF segments with HLS and DASH over the same files, by Shaka Packager."""

    type: Literal["cmaf"] = "cmaf"
    segment_seconds: float
    segments: Literal["files", "single_file"] = "files"
    """`single_file`: all of a rendition in one file, of which players fetch ranges."""
    hls: bool = True
    dash: bool = True
    iframe_playlists: bool = True


class OutputFile(Value):
    """One self-contained file."""

    name: str
    """File name with extension: `video.mp4`."""
    container: Literal["mp4", "webm", "ogg"]
    video: str | None
    audio: tuple[str, ...] = ()
    """Names of the renditions inside."""


class FilePackaging(Value):
    """Self-contained files; MP4 with its index first."""

    type: Literal["file"] = "file"
    files: tuple[OutputFile, ...]


class Poster(Value):
    width: int
    height: int
    candidates: int
    """How many frames, spread over the video, are compared."""


class Sprites(Value):
    """A sheet of thumbnails, and the WebVTT track that points into it."""

    interval_seconds: float
    columns: int
    rows: int
    """Per sheet; as many sheets as `count` needs."""
    tile_width: int
    tile_height: int
    count: int


class Recipe(Value):
    """What one task makes, resolved: nothing in it is left to the worker's taste."""

    video_index: int | None
    """Stream index of the picture that is decoded or copied; None for audio only."""
    video: tuple[VideoRendition, ...] = ()
    """Largest first: each is scaled from the one before it."""
    audio: tuple[AudioRendition, ...] = ()
    captions: tuple[CaptionRendition, ...] = ()
    burned_index: int | None = None
    """Stream index of the subtitles that are drawn into the picture."""
    packaging: Annotated[CmafPackaging | FilePackaging, Field(discriminator="type")]
    keyframes: Literal["interval", "source"] = "interval"
    """`source`: cut at the source's keyframes, because a rendition is copied."""
    gop_seconds: float = 2.0
    poster: Poster | None = None
    sprites: Sprites | None = None
    decoder: str | None = None
    """ffmpeg's decoder of the picture where its usual one sees less; else None."""
    deinterlace: bool = False
    tone_map: bool = False
    verify: Literal["sampled", "full"] = "sampled"
    keep_metadata: bool = False
    accept_partial: bool = False
    """Verify against what could be decoded instead of against what was promised."""
    clip: Clip | None = None
    parts: tuple[Clip, ...] = ()
    """Only these are encoded, to learn what the whole takes; nothing of it is kept."""
    looks: tuple[Clip, ...] = ()
    """Where the finished renditions are compared with the source."""
    more_looks: tuple[Clip, ...] = ()
    """And there, as many at a time, for as long as parts differ too much to tell; one
    that is `entire` stands for all others."""
    chunks: tuple[Clip, ...] = ()
    """The encoded renditions were made in these parts, by others: they are joined."""
    sound_apart: bool = False
    """Encoded soundtracks, too, were made by another task, and are put beside them."""
    segmented_later: bool = False
    """What is made is cut into segments by another task, and has to begin as those."""
    watermark: Watermark | None = None
