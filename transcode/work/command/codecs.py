"""Encoder options of one output stream: the same promises in every encoder's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ...contract import AudioRendition, VideoRendition, VideoStream
from ...media.codecs import HARDWARE_ENCODERS, SOFTWARE_ENCODERS
from ...media.timeline import KEYFRAME_EARLY_SECONDS
from .hdr import svtav1_parameters, x265_parameters

Options = dict[str, str]

_VIDEO_TAGS = {
    # Apple plays HEVC only under `hvc1`: parameter sets in the header alone.
    "hevc": "hvc1",
    "h264": "avc1",
    "av1": "av01",
    "vp9": "vp09",
}

SOFTWARE: Mapping[str, str] = {
    encoder: SOFTWARE_ENCODERS[codec] for codec, encoder in HARDWARE_ENCODERS.items()
}
"""Hardware encoder → the software encoder that stands in for it."""

# Presets are written in the software encoders' words; NVENC counts from p1 (fast) to
# p7 (slow).
_NVENC_PRESETS: Mapping[str, str] = {
    **dict.fromkeys(("ultrafast", "superfast"), "p1"),
    **dict.fromkeys(("veryfast", "faster"), "p3"),
    "fast": "p4",
    "medium": "p5",
    **dict.fromkeys(("slow", "slower"), "p6"),
    "veryslow": "p7",
    **dict.fromkeys(("13", "12", "11"), "p1"),
    **dict.fromkeys(("10", "9"), "p3"),
    **dict.fromkeys(("8", "7"), "p4"),
    **dict.fromkeys(("6", "5"), "p5"),
    **dict.fromkeys(("4", "3", "2"), "p6"),
    **dict.fromkeys(("1", "0"), "p7"),
}


_COARSEST: Mapping[str, tuple[int, int]] = {
    "libx264": (42, 51),
    "libx265": (42, 51),
    "libvpx-vp9": (56, 63),
}
"""
Encoder → the coarsest quantiser that its source's rate may push it to, and the end of
its scale; beyond lie grey areas. Measured on a test card of 24 kbit/s in AV1, 360p by
x264 ultrafast at crf 28, capped at 45 kbit/s: without this VMAF fell to 0 at 52 kbit/s,
with it to 85 at 58; uncapped are 130 kbit/s and 97. VP9's is as far along its scale.
SVT-AV1 has no such limit at constant quality.
"""
_BEYOND_FACTOR = 6
"""Half the bits of its rate factor may be taken away in any case."""


_CHUNK_FILL = "0.4"
"""Of its buffer a chunk may spend before its first picture. One of its own, full, would
give what comes after each cut bits that the whole has long spent: of ten short videos
held to few bits, chunks took 3 to 6 % more."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an encoder has to know beside its rendition."""

    threads: int
    gop_seconds: float
    keyframes: str
    """`interval` or `source`, as in the recipe."""
    frame_rate: Fraction | None
    """Frames per second going in; None where unknown or not one number."""
    hdr: VideoStream | None = None
    """The source, where its HDR is kept."""
    late_seconds: float = 0.0
    """So long after a keyframe of the whole is due a chunk begins: a picture's rest."""
    chunk: Literal["first", "later"] | None = None
    """Which one of a whole that is encoded in chunks; None: all of it."""


def video_options(
    rendition: VideoRendition, index: int, *, around: Surroundings
) -> Options:
    """
    Options of the *index*-th video stream of an output, keyed without the dash.

    Raises KeyError for an encoder that nobody has mapped.
    """
    if rendition.made_by == "copied":
        return {f"c:v:{index}": "copy", **_tag(rendition, index, copied=True)}

    encoder = rendition.encoder or ""
    specific = _ENCODERS[encoder](rendition, around)
    options = {
        "c": encoder,
        # The spec's share of cores; without it an encoder counts the host's, and
        # memory grows with the threads.
        "threads": str(around.threads),
        # Every rendition is cut at the same times, whatever its encoder decides.
        "force_key_frames": _key_frames(around),
        **specific,
    }
    if rendition.codec_profile is not None:
        # What the plan promised the players; the level is left to the encoder, which
        # knows its own buffers.
        options["profile"] = rendition.codec_profile
    if rendition.max_bit_rate is not None and encoder != "libsvtav1":
        # A cap over one buffer (VBV): BANDWIDTH in the playlists holds.
        options["maxrate"] = str(rendition.max_bit_rate)
        options["bufsize"] = str(rendition.buffer_bits or 2 * rendition.max_bit_rate)
        options |= coarsest(rendition)
    keyed = {f"{name}:v:{index}": value for name, value in options.items()}
    return keyed | _tag(rendition, index, copied=False)


def coarsest(rendition: VideoRendition) -> Options:
    """
    Where the source holds the rate down: how coarse it may become for that.

    What another encoder has said in few bits, as drawings in AV1, a fast one cannot; it
    would code grey areas. Then it takes more bits than the source, and shows it.
    """
    known = _COARSEST.get(rendition.encoder or "")
    if rendition.most_bit_rate is None or rendition.crf is None or known is None:
        return {}
    coarsest_of, end = known
    least = round(rendition.crf) + _BEYOND_FACTOR
    return {"qmax": str(min(max(coarsest_of, least), end))}


def last_picture(end: Fraction | None, rate: Fraction | None) -> str:
    """
    A bitstream filter for MP4: samples last until the last picture has been shown.

    MP4 adds up the samples' durations in the order in which they are decoded. A picture
    that is shown after a gap but decoded before others takes the gap out of the sum,
    and players that go by it end too early. The last sample gets what is missing; `st`
    and `ld` keep when the last picture is shown and where both clocks began.

    That picture is shown until *end* (in seconds), and one frame at *rate* at least.
    Where *end* is None, as long as it is said to last. Of the others the muxer must not
    believe that: a fragment ends before it has seen what follows, and the next would
    begin too early.
    """
    least = "1" if rate is None else f"{rate.denominator}/({rate.numerator}*TB)"
    if end is not None:
        until = f"max(ld(0)+{least},{float(end):.6f}/TB)"
    else:
        until = f"ld(0)+{'max(DURATION,1)' if rate is None else least}"
    return (
        "setts=pts=PTS:dts=DTS:duration='"
        "st(0,if(N,max(ld(0),PTS),PTS));"
        "st(1,if(N,min(ld(1),PTS),PTS));"
        "st(2,if(N,ld(2),DTS));"
        "if(eq(NEXT_DTS,NOPTS),"
        f"if(gt(min(min(DTS,ld(1)),ld(2)),NOPTS),"
        f"max(1,round({until}-ld(1)-DTS+ld(2))),DURATION),"
        "if(gt(NEXT_DTS,DTS)*gt(DTS,NOPTS),NEXT_DTS-DTS,DURATION))'"
    )


def audio_options(rendition: AudioRendition, index: int) -> Options:
    """Options of the *index*-th audio stream of an output, keyed without the dash."""
    if rendition.made_by == "copied":
        return {f"c:a:{index}": "copy"}

    options = {f"c:a:{index}": rendition.encoder or ""}
    if rendition.bit_rate is not None:
        options[f"b:a:{index}"] = str(rendition.bit_rate)
    return options


def software_stand_in(rendition: VideoRendition) -> VideoRendition:
    """The same rendition by a software encoder; unchanged where it already is one."""
    encoder = SOFTWARE.get(rendition.encoder or "")
    if encoder is None:
        return rendition
    return rendition.model_copy(update={"encoder": encoder})


def _key_frames(around: Surroundings) -> str:
    if around.keyframes == "source":
        # A copied rendition keeps its keyframes: the others follow it.
        return "source"
    # By the clock, and not by how many there were: after a hole each picture would be
    # one until they had caught up.
    early = float(KEYFRAME_EARLY_SECONDS)
    late = f"+{around.late_seconds:.9f}" if around.late_seconds else ""
    last = f"floor((prev_forced_t{late}+{2 * early:.6f})/{around.gop_seconds:g})"
    due = f"gte(t{late},({last}+1)*{around.gop_seconds:g}-{early:.6f})"
    return f"expr:if(isnan(prev_forced_t),1,{due})"


def _tag(rendition: VideoRendition, index: int, *, copied: bool) -> Options:
    if copied and rendition.codec == "vp9":
        return {}
    return {f"tag:v:{index}": _VIDEO_TAGS[rendition.codec]}


def _quality(rendition: VideoRendition) -> Options:
    options: Options = {}
    if rendition.crf is not None:
        options["crf"] = f"{rendition.crf:g}"
    if rendition.preset is not None:
        options["preset"] = rendition.preset
    if rendition.tune is not None:
        options["tune"] = rendition.tune
    return options


def _order(around: Surroundings) -> Options:
    if around.frame_rate is not None:
        return {}
    # Containers store how long pictures last in the order they are decoded in. At a
    # variable rate reordered pictures would get one another's times, and a file end
    # before its last pictures do.
    return {"bf": "0"}


def _x264(rendition: VideoRendition, around: Surroundings) -> Options:
    parameters = {
        # Only our forced keyframes cut; closed, so that a segment stands alone.
        "keyint": "infinite",
        "scenecut": "0",
        "open-gop": "0",
    }
    if around.frame_rate is not None:
        # The encoder sees a fine time base; the level and the rate control want
        # frames per second.
        parameters["fps"] = f"{around.frame_rate.numerator}/" + str(
            around.frame_rate.denominator
        )
    if around.chunk == "later":
        parameters["vbv-init"] = _CHUNK_FILL
    return {
        **_quality(rendition),
        **_order(around),
        "forced-idr": "1",  # a forced keyframe is an IDR, not just an I
        "x264-params": _joined(parameters),
    }


def _x265(rendition: VideoRendition, around: Surroundings) -> Options:
    parameters = {
        "keyint": "-1",  # infinite: only our forced keyframes cut
        "scenecut": "0",
        "open-gop": "0",
        # Its thread pool ignores `-threads` and takes every core it sees.
        "pools": str(around.threads),
        "log-level": "warning",
    }
    if around.chunk is not None:
        # In all of them: it says so in its headers, and a whole has one set of those.
        parameters["vbv-init"] = _CHUNK_FILL
    if around.hdr is not None:
        parameters |= x265_parameters(around.hdr)
    return {
        **_quality(rendition),
        **_order(around),
        "forced-idr": "1",
        # Dolby Vision's metadata describe the source's pixels, not these.
        "dolbyvision": "0",
        "x265-params": _joined(parameters),
    }


def _svtav1(rendition: VideoRendition, around: Surroundings) -> Options:
    parameters = {
        "keyint": "-1",  # infinite: only our forced keyframes cut
        "scd": "0",  # no keyframes of its own at scene changes
        "irefresh-type": "2",  # closed GOPs
        "enable-force-key-frames": "1",
        # Its own word for threads: `-threads` does not reach it.
        "lp": str(around.threads),
    }
    if rendition.max_bit_rate is not None:
        # Capped CRF, in kbit/s; this encoder has no VBV in that mode.
        parameters["mbr"] = str(rendition.max_bit_rate // 1000)
    if around.hdr is not None:
        parameters |= svtav1_parameters(around.hdr)
    return {
        **_quality(rendition),
        "dolbyvision": "0",  # as above: of the source's pixels
        "svtav1-params": _joined(parameters),
    }


def _vp9(rendition: VideoRendition, _around: Surroundings) -> Options:
    options = {
        # Constant quality needs a bit rate of 0, capped quality the cap itself.
        "b": str(rendition.max_bit_rate or 0),
        "crf": f"{rendition.crf:g}" if rendition.crf is not None else "32",
        # Only our forced keyframes cut.
        "g": "99999",
        "deadline": "good",
        "cpu-used": rendition.preset or "4",
        # Rows and tiles are its only parallelism.
        "row-mt": "1",
        "tile-columns": str(_tile_columns(rendition.width)),
    }
    if rendition.tune is not None:
        options["tune-content"] = rendition.tune
    return options


def _nvenc(rendition: VideoRendition, around: Surroundings) -> Options:
    return {
        **_order(around),
        # Variable bit rate at constant quality: CRF by this encoder's name.
        "rc": "vbr",
        "cq": f"{rendition.crf:g}" if rendition.crf is not None else "0",
        "b": "0",
        "preset": _NVENC_PRESETS.get(rendition.preset or "medium", "p5"),
        # Only our forced keyframes cut, and they are IDRs.
        "g": "99999",
        "no-scenecut": "1",
        "forced-idr": "1",
    }


def _tile_columns(width: int) -> int:
    # Log2 of columns at least 256 wide, as libvpx demands.
    return max(0, (width // 256).bit_length() - 1)


def _joined(parameters: Mapping[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items())


_ENCODERS: Mapping[str, Callable[[VideoRendition, Surroundings], Options]] = {
    "libx264": _x264,
    "libx265": _x265,
    "libsvtav1": _svtav1,
    "libvpx-vp9": _vp9,
    "h264_nvenc": _nvenc,
    "hevc_nvenc": _nvenc,
    "av1_nvenc": _nvenc,
}

ENCODERS = frozenset(_ENCODERS)
"""Video encoders that have a mapping here."""
