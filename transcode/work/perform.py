"""Task → Artifacts, inside the spec it was given."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..contract import OutcomeKind, Produced, Progress, Task
from ..contract.task import MEASURING
from ..errors import (
    EncoderFailed,
    EncoderMissing,
    MediaRejected,
    MediaTruncated,
    MediaUnsupported,
    OutOfDisk,
    OutputRejected,
    TranscodeError,
)
from ..media.image import refuse_change
from ..media.timeline import clipped
from ..settings import Settings
from . import package
from .artifacts import clear, collect, prepare
from .captions import finish_captions, without_guilty
from .command.build import build
from .command.gain import Gain
from .command.video import may_change
from .encode import find_reshaped, run
from .hardware import Way, ways_to_do
from .held import Compared, corrected, look, said_of
from .holes import packets_beside
from .index import take_index
from .indexes import mend
from .join import join
from .measure import FirstPass, measure_loudness, phase
from .report import EncodeReport
from .reshaped import Reshaped, ReshapedLate, headers_beside
from .sample import take_sample
from .seen import sampled_beside, seen_beside
from .segment_times import restate
from .single_file import fold
from .stills import finish_stills
from .subtitles import take_lines
from .toolchain import find_ffmpeg
from .verify.damage import in_words
from .verify.verify import Verified, verify

__all__ = ["perform"]

_MOST_NAMED = 5
"""Times in a warning; a day of television has hundreds."""
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def perform(  # noqa: PLR0913 - what, where and with what; who listens, who seals
    task: Task,
    *,
    staging: Path,
    scratch: Path,
    settings: Settings,
    report: Callable[[Progress], None],
    seal: Callable[[Sequence[Path]], Sequence[str]] = lambda _folders: (),
) -> Produced:
    """
    Do *task*: finished, verified files in *staging*, or a failure that says why.

    *seal* is called with the folders still needed before any output is opened; what
    it answers goes into the notes.

    Nothing that can be foreseen is raised. *staging* may hold anything afterwards
    when the outcome is not a success. To be called in the main thread.
    """
    try:
        bench = _Bench(
            staging=staging.absolute(),
            scratch=scratch.absolute(),
            ffmpeg=find_ffmpeg(settings),
            packager=package.program(task, settings),
            report=report,
        )
        return _perform(task, bench, seal)
    except TranscodeError as exc:
        return Produced(outcome=exc.outcome, failure=exc.describe())
    except OSError as exc:
        if exc.errno not in _DISK_FULL:
            raise
        full = OutOfDisk(f"There is no space left for {exc.filename or staging}.")
        return Produced(outcome=full.outcome, failure=full.describe())


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every step needs."""

    staging: Path
    scratch: Path
    ffmpeg: str
    packager: str | None
    report: Callable[[Progress], None]
    lines: str | None = None
    """Path of the subtitles that are drawn into the picture."""
    joined: Mapping[str, str] = field(default_factory=dict)
    """Rendition → what others have made of it."""


def _perform(
    task: Task, bench: _Bench, seal: Callable[[Sequence[Path]], Sequence[str]]
) -> Produced:
    bench.staging.mkdir(parents=True, exist_ok=True)
    bench.scratch.mkdir(parents=True, exist_ok=True)
    if task.kind in MEASURING:
        measured = take_index if task.kind == "index" else take_sample
        return measured(
            task,
            program=bench.ffmpeg,
            scratch=bench.scratch,
            report=bench.report,
            seal=seal,
        )
    first = FirstPass()
    levelled = any(sound.loudness is not None for sound in task.recipe.audio)
    if levelled and not task.recipe.sound_apart:
        bench.report(phase(task))
        first = measure_loudness(
            task, program=bench.ffmpeg, folder=bench.scratch, report=bench.report
        )

    if task.recipe.watermark is not None:
        refuse_change(task.recipe.watermark.image)
    lines = take_lines(task, program=bench.ffmpeg, folder=bench.scratch)
    bench = replace(bench, lines=lines.path)
    if task.kind == "join":
        bench.report(phase(task, "join"))
        bench = replace(bench, joined=join(task, bench.scratch))
    done, encoded, taken = _encode_what_can_be(task, bench, first.gains)
    encoded = encoded.having_read(first.read_bytes + lines.read_bytes)
    held, again = Compared({}), 0
    if task.recipe.looks:
        bench.report(phase(task, "quality"))
        done, encoded, held, said = _hold(done, encoded, bench, first.gains)
        taken += said
        again = held.read_bytes
    encoded = encoded.having_read(again)
    if task.kind == "join":
        # Pictures are decoded for stills alone here, and as far as those need.
        encoded = replace(encoded, decoded_frames=None)
    # From here on the clip is all there is.
    done = done.model_copy(update={"media": clipped(done.media, done.recipe.clip)})
    sealed = seal((bench.staging, bench.scratch))
    notes = (*first.notes, *taken, *encoded.notes, *sealed)
    done, said = finish_captions(done, encoded, bench.staging)
    notes += said
    finish_stills(done, bench.staging, encoded_seconds=encoded.encoded_seconds)
    restate(done, bench.staging)
    mend(done, bench.staging)
    bench.report(_last(task, "verify"))
    verified = verify(done, encoded, staging=bench.staging)
    notes += verified.notes
    if verified.passed and (single := fold(done, bench.staging)) is not None:
        verified = replace(verified, checks=(*verified.checks, single))
    if not verified.passed:
        return _rejected(verified, encoded, notes)

    if verified.partial is not None:
        notes = (in_words(verified.partial), *notes)
    facts = {
        name: replace(it, quality=held.facts.get(name))
        for name, it in verified.facts.items()
    }
    artifacts = collect(done, facts, staging=bench.staging)
    return Produced(
        artifacts=artifacts,
        checks=verified.checks,
        notes=notes,
        outcome=OutcomeKind.SUCCEEDED,
        partial=verified.partial,
        read_bytes=encoded.read_bytes,
        written_bytes=sum(artifact.bytes for artifact in artifacts),
    )


def _hold(
    task: Task, encoded: EncodeReport, bench: _Bench, gains: Mapping[str, Gain]
) -> tuple[Task, EncodeReport, Compared, tuple[str, ...]]:
    """
    How good it has become; made anew, once, where it is worse than it was to be.

    Chunks are not made anew: others have made them.
    """

    def seen(task: Task) -> Compared:
        return look(
            task,
            program=bench.ffmpeg,
            staging=bench.staging,
            scratch=bench.scratch,
            lines=bench.lines,
        )

    try:
        held = seen(task)
        better = None if task.kind == "join" else corrected(task, held, bench.staging)
        if better is None:
            return task, encoded, held, said_of(task, held, None, bench.staging)
        clear(bench.staging)
        task, encoded, taken = _encode_what_can_be(better, bench, gains)
        after = seen(task)
    except EncoderFailed as exc:
        return (
            task,
            encoded,
            Compared({}),
            (f"The target was not checked: {exc.message}",),
        )
    said = said_of(task, after, held, bench.staging)
    return task, encoded, after, (*taken, *said)


def _encode_what_can_be(
    task: Task, bench: _Bench, gains: Mapping[str, Gain]
) -> tuple[Task, EncodeReport, tuple[str, ...]]:
    """As `_encode`; again without those captions that make ffmpeg give up."""
    notes: tuple[str, ...] = ()
    while True:
        try:
            done, encoded, taken = _encode(task, bench, gains)
        except (EncoderFailed, MediaRejected) as exc:
            spared = without_guilty(task, exc)
            if spared is None:
                raise
            task, note = spared
            notes = (*notes, note)
            clear(bench.staging)
        else:
            return done, encoded, notes + taken


def _encode(
    task: Task, bench: _Bench, gains: Mapping[str, Gain]
) -> tuple[Task, EncodeReport, tuple[str, ...]]:
    """The task as it was done, the encoder's report, and notes on what failed."""
    notes: list[str] = []
    ways = list(ways_to_do(task, bench.ffmpeg))
    for position, way in enumerate(ways):
        if way.note is not None:
            notes.append(way.note)
        if position:
            clear(bench.staging)
        prepare(way.task.recipe, bench.staging)
        try:
            made, followed = _following(way, bench, gains)
        except EncoderFailed as exc:
            if position == len(ways) - 1:
                raise
            notes.append(f"Encoding in hardware failed: {exc.message}")
        else:
            return way.task, made, (*notes, *followed)
    raise AssertionError  # there is always one way


def _following(
    way: Way, bench: _Bench, gains: Mapping[str, Gain]
) -> tuple[EncodeReport, tuple[str, ...]]:
    """As `_attempt`; begun anew where pixels turn out to change their shape."""
    shown = str(bench.scratch / "shown")
    try:
        made = _attempt(way, bench, gains)
        copied = any(it.made_by == "copied" for it in way.task.recipe.video)
        if copied or not made.reshaped:
            # Of a copy no filter could change it; verification tells what is wrong.
            return made, ()
        reshaped = made.reshaped
    except ReshapedLate as exc:
        # All of them at once, so that it is begun anew but once.
        try:
            found = find_reshaped(
                way.task, program=bench.ffmpeg, shown=shown, folder=bench.scratch
            )
        finally:
            _forget(shown)
        reshaped = found or exc.reshaped
    if not may_change(way.task):
        at = reshaped[1].seconds
        raise MediaUnsupported(
            f"The pixels change their shape at {at:.2f} s, which is not followed where"
            " the picture is turned, transparent or HDR; bring it to one shape first."
        )
    clear(bench.staging)
    prepare(way.task.recipe, bench.staging)
    times = ", ".join(f"{it.seconds:.2f} s" for it in reshaped[1 : _MOST_NAMED + 1])
    more = ", …" if len(reshaped) > _MOST_NAMED + 1 else ""
    note = (
        f"The source's pixels change their shape at {times}{more}: found out while "
        "encoding, which was begun anew."
    )
    return _attempt(way, bench, gains, reshaped), (note,)


def _forget(shown: str) -> None:
    """Every file in which ffmpeg tells of the source."""
    pictures = seen_beside(shown), sampled_beside(shown)
    beside = *headers_beside(shown), packets_beside(shown)
    for path in (shown, *pictures, *beside):
        Path(path).unlink(missing_ok=True)


def _attempt(
    way: Way,
    bench: _Bench,
    gains: Mapping[str, Gain],
    reshaped: tuple[Reshaped, ...] = (),
) -> EncodeReport:
    fifo = str(bench.scratch / "media.fifo")
    # Of a join's source no picture is decoded but for stills, of sound's none.
    unseen = way.task.recipe.chunks or way.task.kind == "sound"
    shown = None if unseen else str(bench.scratch / "shown")
    try:
        command = build(
            way.task,
            program=bench.ffmpeg,
            fifo=fifo,
            gains=gains,
            lines=bench.lines,
            joined=bench.joined,
            hardware_decode=way.hardware_decode,
            shown=shown,
            reshaped=reshaped,
        )
    except KeyError as exc:
        raise EncoderMissing(f"No options are known for the encoder {exc}.") from exc
    packager = None
    if bench.packager is not None:
        os.mkfifo(fifo, 0o600)
        packager = package.build(way.task.recipe, program=bench.packager, fifo=fifo)
    try:
        return run(
            way.task,
            command,
            packager,
            folders=(bench.staging, bench.scratch),
            report=bench.report,
        )
    finally:
        Path(fifo).unlink(missing_ok=True)
        if shown is not None:
            _forget(shown)


def _last(task: Task, name: str) -> Progress:
    duration = task.media.duration_seconds
    return Progress(
        task_id=task.task_id,
        done_seconds=duration or 0.0,
        total_seconds=duration,
        speed=None,
        phase=name,
    )


def _rejected(
    verified: Verified, encoded: EncodeReport, notes: tuple[str, ...]
) -> Produced:
    failed = verified.failed
    said = "; ".join(f"{check.name}: {check.detail}" for check in failed)
    evidence = {
        "checks": [check.name for check in failed],
        "argv": list(encoded.argv),
        "status": encoded.exit_status,
        "stderr_tail": encoded.stderr_tail,
    }
    error: TranscodeError
    if any(check.name == "source_complete" for check in failed):
        error = MediaTruncated(
            f"The source is damaged or cut off ({said}); upload it again, or have what "
            "is left of it made (--accept-partial).",
            **evidence,
        )
    else:
        error = OutputRejected(
            f"What was made does not pass verification ({said}).", **evidence
        )
    return Produced(
        checks=verified.checks,
        notes=notes,
        outcome=error.outcome,
        failure=error.describe(),
        read_bytes=encoded.read_bytes,
    )
