"""Runs the encoder, and the packager beside it; turns what they print into a report."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import Progress, Task
from ..errors import (
    EncoderFailed,
    EncoderMissing,
    MediaRejected,
    MediaUnsupported,
    OutOfDisk,
    OutOfMemory,
    SourceUnreadable,
    TranscodeError,
)
from ..media.demuxers import BARE, short
from ..media.timeline import clipped
from ..media.zeros import Zeros
from ..sandbox.fence import Permissions, shortfall
from .children import ChildExit, Children, Program
from .command.build import Command, list_headers
from .command.video import headers_of as coded
from .holes import holes_in, packets_beside
from .progress import Lines, ProgressLines, Summary, Tail, without_secrets
from .report import EncodeReport
from .reshaped import Headers, Reshaped, ReshapedLate
from .seen import (
    SampledPicture,
    read_sampled,
    read_seen,
    sampled_beside,
    sampled_every,
    seen_beside,
)
from .shown import Shown, read_shown

if TYPE_CHECKING:
    from .fetcher import FetchFault

_FULL = 1 << 20
"""Bytes free below which a failed write is put down to a full disk."""
_LOOK_SECONDS = 0.5
"""Between two looks at what the source's headers say."""
_DISK_FULL = r"No space left on device|Disk quota exceeded"
_TOO_MANY_ERRORS = 69
"""ffmpeg's status when more than two thirds of the packets did not decode."""

_CAUSES: Sequence[tuple[str, type[TranscodeError], str]] = (
    (
        r"Cannot allocate memory|malloc.*failed|out of memory",
        OutOfMemory,
        "The encoder could not get the memory it asked for.",
    ),
    (
        r"Unknown encoder|Encoder not found|Error selecting an encoder",
        EncoderMissing,
        "This ffmpeg does not have the encoder that the recipe names.",
    ),
    (
        r"Error opening input.*(?:No such file|Permission denied)",
        SourceUnreadable,
        "The source has gone or may not be read any more.",
    ),
    (
        # Begun anew at the change, filters would lose sound there, or shift the rest.
        r"Changing audio frame properties on the fly",
        MediaUnsupported,
        "The sound changes rate or channels in mid-stream; bring it to one form first.",
    ),
    (
        r"\[[av]ist#0:\d+.*Error while opening decoder",
        MediaRejected,
        "One of the source's streams has a damaged header: it cannot be decoded.",
    ),
    (
        r"Error opening input.*Invalid data",
        MediaRejected,
        "The source is not what probing saw: it cannot be opened.",
    ),
)


def run(
    task: Task,
    command: Command,
    packager: Sequence[str] | None,
    *,
    folders: tuple[Path, Path],
    report: Callable[[Progress], None],
) -> EncodeReport:
    """
    Start both in the first of *folders*, wait for both, and say what they said.

    They may write to all *folders*, and nowhere else.

    An exit status of 0 is no success yet; verification decides. Raises `OutOfDisk`,
    `OutOfMemory`, `EncoderMissing`, `SourceUnreadable`, `StoreDown`, `MediaRejected` or
    `EncoderFailed`, each with argv, status and the end of standard error.
    """
    summary, muxing = Summary(source=command.source_input), Tail()
    seconds_due = clipped(task.media, task.recipe.clip).duration_seconds
    progress = ProgressLines(task.task_id, seconds_due, report)
    headers = headers_of(task, command)
    zeros, pipes = _watched(command)

    looked = time.monotonic()

    def heard(line: str) -> None:
        nonlocal looked
        progress.take(line)
        if headers is not None and time.monotonic() > looked + _LOOK_SECONDS:
            _refuse_reshaped(task, command, headers)
            looked = time.monotonic()

    out, err, packing = Lines(heard), Lines(summary.take), Lines(muxing.take)

    started = time.monotonic()
    folder = folders[0]
    try:
        with Children(folder) as children:
            may = allowed(command.argv, writes=folders)
            source = task.source
            children.start(
                Program("ffmpeg", command.argv, out.feed, err.feed, may, source, pipes)
            )
            if packager is not None:
                may = Permissions(writes=may.writes, runs=packager[0])
                feed = packing.feed
                children.start(Program("packager", packager, feed, feed, may))
            ended = children.wait()
            notes, fault = shortfall(children.refused), children.fault
    except OSError as exc:
        raise EncoderFailed(
            f"{exc.filename or command.argv[0]} cannot be run: {exc.strerror}.",
            argv=_shown(command.argv),
        ) from exc
    seconds = time.monotonic() - started
    for lines in (out, err, packing):
        lines.close()

    if ended.first_to_fail is not None:
        tails = {"ffmpeg": summary.tail, "packager": muxing}
        argvs = {"ffmpeg": command.argv, "packager": packager or ()}
        raise _failure(ended, tails, argvs, folders=folders, fault=fault)
    if fault is not None:
        # ffmpeg takes what is left of a source for all of it.
        raise fault.error(stderr_tail=summary.tail.text)
    made = _report(task, command, summary, progress, seconds=seconds)
    reshaped = () if headers is None else headers.reshaped()
    found = 0
    if zeros is not None:
        zeros.close()
        found = holes_in(zeros, made.packets_read)
    # What a decoder tells of may be the same pictures.
    damaged = max(made.damaged_frames, found)
    return replace(
        made, notes=notes, reshaped=reshaped, damaged_frames=damaged, holes=found
    )


def _watched(
    command: Command,
) -> tuple[Zeros | None, Mapping[str, Callable[[bytes], None]]]:
    """Who looks at packets of the source, and the pipe by which they come."""
    if command.shown is None or command.watched is None:
        return None, {}
    zeros, path = Zeros(command.watched), packets_beside(command.shown)
    os.mkfifo(path, 0o600)
    return zeros, {path: zeros.take}


def find_reshaped(
    task: Task, *, program: str, shown: str, folder: Path
) -> tuple[Reshaped, ...]:
    """Where pixels change their shape, by all headers of the source, none decoded."""
    argv = list_headers(task, program=program, shown=shown)
    tail = Tail()
    lines = Lines(tail.take)
    with Children(folder) as children:
        may = allowed(argv, writes=(folder,))
        ignored = Program("ffmpeg", argv, lambda _: None, lines.feed, may, task.source)
        children.start(ignored)
        ended = children.wait()
        fault = children.fault
    lines.close()
    if ended.first_to_fail is not None:
        argvs = {"ffmpeg": argv}
        raise _failure(ended, {"ffmpeg": tail}, argvs, folders=(folder,), fault=fault)
    if fault is not None:
        raise fault.error(stderr_tail=tail.text)
    headers = headers_of(task, Command(argv, shown=shown, headers=coded(task)))
    return () if headers is None else headers.reshaped()


def _refuse_reshaped(task: Task, command: Command, headers: Headers) -> None:
    """Nobody pays for the rest of what is to be done again."""
    copied = any(it.made_by == "copied" for it in task.recipe.video)
    if copied or command.reshaped:
        return
    found = headers.reshaped()
    if found:
        raise ReshapedLate(found)


def allowed(argv: Sequence[str], *, writes: Sequence[Path]) -> Permissions:
    """What an ffmpeg of *argv* needs: its inputs and its folders."""
    inputs = [value for flag, value in pairwise(argv) if flag == "-i"]
    return Permissions(
        reads=tuple(it.removeprefix("file:") for it in inputs),
        writes=tuple(map(str, writes)),
        runs=argv[0],
        devices="-hwaccel" in argv or any(it.endswith("_nvenc") for it in argv),
    )


def _report(
    task: Task,
    command: Command,
    summary: Summary,
    progress: ProgressLines,
    *,
    seconds: float,
) -> EncodeReport:
    packets: dict[str, dict[str, int]] = {"video": {}, "audio": {}}
    for stream in command.streams:
        muxed = summary.muxed.get((stream.output, stream.index))
        if muxed is not None:
            packets[stream.kind][stream.name] = muxed
    picture = task.recipe.video_index
    shown = None if command.shown is None else read_shown(Path(command.shown))
    sounds = [summary.samples.get(sound.source_index) for sound in task.recipe.audio]
    return EncodeReport(
        decoded_frames=None if picture is None else summary.decoded.get(picture),
        decode_errors=summary.decode_errors,
        packets_read=None if picture is None else summary.packets.get(picture),
        encoded_frames=packets["video"],
        audio_samples=next((count for count in sounds if count is not None), None),
        argv=_shown(command.argv),
        stderr_tail=summary.tail.text,
        wall_seconds=seconds,
        samples=summary.samples,
        all_packets=sum(summary.packets.values()) or None,
        repeated_frames=progress.repeated_frames,
        encoded_seconds=progress.seconds,
        dropped_frames=progress.dropped_frames,
        audio_packets=packets["audio"],
        caption_errors=summary.caption_errors,
        damaged_frames=summary.damaged_frames,
        torn=summary.torn(picture),
        exit_status=0,
        read_bytes=summary.read_bytes,
        shown=shown,
        seen=None
        if command.shown is None
        else read_seen(Path(seen_beside(command.shown))),
        sampled=_sampled(task, command, shown),
        followed=command.reshaped,
    )


def _sampled(
    task: Task, command: Command, shown: Shown | None
) -> tuple[SampledPicture, ...]:
    every = sampled_every(task)
    if command.shown is None or every is None:
        return ()
    return read_sampled(Path(sampled_beside(command.shown)), shown, every)


def headers_of(task: Task, command: Command) -> Headers | None:
    """What will be known of pixels' shapes; None where nothing tells."""
    if command.shown is None or command.headers is None:
        return None
    clip, index = task.recipe.clip, task.recipe.video_index
    video = next((it for it in task.media.video if it.index == index), None)
    aspect = Fraction(1) if video is None else video.sample_aspect_ratio
    late = clip is not None and clip.seek_seconds is not None
    # Matroska says it always, MP4 where it is not 1.
    states = short(task.media.format_name)
    stated = states == "matroska" or (states == "mov" and aspect != 1)
    return Headers(
        command.headers,
        command.shown,
        before=aspect if late else None,
        stated=aspect if stated else None,
        # What is bare begins at 0, whatever its parser makes of it.
        begins=0.0 if video is None or states in BARE else video.start_seconds or 0.0,
    )


def _failure(
    ended: ChildExit,
    tails: Mapping[str, Tail],
    argvs: Mapping[str, Sequence[str]],
    *,
    folders: Sequence[Path],
    fault: FetchFault | None,
) -> TranscodeError:
    guilty = ended.first_to_fail or "ffmpeg"
    if guilty == "ffmpeg" and "packager" in ended.statuses:
        # A packager that died takes the pipe with it, and ffmpeg may be seen first.
        broken = re.search(r"Broken pipe", tails["ffmpeg"].text) is not None
        guilty = "packager" if broken else guilty
    status = ended.statuses[guilty]
    text = "\n".join(tail.text for tail in tails.values() if tail.text)
    evidence: dict[str, Any] = {
        "program": guilty,
        "argv": list(_shown(argvs[guilty])),
        "status": status,
        "stderr_tail": tails[guilty].text,
    }
    fullest = min(folders, key=_free_bytes)
    if re.search(_DISK_FULL, text) or _free_bytes(fullest) < _FULL:
        return OutOfDisk(
            f"There is no space left on {_disk(fullest)!r}, where the work is done: "
            "free some, or choose another --to or TRANSCODE_SCRATCH.",
            **evidence,
        )
    if fault is not None and guilty == "ffmpeg":
        return fault.error(**evidence)
    if (known := known_failure(text, evidence)) is not None:
        return known
    if guilty == "ffmpeg" and status == _TOO_MANY_ERRORS:
        return MediaRejected(
            "More than two thirds of the source's packets cannot be decoded.",
            **evidence,
        )
    how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
    said = tails[guilty].error or _last_line(tails[guilty].text)
    tool = "ffmpeg" if guilty == "ffmpeg" else "Shaka Packager"
    return EncoderFailed(f"{tool} {how}; it said: {said}", **evidence)


def known_failure(text: str, evidence: Mapping[str, Any]) -> TranscodeError | None:
    """What ffmpeg means by the *text* that it ended with; None where that is open."""
    cause = next((it for it in _CAUSES if re.search(it[0], text)), None)
    if cause is None:
        return None
    _, kind, sentence = cause
    return kind(sentence, **evidence)


def _shown(argv: Sequence[str]) -> tuple[str, ...]:
    return tuple(without_secrets(argument) for argument in argv)


def _last_line(text: str) -> str:
    lines = text.splitlines()
    return lines[-1] if lines else "nothing."


def _free_bytes(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def _disk(folder: Path) -> str:
    """Where its file system is mounted: what `df` calls it."""
    return str(next(it for it in (folder, *folder.parents) if it.is_mount()))
