"""What colours pictures have, and what they are written as; ffmpeg's names."""

from __future__ import annotations

from dataclasses import dataclass

from ...contract import DynamicRange, VideoStream

_BT601 = {"smpte170m", "bt470bg"}
_SDR_MATRICES = {"bt709", *_BT601}
_HDR_MATRICES = {"bt2020nc", *_SDR_MATRICES}
_SDR_TRANSFERS = {"bt709", "smpte170m", "bt470bg", "bt470m", "iec61966-2-1"}
_SCALED_MATRICES = {*_HDR_MATRICES, "fcc", "smpte240m"}
"""What the filter `scale` converts from; it refuses a picture in any other."""
CODES = {
    "bt709": 1,
    "bt470m": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "bt2020": 9,
    "bt2020nc": 9,
    "iec61966-2-1": 13,
    "smpte2084": 16,
    "arib-std-b67": 18,
}
"""ITU-T H.273 (07/2021), tables 2 to 4; those that `output_colour` gives."""
_HD_WIDTH = 1280
_HD_HEIGHT = 577
_PAL_HEIGHT = 576


@dataclass(frozen=True, slots=True)
class Colour:
    """Tags of a picture, in ffmpeg's names."""

    matrix: str
    primaries: str
    transfer: str


def source_colour(video: VideoStream) -> Colour:
    """
    What the source's colours are, a guess standing in for each missing tag.

    The guess is the one players make: BT.709 for HD, BT.601 below (ITU-R BT.709,
    BT.601); of the two 601 primaries the 625-line ones for 576 lines.
    """
    if video.dynamic_range is not DynamicRange.SDR:
        hlg = video.dynamic_range is DynamicRange.HLG
        return Colour(
            matrix=_known(video.color_space) or "bt2020nc",
            primaries=_known(video.color_primaries) or "bt2020",
            transfer="arib-std-b67" if hlg else "smpte2084",
        )
    if video.width >= _HD_WIDTH or video.height >= _HD_HEIGHT:
        guess = Colour("bt709", "bt709", "bt709")
    elif video.height == _PAL_HEIGHT:
        guess = Colour("bt470bg", "bt470bg", "smpte170m")
    else:
        guess = Colour("smpte170m", "smpte170m", "smpte170m")
    return Colour(
        matrix=_known(video.color_space) or guess.matrix,
        primaries=_known(video.color_primaries) or guess.primaries,
        transfer=_known(video.color_transfer) or guess.transfer,
    )


def output_colour(video: VideoStream, *, tone_map: bool) -> Colour:
    """
    What the renditions are tagged as; pixels are converted where it differs.

    BT.601 and BT.709 stay what they are, HDR stays HDR unless tone-mapped, and
    everything else (RGB, BT.2020 SDR, SMPTE 240M) becomes BT.709.
    """
    if tone_map:
        return Colour("bt709", "bt709", "bt709")
    source = source_colour(video)
    if video.dynamic_range is not DynamicRange.SDR:
        # Other matrices than these few players know become the usual one.
        kept = source.matrix in _HDR_MATRICES
        primaries = source.primaries if source.primaries in CODES else "bt2020"
        return Colour(
            matrix=source.matrix if kept else "bt2020nc",
            primaries=primaries,
            transfer=source.transfer,
        )
    return Colour(
        matrix=source.matrix if source.matrix in _SDR_MATRICES else "bt709",
        primaries=source.primaries if source.primaries in _SDR_MATRICES else "bt709",
        transfer=source.transfer if source.transfer in _SDR_TRANSFERS else "bt709",
    )


def tagging(video: VideoStream, codec: str, index: int) -> dict[str, str]:
    """
    Options that write `output_colour` into the *index*-th stream, which is copied.

    Into the container, and into the bit stream of a codec whose players look there.
    """
    colour = output_colour(video, tone_map=False)
    options = {
        f"color_primaries:v:{index}": colour.primaries,
        f"color_trc:v:{index}": colour.transfer,
        f"colorspace:v:{index}": colour.matrix,
        f"color_range:v:{index}": "tv",
    }
    words = _METADATA_FILTERS.get(codec)
    if words is not None:
        spelling, limited = words
        fields = {
            f"{spelling}_primaries": CODES[colour.primaries],
            "transfer_characteristics": CODES[colour.transfer],
            "matrix_coefficients": CODES[colour.matrix],
            limited: 0,
        }
        said = ":".join(f"{name}={value}" for name, value in fields.items())
        options[f"bsf:v:{index}"] = f"{codec}_metadata={said}"
    return options


_METADATA_FILTERS = {
    "h264": ("colour", "video_full_range_flag"),
    "hevc": ("colour", "video_full_range_flag"),
    "av1": ("color", "color_range"),
}


def fully_tagged(video: VideoStream) -> bool:
    """Whether nothing has to be guessed; RGB has no matrix to guess."""
    tags = (video.color_space, video.color_primaries, video.color_transfer)
    return is_rgb(video) or all(_known(tag) is not None for tag in tags)


def _known(tag: str | None) -> str | None:
    return None if tag in {None, "unknown", "unspecified", "reserved"} else tag


def is_rgb(video: VideoStream) -> bool:
    """Whether the pixels are red, green and blue, or indices into such."""
    return (video.pixel_format or "").startswith(("rgb", "bgr", "gbr", "argb", "abgr"))


def strange_matrix(video: VideoStream) -> bool:
    """Whether only `zscale` reads the pixels (YCgCo, ICtCp, constant luminance)."""
    return not is_rgb(video) and source_colour(video).matrix not in _SCALED_MATRICES


def scaler_name(matrix: str) -> str:
    """The name that ffmpeg's `scale` has for a matrix: both 601 tags share one."""
    if matrix in _BT601:
        return "bt601"
    return "bt2020" if matrix == "bt2020nc" else matrix
