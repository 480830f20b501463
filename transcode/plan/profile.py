"""
What to make, as data: typed TOML in, a frozen `Profile` out.

Every field says its unit in its name and its default in its place; a field left out of
a file means exactly that default.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ..contract import (
    AudioCodec,
    Loudness,
    MarkImage,
    Position,
    QualityMetric,
    Value,
    VideoCodec,
)
from ..errors import ProfileError
from ..media.metrics import METRICS
from .codecs import (
    BITS,
    CODEC_PROFILES,
    CRF_LIMIT,
    ENCODERS,
    HDR_CODECS,
    PRESETS,
    SOFTWARE,
    TUNES,
    Encoder,
)
from .profile_errors import sentence


class Typed(Value):
    """A part of a profile: no field is guessed, no text is read as a number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class ClipProfile(Typed):
    """`[clip]`: a part of the source, in seconds from where it begins."""

    start_seconds: float | None = Field(None, ge=0)
    """None: from the beginning."""
    end_seconds: float | None = Field(None, gt=0)
    """None: to the end."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if end is not None and start >= end:
            raise ValueError(
                f"end_seconds: given {end:g}; allowed: more than start_seconds "
                f"({start:g})"
            )
        return self

    def over(self, other: ClipProfile | None) -> ClipProfile:
        """This one, with *other*'s ends where it says nothing. Raises ValueError."""
        if other is None:
            return self
        asked = other.model_dump() | self.model_dump(exclude_none=True)
        return ClipProfile.model_validate(asked)


class WatermarkProfile(Typed):
    """`[watermark]`: an image over every picture, stills included."""

    image: str = Field(min_length=1)
    """PNG, JPEG or WebP; a path, in a profile from the profile's own folder."""
    position: Position = "bottom-right"
    margin: float = Field(0.03, ge=0, lt=0.5)
    """From the edges, as a share of the frame's short side."""
    size: float = Field(0.1, gt=0, le=1)
    """Share of the frame's width and height that it may fill; its shape stays."""
    opacity: float = Field(1.0, gt=0, le=1)

    _found: MarkImage | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size + 2 * self.margin > 1:
            raise ValueError(
                f"size: given {self.size:g}; allowed with margin {self.margin:g}: "
                f"up to {1 - 2 * self.margin:g}"
            )
        return self

    @property
    def found(self) -> MarkImage | None:
        """What the image was found to be; None before somebody looked."""
        return self._found

    def with_image(self, image: MarkImage) -> WatermarkProfile:
        """The same, of an image that was looked at."""
        made = self.model_copy(update={"image": image.path})
        made._found = image  # noqa: SLF001  of the same class
        return made


_VMAF, _XPSNR = METRICS["vmaf"], METRICS["xpsnr"]
Even = Annotated[int, Field(ge=2, multiple_of=2)]


class Packaging(Typed):
    """`[packaging]`: the form in which the renditions leave."""

    type: Literal["cmaf", "file"]
    """`cmaf`: segments with playlists; `file`: self-contained files."""
    container: Literal["mp4", "webm"] = "mp4"
    """Of files with a picture. A file of sound alone is MP4 (AAC) or Ogg (Opus)."""
    hls: bool = True
    """CMAF only: write HLS playlists."""
    dash: bool = True
    """CMAF only: write a DASH manifest over the same segments."""
    segment_seconds: float = Field(4.0, ge=1, le=30)
    """CMAF only: target; a segment ends at the first keyframe after it."""
    iframe_playlists: bool = True
    """CMAF only: playlists of keyframes, for fast forward and thumbnails."""
    segments: Literal["files", "single_file"] = "files"
    """CMAF only. `single_file`: each rendition is one file, of which players fetch
    ranges of bytes: a few requests to a store instead of one for each segment."""


class VideoRung(Typed):
    """`[[video.rungs]]`: one step of the ladder."""

    short_side: Even = Field(le=4320)
    """Pixels of the shorter side, as displayed: 720 makes 1280x720 and 720x1280."""
    crf: float = Field(ge=0, le=63)
    """Constant quality, lower is better; 0–51 for H.264 and HEVC, 0–63 otherwise."""
    max_bit_rate_kbps: int = Field(gt=0)
    """Cap in kbit/s for a 16:9 picture of this rung at up to 30 frames per second;
    other shapes and rates are scaled from it, see `ladder.scaled_cap`."""
    target_vmaf: float | None = Field(None, ge=_VMAF.least, le=_VMAF.most)
    """Another target than `[video]` has."""
    target_xpsnr: float | None = Field(None, ge=_XPSNR.least, le=_XPSNR.most)
    """Likewise; not both."""


class VideoProfile(Typed):
    """`[video]`: one codec and the ladder made in it."""

    codec: VideoCodec
    encoders: tuple[Encoder, ...] = ()
    """In order of preference; the first that this machine has is used. Empty: the
    codec's software encoder."""
    preset: str
    """libx264 and libx265: `ultrafast` … `veryslow`; libsvtav1: `0` (slow) … `13`;
    libvpx-vp9: its `cpu-used`, `0` (slow) … `8`."""
    tune: str | None = None
    """What libx264 and libx265 shall favour: `film`, `animation`, `grain`, …"""
    pixel_format: Literal["yuv420p", "yuv420p10le"] = "yuv420p"
    dynamic_range: Literal["sdr", "keep"] = "sdr"
    """`sdr`: HDR is tone-mapped. `keep`: HDR10 and HLG stay what they are, with what
    the source says of its mastering; SDR stays SDR. Needs 10 bits, HEVC or AV1, and
    an encoder in software."""
    codec_profile: str | None = None
    """None leaves it to the encoder."""
    max_frame_rate: float | None = Field(None, gt=0)
    """Frames per second. Faster sources keep every second, third … frame."""
    gop_seconds: float = Field(2.0, gt=0, le=20)
    """Distance of forced keyframes; segments end only at one of them."""
    buffer_seconds: float = Field(2.0, gt=0, le=20)
    """Decoder buffer: how long the cap's rate takes to fill it."""
    rung_step: float = Field(1.2, ge=1, le=4)
    """The source's own size replaces a rung when the two differ by less than this."""
    source_bit_rate_ratio: float | None = Field(1.0, gt=0)
    """Never larger: a rendition as a whole takes at most what the source's own bit
    rate justifies, times this; see `justified.held_to`. None switches the rule off."""
    target_vmaf: float | None = Field(None, ge=_VMAF.least, le=_VMAF.most)
    """How good each rendition is to be, as VMAF: its rate factor is found by a search
    on samples of the source. None: `crf` is the same whatever the source shows."""
    target_xpsnr: float | None = Field(None, ge=_XPSNR.least, le=_XPSNR.most)
    """Likewise as XPSNR, dB: of HDR, and of pictures too small for VMAF. Not both."""
    ways: tuple[str, ...] = Field((), max_length=8)
    """`codec:preset`, such as `av1:10`: the one that is made, kept and delivered for
    the least money is taken, by `[delivery]`. Needs `target_vmaf`. None: `codec` and
    `preset` hold."""
    vmaf_model: Literal["auto", "1080p", "4k", "phone"] = "auto"
    """The screen it is judged for. `auto`: `4k` for renditions whose short side is
    above 1440 pixels, else `1080p`."""
    copy_conforming: bool = Field(default=True, alias="copy")
    """Copy the source's video into the top rendition when it conforms."""
    copy_bit_rate_ratio: float = Field(1.1, gt=0)
    """A copied stream's average bit rate may be this many times the cap."""
    copy_max_gop_seconds: float = Field(6.0, gt=0)
    """A stream with keyframes further apart than this is not copied."""
    rungs: tuple[VideoRung, ...] = Field(min_length=1, max_length=12)
    """Any order; sizes differ."""

    @property
    def preferred_encoders(self) -> tuple[Encoder, ...]:
        return self.encoders or ENCODERS[self.codec][:1]

    @property
    def may_use_hardware(self) -> bool:
        """Whether it is worth asking a GPU for a test picture."""
        return any(encoder not in SOFTWARE for encoder in self.preferred_encoders)

    @property
    def has_target(self) -> bool:
        """Whether any rendition is to be as good as somebody said."""
        return any(self.target_of(rung) is not None for rung in self.rungs)

    def target_of(self, rung: VideoRung) -> tuple[QualityMetric, float] | None:
        """By which metric it is to be how good: as the rung says, or all of them."""
        for one in (rung, self):
            if one.target_vmaf is not None:
                return "vmaf", one.target_vmaf
            if one.target_xpsnr is not None:
                return "xpsnr", one.target_xpsnr
        return None

    @property
    def descending(self) -> tuple[VideoRung, ...]:
        """The rungs, largest first."""
        return tuple(sorted(self.rungs, key=lambda rung: -rung.short_side))

    @model_validator(mode="after")
    def _fits_the_codec(self) -> Self:
        _one_of("encoders", self.encoders, ENCODERS[self.codec])
        _one_of("preset", (self.preset,), PRESETS[self.codec])
        if self.tune is not None:
            _one_of("tune", (self.tune,), TUNES[self.codec])
        if self.codec_profile is not None:
            _one_of("codec_profile", (self.codec_profile,), CODEC_PROFILES[self.codec])
        if self.codec == "h264" and self.pixel_format != "yuv420p":
            # High 10 is played by no phone and no browser.
            raise ValueError(
                f"pixel_format: given '{self.pixel_format}'; "
                "allowed with codec 'h264': 'yuv420p'"
            )
        self._fits_the_range()
        self._fits_ways()
        self._has_one_metric()
        limit = CRF_LIMIT[self.codec]
        sizes: set[int] = set()
        for number, rung in enumerate(self.rungs, 1):
            if rung.crf > limit:
                raise ValueError(
                    f"rungs[{number}].crf: given {rung.crf:g}; "
                    f"allowed with codec '{self.codec}': 0 to {limit}"
                )
            if rung.short_side in sizes:
                raise ValueError(
                    f"rungs[{number}].short_side: given {rung.short_side} a second "
                    "time; allowed: each size once"
                )
            sizes.add(rung.short_side)
        return self

    @property
    def several(self) -> tuple[tuple[VideoCodec, str], ...]:
        """`ways`, taken apart; empty without any."""
        known = {f"{codec}:{preset}": (codec, preset) for codec, preset in BITS}
        return tuple(known[it] for it in self.ways)

    def _has_one_metric(self) -> None:
        several: tuple[VideoProfile | VideoRung, ...] = (self, *self.rungs)
        for number, one in enumerate(several):
            if one.target_vmaf is not None and one.target_xpsnr is not None:
                where = f"rungs[{number}]." if number else ""
                raise ValueError(
                    f"{where}target_xpsnr: given beside target_vmaf; allowed: one of "
                    "them"
                )

    def _fits_ways(self) -> None:
        measured = tuple(f"{codec}:{preset}" for codec, preset in BITS)
        for way in self.ways:
            if way not in measured:
                names = ", ".join(f"'{name}'" for name in measured)
                raise ValueError(f"ways: given '{way}'; measured are {names}")
        aims = [self.target_of(it) for it in self.rungs]
        if self.ways and not all(aim and aim[0] == "vmaf" for aim in aims):
            raise ValueError(
                "ways: given without target_vmaf; what they cost can only be compared "
                "at one quality"
            )
        if self.ways and self.dynamic_range == "keep":
            raise ValueError("ways: given; allowed with dynamic_range 'keep': none")
        ten = self.pixel_format != "yuv420p"
        if ten and any(codec == "h264" for codec, _ in self.several):
            raise ValueError(
                f"ways: given one of h264; allowed with pixel_format "
                f"'{self.pixel_format}': those of other codecs"
            )

    def _fits_the_range(self) -> None:
        if self.dynamic_range == "sdr":
            return
        if self.codec not in HDR_CODECS:
            raise ValueError(
                f"dynamic_range: given 'keep'; allowed with codec '{self.codec}': 'sdr'"
            )
        if self.pixel_format != "yuv420p10le":
            raise ValueError(
                f"pixel_format: given '{self.pixel_format}'; "
                "allowed with dynamic_range 'keep': 'yuv420p10le'"
            )
        hardware = [one for one in self.encoders if one not in SOFTWARE]
        if hardware:
            raise ValueError(
                f"encoders: given '{hardware[0]}'; allowed with dynamic_range 'keep': "
                f"'{ENCODERS[self.codec][0]}'"
            )


class DeliveryProfile(Typed):
    """`[delivery]`: how often it will be seen, how long kept, and what that costs."""

    views: int = Field(0, ge=0)
    """Each loads the largest rendition once."""
    egress_per_gb: Decimal = Field(Decimal(0), ge=0)
    """Money for 10^9 bytes that are delivered."""
    storage_months: int = Field(0, ge=0)
    storage_per_gb_month: Decimal = Field(Decimal(0), ge=0)
    """Money for 10^9 bytes of all renditions in a month."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    """Of both prices; the platform's has to be the same."""


class AudioProfile(Typed):
    """`[[audio]]`: every kept soundtrack is made once per entry."""

    codec: AudioCodec
    bit_rate_kbps_per_channel: int = Field(64, ge=8, le=320)
    """kbit/s; stereo at 64 is 128 kbit/s."""
    channels: int = Field(2, ge=1, le=8)
    """At most; more are mixed down, mono and stereo stay. 6 keeps 5.1, 8 keeps 7.1."""
    sample_rate: Literal[8000, 16000, 24000, 32000, 44100, 48000] = 48000
    """Hz, of what is encoded."""
    copy_conforming: bool = Field(default=True, alias="copy")
    """Copy a soundtrack that conforms."""
    copy_bit_rate_ratio: float = Field(2.0, gt=0)
    """A copied soundtrack may have this many times the bit rate of an encoded one."""
    source_bit_rate_ratio: float | None = Field(1.0, gt=0)
    """Of a lossy source at most this many times its own bit rate; None: no cap."""
    languages: Literal["default", "all"] = "default"
    """`all`: one track per language and purpose (main, commentary, description), up
    to 8: audio groups of CMAF, tracks of a file with a picture, files of sound."""
    loudness: Loudness | None = None
    """EBU R128 target; asked for, nothing is copied."""

    @model_validator(mode="after")
    def _opus_has_its_rates(self) -> Self:
        # Whatever it was made from, Opus is played at 48 kHz (RFC 7845, 5.1).
        if self.codec == "opus" and self.sample_rate != 48000:  # noqa: PLR2004
            raise ValueError(
                f"sample_rate: given {self.sample_rate}; allowed with codec 'opus': "
                "48000"
            )
        return self


class PosterProfile(Typed):
    """`[poster]`: one still picture, JPEG."""

    max_short_side: Even = 720
    """Pixels; never larger than the source."""
    candidates: int = Field(8, ge=1, le=64)
    """Frames spread over the video, of which the best is taken."""


class SpritesProfile(Typed):
    """`[sprites]`: sheets of thumbnails with a WebVTT track."""

    interval_seconds: float = Field(2.0, gt=0)
    """Between two thumbnails; longer where `max_tiles` would be exceeded."""
    tile_short_side: Even = 90
    """Pixels of a thumbnail's shorter side."""
    columns: int = Field(10, ge=1, le=50)
    rows: int = Field(10, ge=1, le=50)
    """Thumbnails per sheet: columns x rows."""
    max_tiles: int = Field(1000, ge=1, le=10000)


BURN = r"^(none|first|default|forced|[a-z]{2,3}(-[a-z0-9]{2,8})*)$"


class SubtitlesProfile(Typed):
    """`[subtitles]`: text tracks as WebVTT captions."""

    keep: bool = True
    """Text tracks become captions: renditions of HLS and DASH, `captions/*.vtt` beside
    a file. Tracks of pictures (PGS, VobSub, DVB) are left out, with a warning."""
    burn: str = Field("none", pattern=BURN)
    """Draws one track of pictures into the picture: `first`; `default` or
    `forced`, the first with that flag; a language as it is tagged (`eng`)."""


class Profile(Typed):
    """Everything that is asked for, whatever the upload is."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    """Lower-case letters, digits, `-` and `_`."""
    title: str
    """One line, for lists."""
    description: str = ""
    packaging: Packaging
    video: VideoProfile | None = None
    """Left out: pictures are ignored."""
    also: tuple[VideoProfile, ...] = Field((), max_length=2)
    """`[[also]]`: the same picture in further codecs, for players that can: they stand
    in the same indexes beside those of `[video]`, which all can."""
    audio: tuple[AudioProfile, ...] = Field((), max_length=4)
    """Left out: sound is dropped."""
    subtitles: SubtitlesProfile = Field(default_factory=SubtitlesProfile)
    """Left out: text tracks are kept."""
    poster: PosterProfile | None = None
    sprites: SpritesProfile | None = None
    verify: Literal["sampled", "full"] = "sampled"
    """`full` decodes all of every output before it counts as done."""
    keep_metadata: bool = False
    """Keep location, device and title tags; by default they are stripped."""
    clip: ClipProfile | None = None
    """Left out: the whole source is made."""
    watermark: WatermarkProfile | None = None
    """Left out: pictures are as they are in the source."""
    delivery: DeliveryProfile | None = None
    """Left out: encoding is all that counts."""

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        packaging, video = self.packaging, self.video
        if video is None and not self.audio:
            raise ValueError("video: missing, and so is audio; one of them is required")
        if video is None and (self.poster or self.sprites):
            raise ValueError("video: missing; poster and sprites are made of pictures")
        if video is None and self.subtitles.burn != "none":
            raise ValueError("video: missing; subtitles are burned into pictures")
        if video is None and self.watermark:
            raise ValueError("video: missing; a watermark is drawn on pictures")
        if packaging.type == "cmaf" and not (packaging.hls or packaging.dash):
            raise ValueError(
                "packaging.hls: given false like packaging.dash; "
                "allowed: one of them or both"
            )
        if len({entry.codec for entry in self.audio}) < len(self.audio):
            raise ValueError(
                "audio: one codec is given twice; allowed: each codec once"
            )
        self._fits_beside()
        if packaging.type == "file":
            self._fits_files()
        if video and packaging.type == "cmaf":
            ratio = packaging.segment_seconds / video.gop_seconds
            if abs(ratio - round(ratio)) > 1e-6 or ratio < 1:  # noqa: PLR2004
                raise ValueError(
                    f"packaging.segment_seconds: given {packaging.segment_seconds:g}; "
                    f"allowed: multiples of video.gop_seconds ({video.gop_seconds:g})"
                )
        return self

    def _fits_beside(self) -> None:
        """What players switch between has its keyframes at the same times."""
        video = self.video
        if not self.also:
            return
        if video is None:
            raise ValueError("also: given without video, which all players can")
        if self.packaging.type == "file":
            raise ValueError("also: given with files; allowed with packaging 'cmaf'")
        codecs = [it.codec for it in self.videos]
        if len({*codecs}) < len(codecs):
            raise ValueError("also.codec: one is given twice; allowed: each codec once")
        for number, one in enumerate(self.also, 1):
            for name in ("gop_seconds", "max_frame_rate", "dynamic_range"):
                given, own = getattr(one, name), getattr(video, name)
                if given != own:
                    raise ValueError(
                        f"also[{number}].{name}: given {given}; allowed: video's, {own}"
                    )

    @property
    def videos(self) -> tuple[VideoProfile, ...]:
        """The picture in each codec, first that which all players can."""
        return () if self.video is None else (self.video, *self.also)

    def _fits_files(self) -> None:
        segments = (self.packaging.segments,)
        _one_of("packaging.segments", segments, ("files",), where="type 'file'")
        if self.video and self.packaging.container == "webm":
            codecs = (self.video.codec, *(it[0] for it in self.video.several))
            _one_of("video.codec", codecs, ("av1", "vp9"), where="WebM")
            given = tuple(entry.codec for entry in self.audio)
            _one_of("audio.codec", given, ("opus",), where="WebM")

    @property
    def digest(self) -> str:
        """
        `sha256:` over the whole content, defaults included, in canonical JSON.

        Of a watermark's image its own digest counts, and not its place.
        """
        data = self.model_dump(mode="json")
        for name in ("clip", "watermark", "delivery"):
            if data[name] is None:
                # As before there were any: a job's id outlives our releases.
                del data[name]
        if self.video is not None:
            _without_quality(data["video"])
        for further in data["also"]:
            _without_quality(further)
        if not self.also:
            del data["also"]
        if self.packaging.segments == "files":
            del data["packaging"]["segments"]
        if self.subtitles.burn == "none":
            del data["subtitles"]["burn"]
        if self.watermark is not None and self.watermark.found is not None:
            data["watermark"]["image"] = f"sha256:{self.watermark.found.sha256}"
        content = json.dumps(
            data,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def _without_quality(video: dict[str, Any]) -> None:
    """As before there were targets, where there is none."""
    if video["vmaf_model"] == "auto":
        del video["vmaf_model"]
    if not video["ways"]:
        del video["ways"]
    for part in (video, *video["rungs"]):
        for name in ("target_vmaf", "target_xpsnr"):
            if part[name] is None:
                del part[name]


def _one_of(
    field: str, given: tuple[str, ...], allowed: tuple[str, ...], *, where: str = ""
) -> None:
    for value in given:
        if value not in allowed:
            names = ", ".join(f"'{name}'" for name in allowed) or "nothing"
            scope = f" in {where}" if where else " with this codec"
            raise ValueError(f"{field}: given '{value}'; allowed{scope}: {names}")


def parse_profile(text: str, *, origin: str) -> Profile:
    """
    The profile that *text* (TOML) describes.

    Raises `ProfileError`, which names *origin* (a file's path as the user gave it), the
    field, what was given and what is allowed; for broken TOML the line and column.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ProfileError(f"{origin}: not valid TOML: {exc}", file=origin) from exc
    try:
        # JSON is the strict mode that still takes an array for a tuple.
        return Profile.model_validate_json(json.dumps(data, default=str))
    except ValidationError as exc:
        problems = [sentence(Profile, error) for error in exc.errors()]
        raise ProfileError(
            f"{origin}: " + "; ".join(problem.text for problem in problems),
            file=origin,
            fields=[problem.field for problem in problems],
        ) from exc
