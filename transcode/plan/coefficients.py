"""The coefficients of the prediction model, as `bench/calibrate.py` writes them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ..contract import Value
from ..errors import SettingsError
from .learned import Experience

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
    """CPU seconds of `tools.yardstick_seconds` there and then."""


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
    loudnorm: NonNegativeFloat
    """Changing it."""


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
