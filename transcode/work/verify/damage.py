"""How much of the source was there, and how much of that was sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ...contract import AudioRendition, Partial, Task
from ..report import EncodeReport
from .source import ms, promised, source_audio, source_sound, source_video
from .tracks import BUDGET, Track

_CUT_FRAMES = 2
"""Damaged at most where a broadcast was cut: its first picture and its last."""
_CUT_SHARE = Fraction(1, 20)
"""Of less than a second or two these are no longer few."""
_SHORT_SECONDS = Fraction(1, 2)
_SHORT_SHARE = Fraction(2, 100)
"""More than both missing: the source ended before its promised end."""


def complete(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    The source decoded to the end that it promised, and nearly all of it was sound.

    Of its packets, 1 % may fail to decode; of its pictures, 1 % (or two, of 40 and
    more) may come out with parts made up, or be missing where the container is torn;
    none of either where nothing marks the file's end, since the
    last picture may be the one. Short by more than 0.5 s and 2 % means cut off.
    """
    read = report.packets_read or report.decoded_frames or 0
    fed = report.all_packets or read
    if report.decode_errors > BUDGET * fed:
        yield f"{report.decode_errors} decoding errors in {fed} packets"
    damaged, lost = report.damaged_frames, _lost(task, report)
    few = min(Fraction(_CUT_FRAMES), _CUT_SHARE * read)
    if max(damaged, lost) > max(few, BUDGET * read):
        missing = f", and some {lost} are missing" if lost else ""
        yield f"{damaged} of {read} pictures are damaged{missing}"
    elif task.media.end_unmarked and damaged + lost + report.decode_errors:
        yield (
            "a picture is damaged or incomplete, and nothing in the file says that "
            "it was not cut off there"
        )
    said = promised(task)
    if not tracks or said is None:
        return
    lasted = _lasted(tracks)
    if _short(lasted, said):
        yield f"only {ms(lasted)} of {ms(said)} promised could be decoded"
        return
    for track in _longest_of_each(tracks):
        plan = track.plan
        source = (
            source_sound(task, plan)
            if isinstance(plan, AudioRendition)
            else source_video(task)
        )
        if source is None or source.duration_seconds is None:
            continue
        said = Fraction(source.duration_seconds)
        if _short(track.duration, said):
            yield f"{track.name} lasts {ms(track.duration)} of {ms(said)} promised"


def in_pictures(report: EncodeReport) -> Iterator[str]:
    """What to say of the few damaged pictures of a source that passes as whole."""
    read = report.packets_read or report.decoded_frames or 0
    if report.damaged_frames:
        yield (
            f"{report.damaged_frames} of {read} pictures read from the source did not "
            "decode as a whole: what is missing of them, and of those made from them, "
            "is made up."
        )
    if report.torn:
        places = "place" if report.torn == 1 else "places"
        yield (
            f"The source's container is damaged in {report.torn} {places}: pictures or "
            "sound are missing there."
        )


def _lost(task: Task, report: EncodeReport) -> int:
    """
    Pictures that are missing where the container is torn, by the times of the others;
    where those tell nothing, one for each place.
    """
    video, told = source_video(task), report.shown
    steady = video is not None and video.variable_frame_rate is False
    if not report.torn or told is None or video is None or not steady:
        return report.torn
    lasts = (told.times[-1] - told.times[0]) * told.base
    between = lasts * (video.frame_rate or 0)
    return max(report.torn, round(between) + 1 - len(told.times))


def shorter_than_decoded(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    Nothing that a decoder returned is missing: pictures at their rate, samples at
    theirs. For sources whose promise does not hold.
    """
    for track in _longest_of_each(tracks):
        plan = track.plan
        if plan.made_by == "copied":
            continue
        came: Fraction | None = None
        if isinstance(plan, AudioRendition):
            sound = source_audio(task, plan.source_index)
            count = report.samples.get(plan.source_index)
            # Half of HE-AAC's rate stands in its header.
            halved = sound is not None and "HE" in (sound.profile or "")
            if sound and sound.sample_rate and count is not None and not halved:
                came = Fraction(count, sound.sample_rate)
        else:
            video = source_video(task)
            steady = video is not None and video.variable_frame_rate is False
            if video and steady and video.frame_rate and report.decoded_frames:
                came = report.decoded_frames / video.frame_rate
        if came is not None and _short(track.duration, came):
            yield f"{track.name} lasts {ms(track.duration)}, {ms(came)} were decoded"


def partial_of(
    task: Task, wrong: Sequence[str], tracks: Sequence[Track]
) -> Partial | None:
    """
    What to say of results that a task accepts from a cut or damaged source.

    None where the task does not accept them, or the source is whole.
    """
    cut = task.media.truncated
    if not task.recipe.accept_partial or not tracks or not (cut or wrong):
        return None
    said = promised(task)
    made = round(float(_lasted(tracks)), 6)
    # A duration that was read off the source's own packets is no promise.
    told = None if said is None or said <= made else float(said)
    return Partial(
        promised_seconds=told if cut is None else cut.promised_seconds,
        made_seconds=made,
        reason="; ".join([*([cut.reason] if cut else []), *wrong]),
    )


def in_words(partial: Partial) -> str:
    """The warning that stands in the manifest."""
    of = partial.promised_seconds
    promised = "" if of is None else f" of the {of:.1f} s promised"
    return (
        f"Partial result: {partial.made_seconds:.1f} s{promised} were made; the source "
        f"is damaged or cut off ({partial.reason})."
    )


def without_promise(task: Task) -> Task:
    """The task of a source whose durations were found to be no promise."""
    media = task.media.model_copy(update={"duration_estimated": True})
    return task.model_copy(update={"media": media})


def _lasted(tracks: Sequence[Track]) -> Fraction:
    return max(t.end for t in tracks) - min(t.start for t in tracks)


def _short(lasted: Fraction, said: Fraction) -> bool:
    return said - lasted > max(_SHORT_SECONDS, _SHORT_SHARE * said)


def _longest_of_each(tracks: Sequence[Track]) -> list[Track]:
    """The longest rendition of each stream: a short one is not the source's fault."""
    longest: dict[int | None, Track] = {}
    for track in sorted(tracks, key=lambda track: track.duration):
        plan = track.plan
        index = plan.source_index if isinstance(plan, AudioRendition) else None
        longest[index] = track
    return list(longest.values())
