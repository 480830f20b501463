"""The coefficients of the prediction model, as `bench/calibrate.py` writes them."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ..contract import Recipe, Value, VideoRendition
from ..errors import SettingsError

__all__ = ["UNMEASURED_SPREAD", "costs_of"]


STANDS_FOR = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
}


"""An encoder that was not measured is taken to be the codec's software encoder."""


class Measured(Value):
    """Where and when: what a figure is worth on another machine."""

    date: date
    cpu: str
    cpus: PositiveInt
    ffmpeg: str
    method: str
    content: str
    """The files whose pictures were encoded, the first one by every encoder."""
    yardstick_seconds: PositiveFloat | None = None
    """CPU seconds of `toolchain.yardstick_seconds` there and then."""


class StartCosts(Value):
    """One worker process and one ffmpeg with nothing to do."""

    worker_seconds: NonNegativeFloat
    ffmpeg_seconds: NonNegativeFloat
    worker_mib: NonNegativeFloat
    ffmpeg_mib: NonNegativeFloat


class FilterCosts(Value):
    """CPU seconds per megapixel that enters, but for `scale_output`."""

    longest_thread_share: NonNegativeFloat
    scale_output: NonNegativeFloat
    scale_input: NonNegativeFloat
    deinterlace: NonNegativeFloat
    tone_map: NonNegativeFloat
    depth: NonNegativeFloat
    """From 10 bits to 8."""
    thumbnail: NonNegativeFloat


class AudioCosts(Value):
    """CPU seconds per second of one stereo track."""

    aac: NonNegativeFloat
    libopus: NonNegativeFloat
    loudness: NonNegativeFloat
    """Measuring it."""
    limiter: NonNegativeFloat
    """Holding its peaks, at four times the rate."""


class PackagerCosts(Value):
    start_seconds: NonNegativeFloat
    seconds_per_megabyte: NonNegativeFloat
    peak_mib: NonNegativeFloat


class DecodeCosts(Value):
    """CPU seconds: so much per megapixel, and so much per megabit."""

    seconds_per_megapixel: NonNegativeFloat
    seconds_per_megabit: NonNegativeFloat


class ContentFit(Value):
    """
    How the cost of encoding follows the source's density.

    `factor = at_one x density ** exponent`, density in bits per pixel as of H.264, not
    below `flat_below` and not above what was measured.
    """

    flat_below: PositiveFloat
    highest_density: PositiveFloat
    exponent: float
    at_one: PositiveFloat
    spread: NonNegativeFloat
    """Standard deviation of the logarithm of actual over predicted."""

    def factor(self, density: float) -> float:
        within = min(max(density, self.flat_below), self.highest_density)
        return self.at_one * math.pow(within, self.exponent)


class EncodeCosts(Value):
    """One encoder with one preset."""

    heights: tuple[PositiveInt, ...]
    seconds_per_megapixel: tuple[PositiveFloat, ...]
    longest_thread_share: NonNegativeFloat
    """Of its CPU time, what the busiest thread does: no CPU more shortens that."""
    base_mib: NonNegativeFloat
    bytes_per_pixel: NonNegativeFloat
    """Held for each pixel of one picture with one thread: look-ahead, references,
    analysis, queues."""
    bytes_per_pixel_per_thread: NonNegativeFloat
    mib_at_megapixel: tuple[PositiveFloat, ...] = ()
    """Instead of both, held at a million pixels with one thread, with two and so on;
    with more as with the last, at other sizes by `POOL_EXPONENT`."""

    def rate(self, height: int) -> float:
        """Seconds per megapixel, linear between the measured heights, flat outside."""
        points = sorted(zip(self.heights, self.seconds_per_megapixel, strict=True))
        if height <= points[0][0]:
            return points[0][1]
        for (low, slow), (high, fast) in pairwise(points):
            if height <= high:
                return slow + (fast - slow) * (height - low) / (high - low)
        return points[-1][1]


class Coefficients(Value):
    """Everything that was measured or learned; nothing in it was edited by hand."""

    measured: Measured
    start: StartCosts
    filter: FilterCosts
    audio: AudioCosts
    packager: PackagerCosts
    decode: Mapping[str, DecodeCosts]
    """By ffmpeg's codec name."""
    content: Mapping[str, ContentFit]
    """By encoder."""
    encode: Mapping[str, Mapping[str, EncodeCosts]]
    """By encoder, then preset."""
    learned: Experience | None = None
    """From tasks that ran; None: nothing yet."""
    pace: PositiveFloat = Field(1.0, exclude=True)
    """CPU seconds that a machine takes for one of those here, where nothing was learned
    of it; no part of what was measured, and not written with it."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for name in STANDS_FOR.values():
            if not self.encode.get(name) or name not in self.content:
                raise ValueError(f"nothing was measured of {name}")
        if not self.decode:
            raise ValueError("no decoder was measured")
        return self

    def here(self, yardstick_seconds: float | None) -> Self:
        """For a machine that takes so long for the same small encode."""
        then = self.measured.yardstick_seconds
        if then is None or yardstick_seconds is None:
            return self
        return self.model_copy(update={"pace": yardstick_seconds / then})

    def decoding(self, codec: str) -> DecodeCosts:
        """Of a codec; the dearest per pixel stands for one that was not measured."""
        dearest = max(self.decode.values(), key=lambda it: it.seconds_per_megapixel)
        return self.decode.get(codec, dearest)


def parse_coefficients(text: str) -> Coefficients:
    """Read coefficients from TOML; raises SettingsError naming the field."""
    try:
        return Coefficients.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"The coefficients are not TOML: {exc}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "encode"
        raise SettingsError(
            f"The coefficients' field {field}: {first['msg']}; "
            "write them anew with bench/calibrate.py.",
            field=field,
        ) from exc


SPEEDS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
    "veryslow",
)  # fmt: skip


UNMEASURED_SPREAD = 0.3


"""Added where the nearest slower preset, or another encoder, stands for one."""


def costs_of(
    rendition: VideoRendition, coefficients: Coefficients
) -> tuple[EncodeCosts, float]:
    """Measured costs, or the nearest slower preset's, and how unsure that makes."""
    name = rendition.encoder or STANDS_FOR[rendition.codec]
    unsure = 0.0
    if name not in coefficients.encode:
        name, unsure = STANDS_FOR[rendition.codec], UNMEASURED_SPREAD
    presets = coefficients.encode[name]
    if rendition.preset is not None and rendition.preset in presets:
        return presets[rendition.preset], unsure
    slowness = _slowness(rendition.preset)
    ranked = sorted(presets, key=_slowness)
    nearest = next((p for p in ranked if _slowness(p) >= slowness), ranked[-1])
    return presets[nearest], unsure + UNMEASURED_SPREAD


def _slowness(preset: str | None) -> int:
    """A rank, larger is slower; unknown words count as x264's default."""
    if preset is not None and preset.isdigit():
        return -int(preset)
    return SPEEDS.index(preset if preset in SPEEDS else "medium")


_HEAD = (
    "# Measured by bench/calibrate.py, learned by transcode calibrate --from-ledger;\n"
    "# not edited. Use it with TRANSCODE_COEFFICIENTS.\n\n"
)


def coefficients_text(coefficients: Coefficients) -> str:
    """TOML; reading it gives the same coefficients."""
    tables = coefficients.model_dump(mode="json", exclude_none=True)
    return _HEAD + "\n".join(_lines(tables)).lstrip() + "\n"


def _lines(tables: Mapping[str, object], path: str = "") -> Iterator[str]:
    plain = {k: v for k, v in tables.items() if not isinstance(v, dict)}
    if path and plain:
        yield f"\n[{path}]"
    for key, value in plain.items():
        # Of what is in here, JSON and TOML write everything alike.
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in tables.items():
        if isinstance(value, dict):
            name = key if re.fullmatch(r"[\w-]+", key) else json.dumps(key)
            yield from _lines(value, f"{path}.{name}" if path else name)


COPIED = "copy"


PRIOR = 4


"""Something learned counts as if so many more had been as the model says."""


class Learned(Value):
    """One encoder with one preset, as `task_key` names it."""

    records: PositiveInt
    sources: PositiveInt = 1
    """How many different ones: tasks of one source have one error."""
    cpu: PositiveFloat
    """Measured over predicted CPU seconds of whole tasks."""
    memory: PositiveFloat
    """The same of peak memory, at the upper end: what is too small is killed."""
    spread: NonNegativeFloat
    """Standard deviation of the logarithm of actual over predicted wall time."""


class LearnedPlatform(Value):
    """A platform's vCPU, beside one of the machine that was calibrated on."""

    records: PositiveInt
    cpu: PositiveFloat
    """CPU seconds for the same work: above 1, its vCPUs are slower."""
    wall: PositiveFloat
    """Wall time over what those CPU seconds explain."""


class Accuracy(Value):
    """How well tasks were predicted that the fit has not seen."""

    records: NonNegativeInt
    wall_error: NonNegativeFloat
    """Median of |actual / predicted - 1|."""
    cpu_error: NonNegativeFloat
    inside: NonNegativeFloat
    """Share of actual wall times within the interval that was to hold 0.9."""
    memory_under: NonNegativeFloat
    """Share of peaks above prediction times margin."""


class Experience(Value):
    """The table `[learned]` of the coefficients."""

    as_of: date
    origin: str
    """The ledger."""
    records: PositiveInt
    first: date
    last: date
    """Days of the oldest and the newest record."""
    before: Accuracy | None = None
    after: Accuracy | None = None
    """On sources that were held out; None where there was but one source."""
    encode: Mapping[str, Learned] = {}
    """By `task_key`."""
    platform: Mapping[str, LearnedPlatform] = {}
    """By name."""


def task_key(recipe: Recipe) -> str:
    """`encoder/preset` of the picture that takes most of the work; `copy` for none."""
    # A join copies, too: others have encoded.
    encoded = [it for it in recipe.video if it.made_by == "encoded"]
    if not encoded or recipe.chunks:
        return COPIED
    top = max(encoded, key=lambda it: it.width * it.height)
    return f"{top.encoder or top.codec}/{top.preset or 'default'}"
