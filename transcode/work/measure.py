"""The first pass of loudness normalisation: how loud is the programme as it is?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..contract import AudioRendition, Loudness, Progress, Task
from ..errors import EncoderFailed
from ..media.timeline import clipped
from .children import Children, Program
from .command.build import measure
from .command.gain import Gain, Heard, corrected, levelled
from .encode import allowed, known_failure
from .progress import Lines, ProgressLines, Summary, without_secrets

_GATE_LUFS = -70.0
"""Absolute gate of EBU R128, which is also what the meter says of less than its block
of 0.4 s: below it there is no programme to measure."""
_FINDING = re.compile(r"\b(I|Peak):\s+(-?[\d.]+|-inf|nan)")


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What levels each soundtrack, and what it took to know."""

    gains: Mapping[str, Gain] = field(default_factory=dict)
    """By rendition."""
    notes: tuple[str, ...] = ()
    """On those left alone."""
    read_bytes: int = 0
    """Of the source."""


def measure_loudness(
    task: Task, *, program: str, folder: Path, report: Callable[[Progress], None]
) -> FirstPass:
    """
    By how much each rendition with a loudness target is to be turned up or down;
    *report* hears how far it is.

    Where that takes a limiter, a second pass hears what it takes away. Silence is left
    alone: no gain makes it loud; so is what is too short to have a loudness. Raises
    `EncoderFailed` when ffmpeg fails.
    """
    gains: dict[str, Gain] = {}
    notes: list[str] = []
    same: dict[tuple[object, ...], Gain | str] = {}
    meter = _Meter(task, program=program, folder=folder, report=report)
    for sound in task.recipe.audio:
        if sound.loudness is None or sound.made_by == "copied":
            continue
        # One pass for two codecs of one mix.
        tracks = (sound.source_index, *sound.channel_indices)
        mix = (tracks, sound.channels, sound.sample_rate, sound.loudness)
        if mix not in same:
            same[mix] = _gain(meter, sound, sound.loudness)
        gain = same[mix]
        if isinstance(gain, str):
            notes.append(f"Audio {sound.name} {gain}")
        else:
            gains[sound.name] = gain
    return FirstPass(gains, tuple(notes), meter.read_bytes)


def _gain(meter: _Meter, sound: AudioRendition, target: Loudness) -> Gain | str:
    """A clause on why there is none, where there is none."""
    heard = meter.hear(sound)
    if not heard.true_peak_dbtp > _GATE_LUFS:
        return "is silent; its loudness is left alone."
    if not heard.integrated_lufs > _GATE_LUFS:
        return "is too short or too quiet to have a loudness; its level is left alone."
    gain = levelled(heard, target)
    if gain.ceiling_dbtp is None:
        return gain
    return corrected(gain, heard, meter.hear(sound, gain), target)


def phase(task: Task, name: str = "loudness") -> Progress:
    """What is reported of a step before encoding, which has no progress of its own."""
    return Progress(
        task_id=task.task_id,
        done_seconds=0.0,
        total_seconds=task.media.duration_seconds,
        speed=None,
        phase=name,
    )


class _Meter:
    """ffmpeg's EBU R128 meter, and how many bytes of the source it has read."""

    def __init__(
        self,
        task: Task,
        *,
        program: str,
        folder: Path,
        report: Callable[[Progress], None],
    ) -> None:
        self._task, self._program, self._folder = task, program, folder
        self._seconds = clipped(task.media, task.recipe.clip).duration_seconds
        self._report = report
        self.read_bytes = 0

    def hear(self, sound: AudioRendition, gain: Gain | None = None) -> Heard:
        """The whole soundtrack."""
        argv = measure(self._task, sound, gain, program=self._program)
        summary = Summary()
        progress = ProgressLines(
            self._task.task_id, self._seconds, self._report, phase="loudness"
        )
        lines, out = Lines(summary.take), Lines(progress.take)
        with Children(self._folder) as children:
            may, source = allowed(argv, writes=(self._folder,)), self._task.source
            children.start(Program("ffmpeg", argv, out.feed, lines.feed, may, source))
            ended = children.wait()
            fault = children.fault
        lines.close()
        status = ended.statuses["ffmpeg"]
        if fault is not None:
            raise fault.error(stderr_tail=summary.tail.text)
        heard = _parse(summary.tail.text)
        if status != 0 or heard is None:
            evidence = {
                "argv": [without_secrets(argument) for argument in argv],
                "status": status,
                "stderr_tail": summary.tail.text,
            }
            known = known_failure(summary.tail.text, evidence) if status else None
            if known is not None:
                raise known
            said = summary.tail.error or f"ffmpeg ended with {status}"
            raise EncoderFailed(
                f"The loudness of audio {sound.name} cannot be measured: {said}",
                **evidence,
            )
        self.read_bytes += summary.read_bytes or 0
        return heard


def _parse(text: str) -> Heard | None:
    """The meter's summary, the last thing it prints; None where there is none."""
    said = dict(_FINDING.findall(text.rpartition("Summary:")[2]))
    try:
        return Heard(
            integrated_lufs=float(said["I"]), true_peak_dbtp=float(said["Peak"])
        )
    except (KeyError, ValueError):
        return None
