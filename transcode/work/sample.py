"""A sample encode: short parts of the source, to learn what the whole will take."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from pathlib import Path

from ..contract import Clip, OutcomeKind, Produced, Progress, Sampled, SampledPart, Task
from ..errors import EncoderFailed
from .command.build import build
from .encode import run
from .verify.decode import open_media

MOMENT_SECONDS = 0.01
"""At no constant rate: the first picture is in it, and hardly any other."""


def take_sample(
    task: Task,
    *,
    program: str,
    scratch: Path,
    report: Callable[[Progress], None],
    seal: Callable[[Sequence[Path]], Sequence[str]],
) -> Produced:
    """
    Encode each part by itself, just as the whole would be, and weigh it.

    CPU time is the kernel's count of that ffmpeg. Bit rates are told with as many
    keyframes as the whole has: each part begins with one. Raises what `encode.run`
    does.
    """
    recipe = task.recipe
    first = recipe.parts[0]
    lasts = max(MOMENT_SECONDS, 2 * first.slack_seconds)
    moment = first.model_copy(update={"end_seconds": first.start_seconds + lasts})
    # Each encoder is set up, its memory touched, the index read: not to be multiplied.
    start, read = _encode(task, moment, program, scratch / "start", scratch)
    parts: list[SampledPart] = []
    for number, clip in enumerate(recipe.parts):
        folder = scratch / f"part-{number}"
        part, more = _encode(task, clip, program, folder, scratch)
        parts.append(part)
        read += more
        report(_progress(task, len(parts)))
    if not start.frames or not any(part.frames > start.frames for part in parts):
        raise EncoderFailed("The sample has too few pictures.")
    notes = seal((scratch,))
    sizes: dict[str, _Sizes] = {it.name: _Sizes() for it in recipe.video}
    for name, found in sizes.items():
        for file in sorted(scratch.glob(f"part-*/{name}.mp4")):
            found.add(file)
    return Produced(
        outcome=OutcomeKind.SUCCEEDED,
        sampled=Sampled(
            start=start,
            parts=tuple(parts),
            bit_rates={
                name: round(found.bit_rate(recipe.gop_seconds))
                for name, found in sizes.items()
            },
        ),
        notes=tuple(notes),
        read_bytes=read,
    )


def _encode(
    task: Task, clip: Clip, program: str, folder: Path, scratch: Path
) -> tuple[SampledPart, int]:
    """What one part took, and how many bytes were read for it."""
    folder.mkdir()
    recipe = task.recipe.model_copy(update={"clip": clip, "parts": ()})
    part = task.model_copy(update={"recipe": recipe})
    before = _children_seconds()
    made = run(
        part,
        build(part, program=program, fifo=""),
        None,
        folders=(folder, scratch),
        report=lambda _progress: None,
    )
    took = SampledPart(
        start_seconds=clip.start_seconds,
        frames=max(made.encoded_frames.values(), default=0),
        cpu_seconds=_children_seconds() - before,
    )
    return took, made.read_bytes or 0


class _Sizes:
    """How large the pictures of one rendition are, keyframes and others."""

    def __init__(self) -> None:
        self._bytes = {True: 0, False: 0}
        self._count = {True: 0, False: 0}
        self._seconds = 0.0

    def add(self, path: Path) -> None:
        with path.open("rb") as file, open_media(file, "mov") as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if packet.size:
                    self._bytes[packet.is_keyframe] += packet.size
                    self._count[packet.is_keyframe] += 1
            if stream.duration and stream.time_base:
                self._seconds += float(stream.duration * stream.time_base)

    def bit_rate(self, gop_seconds: float) -> float:
        """Of a whole with a keyframe every *gop_seconds*."""
        count = sum(self._count.values())
        if not self._seconds or not count:
            return 0.0
        per_second = count / self._seconds
        keys = min(1 / gop_seconds, per_second)
        key = self._bytes[True] / max(self._count[True], 1)
        other = self._bytes[False] / max(self._count[False], 1)
        return 8 * (keys * key + (per_second - keys) * other)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _progress(task: Task, done: int) -> Progress:
    return Progress(
        task_id=task.task_id,
        done_seconds=float(done),
        total_seconds=float(len(task.recipe.parts)),
        speed=None,
        phase="sample",
    )
