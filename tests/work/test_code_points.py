"""Each code point of H.273 that a stream can carry, through encode and verification."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python
import pytest

from transcode.contract import DynamicRange, VideoStream
from transcode.errors import MediaUnsupported
from transcode.media.colours import (
    HDR_TRANSFERS,
    MATRICES,
    PRIMARIES,
    TRANSFERS,
    code,
    is_scalable,
    output_colour,
    unreadable,
)
from transcode.work.command.conversion import in_known_colours

Triple = tuple[float, float, float]

PATCHES: tuple[Triple, ...] = ((118, 128, 128), (132, 122, 139), (110, 138, 120))
"""Luma and chroma of three columns: pale enough for every gamut."""

CHROMATICITIES: Mapping[str, tuple[float, ...]] = {
    "bt709": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "bt470m": (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    "bt470bg": (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "smpte170m": (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    "smpte240m": (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    "film": (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    "bt2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "smpte431": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    "smpte432": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
    "ebu3213": (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290),
}
"""H.273, table 2: x and y of red, green, blue and white."""
LUMA: Mapping[str, tuple[float, float]] = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
"""H.273, table 4: the weights of red and blue."""
GAMMA = {"bt470m": 2.2, "bt470bg": 2.8, "linear": 1.0}
"""Else a display's 2.4 (ITU-R BT.1886); sRGB and logarithms have formulas."""
UNMEASURED = {"bt2020c", "chroma-derived-c"}
"""Constant luminance: only made and tagged here, not calculated."""


def stream(primaries: str, transfer: str, matrix: str) -> VideoStream:
    """What probing says of such a picture."""
    return VideoStream(
        index=0,
        codec="h264",
        width=17,
        height=15,
        display_width=17,
        display_height=15,
        frame_rate=None,
        variable_frame_rate=None,
        frames=None,
        pixel_format="yuv420p",
        color_primaries=primaries,
        color_transfer=transfer,
        color_space=matrix,
        dynamic_range=HDR_TRANSFERS.get(transfer, DynamicRange.SDR),
    )


def inverse(m: list[list[float]]) -> list[list[float]]:
    """Of a matrix of three by three, by cofactors."""
    (a, b, c), (d, e, f), (g, h, i) = m
    cofactors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return [[one / determinant for one in row] for row in cofactors]


def times(m: list[list[float]], v: Triple | list[float]) -> Triple:
    """A matrix times a vector."""
    first, second, third = (
        sum(a * b for a, b in zip(row, v, strict=True)) for row in m
    )
    return first, second, third


def to_xyz(primaries: str) -> list[list[float]]:
    """Linear RGB → XYZ with white at 1 (SMPTE RP 177)."""
    values = CHROMATICITIES[primaries]
    points = [
        (x / y, 1.0, (1 - x - y) / y)
        for x, y in zip(values[::2], values[1::2], strict=True)
    ]
    columns = [[points[n][row] for n in range(3)] for row in range(3)]
    scale = times(inverse(columns), points[3])
    return [[columns[r][n] * scale[n] for n in range(3)] for r in range(3)]


def adapted(xyz: Triple, primaries: str) -> Triple:
    """From the primaries' own white to D65, after Bradford."""
    bradford = [
        [0.8951, 0.2664, -0.1614],
        [-0.7502, 1.7135, 0.0367],
        [0.0389, -0.0685, 1.0296],
    ]
    x, y = CHROMATICITIES[primaries][6:]
    own = times(bradford, (x / y, 1.0, (1 - x - y) / y))
    x, y = CHROMATICITIES["bt709"][6:]
    wanted = times(bradford, (x / y, 1.0, (1 - x - y) / y))
    cones = times(bradford, xyz)
    scaled = [c * w / o for c, w, o in zip(cones, wanted, own, strict=True)]
    return times(inverse(bradford), scaled)


def light(value: float, transfer: str) -> float:
    """What a display makes of a signal from 0 to 1."""
    value = min(max(value, 0.0), 1.0)
    if transfer == "iec61966-2-1":
        low = value / 12.92
        return low if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
    if transfer in {"log100", "log316"}:
        decades = 2.0 if transfer == "log100" else 2.5
        return float(10 ** ((value - 1) * decades)) if value > 0 else 0.0
    return float(value ** GAMMA.get(transfer, 2.4))


def weights(matrix: str, primaries: str) -> tuple[float, float]:
    """Of red and blue in luma."""
    if matrix == "chroma-derived-nc":
        row = to_xyz(primaries)[1]
        return row[0], row[2]
    return LUMA[matrix]


def shown(patch: Triple, tags: Mapping[str, str], *, full: bool) -> Triple:
    """Linear BT.709 of what a display shows for luma and chroma of 8 bits."""
    if full:
        y, cb, cr = patch[0] / 255, (patch[1] - 128) / 255, (patch[2] - 128) / 255
    else:
        y, cb, cr = (
            (patch[0] - 16) / 219,
            (patch[1] - 128) / 224,
            (patch[2] - 128) / 224,
        )
    if tags["matrix"] == "ycgco":
        rgb = (y - cb + cr, y + cb, y - cb - cr)
    else:
        red, blue = weights(tags["matrix"], tags["primaries"])
        r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
        rgb = (r, (y - red * r - blue * b) / (1 - red - blue), b)
    linear = [light(one, tags["transfer"]) for one in rgb]
    xyz = adapted(times(to_xyz(tags["primaries"]), linear), tags["primaries"])
    in_gamut = times(inverse(to_xyz("bt709")), xyz)
    first, second, third = (min(max(one, 0.0), 1.0) for one in in_gamut)
    return first, second, third


def planes(ffmpeg: str, path: Path) -> list[Triple]:
    """Luma and chroma in the middle of each of the first frame's columns."""
    # As stored: no filter may touch range or matrix.
    argv = [ffmpeg, "-v", "error", "-i", str(path), "-frames:v", "1"]
    argv += ["-f", "rawvideo", "-"]
    raw = subprocess.run(argv, capture_output=True, check=True).stdout
    assert len(raw) == 96 * 48 * 3 // 2
    found: list[Triple] = []
    for column in (16, 48, 80):
        chroma = 96 * 48 + 12 * 48 + column // 2
        y, u, v = raw[24 * 96 + column], raw[chroma], raw[chroma + 24 * 48]
        found.append((y, u, v))
    return found


@pytest.fixture(scope="module")
def plain(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three columns that stand still, tagged by nobody."""
    path = tmp_path_factory.mktemp("points") / "plain.mp4"

    def plane(number: int) -> str:
        width = 32 if number == 0 else 16
        first, second, third = (patch[number] for patch in PATCHES)
        rest = f"if(lt(X\\,{2 * width})\\,{second}\\,{third})"
        return f"if(lt(X\\,{width})\\,{first}\\,{rest})"

    chain = f"format=yuv420p,geq=lum='{plane(0)}':cb='{plane(1)}':cr='{plane(2)}'"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi"]
    argv += ["-i", "color=size=96x48:rate=25:duration=0.2", "-vf", chain]
    argv += ["-c:v", "libx264", "-qp", "1", "-preset", "ultrafast", str(path)]
    subprocess.run(argv, check=True)
    return path


@pytest.fixture
def tagged(ffmpeg: str, plain: Path, tmp_path: Path) -> Callable[..., Path]:
    """The same pictures with other tags in the stream."""

    def make(primaries: int, transfer: int, matrix: int, *, full: bool) -> Path:
        path = tmp_path / "tagged.mp4"
        said = (
            f"h264_metadata=colour_primaries={primaries}:"
            f"transfer_characteristics={transfer}:matrix_coefficients={matrix}:"
            f"video_full_range_flag={int(full)}"
        )
        argv = [ffmpeg, "-v", "error", "-i", str(plain), "-c", "copy"]
        subprocess.run([*argv, "-bsf:v", said, str(path)], check=True)
        return path

    return make


READABLE = (1, 5, 6, 4, 7, 8, 9, 12, 13)
TURNS = [
    (
        [it for it in PRIMARIES if PRIMARIES[it] != "smpte428"][n % 10],
        [it for it in TRANSFERS if TRANSFERS[it] != "smpte428"][n % 15],
        READABLE[n % len(READABLE)],
        n % 3 == 2,
    )
    for n in range(16)
]
"""Each code point at least once, each with others."""
ALONE = [
    *((2, transfer, 2, False) for transfer in (4, 5, 8)),
    (12, 13, 1, False),
    (12, 2, 2, True),
    (9, 14, 9, False),
    (9, 14, 10, False),
]
"""A single tag, and what is found in the wild: Display P3 and BT.2020 in SDR."""


@pytest.mark.parametrize("points", [*TURNS, *ALONE], ids=str)
def test_every_code_point_is_made_and_looks_as_it_did(
    ffmpeg: str,
    tagged: Callable[..., Path],
    through: Any,
    points: tuple[int, int, int, bool],
) -> None:
    """
    A display shows the same light for source and rendition, by the formulas of H.273.

    HDR becomes SDR, so that only its tags are compared.
    """
    *codes, full = points
    clip = tagged(*codes, full=full)

    produced, staging, task = through(clip, "fine\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
    video = task.media.video[0]
    output = output_colour(video, tone_map=task.recipe.tone_map)
    names = PRIMARIES, TRANSFERS, MATRICES
    source = {
        what: table.get(number, "smpte170m")
        for what, table, number in zip(
            ("primaries", "transfer", "matrix"), names, codes, strict=True
        )
    }
    made = {
        "primaries": output.primaries,
        "transfer": output.transfer,
        "matrix": output.matrix,
    }
    written = planes(ffmpeg, staging / "video.mp4")
    if source["transfer"] in HDR_TRANSFERS or source["matrix"] in UNMEASURED:
        return
    for patch, found in zip(planes(ffmpeg, clip), written, strict=True):
        wanted = shown(patch, source, full=full)
        seen = shown(found, made, full=False)
        # As steps of 8 bits: in light, dark differences would weigh nothing.
        steps = [
            abs(a ** (1 / 2.4) - b ** (1 / 2.4)) * 255
            for a, b in zip(wanted, seen, strict=True)
        ]
        assert max(steps) < 6, (patch, found, wanted, seen)


def test_what_is_called_readable_is_read(ffmpeg: str) -> None:
    """Each matrix with each transfer function, in one process of many graphs."""
    outputs: list[str] = []
    # Of those that the scaler reads, one stands for all.
    matrices = [it for it in MATRICES.values() if it == "bt709" or not is_scalable(it)]
    pairs = product(matrices, TRANSFERS.values())
    for number, (matrix, transfer) in enumerate(pairs):
        primaries = [*PRIMARIES.values()][number % len(PRIMARIES)]
        video = stream(primaries, transfer, matrix)
        if unreadable(video) is not None:
            continue
        # Inputs that are told the same would be one.
        blank = f"color=size=17x15:duration=0.04:rate={25 + len(outputs)}"
        made = ffmpeg_python.input(blank, f="lavfi")["v"]
        made = made.filter("format", "yuv420p")
        made = made.filter(
            "setparams",
            colorspace=matrix,
            color_primaries=primaries,
            color_trc=transfer,
            range="tv",
        )
        made = in_known_colours(made, video)
        outputs.append(ffmpeg_python.output(made, "-", f="null"))
    argv = [ffmpeg, "-v", "error", "-nostdin", "-filter_complex_threads", "1"]
    argv += ffmpeg_python.merge_outputs(*outputs).get_args()

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert len(outputs) > 50


@pytest.mark.parametrize(
    "points",
    [
        *((1, 1, code(MATRICES, name)) for name in ("smpte2085", "ipt-c2", "ictcp")),
        *((1, 1, code(MATRICES, name)) for name in ("ycgco-re", "ycgco-ro")),
        (1, code(TRANSFERS, "smpte428"), 1),
        (code(PRIMARIES, "smpte428"), 1, 1),
    ],
    ids=str,
)
def test_what_nothing_reads_is_refused_by_name(
    tagged: Callable[..., Path], through: Any, points: tuple[int, int, int]
) -> None:
    """Before anything is encoded, with the name of the code point."""
    clip = tagged(*points, full=False)
    names = PRIMARIES[points[0]], TRANSFERS[points[1]], MATRICES[points[2]]
    name = next(it for it in names if it != "bt709")

    with pytest.raises(MediaUnsupported, match=name):
        through(clip, "mp4\n")
