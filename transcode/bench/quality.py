"""Rate–VMAF curves of codecs and presets, and what one saves beside another."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import UsageError, WorkError
from ..plan.codecs import PRESETS
from ..plan.profile import Profile, VideoProfile, VideoRung
from ..wiring import Wiring
from ..work.toolchain import find_ffmpeg
from .children import run
from .clips import named, own_clip
from .jobs import done, figure, scratch
from .report import Curve, Figure, Found
from .telling import Tell
from .throughput import attempts_cpu, output_minutes
from .variants import kept, pictures_alone

RATE_FACTORS = {
    "h264": (19, 23, 27, 31),
    "hevc": (21, 25, 29, 33),
    "av1": (25, 33, 41, 49),
    "vp9": (25, 33, 41, 49),
}
"""Four of each codec, over about the same qualities."""
_NO_CAP_KBPS = 1_000_000
_TALLEST = 1080
_SCORE = re.compile(r"VMAF score: ([0-9.]+)")
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class EncodingWay:
    """How it is encoded."""

    codec: str
    preset: str

    @property
    def name(self) -> str:
        return f"{self.codec} {self.preset}"


@dataclass(frozen=True, slots=True)
class Point:
    """One encode."""

    kbps: float
    vmaf: float
    cpu_per_minute: float | None


def way_of(text: str) -> EncodingWay:
    """`h264:veryfast`. Raises `UsageError`."""
    codec, _, preset = text.partition(":")
    if codec not in RATE_FACTORS:
        raise UsageError(
            f"--way {text!r}: there is no codec {codec!r}; take one of "
            f"{', '.join(RATE_FACTORS)}."
        )
    presets = PRESETS[codec]  # type: ignore[index]  # looked up above
    if preset not in presets:
        raise UsageError(
            f"--way {text!r}: {codec} has no preset {preset!r}; take one of "
            f"{', '.join(presets)}."
        )
    return EncodingWay(codec, preset)


def quality(
    files: Sequence[Path], ways: Sequence[EncodingWay], *, wired: Wiring, tell: Tell
) -> Found:
    """
    Encode the pictures of each file in each way at four rate factors.

    The source's own size, at most 1080 lines, without a cap. VMAF is libvmaf's mean
    over all pictures, 1080p model, of the result beside the source.
    """
    figures: list[Figure] = []
    curves: list[Curve] = []
    with scratch() as folder:
        given = named(files) or [own_clip(folder, wired.settings, seconds=4)]
        for file in given:
            found: dict[EncodingWay, list[Point]] = {}
            for way in ways:
                tell = tell.begin(f"{file.name}, {way.name}")
                found[way] = list(_points(file, way, folder, wired, tell))
                curves.append(_curve(file, way, found[way], several=len(given) > 1))
            figures += _beside(file, ways, found)
    return Found(figures=tuple(figures), curves=tuple(curves), notes=(_NOTE,))


_NOTE = (
    "bd_rate is the Bjøntegaard difference: how many per cent more bits (less where it "
    "is below 0) than the first way for the same VMAF, over the qualities that both "
    "reach; curves are joined by monotone cubics. What stands in brackets is over the "
    "four rate factors: an encode is the same each time, there is nothing to repeat."
)


def _points(
    file: Path, way: EncodingWay, folder: Path, wired: Wiring, tell: Tell
) -> Iterator[Point]:
    factors = RATE_FACTORS[way.codec]
    for factor in factors:
        with scratch() as to:
            variant = _profile(wired.catalog.profile("mp4"), way, factor)
            profile = kept(variant, folder, f"{way.codec}-{way.preset}-{factor}")
            _, manifest = done(file, to, profile, "--sample", "never")
            [output] = [it for it in manifest.outputs if it.kind == "rendition"]
            path = Path(output.uri.removeprefix("file://"))
            seconds = output.duration_seconds or math.nan
            cpu = attempts_cpu(manifest)
            yield Point(
                kbps=output.bytes * 8 / seconds / 1000,
                vmaf=vmaf(path, file, find_ffmpeg(wired.settings)),
                cpu_per_minute=None if cpu is None else cpu / output_minutes(manifest),
            )
            tell.step(len(factors))


def _profile(base: Profile, way: EncodingWay, factor: int) -> Profile:
    rung = VideoRung(short_side=_TALLEST, crf=factor, max_bit_rate_kbps=_NO_CAP_KBPS)
    video = VideoProfile.model_validate(
        {
            "codec": way.codec,
            "preset": way.preset,
            "rungs": (rung,),
        }
    )
    # Set apart: in a file the rule cannot be switched off.
    video = video.model_copy(update={"source_bit_rate_ratio": 1000.0})
    return pictures_alone(base.model_copy(update={"video": video}))


def vmaf(made: Path, source: Path, ffmpeg: str) -> float:
    """
    Mean VMAF (libvmaf, `vmaf_v0.6.1`) of *made*, scaled to the source's size.

    Raises `WorkError` where this ffmpeg cannot tell.
    """
    said: list[str] = []
    graph = (
        "[0:v:0]setpts=PTS-STARTPTS[m];[1:v:0]setpts=PTS-STARTPTS[s];"
        "[m][s]scale2ref=flags=bicubic[a][b];[a][b]libvmaf=n_threads=2"
    )
    argv = [ffmpeg, "-nostdin", "-v", "info", "-nostats", "-i", str(made)]
    argv += ["-i", str(source), "-lavfi", graph, "-f", "null", "-"]
    run(argv, heard=said.append)
    for line in said:
        if found := _SCORE.search(line):
            return float(found[1])
    raise WorkError("This ffmpeg tells no VMAF; it was built without libvmaf.")


def _curve(
    file: Path, way: EncodingWay, points: Sequence[Point], *, several: bool
) -> Curve:
    name = f"VMAF over bit rate, {file.name}" if several else "VMAF over bit rate"
    return Curve(
        name=name,
        label=way.name,
        x="kbit/s",
        y="VMAF",
        points=tuple(sorted((it.kbps, it.vmaf) for it in points)),
    )


def _beside(
    file: Path, ways: Sequence[EncodingWay], found: dict[EncodingWay, list[Point]]
) -> Iterator[Figure]:
    first = ways[0]
    for way in ways:
        of = {"file": file.name, "way": way.name}
        yield figure("vmaf", "", None, of, [it.vmaf for it in found[way]])
        yield figure("rate", "kbit/s", None, of, [it.kbps for it in found[way]])
        cpu = [it.cpu_per_minute for it in found[way] if it.cpu_per_minute is not None]
        if cpu:
            yield figure("cpu", "s/min", "less", of, cpu)
        if way == first:
            continue
        saved = bd_rate(_sorted(found[first]), _sorted(found[way]))
        if saved is None:
            why = (
                f"its qualities and those of {first.name} do not overlap, or do not "
                "rise with the rate"
            )
            yield Figure(name="bd_rate", unit="%", better="less", of=of, reason=why)
        else:
            yield figure("bd_rate", "%", "less", of, [saved])
        base = [it.cpu_per_minute for it in found[first] if it.cpu_per_minute]
        if cpu and len(cpu) == len(base):
            ratios = [a / b for a, b in zip(cpu, base, strict=True)]
            yield figure("cpu_ratio", "", "less", of, ratios)


def _sorted(points: Sequence[Point]) -> list[tuple[float, float]]:
    return sorted((it.kbps, it.vmaf) for it in points)


def bd_rate(
    base: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]
) -> float | None:
    """
    How many per cent more bits *other* takes than *base* for the same quality.

    Points are (rate, quality), both rising. Bjøntegaard, VCEG-M33, with piecewise
    monotone cubics (Fritsch and Carlson 1980) as JVET's common test conditions have
    it. None where the qualities do not overlap.
    """
    for it in (base, other):
        rising = all(a[1] < b[1] for a, b in pairwise(it))
        if len(it) < _FEWEST or not rising:
            return None
    first, second = (
        _monotone([q for _, q in it], [math.log(rate) for rate, _ in it])
        for it in (base, other)
    )
    low = max(base[0][1], other[0][1])
    high = min(base[-1][1], other[-1][1])
    if high <= low:
        return None
    steps = 256
    distance = 0.0
    for n in range(steps + 1):
        q = low + (high - low) * n / steps
        weight = 1 if n in {0, steps} else 4 if n % 2 else 2
        distance += weight * (second(q) - first(q))
    return (math.exp(distance / 3 / steps) - 1) * 100


@dataclass(frozen=True, slots=True)
class _Cubic:
    """Through all points, rising where they rise."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    slopes: tuple[float, ...]

    def __call__(self, x: float) -> float:
        last = len(self.xs) - 2
        n = next((i for i in range(last + 1) if x <= self.xs[i + 1]), last)
        h = self.xs[n + 1] - self.xs[n]
        t = (x - self.xs[n]) / h
        return (
            (1 + 2 * t) * (1 - t) ** 2 * self.ys[n]
            + t * (1 - t) ** 2 * h * self.slopes[n]
            + t * t * (3 - 2 * t) * self.ys[n + 1]
            + t * t * (t - 1) * h * self.slopes[n + 1]
        )


def _monotone(xs: Sequence[float], ys: Sequence[float]) -> _Cubic:
    steps = [b - a for a, b in pairwise(xs)]
    rises = [(b - a) / h for (a, b), h in zip(pairwise(ys), steps, strict=True)]
    slopes = [rises[0]]
    for n in range(1, len(rises)):
        a, b = rises[n - 1], rises[n]
        if a * b <= 0:
            slopes.append(0.0)
            continue
        w1, w2 = 2 * steps[n] + steps[n - 1], steps[n] + 2 * steps[n - 1]
        slopes.append((w1 + w2) / (w1 / a + w2 / b))
    slopes.append(rises[-1])
    return _Cubic(tuple(xs), tuple(ys), tuple(slopes))
