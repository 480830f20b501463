"""Do times and durations agree with the source and with one another?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor

from ...contract import AudioRendition, AudioStream, Task, VideoRendition, VideoStream
from ...media.timeline import tail_seconds
from ..command.timing import lead_frames
from .source import last_packet, ms, promised, source_sound, source_video
from .tracks import Track

_LENGTH_SHARE = Fraction(5, 1000)
_SYNC_SECONDS = Fraction(20, 1000)
"""Below what viewers notice: ITU-R BT.1359-1 puts that at 45 ms."""
_START_SECONDS = Fraction(1, 10)
_EXACT_ENDS = {"mp4", "mov"}
"""Containers that state when each stream ends; in others it is an estimate, made
from the last packet's start and a guess at its length."""
_VAGUE_SECONDS = Fraction(1, 10)
_WMA_BLOCK = 2048
"""Samples, the longest (`ff_wma_get_frame_len_bits` in libavcodec)."""
_ROUNDING_SECONDS = Fraction(1, 1000)
"""What the clocks of FLV, Matroska and ASF cannot tell apart."""


def timestamps(tracks: Sequence[Track]) -> Iterator[str]:
    """
    Nothing repeats or runs backwards, and renditions show frames at the same times.

    A hole that all renditions share is the source's own; one in a single rendition,
    or in encoded sound (whose holes are filled), is ours.
    """
    for track in tracks:
        if not track.in_order:
            yield f"{track.name}: decoding times do not increase"
        elif any(a == b for a, b in pairwise(track.times)):
            yield f"{track.name}: two packets are shown at one time"
        hole = track.longest_step - track.step
        ours = not track.is_video and track.plan.made_by == "encoded"
        if ours and hole > track.step + _SYNC_SECONDS:
            yield f"{track.name}: a hole of {ms(hole)}"
    if tracks and (first := min(track.start for track in tracks)) > _START_SECONDS:
        yield f"nothing starts before {ms(first)}"
    if early := [track for track in tracks if track.is_video and track.start < 0]:
        yield f"{early[0].name} starts at {ms(early[0].start)}, before 0"
    for one, other in _like_pairs(tracks):
        if len(one.times) == len(other.times):  # otherwise `frame_count` says so
            yield from _apart(one, other)


def _apart(one: Track, other: Track) -> Iterator[str]:
    tick = max(one.time_base, other.time_base)
    for a, b in zip(one.times, other.times, strict=True):
        apart = abs(a * one.time_base - b * other.time_base)
        if apart > tick:
            yield (
                f"{one.name} shows a frame at {ms(a * one.time_base)} that "
                f"{other.name} shows {ms(apart)} apart"
            )
            return


def _like_pairs(tracks: Sequence[Track]) -> Iterator[tuple[Track, Track]]:
    """The largest rendition of each frame rate, with each other one of that rate."""
    first: dict[Fraction | None, Track] = {}
    for track in tracks:
        if isinstance(track.plan, VideoRendition):
            other = first.setdefault(track.plan.frame_rate, track)
            if other is not track:
                if other.time_base == track.time_base and other.times == track.times:
                    continue  # the usual case, compared at the speed of C
                yield other, track


def lasting(tracks: Sequence[Track]) -> str:
    longest = max((track.duration for track in tracks), default=Fraction(0))
    return f"{ms(longest)}, as planned"


def duration(task: Task, tracks: Sequence[Track]) -> Iterator[str]:
    """
    The longest rendition lasts as long as the source, video ones all alike.

    Tolerance: a frame, or 0.5 % where that is more, and one packet of sound, its own or
    the source's; of sound alone 0.1 s where the container does not say when it ends. A
    file's header says what its samples say.
    """
    if not tracks:
        return
    video = [track for track in tracks if track.is_video]
    sound = max((t.step for t in tracks if not t.is_video), default=Fraction(0))
    step = max((t.step for t in video), default=sound)
    sound = max([sound, *map(last_packet, _sounds(task, tracks))])
    yield from _stated(tracks)
    seconds = promised(task)
    if seconds is not None:
        end = max(t.end for t in tracks)
        lasted = end - min(t.start for t in tracks)
        seen = end - min(t.start for t in video or tracks)  # without silence before
        allowed = max(step, seconds * _LENGTH_SHARE) + sound + _ROUNDING_SECONDS
        if not video and task.media.container not in _EXACT_ENDS:
            allowed = max(allowed, _VAGUE_SECONDS)
        allowed = max(allowed, _wma(task, tracks))
        if all(abs(one - seconds) > allowed for one in (lasted, seen)):
            yield f"{ms(lasted)} long, the source {ms(seconds)}"
    elif task.recipe.clip is not None:
        yield from _clipped_sound(task, tracks)
    if video:
        longest = max(video, key=lambda track: track.duration)
        for track in video:
            if longest.duration - track.duration > step:
                yield (
                    f"{track.name} lasts {ms(track.duration)}, "
                    f"{longest.name} {ms(longest.duration)}"
                )


def _sounds(task: Task, tracks: Sequence[Track]) -> Iterator[AudioStream | None]:
    for track in tracks:
        if isinstance(track.plan, AudioRendition) and track.plan.made_by == "encoded":
            yield source_sound(task, track.plan)


def _stated(tracks: Sequence[Track]) -> Iterator[str]:
    for track in tracks:
        said = track.stated_seconds
        if said is None or not track.is_video:
            continue
        # From 0 or from its first picture: headers do either, and edits round.
        if all(
            abs(said - one) > track.step + _ROUNDING_SECONDS
            for one in (track.duration, track.end)
        ):
            yield f"{track.place} says {ms(said)}, its samples last {ms(track.end)}"


def _wma(task: Task, tracks: Sequence[Track]) -> Fraction:
    """What the last blocks of WMA hold is a guess: it overlaps two, and one is new."""
    used = [it for it in _sounds(task, tracks) if it and it.codec.startswith("wma")]
    known = [it.sample_rate for it in used if it.sample_rate]
    return Fraction(3 * _WMA_BLOCK, min(known)) if known else Fraction(0)


def _clipped_sound(task: Task, tracks: Sequence[Track]) -> Iterator[str]:
    """Of a clip at a variable rate only the sound has a length that is known."""
    for track in tracks:
        if isinstance(track.plan, AudioRendition):
            source = source_sound(task, track.plan)
            lasts = None if source is None else source.duration_seconds
            if lasts is None or source is None:
                continue
            due = Fraction(lasts) + Fraction(source.start_seconds or 0)
            if abs(track.end - due) > _VAGUE_SECONDS + due * _LENGTH_SHARE:
                yield f"{track.name} ends at {ms(track.end)}, the clip's {ms(due)}"


def av_offset(task: Task, tracks: Sequence[Track]) -> Iterator[str]:
    """
    First sound against first picture, and last against last, as in the source.

    Within 20 ms and one packet of sound, at the end the source's where that is longer,
    one frame and 0.1 % more, and 0.1 s where the container does not say when a stream
    ends. Sound that begins late may instead begin at 0, with silence; a picture that
    begins late does so with its first frame repeated, and is judged by the frame after
    those. Both ways of reading times must agree: players built on libavformat ignore
    what boxes say where composition offsets are negative.
    """
    picture = next(track for track in tracks if track.is_video)
    source = source_video(task)
    begins = picture.start
    if (lead := lead_frames(task)) and source and source.frame_rate:
        converted = getattr(picture.plan, "frame_rate", None)
        lead = floor(lead * (converted or source.frame_rate) / source.frame_rate)
        begins = picture.times[min(lead, len(picture.times) - 1)] * picture.time_base
    for track in tracks:
        if track.is_video or not isinstance(track.plan, AudioRendition):
            continue
        original = source_sound(task, track.plan)
        allowed = _SYNC_SECONDS + track.step
        offset = track.start - begins
        wanted = _difference(original, source, lambda s: s.start_seconds)
        # Silence from 0 on, and then the sound where it belongs.
        filled = (
            wanted is not None
            and track.start <= allowed
            and begins + wanted >= -allowed
        )
        if wanted is not None and abs(offset - wanted) > allowed and not filled:
            yield (
                f"{track.name} starts {ms(offset)} after the picture, in the "
                f"source {ms(wanted)}"
            )
        wanted = None
        if not task.media.duration_estimated:
            wanted = _difference(original, source, _end_seconds)
            # Held until the sound ends, the picture does not end before.
            held = tail_seconds(task.media, task.recipe)
            wanted = None if wanted is None else wanted - held
        late = _SYNC_SECONDS + max(track.step, last_packet(original))
        late += picture.step + picture.duration / 1000
        if task.media.container not in _EXACT_ENDS:
            late += _VAGUE_SECONDS
        ahead = track.end - picture.end
        if wanted is not None and abs(ahead - wanted) > late:
            yield (
                f"{track.name} ends {ms(ahead)} after the picture, in the "
                f"source {ms(wanted)}"
            )
        heard = max(track.demuxed_start, Fraction(0)) - picture.demuxed_start
        offset = track.start - picture.start
        if abs(heard - offset) > allowed:
            yield (
                f"{track.name}: players that ignore negative composition offsets "
                f"play it {ms(offset - heard)} early"
            )


def _end_seconds(stream: VideoStream | AudioStream) -> float | None:
    if stream.start_seconds is None or stream.duration_seconds is None:
        return None
    return stream.start_seconds + stream.duration_seconds


def _difference(
    sound: AudioStream | None,
    picture: VideoStream | None,
    of: Callable[[VideoStream | AudioStream], float | None],
) -> Fraction | None:
    """Sound minus picture, seconds; None where the source does not say."""
    if sound is None or picture is None:
        return None
    one, other = of(sound), of(picture)
    return None if one is None or other is None else Fraction(one) - Fraction(other)


def aligned(video: Sequence[Track]) -> Iterator[str]:
    """Each segment begins with a keyframe, shown first, at one time everywhere."""
    for track in video:
        for segment in track.segments:
            if not segment.begins_with_keyframe:
                yield f"{track.name}/{segment.name} does not begin with a keyframe"
            elif segment.start != segment.first:
                yield f"{track.name}/{segment.name} shows a frame before its keyframe"
    if not video:
        return
    first = video[0]
    starts = [s.start * first.time_base for s in first.segments]
    for track in video[1:]:
        others = [s.start * track.time_base for s in track.segments]
        if len(others) != len(starts):
            yield f"{track.name} has {len(others)} segments, {first.name} {len(starts)}"
            continue
        tick = max(first.time_base, track.time_base)
        for index, (a, b) in enumerate(zip(starts, others, strict=True)):
            if abs(a - b) > tick:
                yield (
                    f"{track.name}/{track.segments[index].name} starts at {ms(b)}, "
                    f"in {first.name} at {ms(a)}"
                )
                break
