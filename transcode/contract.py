"""
Every value that crosses an arrow.

    Upload → Media → Plan → Task → Produced → Attempt → Manifest

Frozen, typed, serialisable. A class that fewer than two stages name does not belong
here. Units stand in the names: `_seconds`, `_bytes`, `_mib` (MiB = 2**20 bytes),
`milli_cpus` (1000 = one vCPU), `bit_rate` in bits per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

RESULT_VERSION = 1
"""Part of every job id: raised when the same request would give other results."""


def _to_fraction(value: object) -> object:
    return Fraction(value) if isinstance(value, str) else value


Ratio = Annotated[
    Fraction,
    BeforeValidator(_to_fraction),
    PlainSerializer(
        lambda r: f"{r.numerator}/{r.denominator}", return_type=str, when_used="json"
    ),
]
"""An exact ratio, `"30000/1001"` in JSON; a rate is in frames per second."""

Amount = Annotated[
    Decimal,
    PlainSerializer(lambda d: format(d, "f"), return_type=str, when_used="json"),
]
"""An exact amount of money; a plain decimal string in JSON, never an exponent."""


class Value(BaseModel):
    """A frozen value; an unknown field is a bug, these travel within one release."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        # Imports are billed; most processes use a few of these classes.
        defer_build=True,
    )

    def to_json(self, *, indent: int | None = None) -> str:
        return self.model_dump_json(indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls.model_validate_json(text)


class Money(Value):
    """An exact amount in one currency (ISO 4217)."""

    amount: Amount
    currency: str

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            msg = f"cannot add {other.currency} to {self.currency}"
            raise ValueError(msg)
        return Money(amount=self.amount + other.amount, currency=self.currency)


# ── what arrived ──────────────────────────────────────────────────────────────

Provider = Literal[
    "aws", "obs", "oss", "gcs", "minio", "seaweedfs", "s3", "http", "folder"
]
"""Whose event told of an upload; `s3` is storage that only speaks like S3."""


class Upload(Value):
    """One version of one object that arrived, as an event tells it; not looked at."""

    provider: Provider
    bucket: str
    """The watched folder of a `folder`, the host of an `http` address."""
    key: str
    """Exactly as stored: decoded where the event encodes it, and only there."""
    uri: str
    """What opens it: `s3://`, `gs://`, `http(s)://` or an absolute path. The query of
    an http address may be a signature: for opening, not for printing."""
    version: str | None = None
    """None where the bucket keeps no versions; the generation in GCS."""
    etag: str | None = None
    """Without quotes, else as stated. GCS's is not the one its S3 interface gives."""
    bytes: int | None = None
    event_id: str | None = None
    """The same on every delivery of an event; an event may tell of several uploads."""
    sequencer: str | None = None
    """Orders events of one key: as text, the shorter padded with zeros on the right."""
    event_time: datetime | None = None
    """UTC."""
    event_name: str
    """In the provider's words: `ObjectCreated:Put`."""


class Source(Value):
    """One version of one object: its identity, and where a worker can read it."""

    uri: str
    """As the user or the event named it; credentials never stand in it."""
    bytes: int | None
    etag: str | None
    """For a local file: size and modification time, since a folder has no etag."""
    version: str | None = None
    location: str
    """What a process opens: an absolute path, or an http(s) URL (may be signed, so
    it is never printed and not part of the job's identity)."""
    marks: Mapping[str, str] = Field(default_factory=dict)
    """The `transcode-…` metadata of an object: on what we made ourselves."""

    @property
    def depth(self) -> int:
        """How many of our jobs stand between this and a real upload."""
        if "transcode-job" not in self.marks:
            return 0
        before = self.marks.get("transcode-depth", "")
        return int(before) + 1 if before.isdecimal() else 1

    @property
    def is_remote(self) -> bool:
        return self.location.startswith(("http://", "https://"))


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
    """Coded size in pixels, before aspect ratio and rotation."""
    sample_aspect_ratio: Ratio = Fraction(1)
    display_width: int
    display_height: int
    """Size as seen: after aspect ratio, then rotation."""
    rotation_degrees: int = 0
    """Clockwise turn needed to stand upright: 0, 90, 180 or 270."""
    mirrored: bool = False
    frame_rate: Ratio | None
    """Average rate; for constant rate material exact (`30000/1001`)."""
    variable_frame_rate: bool | None
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


class Capabilities(Value):
    """What the tools on this machine can do: asked of them, not assumed."""

    ffmpeg: str
    """Absolute path of the binary."""
    ffmpeg_version: str
    encoders: frozenset[str]
    decoders: frozenset[str]
    hardware_encoders: frozenset[str] = frozenset()
    """Those that made a picture in a one-frame test encode in this process."""
    packager: str | None
    packager_version: str | None = None
    unavailable: Mapping[str, str] = Field(default_factory=dict)
    """What is missing → why."""


# ── specs, usage, money ───────────────────────────────────────────────────────


class Gpu(Value):
    kind: str
    memory_mib: int


class Spec(Value):
    """What one invocation is given: always a point of a platform's lattice."""

    memory_mib: int
    milli_cpus: int
    gpu: Gpu | None = None
    scratch_mib: int | None = None
    time_limit_seconds: int | None = None

    @property
    def threads(self) -> int:
        """Whole ones: a share of a core still needs one."""
        return max(1, -(-self.milli_cpus // 1000))


class Usage(Value):
    """What one invocation takes: predicted before, measured after, one type."""

    wall_seconds: float
    billed_milliseconds: int | None = None
    cpu_seconds: float
    peak_memory_bytes: int | None
    """Anonymous memory of the whole process tree at its highest."""
    scratch_bytes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    requests: int = 1


class Interval(Value):
    """Where the actual value is expected to lie nine times out of ten."""

    low: float
    high: float


class Constraints(Value):
    """What the one who asks will put up with."""

    deadline_seconds: float | None = None
    """From now to the manifest."""
    budget: Money | None = None
    memory_mib: int | None = None
    """Forces a lattice point; refused if it is none."""
    optimize: Literal["cost", "time", "balanced"] = "balanced"
    accept_partial: bool = False
    """Make what is there of a cut or damaged source, and say so."""
    chunks: int | None = Field(None, ge=1)
    """In just so many parts at once, 1: in one piece; None: as is best."""


class Content(Value):
    """How the source's pictures differ from what its headers make expect."""

    cpu: float
    """Measured over predicted CPU seconds of decoding, filtering and encoding."""
    spread: float
    """Standard deviation of that ratio's logarithm."""
    memory: float = 1.0
    """Factor on peak memory; never below 1, as short parts fill no look-ahead."""
    bit_rates: Mapping[str, int] = Field(default_factory=dict)
    """Rendition → bits per second that it will have."""


class Candidate(Value):
    """One spec that was considered for a task, and what became of it."""

    spec: Spec
    predicted: Usage
    cost: Money
    chosen: bool
    reason: str
    """Why it was chosen or lost, in one clause a person reads."""


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
    preset: str | None = None
    tune: str | None = None
    frame_rate: Ratio | None = None
    """Constant rate to convert to; None keeps every source frame and its time."""


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
    chunks: tuple[Clip, ...] = ()
    """The encoded renditions were made in these parts, by others: they are joined."""
    watermark: Watermark | None = None


class Task(Value):
    """One invocation's worth of work, with the promise made about it."""

    task_id: str
    kind: Literal["encode", "sample", "chunk", "join"] = "encode"
    """
    A sample makes nothing that is kept: it says what the encode will take. Chunks make
    parts of the renditions, and a join everything else and the whole of them.
    """
    job_id: str
    source: Source
    media: Media
    """Without keyframe times: a task must fit into an asynchronous call."""
    recipe: Recipe
    spec: Spec
    predicted: Usage
    predicted_wall: Interval
    predicted_cost: Money
    spend_limit: Money | None = None
    """What one attempt may cost: it is stopped before it costs more."""
    joins: tuple[str, ...] = ()
    """Ids of the chunks that have to be done before, in the order of their times."""
    inputs: tuple[str, ...] = ()
    """Folders with what those made; known when they are done."""


class PlannedTask(Value):
    task: Task
    candidates: tuple[Candidate, ...]
    """Chosen one first, then the losers, nearest first."""
    instead: PlannedTask | None = None
    """
    The same without copying, or in one piece: done should what is copied or joined
    turn out to be unfit, which headers do not always tell.
    """


class Sampling(Value):
    """Whether to encode a little of the source first: what it brings, or brought."""

    verdict: Literal["taken", "failed", "pays", "no_gain", "too_dear", "impossible"]
    reason: str
    """One sentence."""
    planned: PlannedTask | None = None
    """The sample, where one can be taken."""
    content: Content | None = None
    """What it showed."""
    cost: Money | None = None
    """Of all its attempts; in the plan's predicted cost, and on the bill."""


class Division(Value):
    """In how many parts the pictures are encoded at once."""

    chunks: int = 1
    """1: in one piece."""
    possible: bool
    """False: it can only be done in one piece."""
    reason: str
    """Why, and what the other way would take."""


class Elsewhere(Value):
    """What the same plan would cost on another platform."""

    platform: str
    spec: Spec | None
    wall_seconds: float | None
    cost: Money | None
    reason: str | None = None
    """Why it would not run there, where `cost` is None."""
    chunks: int = 1
    """So many at once, each in `spec`."""


class HardwareOffer(Value):
    """A GPU of the platform beside the chosen spec: priced, but not predicted."""

    title: str
    spec: Spec
    """The cheapest that may have it and holds the task."""
    per_second: Money | None = None
    """Of the whole spec; None: not known."""
    within_seconds: float | None = None
    """In this time the task would cost as much as on the chosen spec."""
    times_real_time: float | None = None
    """The same as a speed; None where the source's length is not known."""
    predicted: Usage | None = None
    bit_rate_penalty: float | None = None
    """More bits for the same picture than the software encoder; None: not measured."""
    reason: str
    """Why it is not chosen."""


class ServicePrice(Value):
    """What a managed service charges for the same renditions, at list price."""

    service: str
    price_table: str
    """Its date, ISO 8601."""
    cost: Money | None
    per_minute: Money | None
    """Of the source, all renditions together."""
    reason: str | None = None
    """Why `cost` is None."""


class ProfileRef(Value):
    name: str
    digest: str
    """`sha256:` and the hex digest of the profile's content, defaults included."""


class PlatformRef(Value):
    name: str
    price_table: str
    """Date of the price table, ISO 8601."""


class Plan(Value):
    """Media + profile + platform + constraints → tasks. Printable and refusable."""

    schema_: Literal["transcode/plan/1"] = Field("transcode/plan/1", alias="schema")
    job_id: str
    source: Source
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    media: Media
    rung: Rung
    reasons: tuple[str, ...]
    """Why this rung and not a cheaper one; one sentence each."""
    tasks: tuple[PlannedTask, ...]
    predicted: Usage
    predicted_cost: Money
    sampling: Sampling | None = None
    """None: there is nothing to learn, because no picture is encoded."""
    division: Division | None = None
    """None: there is nothing to divide, because no picture is encoded."""
    elsewhere: tuple[Elsewhere, ...] = ()
    services: tuple[ServicePrice, ...] = ()
    hardware: tuple[HardwareOffer, ...] = ()
    deadline_seconds: float | None = None
    budget: Money | None = None
    warnings: tuple[str, ...] = ()


# ── what became of it ─────────────────────────────────────────────────────────


class VideoFacts(Value):
    """Of an output, as read back from the finished file."""

    codec: str
    width: int
    height: int
    frames: int
    frame_rate: Ratio | None = None


class LoudnessFacts(Value):
    """EBU R128, as a whole programme; mono counts as one loudspeaker."""

    integrated_lufs: float
    range_lu: float | None
    """EBU Tech 3342; None where the sound is shorter than the 3 s it looks at."""
    true_peak_dbtp: float


class AudioFacts(Value):
    codec: str
    sample_rate: int
    channels: int
    language: str | None = None
    loudness: LoudnessFacts | None = None
    """Of what is decoded from the finished file."""
    unknown: Mapping[str, str] = Field(default_factory=dict)
    """Field name → why it is None."""


class Artifact(Value):
    """One finished file, named relative to the job's folder."""

    path: str
    kind: ArtifactKind
    made_by: MadeBy
    bytes: int
    sha256: str
    container: str | None = None
    duration_seconds: float | None = None
    video: VideoFacts | None = None
    audio: AudioFacts | None = None
    soundtracks: tuple[AudioFacts, ...] = ()
    """All of a file with several, in its order; `audio` is the first of them."""
    media_bytes: int | None = None
    """Of a rendition that is a playlist: its segments, initialisation included."""


class Check(Value):
    name: str
    passed: bool
    detail: str


class Failure(Value):
    """An error as data: what travels in outcomes and manifests."""

    type: str
    message: str
    retryable: bool
    evidence: Mapping[str, Any] = Field(default_factory=dict)


class OutcomeKind(StrEnum):
    SUCCEEDED = "succeeded"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_DISK = "out_of_disk"
    GPU_UNAVAILABLE = "gpu_unavailable"
    ENCODER_FAILED = "encoder_failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    LOST = "lost"


class Progress(Value):
    """How far a task is; sent a few times a second at most."""

    task_id: str
    done_seconds: float
    """Of the source's duration."""
    total_seconds: float | None
    speed: float | None
    """Multiples of real time."""
    phase: str = "encode"


class Partial(Value):
    """The source was cut off or damaged, and results of what is left were accepted."""

    promised_seconds: float | None
    """What the source's index or header says it lasts; None where nothing does."""
    made_seconds: float
    """From the beginning of the results to their end."""
    reason: str
    """What is wrong with the source; one sentence's worth."""


class SampledPart(Value):
    """A short part of the source that was encoded to learn from."""

    start_seconds: float
    frames: int
    cpu_seconds: float
    """Of its ffmpeg, start included."""


class Sampled(Value):
    """What a sample encode measured."""

    start: SampledPart
    """Of hardly more than one picture: what opening, setting up and ending takes."""
    parts: tuple[SampledPart, ...]
    bit_rates: Mapping[str, int]
    """Rendition → bits per second, with as many keyframes as the whole will have."""


class Produced(Value):
    """What a worker reports when it stops by itself."""

    artifacts: tuple[Artifact, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """Fall-backs and oddities a user should know."""
    outcome: OutcomeKind
    failure: Failure | None = None
    partial: Partial | None = None
    """None: the results are of the whole source."""
    sampled: Sampled | None = None
    """Of a sample; None of everything else."""
    read_bytes: int | None = None
    written_bytes: int | None = None


class Attempt(Value):
    """One try at a task. Failed ones cost money too and stay on the bill."""

    number: int
    spec: Spec
    predicted: Usage
    predicted_wall: Interval | None = None
    """None in records of before it was kept."""
    measured: Usage | None
    """None only when the attempt was lost without a trace."""
    cost: Money
    outcome: OutcomeKind
    enforced_by: Mapping[str, str] = Field(default_factory=dict)
    """Limit → what held it: `{"memory": "cgroup-v1", "cpu": "cgroup-v1"}`."""
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    sampled: Sampled | None = None
    """What a sample that succeeded measured: whoever takes over need not repeat it."""


class TaskResult(Value):
    """A task with all its attempts; `produced` is the last attempt's report."""

    task_id: str
    kind: str
    attempts: tuple[Attempt, ...]
    produced: Produced | None


class SourceRecord(Value):
    uri: str
    bytes: int | None
    etag: str | None
    version: str | None


class Output(Value):
    uri: str
    kind: ArtifactKind
    made_by: MadeBy
    bytes: int
    sha256: str
    container: str | None = None
    duration_seconds: float | None = None
    video: VideoFacts | None = None
    audio: AudioFacts | None = None
    soundtracks: tuple[AudioFacts, ...] = ()
    media_bytes: int | None = None


class TaskRecord(Value):
    task_id: str
    kind: str
    attempts: tuple[Attempt, ...]


class JobCost(Value):
    amount: Amount
    currency: str
    predicted: Amount


class Verification(Value):
    passed: bool
    checks: tuple[Check, ...]


class Manifest(Value):
    """The job's result; its existence with status `succeeded` *is* success."""

    schema_: Literal["transcode/manifest/1"] = Field(
        "transcode/manifest/1", alias="schema"
    )
    job_id: str
    status: Literal["succeeded", "rejected", "failed", "cancelled"]
    source: SourceRecord
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    media: Media | None
    rung: Rung | None = None
    outputs: tuple[Output, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    cost: JobCost
    verification: Verification
    warnings: tuple[str, ...] = ()
    partial: Partial | None = None
    """None: the results are of the whole source."""
    error: Failure | None = None
    location: str | None = None
    """Where the job's folder is."""
    depth: int = 0
    """How many of our own jobs have made the source, one from the other."""
    finished_at: str | None = None
    """UTC, ISO 8601."""
    wall_seconds: float | None = None
