"""
What is to be done in one task, in CPU seconds, whatever it is done on.

Decoding costs so much per megapixel and per megabit; encoding so much per megapixel, by
encoder, preset and height, times a factor for the content, which is read from the
source's bits per pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from ..contract import (
    AudioRendition,
    Content,
    Media,
    Recipe,
    StoreRequests,
    VideoRendition,
    VideoStream,
)
from ..media.codecs import BITS_AS_H264
from ..media.sampling import (
    MOST_SAMPLES,
    MOST_SOUND_SECONDS,
    groups_between,
    most_copied_seconds,
    telling_parts,
)
from ..media.timeline import (
    between_keyframes,
    joined,
    joined_rendition,
    looks_at_joined,
    made,
    sprites_rendition,
)
from .coefficients import (
    STANDS_FOR,
    UNMEASURED_SPREAD,
    Coefficients,
    EncodeCosts,
    costs_of,
)
from .estimates import (
    ASSUMED_BITS_PER_PIXEL,
    ASSUMED_RATE,
    before,
    density,
    frames_made,
    frames_of,
    length_of,
)
from .objects import requests_of

ROWS_PER_THREAD = 32


"""Pixel rows under which a further thread is of no use: x264 allows itself two rows
of macroblocks per thread (`encoder.c`, "Capped at an arbitrary 2 rows per thread")."""


SLICED = ("mpeg1video", "mpeg2video")


"""Decoded in one thread, as only then damage is told."""


DECODER_SHARE = 0.1


"""Of decoding, what stays in one thread where the codec is decoded by frame threads."""


DECODE_SPREAD, FILTER_SPREAD, START_SPREAD = 0.25, 0.15, 0.25


MACHINE_SPREAD = 0.08


"""Two runs of the same thing on a shared machine."""


ALIKE = 0.5


"""Correlation of the parts' errors: with the pace taken out, 93 to 95 % of 184 runs of
the benches lie in the 90 % interval, which leaves room for a pace a tenth off."""


TEN_BIT = 1.4


"""Encoding 10 bits instead of 8."""


KEYFRAME = 3.0


"""Of decoding a keyframe beside the mean of all pictures: it has the most bits."""


LEFT_OF_START = 0.5


"""Of a worker's start, what is left when it gets its order: it imports while the source
is probed. Of 0.25, 0.5, 0.75 and 1 what leaves no bias in 183 runs of the benches."""


TRIALS = 2.5
"""Rate factors that a search tries, the profile's own included; 2 to 3 of most."""


INDEX_SECONDS_PER_MB, INDEX_SECONDS_PER_PICTURE, INDEX_SPREAD = 0.0015, 15e-6, 0.35
"""
CPU seconds of one thread of the machine of `coefficients.toml` that looks at packets:
0.33 s for 124 MB of 5,767 pictures (H.264, transport stream), 0.38 s for 36 MB of
23,227 (HEVC, the same), 1.1 s for 457 MB of 77,119 (fragmented MP4); 2026-11-28.
"""
VMAF_SECONDS = 0.016
"""CPU seconds per megapixel of every picture that is compared, of which every third is
scored (libvmaf of FFmpeg 9.0.2, 1080p, 3 GHz Xeon)."""


SEARCH_SPREAD = 0.4
"""How many factors it takes is not known before."""


LIMITED = 0.6
"""How many programmes have peaks to be held: 9 of 15 of the benches at -16 LUFS."""


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
    store: StoreRequests
    """What it asks, where it reads from and writes to an object store."""
    extra_spread: float
    content: Content | None
    """What a sample encode showed of the pictures."""

    @property
    def cpu_seconds(self) -> float:
        work = sum(stage.cpu_seconds for stage in self.stages)
        return self.start_seconds + work + self.verify_seconds

    @property
    def spread(self) -> float:
        """Parts follow the same content, and each has errors of its own as well."""
        parts = [self.start_seconds * START_SPREAD, self.verify_seconds * DECODE_SPREAD]
        parts += [stage.cpu_seconds * stage.spread for stage in self.stages]
        together, apart = sum(parts) ** 2, sum(part**2 for part in parts)
        shared = ALIKE * together + (1 - ALIKE) * apart
        own = math.sqrt(shared) / max(self.cpu_seconds, 1e-9)
        return math.hypot(own, MACHINE_SPREAD, self.extra_spread)


def workload(
    media: Media,
    recipe: Recipe,
    *,
    coefficients: Coefficients,
    content: Content | None = None,
) -> Workload:
    """
    Sum up what is to be done; raises PlanError as `predict` does.

    With *content*, work on pictures is as a sample encode showed it.
    """
    video = next((v for v in media.video if v.index == recipe.video_index), None)
    length = length_of(media, video)
    if looks_at_joined(recipe):
        media = joined(media, recipe, joined_rendition(recipe))
        video = next((v for v in media.video if v.index == recipe.video_index), None)
    # What others made in chunks is joined, not made again.
    made = () if recipe.chunks else recipe.video
    encoded = tuple(r for r in made if r.made_by == "encoded")
    decodes = video is not None and bool(encoded or recipe.sprites or recipe.poster)
    stages: list[Stage] = []
    costs: list[tuple[VideoRendition, EncodeCosts]] = []
    if video is not None and decodes and looks_at_joined(recipe):
        stages += _stills_of_joined(media, recipe, length.seconds, coefficients)
    elif video is not None and decodes:
        frames = frames_of(video, length.seconds)
        if not encoded and not recipe.sprites and recipe.poster:
            frames = min(frames, recipe.poster.candidates * 25.0)
        read = frames * (1 + before(recipe) / max(length.seconds, 1e-3))
        stages.append(_decode(video, read, media=media, coefficients=coefficients))
        stages.append(
            _filters(
                video, frames, length.seconds, recipe=recipe, coefficients=coefficients
            )
        )
        for rendition in encoded:
            cost = costs_of(rendition, coefficients)
            costs.append((rendition, cost[0]))
            count = frames_made(rendition, frames, length.seconds)
            stages.append(
                _encode(rendition, count, density(media, video), cost=cost,
                        coefficients=coefficients)
            )  # fmt: skip
    if content is not None:
        stages = [_as_shown(stage, content) for stage in stages]
    if video is not None:
        stages += _compared(stages, video, recipe)
    if video is not None and only_looked_at(recipe):
        seconds = INDEX_SECONDS_PER_MB * (media.bytes or 0) / 1e6
        seconds += INDEX_SECONDS_PER_PICTURE * frames_of(video, length.seconds)
        stages.append(Stage("index", seconds, longest_share=1.0, spread=INDEX_SPREAD))
    stages += [
        _audio(it, length.seconds, coefficients)
        for it in recipe.audio
        if not (recipe.sound_apart and it.made_by == "encoded")
    ]
    shown = content.bit_rates if content else {}
    likely, most = written_bytes(media, recipe, video, length.seconds, shown=shown)
    package = coefficients.packager
    # Joined files are written once more before.
    written = likely * (2 if recipe.chunks else 1) / 1e6
    stages.append(
        Stage("package", package.start_seconds + package.seconds_per_megabyte * written,
              longest_share=1.0, spread=FILTER_SPREAD)
    )  # fmt: skip
    start = coefficients.start
    return Workload(
        media=media,
        recipe=recipe,
        coefficients=coefficients,
        stages=tuple(stages),
        start_seconds=start.worker_seconds * LEFT_OF_START
        + _starts(recipe, encoded) * start.ffmpeg_seconds,
        verify_seconds=0.0
        if recipe.parts
        else verify_seconds(recipe, video, length.seconds, coefficients=coefficients),
        decodes=decodes,
        costs=tuple(costs),
        written_bytes=likely,
        scratch_bytes=most * (2 if recipe.chunks else 1),
        store=requests_of(
            recipe, length.seconds, rates_of(media, recipe, video, shown=shown)
        ),
        extra_spread=length.spread,
        content=content,
    )


def _stills_of_joined(
    media: Media, recipe: Recipe, seconds: float, coefficients: Coefficients
) -> Iterator[Stage]:
    """Stills are all that a join decodes for: a poster's keyframes, and each tile's."""
    poster, sprites = recipe.poster, recipe.sprites
    none = {"poster": None, "sprites": None, "tone_map": False}

    def stages(
        rendition: VideoRendition, frames: float, **of: object
    ) -> Iterator[Stage]:
        seen = joined(media, recipe, rendition)
        video = next(it for it in seen.video if it.index == recipe.video_index)
        yield _decode(video, frames, media=seen, coefficients=coefficients)
        alone = recipe.model_copy(update=none | of)
        yield _filters(video, 0.0, seconds, recipe=alone, coefficients=coefficients)

    if poster is not None:
        keyframes = min(poster.candidates + 1, seconds / recipe.gop_seconds + 1)
        top = joined_rendition(recipe)
        yield from stages(top, keyframes * KEYFRAME, poster=poster)
    if sprites is not None:
        small = sprites_rendition(recipe, sprites)
        frames = seconds / recipe.gop_seconds * KEYFRAME
        if between_keyframes(recipe):
            source = next(it for it in media.video if it.index == recipe.video_index)
            frames = frames_of(source, seconds)
        yield from stages(small, frames, sprites=sprites)


def only_looked_at(recipe: Recipe) -> bool:
    """Whether it makes nothing: its packets are looked at, for an index."""
    makes = recipe.video or recipe.audio or recipe.captions
    return not (makes or recipe.poster or recipe.sprites)


def _starts(recipe: Recipe, encoded: Sequence[VideoRendition]) -> int:
    """Processes, and in a sample encoders, too: short parts are mostly setting up."""
    if not recipe.parts:
        return 1 + len(recipe.looks)
    starts = (len(recipe.parts) + 1) * (1 + 2 * len(encoded))
    if any(it.target for it in encoded):
        # Another process for each part and factor, and one that scores it.
        starts += round(len(recipe.parts) * (1 + 2 * _later_rounds(recipe)))
    return starts


def _later_rounds(recipe: Recipe) -> float:
    """Of a search, in rounds of all parts: some of them tell of further factors."""
    parts = len(recipe.parts)
    return (TRIALS - 1) * telling_parts(parts) / max(parts, 1)


def _compared(
    stages: Sequence[Stage], video: VideoStream, recipe: Recipe
) -> list[Stage]:
    """
    Of a search, further factors and scoring each; of an encode, scoring what was made.

    For both the source is decoded and filtered as often again.
    """
    aimed = [it for it in recipe.video if it.target and it.made_by == "encoded"]
    looks = recipe.parts or recipe.looks
    if not aimed or not looks:
        return []
    seconds = sum((it.end_seconds or 0.0) - it.start_seconds for it in looks)
    pixels = sum(it.width * it.height for it in aimed) / 1e6
    rate = float(video.frame_rate or ASSUMED_RATE)
    scored = seconds * rate * pixels * VMAF_SECONDS
    decoding = sum(it.cpu_seconds for it in stages if it.name == "decode")
    before_encoders = decoding
    before_encoders += sum(it.cpu_seconds for it in stages if it.name == "filter")
    # What lies between a part and where reading begins is decoded, too.
    skipped = sum(it.start_seconds - (it.seek_seconds or 0.0) for it in looks)
    if recipe.parts:
        encoders = sum(it.cpu_seconds for it in stages if it.name.startswith("encode "))
        before_encoders += decoding * skipped / max(seconds, 1e-3)
        later = _later_rounds(recipe)
        total = (1 + later) * (scored + before_encoders)
        total += later * (before_encoders + encoders)
    else:
        whole = _lasting(video, seconds)
        # Of what was made a keyframe is as far away as half of its distances.
        read = seconds + skipped + len(looks) * recipe.gop_seconds / 2
        total = scored + before_encoders * seconds / whole
        total += decoding * (read - seconds) / whole
    return [Stage("quality", total, longest_share=0.5, spread=SEARCH_SPREAD)]


def _lasting(video: VideoStream, least: float) -> float:
    return max(video.duration_seconds or least, least)


def _as_shown(stage: Stage, content: Content) -> Stage:
    seconds = stage.cpu_seconds * content.cpu
    return replace(stage, cpu_seconds=seconds, spread=content.spread)


def _decode(
    video: VideoStream, frames: float, *, media: Media, coefficients: Coefficients
) -> Stage:
    known = video.codec in coefficients.decode
    rates = coefficients.decoding(video.codec)
    megapixels = frames * video.width * video.height / 1e6
    bits = density(media, video)
    per_pixel = ASSUMED_BITS_PER_PIXEL if bits is None else bits
    megabits = megapixels * per_pixel * BITS_AS_H264.get(video.codec, 1.0)
    return Stage(
        "decode",
        megapixels * rates.seconds_per_megapixel + megabits * rates.seconds_per_megabit,
        longest_share=DECODER_SHARE if known and video.codec not in SLICED else 1.0,
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
    pixels = video.width * video.height / 1e6
    per_frame = 0.0
    if recipe.deinterlace:
        per_frame += pixels * rates.deinterlace
    if recipe.tone_map:
        per_frame += pixels * rates.tone_map
    elif (video.bit_depth or 8) > 8:  # noqa: PLR2004 - more than one byte a sample
        per_frame += pixels * rates.depth
    total = frames * per_frame
    for rendition in recipe.video:
        if rendition.made_by == "copied" or recipe.chunks:
            continue
        after = rendition.width * rendition.height / 1e6
        count = frames_made(rendition, frames, seconds)
        if after != pixels:
            total += count * (pixels * rates.scale_input + after * rates.scale_output)
        pixels = after
    if recipe.watermark is not None and recipe.video and not recipe.chunks:
        top = recipe.video[0]
        total += frames * top.width * top.height / 1e6 * rates.scale_output
    if recipe.sprites:
        total += recipe.sprites.count * pixels * rates.scale_input
    if recipe.poster:
        after = recipe.poster.width * recipe.poster.height / 1e6
        scaled = pixels * rates.scale_input + after * rates.thumbnail
        total += recipe.poster.candidates * scaled
    return Stage(
        "filter", total, longest_share=rates.longest_thread_share, spread=FILTER_SPREAD
    )


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
        # Heard once as it is; where peaks have to be held, once more as it will be,
        # and then made.
        cost += rates.loudness * (1 + LIMITED) + rates.limiter * 2 * LIMITED
    return Stage(
        f"audio {track.name}",
        cost * seconds * max(track.channels, 1) / 2,
        longest_share=1.0,
        spread=FILTER_SPREAD,
    )


REFERENCE_CRF = {"h264": 23.0, "hevc": 26.0, "av1": 34.0, "vp9": 33.0}


CRF_OCTAVE = 6.0


"""So much more CRF halves the bits (x264's rule of thumb, near enough for others)."""


METERING = 0.0026


"""CPU seconds to decode and measure a second of stereo (libavfilter's `ebur128` with
true peak on a 3 GHz Xeon: 0.15 s for a minute of AAC)."""


COPIED_AUDIO_BITS = 192_000


def written_bytes(
    media: Media,
    recipe: Recipe,
    video: VideoStream | None,
    seconds: float,
    *,
    shown: Mapping[str, int] = MappingProxyType({}),
) -> tuple[int, int]:
    """Bytes of all outputs: likely (for those in *shown*, at its rate), and at most."""
    rates = rates_of(media, recipe, video, shown=shown)
    likely = most = 0.0
    for rendition in recipe.video:
        rate = rates[rendition.name]
        likely += rate
        most += rendition.max_bit_rate or 2 * rate
    for track in recipe.audio:
        rate = rates[track.name]
        likely, most = likely + rate, most + rate
    return round(likely * seconds / 8), round(most * seconds / 8)


def rates_of(
    media: Media,
    recipe: Recipe,
    video: VideoStream | None,
    *,
    shown: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, float]:
    """Rendition → bits per second that it will likely have; as *shown*, where it is."""
    bits = density(media, video) if video else None
    pictures: dict[str, float] = {
        it.name: shown.get(it.name) or written_rate(it, video, bits)
        for it in recipe.video
    }
    sounds = {it.name: float(it.bit_rate or COPIED_AUDIO_BITS) for it in recipe.audio}
    return pictures | sounds


def written_bytes_of(
    rendition: VideoRendition, media: Media, recipe: Recipe
) -> Decimal:
    """Of one encoded rendition, likely; by headers alone."""
    video = next((it for it in media.video if it.index == recipe.video_index), None)
    seconds = length_of(made(media, recipe), video).seconds
    bits = density(media, video) if video else None
    return Decimal(round(written_rate(rendition, video, bits) * seconds / 8))


def written_rate(
    rendition: VideoRendition, video: VideoStream | None, bits: float | None = None
) -> float:
    """
    Bits per second: the source's own when copied, else by pixels and CRF.

    Without *bits*, the source's density, a picture of ordinary film is assumed.
    """
    if rendition.made_by == "copied" and video and video.bit_rate:
        return float(video.bit_rate)
    rate = rendition.frame_rate or (video.frame_rate if video else None)
    pixels = rendition.width * rendition.height * float(rate or ASSUMED_RATE)
    # Fewer bits than the source has: an encoder adds no detail.
    likely = min(ASSUMED_BITS_PER_PIXEL, 1.5 * (bits or ASSUMED_BITS_PER_PIXEL))
    crf = REFERENCE_CRF[rendition.codec]
    octaves = (crf - (crf if rendition.crf is None else rendition.crf)) / CRF_OCTAVE
    discount = BITS_AS_H264.get(rendition.codec, 1.0)
    expected = pixels * likely * discount * math.pow(2, octaves)
    most = rendition.most_bit_rate or rendition.max_bit_rate
    return min(expected, float(most or expected))


def verify_seconds(
    recipe: Recipe,
    video: VideoStream | None,
    seconds: float,
    *,
    coefficients: Coefficients,
) -> float:
    """Decoding some or all of what was made, one rendition after the other."""
    total = 0.0
    for track in recipe.audio:
        listened = seconds
        taken = track.made_by == "copied"
        if taken or recipe.sound_apart:
            # What another task made it has heard itself.
            whole = taken and seconds <= MOST_SOUND_SECONDS
            groups = min(seconds, MOST_SAMPLES * recipe.gop_seconds)
            listened = seconds if whole else groups
        total += METERING * listened * track.channels / 2
    if video is None:
        return total
    rate = float(video.frame_rate or ASSUMED_RATE)
    for rendition in recipe.video:
        costs = coefficients.decoding(rendition.codec)
        pixels = rendition.width * rendition.height / 1e6
        per_frame = pixels * costs.seconds_per_megapixel
        megabits = written_rate(rendition, video) / rate / 1e6
        per_frame += megabits * costs.seconds_per_megabit
        copied = rendition.made_by == "copied"
        group = video.longest_gop_seconds if copied else recipe.gop_seconds
        looked_at = seconds
        short = most_copied_seconds(rendition.width, rendition.height, rate)
        # A short copy is decoded throughout: no encoder has met what it may hide.
        if recipe.verify == "sampled" and not (copied and seconds <= short):
            looked_at = _looked_at(seconds, group or recipe.gop_seconds)
            if recipe.chunks and not copied:
                # Those who made the chunks have looked between its ends.
                looked_at = min(seconds, 2 * recipe.gop_seconds)
        total += looked_at * rate * per_frame
    return total


def _looked_at(seconds: float, group: float) -> float:
    """Seconds of a rendition that are decoded when verification is sampled."""
    between = groups_between(seconds, group)
    return min(seconds, (2 + between) * group)
