"""
Which picture is used, and which renditions are made of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..contract import (
    Capabilities,
    Clip,
    DynamicRange,
    Media,
    VideoRendition,
    VideoStream,
)
from ..errors import EncoderMissing, MediaRejected, MediaUnsupported
from ..media.colours import unreadable
from ..media.timeline import clipped
from .clip import MARKED, cut_obstacles
from .codecs import ALPHA_DECODERS, LARGEST_PICTURE, LEAST_SIDE, SOFTWARE
from .copyable import video_obstacles
from .justified import own_rate, said_of
from .ladder import ladder
from .profile import Profile, VideoProfile


@dataclass(frozen=True, slots=True)
class Picture:
    """The video half of a recipe, with its grounds."""

    stream: VideoStream | None
    renditions: tuple[VideoRendition, ...] = ()
    reasons: tuple[str, ...] = ()
    decoder: str | None = None
    """Where ffmpeg's usual one would not do."""
    held: str | None = None
    """That the source's own rate holds renditions down; None: it holds none."""

    @property
    def copied(self) -> bool:
        return any(it.made_by == "copied" for it in self.renditions)

    @property
    def encoded(self) -> bool:
        return any(it.made_by == "encoded" for it in self.renditions)


def choose_picture(
    media: Media,
    profile: Profile,
    capabilities: Capabilities,
    *,
    clip: Clip | None = None,
    burned: bool = False,
) -> Picture:
    """
    The picture that *profile* is made from and its renditions; empty without one.

    *clip* is the part of it that is made, None for the whole. With *burned* subtitles
    are drawn into it, so it cannot be copied.

    Raises `MediaUnsupported` for a picture that cannot be decoded or encoded,
    `MediaRejected` for one larger than any honest one, `EncoderMissing` where this
    machine has no encoder for it.
    """
    if profile.video is None:
        return Picture(None)
    stream = choose_video(media)
    if stream is None:
        if any(not it.decodable for it in media.video):
            codecs = ", ".join(sorted({it.codec for it in media.video}))
            raise MediaUnsupported(
                f"The picture cannot be decoded here (codec {codecs}); profile "
                f"{profile.name} needs it.",
                codecs=codecs,
            )
        return Picture(None)
    _refuse_picture(stream, profile.video)
    obstacles = (
        *video_obstacles(stream, media, profile),
        *cut_obstacles(clip, media, stream, profile),
        *((MARKED,) if profile.watermark else ()),
        *(("Subtitles are burned into the picture.",) if burned else ()),
    )
    rate = own_rate(stream, media)
    renditions = ladder(
        stream,
        profile.video,
        encoder=None,
        copied=not obstacles,
        bit_rate=rate,
        seconds=clipped(media, clip).duration_seconds,
    )
    if any(it.made_by == "encoded" for it in renditions):
        encoder = _encoder(profile, profile.video, capabilities)
        renditions = tuple(
            it.model_copy(update={"encoder": encoder})
            if it.made_by == "encoded"
            else it
            for it in renditions
        )
    for further in profile.also:
        _refuse_picture(stream, further)
        renditions += tuple(
            it.model_copy(update={"name": f"{it.name}-{it.codec}"})
            for it in ladder(
                stream,
                further,
                encoder=_encoder(profile, further, capabilities),
                copied=False,
                bit_rate=stream.bit_rate or media.bit_rate,
            )
        )
    decoder = ALPHA_DECODERS.get(stream.codec) if stream.has_alpha else None
    if decoder not in capabilities.decoders:
        decoder = None
    return Picture(stream, renditions, obstacles, decoder, said_of(renditions, rate))


def tone_mapped(stream: VideoStream | None, wanted: VideoProfile | None) -> bool:
    """Whether *stream* is HDR, and SDR is to be made of it."""
    if stream is None or stream.dynamic_range is DynamicRange.SDR:
        return False
    return wanted is None or wanted.dynamic_range == "sdr"


def choose_video(media: Media) -> VideoStream | None:
    """The default picture, else the largest, of those that can be decoded."""
    usable = [it for it in media.video if it.decodable and it.frames != 0]
    return min(
        usable,
        key=lambda it: (not it.default, -it.width * it.height, it.index),
        default=None,
    )


def _refuse_picture(video: VideoStream, wanted: VideoProfile) -> None:
    for width, height in (
        (video.width, video.height),
        (video.display_width, video.display_height),
    ):
        if width * height > LARGEST_PICTURE:
            raise MediaRejected(
                f"The picture claims {width}x{height} pixels; the most that is "
                f"accepted is {LARGEST_PICTURE} pixels (8192x4352).",
                width=width,
                height=height,
            )
    least = LEAST_SIDE[wanted.codec]
    if min(video.display_width, video.display_height) < least:
        raise MediaUnsupported(
            f"The picture has {video.display_width}x{video.display_height} pixels; "
            f"{wanted.codec} encoders need {least} on each side.",
            width=video.display_width,
            height=video.display_height,
        )
    if video.field_pictures:
        raise MediaUnsupported(
            f"The picture is {video.codec} coded in single fields of {video.height} "
            "lines, which are not woven here; upload it in frames.",
            codec=video.codec,
            height=video.height,
        )
    if (colours := unreadable(video)) is not None:
        raise MediaUnsupported(
            f"The picture's colours cannot be converted here: nothing reads {colours}.",
            color_space=video.color_space,
            color_primaries=video.color_primaries,
            color_transfer=video.color_transfer,
        )
    if video.dynamic_range is DynamicRange.DOLBY_VISION:
        raise MediaUnsupported(
            "The picture is Dolby Vision without an HDR10, HLG or SDR base layer; its "
            "colours cannot be told without Dolby's own decoder."
        )


def _encoder(profile: Profile, wanted: VideoProfile, has: Capabilities) -> str:
    for name in wanted.preferred_encoders:
        software = name in SOFTWARE and name in has.encoders
        if software or name in has.hardware_encoders:
            return name
    names = ", ".join(wanted.preferred_encoders)
    raise EncoderMissing(
        f"Profile {profile.name} needs one of these encoders, and {has.ffmpeg} has "
        f"none that works: {names}.",
        encoders=list(wanted.preferred_encoders),
        unavailable=dict(has.unavailable),
    )
