"""What colours pictures have, and what they are written as; ffmpeg's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..contract import DynamicRange, VideoStream
from .pixels import is_rgb, is_xyz

PRIMARIES: Final[Mapping[int, str]] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS: Final[Mapping[int, str]] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
LOGARITHMIC = frozenset({TRANSFERS[9], TRANSFERS[10]})
"""Curves that `scale` refuses even where it need not convert them."""
MATRICES: Final[Mapping[int, str]] = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
"""Code points of ITU-T H.273 (07/2024), tables 2 to 4, by the names that ffmpeg prints
and its filters take (`setparams`, `zscale`). What is missing is reserved or says that
it says nothing."""
RANGES: Final[Mapping[int, str]] = {1: "tv", 2: "pc"}
"""AVColorRange of libavutil: limited and full."""

HDR_TRANSFERS: Final = {
    "smpte2084": DynamicRange.HDR10,
    "arib-std-b67": DynamicRange.HLG,
}
"""Transfer functions of ITU-R BT.2100: PQ and HLG."""

_BT601 = frozenset({"smpte170m", "bt470bg"})
_SDR_PRIMARIES = frozenset({"bt709", *_BT601})
_SDR_MATRICES = frozenset({"bt709", *_BT601})
_HDR_MATRICES = frozenset({"bt2020nc", *_SDR_MATRICES})
_SDR_TRANSFERS = frozenset({"bt709", "smpte170m", "bt470bg", "bt470m", "iec61966-2-1"})
"""What renditions keep, because every player knows it; all else is converted."""

_SAME_PRIMARIES = {"smpte240m": "smpte170m"}
_SAME_TRANSFERS = {
    "iec61966-2-4": "bt709",
    "bt1361e": "bt709",
    "bt2020-10": "bt709",
    "bt2020-12": "bt709",
}
"""Two code points of one meaning, the usual one last: by the notes of H.273's tables 2
and 3; 11 and 12 beside BT.709 differ only beyond black and white."""

_SCALED_MATRICES = frozenset({*_HDR_MATRICES, "fcc", "smpte240m"})
"""What the filter `scale` converts from; it refuses a picture in any other."""
_CONVERTED_MATRICES = frozenset(
    {*_SCALED_MATRICES, "ycgco", "chroma-derived-nc", "chroma-derived-c"}
)
"""What `zscale` converts from."""
_CONVERTED_WITH = {
    "ictcp": frozenset(HDR_TRANSFERS),
    "bt2020c": frozenset({"bt709", "smpte170m", "smpte240m", "bt2020-10", "bt2020-12"}),
}
"""What it converts from with these transfer functions alone, and ICtCp with BT.2020."""
_UNREADABLE = frozenset({"smpte428"})
"""Primaries and transfer functions from which nothing here converts (tried with FFmpeg
9.0.2 and zimg); XYZ in a pixel format of its own is another matter."""

_HD_WIDTH = 1280
_HD_HEIGHT = 577
_PAL_HEIGHT = 576


@dataclass(frozen=True, slots=True)
class Colour:
    """Tags of a picture, in ffmpeg's names."""

    matrix: str
    primaries: str
    transfer: str

    @property
    def codes(self) -> tuple[int, int, int]:
        """Primaries, transfer and matrix as H.273 counts, in its order."""
        return (
            code(PRIMARIES, self.primaries),
            code(TRANSFERS, self.transfer),
            code(MATRICES, self.matrix),
        )


BT709: Final = Colour("bt709", "bt709", "bt709")


def code(table: Mapping[int, str], name: str) -> int:
    """The code point of a name; KeyError where the table has none."""
    for number, known in table.items():
        if known == name:
            return number
    raise KeyError(name)


def source_colour(video: VideoStream) -> Colour:
    """
    What the source's colours are, a guess standing in for each missing tag.

    The guess is the one players make: BT.709 for HD, BT.601 below (ITU-R BT.709,
    BT.601); of the two 601 primaries the 625-line ones for 576 lines.
    """
    if video.dynamic_range is not DynamicRange.SDR:
        hlg = video.dynamic_range is DynamicRange.HLG
        return Colour(
            matrix=video.color_space or "bt2020nc",
            primaries=video.color_primaries or "bt2020",
            transfer="arib-std-b67" if hlg else "smpte2084",
        )
    if is_xyz(video):
        # The scaler, which alone reads it, makes RGB of it.
        return BT709
    if video.width >= _HD_WIDTH or video.height >= _HD_HEIGHT:
        guess = BT709
    elif video.height == _PAL_HEIGHT:
        guess = Colour("bt470bg", "bt470bg", "smpte170m")
    else:
        guess = Colour("smpte170m", "smpte170m", "smpte170m")
    return Colour(
        matrix=video.color_space or guess.matrix,
        primaries=video.color_primaries or guess.primaries,
        transfer=video.color_transfer or guess.transfer,
    )


def output_colour(video: VideoStream, *, tone_map: bool) -> Colour:
    """
    What the renditions are tagged as; pixels are converted where it differs.

    BT.601 and BT.709 stay what they are, HDR stays HDR unless tone-mapped, in the
    primaries of BT.2020, and everything else (RGB, Display P3, BT.2020 SDR, SMPTE
    240M, logarithmic and linear light) becomes BT.709.
    """
    if tone_map:
        return BT709
    source = source_colour(video)
    if video.dynamic_range is not DynamicRange.SDR:
        # Other matrices than these few players know become the usual one.
        kept = source.matrix in _HDR_MATRICES
        return Colour(
            matrix=source.matrix if kept else "bt2020nc",
            primaries="bt2020",
            transfer=source.transfer,
        )
    primaries = _SAME_PRIMARIES.get(source.primaries, source.primaries)
    transfer = _SAME_TRANSFERS.get(source.transfer, source.transfer)
    return Colour(
        matrix=source.matrix if source.matrix in _SDR_MATRICES else "bt709",
        primaries=primaries if primaries in _SDR_PRIMARIES else "bt709",
        transfer=transfer if transfer in _SDR_TRANSFERS else "bt709",
    )


def is_converted(video: VideoStream) -> bool:
    """
    Whether pixels, not only tags, differ between `source_colour` and `output_colour`.

    By more than another matrix that the scaler knows, that is; without tone mapping.
    """
    source, output = source_colour(video), output_colour(video, tone_map=False)
    same = (
        _SAME_PRIMARIES.get(source.primaries, source.primaries) == output.primaries
        and _SAME_TRANSFERS.get(source.transfer, source.transfer) == output.transfer
    )
    return not same or strange_matrix(video)


def changed_tags(video: VideoStream) -> tuple[str, ...]:
    """Tags of an SDR picture that its encoded renditions do not keep, sorted."""
    output = output_colour(video, tone_map=False)
    pairs = (
        (video.color_primaries, output.primaries),
        (video.color_transfer, output.transfer),
        (video.color_space, output.matrix),
    )
    return tuple(sorted({found for found, kept in pairs if found not in {None, kept}}))


def unreadable(video: VideoStream) -> str | None:
    """What of the colours nothing here converts from, as a clause; None if all can."""
    if is_xyz(video):
        return None
    source = source_colour(video)
    if source.transfer in _UNREADABLE:
        return f"the transfer function {source.transfer}"
    if source.primaries in _UNREADABLE:
        return f"the primaries {source.primaries} (XYZ)"
    curve = zimg_transfer(source.transfer)
    readable = source.matrix in _CONVERTED_MATRICES or (
        curve in _CONVERTED_WITH.get(source.matrix, ())
        and (source.matrix != "ictcp" or source.primaries == "bt2020")
    )
    if not is_rgb(video) and not readable:
        return f"the matrix {source.matrix} with the transfer {source.transfer}"
    return None


def zimg_transfer(name: str) -> str:
    """The same curve by a name from which `zscale` converts."""
    return "bt709" if name in {"iec61966-2-4", "bt1361e"} else name


def fully_tagged(video: VideoStream) -> bool:
    """Whether nothing has to be guessed; RGB has no matrix to guess."""
    tags = (video.color_space, video.color_primaries, video.color_transfer)
    return is_rgb(video) or is_xyz(video) or all(tag is not None for tag in tags)


def strange_matrix(video: VideoStream) -> bool:
    """Whether only `zscale` reads the pixels (YCgCo, ICtCp, constant luminance)."""
    return not is_rgb(video) and not is_scalable(source_colour(video).matrix)


def is_scalable(matrix: str) -> bool:
    """Whether the filter `scale` reads pixels of it."""
    return matrix in _SCALED_MATRICES


def scaler_name(matrix: str) -> str:
    """The name that ffmpeg's `scale` has for a matrix: both 601 tags share one."""
    if matrix in _BT601:
        return "bt601"
    return "bt2020" if matrix == "bt2020nc" else matrix


def same_matrix(one: str | None, other: str | None) -> bool:
    """Whether two tags name one matrix: both 601 tags do (H.273, table 4)."""
    return one == other or {one, other} <= _BT601
