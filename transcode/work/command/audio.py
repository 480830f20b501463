"""The sound half of the filter graph: mixed, resampled, levelled, split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...contract import AudioRendition, AudioStream, CmafPackaging, Media, Recipe, Task
from .downmix import matrix, named, settled
from .seek import cut_sound
from .stream import Stream


@dataclass(frozen=True, slots=True)
class Measured:
    """What the first pass of `loudnorm` found."""

    integrated_lufs: float
    true_peak_dbtp: float
    range_lu: float
    threshold_lufs: float
    offset_lu: float


def mix(
    task: Task, source: Mapping[str, Stream], loudness: Mapping[str, Measured]
) -> dict[str, list[Stream]]:
    """Encoded soundtrack → one stream per file it stands in; equal mixes are one."""
    recipe = task.recipe
    mixes: dict[tuple[object, ...], list[AudioRendition]] = {}
    for sound in recipe.audio:
        if sound.made_by == "encoded":
            measured = loudness.get(sound.name)
            key = (sound.source_index, sound.sample_rate, sound.channels, measured)
            mixes.setdefault(key, []).append(sound)
    taps: dict[str, list[Stream]] = {}
    for sounds in mixes.values():
        first = sounds[0]
        mixed = soundtrack(
            source[str(first.source_index)], first, task, loudness.get(first.name)
        )
        owners = [it.name for it in sounds for _ in range(_uses(recipe, it))]
        split = mixed.filter_multi_output("asplit")
        for n, name in enumerate(owners):
            tap = mixed if len(owners) == 1 else split[n]
            taps.setdefault(name, []).append(tap)
    return taps


def _uses(recipe: Recipe, sound: AudioRendition) -> int:
    if isinstance(recipe.packaging, CmafPackaging):
        return 1
    return sum(file.audio.count(sound.name) for file in recipe.packaging.files)


def soundtrack(
    stream: Stream,
    rendition: AudioRendition,
    task: Task,
    measured: Measured | None,
) -> Stream:
    """
    Its soundtrack of the task's media, cut, mixed and levelled as *rendition* wants it.

    Without *measured* its level stays.
    """
    media = task.media
    used = (it for it in media.audio if it.index == rendition.source_index)
    audio = next(used, None)
    stream = cut_sound(_timed(stream, audio, media), task.recipe.clip)
    stream = named(stream, audio)
    stream = stream.filter(
        "aresample",
        rendition.sample_rate,
        **{
            # Holes become silence and overlaps are cut: the sound stays with the
            # picture. Only filling and trimming, no stretching.
            "async": 1,
            # Sound that begins late gets silence before it instead of moving.
            "first_pts": 0,
            # A lost packet (21 ms of AAC) is already a hole; jitter is not.
            "min_hard_comp": 0.02,
        }
        | matrix(rendition, audio),
    )
    stream = settled(stream, rendition, audio)
    if rendition.loudness is None or measured is None:
        return stream
    stream = stream.filter(
        "loudnorm",
        I=rendition.loudness.integrated_lufs,
        TP=rendition.loudness.true_peak_dbtp,
        # Not narrower than the programme: then the gain is one number throughout.
        LRA=min(50.0, max(7.0, measured.range_lu)),
        measured_I=measured.integrated_lufs,
        measured_TP=measured.true_peak_dbtp,
        measured_LRA=measured.range_lu,
        measured_thresh=measured.threshold_lufs,
        offset=measured.offset_lu,
        linear="true",
    )
    # The filter works at 192 kHz where it has to limit peaks.
    stream = stream.filter("aresample", rendition.sample_rate)
    # There it also gives its last frame a time that is up to 0.1 s late. No sample is
    # lost, and what went in had no hole.
    return stream.filter("asetpts", "N/SR/TB")


def _timed(stream: Stream, audio: AudioStream | None, media: Media) -> Stream:
    """Samples counted where the times they have are wrong."""
    if audio is None or audio.retimed is None:
        return stream
    late = (audio.start_seconds or 0.0) - (media.start_seconds or 0.0)
    return stream.filter("asetpts", f"N/SR/TB+{max(0.0, late):.6f}/TB")
