"""The sound half of the filter graph: mixed, resampled, levelled, split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from ...contract import AudioRendition, AudioStream, CmafPackaging, Media, Recipe, Task
from .downmix import LAYOUTS, LIMITER, matrix, named, settled
from .gain import Gain
from .inputs import added
from .seek import cut_sound
from .stream import Stream

_OPUS_DELAY_SECONDS = Fraction(312, 48_000)
"""libopus's lookahead at the default application (`OPUS_GET_LOOKAHEAD`)."""
_OPUS_PACKET_SECONDS = Fraction(20, 1000)
"""libopus's by default, in ffmpeg."""
_OVERSAMPLED = 4
"""Peaks between samples are seen at four times the rate (ITU-R BS.1770-5, annex 2)."""


_KEPT_IN_TIME: dict[str, object] = {
    # Holes become silence and overlaps are cut: the sound stays with the
    # picture. Only filling and trimming, no stretching.
    "async": 1,
    # Sound that begins late gets silence before it instead of moving.
    "first_pts": 0,
    # A lost packet (21 ms of AAC) is already a hole; jitter is not.
    "min_hard_comp": 0.02,
}


def mix(
    task: Task, source: Mapping[str, Stream], gains: Mapping[str, Gain]
) -> dict[str, list[Stream]]:
    """
    Encoded soundtrack → one stream per file it stands in; equal mixes are one.

    None where another task has made them.
    """
    recipe = task.recipe
    if recipe.sound_apart:
        return {}
    segmented = isinstance(recipe.packaging, CmafPackaging) or recipe.segmented_later
    mixes: dict[tuple[object, ...], list[AudioRendition]] = {}
    for sound in recipe.audio:
        if sound.made_by == "encoded":
            gain = gains.get(sound.name)
            tracks = (sound.source_index, *sound.channel_indices)
            key = (tracks, sound.sample_rate, sound.channels, gain)
            mixes.setdefault(key, []).append(sound)
    taps: dict[str, list[Stream]] = {}
    for sounds in mixes.values():
        first = sounds[0]
        mixed = soundtrack(source, first, task, gains.get(first.name))
        owners = [it for it in sounds for _ in range(_uses(recipe, it))]
        split = mixed.filter_multi_output("asplit")
        for n, sound in enumerate(owners):
            tap = mixed if len(owners) == 1 else split[n]
            if segmented and sound.codec == "opus":
                tap = _on_packets(tap, sound.sample_rate)
            taps.setdefault(sound.name, []).append(tap)
    return taps


def _uses(recipe: Recipe, sound: AudioRendition) -> int:
    if isinstance(recipe.packaging, CmafPackaging):
        return 1
    return sum(file.audio.count(sound.name) for file in recipe.packaging.files)


def soundtrack(
    source: Mapping[str, Stream],
    rendition: AudioRendition,
    task: Task,
    gain: Gain | None,
) -> Stream:
    """
    Its soundtrack of the task's media, cut, mixed and levelled as *rendition* wants it.

    Without *gain* its level stays.
    """
    tracks = {it.index: it for it in task.media.audio}
    audio = tracks.get(rendition.source_index)
    every = (rendition.source_index, *rendition.channel_indices)
    streams = [
        cut_sound(
            _timed(source[str(index)], tracks.get(index), task.media), task.recipe.clip
        )
        for index in every
    ]
    if len(every) > 1 and audio is not None:
        stream = _as_channels(streams, rendition.sample_rate)
        update = {"channels": len(every), "layout": LAYOUTS[len(every)]}
        audio = audio.model_copy(update=update)
    else:
        stream = named(streams[0], audio)
    mixing = matrix(rendition, audio)
    stream = stream.filter("aresample", rendition.sample_rate, **_KEPT_IN_TIME | mixing)
    stream = settled(stream, rendition, audio)
    return stream if gain is None else _levelled(stream, gain, rendition.sample_rate)


def _levelled(stream: Stream, gain: Gain, rate: int) -> Stream:
    # In floats: what is turned up beyond full scale is not clipped before it is held.
    stream = stream.filter("volume", f"{gain.gain_db:.2f}dB", precision="float")
    if gain.ceiling_dbtp is None:
        return stream
    stream = stream.filter("aresample", rate * _OVERSAMPLED)
    limit = f"{10 ** (gain.ceiling_dbtp / 20):.5f}"
    stream = stream.filter("alimiter", **(LIMITER | {"limit": limit}))
    return stream.filter("aresample", rate)


def _on_packets(stream: Stream, rate: int) -> Stream:
    """
    *stream* behind so much silence before 0 that a packet of Opus begins at 0.

    The encoder looks ahead by 6.5 ms: its packets of 20 ms begin 6.5 ms early, and in
    segments, which cannot begin before 0, sound would begin with the second one, at
    13.5 ms. Players that need all tracks to begin jump over such a hole.
    """
    silent = round((-_OPUS_DELAY_SECONDS % _OPUS_PACKET_SECONDS) * rate)
    stream = stream.filter("adelay", delays=f"{silent}S", all=1)
    # Counted: where its first frame is shorter than that, `adelay` gives the silence no
    # time. Nothing is missing in it, see `_KEPT_IN_TIME`.
    return stream.filter("asetpts", f"(N-{silent})/{rate}/TB")


def _as_channels(streams: Sequence[Stream], rate: int) -> Stream:
    """Mono streams, each as one channel; as long as the longest."""
    count = len(streams)
    placed = []
    for number, stream in enumerate(streams):
        in_time = stream.filter("aresample", rate, **_KEPT_IN_TIME)
        silent = (f"c{other}=0*c0" for other in range(count) if other != number)
        layout = "|".join([LAYOUTS[count], f"c{number}=c0", *silent])
        placed.append(in_time.filter("pan", args=layout))
    return added(placed)


def _timed(stream: Stream, audio: AudioStream | None, media: Media) -> Stream:
    """Samples counted where the times they have are wrong."""
    if audio is None or audio.retimed is None:
        return stream
    late = (audio.start_seconds or 0.0) - (media.start_seconds or 0.0)
    return stream.filter("asetpts", f"N/SR/TB+{max(0.0, late):.6f}/TB")
