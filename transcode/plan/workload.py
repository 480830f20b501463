"""
What is to be done in one task, in CPU seconds, whatever it is done on.

Decoding costs so much per megapixel and per megabit; encoding so much per megapixel, by
encoder, preset and height, times a factor for the content, which is read from the
source's bits per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..contract import AudioRendition, Media, Recipe, VideoRendition, VideoStream
from ..errors import PlanError
from .coefficients import STANDS_FOR, Coefficients, EncodeCosts
from .density import ASSUMED_BITS_PER_PIXEL, ASSUMED_RATE, DISCOUNT, density
from .outputs import verify_seconds, written_bytes

SPEEDS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
    "veryslow",
)  # fmt: skip
UNMEASURED_SPREAD = 0.3
"""Added where the nearest slower preset, or another encoder, stands for one."""
ROWS_PER_THREAD = 32
"""Pixel rows under which a further thread is of no use: x264 allows itself two rows
of macroblocks per thread (`encoder.c`, "Capped at an arbitrary 2 rows per thread")."""
DECODER_SHARE = 0.1
"""Of decoding, what stays in one thread where the codec is decoded by frame threads."""
DECODE_SPREAD, FILTER_SPREAD, START_SPREAD = 0.25, 0.15, 0.25
MACHINE_SPREAD = 0.08
"""Two runs of the same thing on a shared machine."""
TEN_BIT = 1.4
"""Encoding 10 bits instead of 8."""
UNKNOWN_LENGTH_SPREAD = 0.7
LEFT_OF_START = 0.25
"""Of a worker's start, what is left when it gets its order: it imports while the source
is probed. Of 0, 0.25, 0.5 and 1 what fits 56 runs of bench/accuracy.py best."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the pipeline; all parts run at the same time."""

    name: str
    cpu_seconds: float
    longest_share: float
    """Of it, what one thread does."""
    spread: float
    """Standard deviation of the logarithm."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be done, whatever it is done on."""

    media: Media
    recipe: Recipe
    coefficients: Coefficients
    stages: tuple[Stage, ...]
    start_seconds: float
    verify_seconds: float
    decodes: bool
    costs: tuple[tuple[VideoRendition, EncodeCosts], ...]
    written_bytes: int
    scratch_bytes: int
    extra_spread: float

    @property
    def cpu_seconds(self) -> float:
        work = sum(stage.cpu_seconds for stage in self.stages)
        return self.start_seconds + work + self.verify_seconds

    @property
    def spread(self) -> float:
        """Parts follow the same content, so their errors add up; the rest does not."""
        fixed = self.start_seconds * START_SPREAD + self.verify_seconds * DECODE_SPREAD
        parts = fixed + sum(s.cpu_seconds * s.spread for s in self.stages)
        own = parts / max(self.cpu_seconds, 1e-9)
        return math.hypot(own, MACHINE_SPREAD, self.extra_spread)


@dataclass(frozen=True, slots=True)
class _Length:
    seconds: float
    spread: float


def workload(media: Media, recipe: Recipe, *, coefficients: Coefficients) -> Workload:
    """Sum up what is to be done; raises PlanError as `predict` does."""
    video = next((v for v in media.video if v.index == recipe.video_index), None)
    length = _length(media, video)
    encoded = tuple(r for r in recipe.video if r.made_by == "encoded")
    decodes = video is not None and bool(encoded or recipe.sprites or recipe.poster)
    stages: list[Stage] = []
    costs: list[tuple[VideoRendition, EncodeCosts]] = []
    if video is not None and decodes:
        frames = _frames(video, length.seconds)
        if not encoded and not recipe.sprites and recipe.poster:
            frames = min(frames, recipe.poster.candidates * 25.0)
        read = frames * (1 + _before(recipe) / max(length.seconds, 1e-3))
        stages.append(_decode(video, read, media=media, coefficients=coefficients))
        stages.append(
            _filters(
                video, frames, length.seconds, recipe=recipe, coefficients=coefficients
            )
        )
        for rendition in encoded:
            cost = _costs(rendition, coefficients)
            costs.append((rendition, cost[0]))
            count = _output_frames(rendition, frames, length.seconds)
            stages.append(
                _encode(rendition, count, density(media, video), cost=cost,
                        coefficients=coefficients)
            )  # fmt: skip
    stages += [_audio(a, length.seconds, coefficients) for a in recipe.audio]
    likely, most = written_bytes(media, recipe, video, length.seconds)
    package = coefficients.packager
    stages.append(
        Stage("package", package.start_seconds + package.seconds_per_megabyte
              * likely / 1e6, longest_share=1.0, spread=FILTER_SPREAD)
    )  # fmt: skip
    start = coefficients.start
    return Workload(
        media=media,
        recipe=recipe,
        coefficients=coefficients,
        stages=tuple(stages),
        start_seconds=start.worker_seconds * LEFT_OF_START + start.ffmpeg_seconds,
        verify_seconds=verify_seconds(
            recipe, video, length.seconds, coefficients=coefficients
        ),
        decodes=decodes,
        costs=tuple(costs),
        written_bytes=likely,
        scratch_bytes=most,
        extra_spread=length.spread,
    )


def _before(recipe: Recipe) -> float:
    """Seconds that are decoded and thrown away, because a clip begins after them."""
    clip = recipe.clip
    return 0.0 if clip is None else clip.start_seconds - (clip.seek_seconds or 0.0)


def _length(media: Media, video: VideoStream | None) -> _Length:
    known = media.duration_seconds or (video.duration_seconds if video else None)
    if known:
        return _Length(known, spread=0.0)
    if video and video.frames:
        return _Length(video.frames / float(video.frame_rate or ASSUMED_RATE), 0.1)
    if media.bytes:
        per_second = float(128_000)
        if video:
            pixels = video.width * video.height
            rate = float(video.frame_rate or ASSUMED_RATE)
            per_second = pixels * rate * ASSUMED_BITS_PER_PIXEL
        return _Length(media.bytes * 8 / per_second, UNKNOWN_LENGTH_SPREAD)
    raise PlanError(
        "The source says neither how long nor how large it is, so no spec can be "
        "chosen for it; store it under a length first.",
        container=media.container,
    )


def _frames(video: VideoStream, seconds: float) -> float:
    if video.frames:
        return float(video.frames)
    return seconds * float(video.frame_rate or ASSUMED_RATE)


def _output_frames(rendition: VideoRendition, frames: float, seconds: float) -> float:
    if rendition.frame_rate is None:
        return frames
    return seconds * float(rendition.frame_rate)


def _decode(
    video: VideoStream, frames: float, *, media: Media, coefficients: Coefficients
) -> Stage:
    known = video.codec in coefficients.decode
    rates = coefficients.decoding(video.codec)
    megapixels = frames * video.width * video.height / 1e6
    bits = density(media, video)
    per_pixel = ASSUMED_BITS_PER_PIXEL if bits is None else bits
    megabits = megapixels * per_pixel * DISCOUNT.get(video.codec, 1.0)
    return Stage(
        "decode",
        megapixels * rates.seconds_per_megapixel + megabits * rates.seconds_per_megabit,
        longest_share=DECODER_SHARE if known else 1.0,
        spread=DECODE_SPREAD if known else DECODE_SPREAD + UNMEASURED_SPREAD,
    )


def _filters(
    video: VideoStream,
    frames: float,
    seconds: float,
    *,
    recipe: Recipe,
    coefficients: Coefficients,
) -> Stage:
    rates = coefficients.filter
    before = video.width * video.height / 1e6
    per_frame = 0.0
    if recipe.deinterlace:
        per_frame += before * rates.deinterlace
    if recipe.tone_map:
        per_frame += before * rates.tone_map
    elif (video.bit_depth or 8) > 8:  # noqa: PLR2004 - more than one byte a sample
        per_frame += before * rates.depth
    total = frames * per_frame
    for rendition in recipe.video:
        if rendition.made_by == "copied":
            continue
        after = rendition.width * rendition.height / 1e6
        count = _output_frames(rendition, frames, seconds)
        if after != before:
            total += count * (before * rates.scale_input + after * rates.scale_output)
        before = after
    if recipe.watermark is not None and recipe.video:
        top = recipe.video[0]
        total += frames * top.width * top.height / 1e6 * rates.scale_output
    if recipe.sprites:
        total += recipe.sprites.count * before * rates.scale_input
    if recipe.poster:
        after = recipe.poster.width * recipe.poster.height / 1e6
        scaled = before * rates.scale_input + after * rates.thumbnail
        total += recipe.poster.candidates * scaled
    return Stage(
        "filter", total, longest_share=rates.longest_thread_share, spread=FILTER_SPREAD
    )


def _costs(
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


def _encode(
    rendition: VideoRendition,
    frames: float,
    bits: float | None,
    *,
    cost: tuple[EncodeCosts, float],
    coefficients: Coefficients,
) -> Stage:
    rates, unsure = cost
    name = rendition.encoder or ""
    fit = coefficients.content.get(name)
    if fit is None:
        fit = coefficients.content[STANDS_FOR[rendition.codec]]
    height = min(rendition.width, rendition.height)
    seconds = frames * rendition.width * rendition.height / 1e6 * rates.rate(height)
    seconds *= fit.factor(ASSUMED_BITS_PER_PIXEL if bits is None else bits)
    if "10" in rendition.pixel_format:
        seconds *= TEN_BIT
    share = max(rates.longest_thread_share, ROWS_PER_THREAD / rendition.height)
    return Stage(
        f"encode {rendition.name}",
        seconds,
        longest_share=min(share, 1.0),
        spread=math.hypot(fit.spread, unsure, 0.0 if bits else UNMEASURED_SPREAD),
    )


def _audio(track: AudioRendition, seconds: float, coefficients: Coefficients) -> Stage:
    rates = coefficients.audio
    cost = 0.0
    if track.made_by == "encoded":
        cost = rates.aac if track.codec == "aac" else rates.libopus
    if track.loudness is not None:
        cost += rates.loudness + rates.loudnorm
    return Stage(
        f"audio {track.name}",
        cost * seconds * max(track.channels, 1) / 2,
        longest_share=1.0,
        spread=FILTER_SPREAD,
    )
