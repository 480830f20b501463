"""A sample encode: short parts of the source, to learn what the whole will take."""

from __future__ import annotations

import math
import resource
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract import (
    Clip,
    OutcomeKind,
    Produced,
    Progress,
    Recipe,
    Sampled,
    SampledPart,
    Task,
    Trial,
)
from ..errors import EncoderFailed
from ..media.metrics import METRICS, Metric
from ..media.rate_factors import adds_bits, affordable, next_factor
from ..media.sampling import of_whole, telling_parts, weighed_window
from .command.build import build
from .command.scores import MadeFile
from .compare import Scores, alone, compare_part
from .encode import run
from .verify.decode import open_media

Window = tuple[float, float] | None
_HAIR_SECONDS = 0.005

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
    tried: tuple[_Tried, ...] = ()
    if any(it.target for it in recipe.video):
        tried, more = _search(task, program, scratch, report)
        read += more
    notes = seal((scratch,))
    rates = {it.name: _bit_rate(scratch, "part", it.name, task) for it in recipe.video}
    return Produced(
        outcome=OutcomeKind.SUCCEEDED,
        sampled=Sampled(
            start=start,
            parts=tuple(parts),
            bit_rates=rates,
            trials=_trials(tried, scratch, task),
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


@dataclass(frozen=True, slots=True)
class _Tried:
    """One rate factor of one rendition, on all parts or on some."""

    name: str
    crf: float
    folders: str
    """What the folders of its parts are called, before their number."""
    scores: Mapping[int, tuple[float, ...]]
    """By number of the part."""
    bytes: Mapping[int, int]
    """Of the part's file."""
    metric: Metric | None
    """In which they are told; None where parts are all that there is."""

    def mean(self, parts: Iterable[int] | None = None) -> float:
        """Over *parts*, which are alike in length; None: over all that there are."""
        chosen = self.scores if parts is None else parts
        return statistics.mean(statistics.mean(self.scores[part]) for part in chosen)


def _search(
    task: Task,
    program: str,
    scratch: Path,
    report: Callable[[Progress], None],
) -> tuple[tuple[_Tried, ...], int]:
    """
    Score what was made of the parts, and try other factors until they tell enough.

    The first round is the sample itself, by the profile's own factors. What another
    factor changes is alike in all parts, so later rounds take half of them.
    """
    parts = task.recipe.parts
    tried: list[_Tried] = []
    read, rounds, folders = 0, 0, "part"
    numbers: Sequence[int] = range(len(parts))
    now = {it.name: it.crf for it in task.recipe.video if it.target and it.crf}
    while now:
        changed = task.model_copy(update={"recipe": _with_factors(task.recipe, now)})
        several: dict[int, Scores] = {}
        for number in numbers:
            clip = parts[number]
            folder = scratch / f"{folders}-{number}"
            part = alone(changed, clip, now)
            if rounds:
                _, more = _encode(part, clip, program, folder, scratch)
                read += more
            made = {
                name: MadeFile(f"{folder.absolute()}/{name}.mp4", "mov") for name in now
            }
            told = compare_part(
                part, made, program=program, folder=scratch / f"{folders}-{number}-seen"
            )
            read += told.read_bytes
            several[number] = told.scores
            report(_progress(task, len(parts)))
        tried += (
            _Tried(
                name=name,
                crf=crf,
                folders=folders,
                scores={number: scores[name] for number, scores in several.items()},
                bytes={
                    number: _file(scratch, folders, number, name).stat().st_size
                    for number in several
                },
                metric=None if _window(task) is None else _metric(task, name),
            )
            for name, crf in now.items()
        )
        if not rounds:
            numbers = _telling(tried)
        now = _next(task, tried, scratch)
        rounds += 1
        folders = f"trial-{rounds}"
    return tuple(tried), read


def _telling(tried: Sequence[_Tried]) -> list[int]:
    """Those parts which are most like the mean of all, in order."""
    away = {
        number: sum(abs(it.mean([number]) - it.mean()) for it in tried)
        for number in tried[0].scores
    }
    nearest = sorted(away, key=lambda number: away[number])
    return sorted(nearest[: telling_parts(len(away))])


def _quality(trial: _Tried, tried: Sequence[_Tried]) -> float:
    """
    Of the whole: all parts by the first trial, and by how much others differ from it.
    """
    first = _first(trial, tried)
    parts = first.mean() + trial.mean() - first.mean(trial.scores)
    return parts if trial.metric is None else of_whole(parts, trial.metric)


def _first(trial: _Tried, tried: Sequence[_Tried]) -> _Tried:
    return next(it for it in tried if it.name == trial.name)


def _trials(tried: Sequence[_Tried], scratch: Path, task: Task) -> tuple[Trial, ...]:
    told = []
    for it in tried:
        first = _first(it, tried)
        score = _quality(it, tried)
        rate = _bit_rate(scratch, "part", it.name, task)
        if it is not first:
            same = [_file(scratch, "part", n, it.name) for n in it.scores]
            own = _rate_of(_files(scratch, it.folders, it.name), task)
            rate = round(rate * own / max(_rate_of(same, task), 1.0))
        worst = min(first.mean([number]) for number in first.scores)
        told.append(
            Trial(
                rendition=it.name,
                crf=it.crf,
                score=round(score, 3),
                worst_score=round(worst + score - first.mean(), 3),
                bit_rate=rate,
                spread=_spread(scratch, "part", it.name, task),
            )
        )
    return tuple(told)


def _next(task: Task, tried: Sequence[_Tried], scratch: Path) -> dict[str, float]:
    """Which factors are to be tried now, by rendition."""
    wanted = {}
    for rendition in task.recipe.video:
        if rendition.target is None:
            continue
        own = [it for it in tried if it.name == rendition.name]
        if not own or _capped(own):
            continue
        points = [(it.crf, _quality(it, own)) for it in own]
        per_vmaf = METRICS[rendition.target.metric].per_vmaf
        crf = next_factor(
            points, rendition.target.score, rendition.codec, per_vmaf=per_vmaf
        )
        if crf is None and rendition.target.most_bit_rate is not None:
            rates = [(it.crf, it.bit_rate) for it in _trials(own, scratch, task)]
            crf = affordable(rates, rendition.target.most_bit_rate, rendition.codec)
        if crf is not None:
            wanted[rendition.name] = crf
    return wanted


def _capped(tried: Sequence[_Tried]) -> bool:
    """Whether the last trial's lower factor took no more bits than another's."""
    last = tried[-1]
    higher = [it for it in tried if it.crf > last.crf]
    return any(
        not adds_bits(
            sum(it.bytes[number] for number in last.bytes), sum(last.bytes.values())
        )
        for it in higher
    )


def _with_factors(recipe: Recipe, factors: Mapping[str, float]) -> Recipe:
    video = tuple(
        it.model_copy(update={"crf": factors.get(it.name, it.crf)})
        for it in recipe.video
    )
    return recipe.model_copy(update={"video": video})


def _bit_rate(scratch: Path, folders: str, name: str, task: Task) -> int:
    return round(_rate_of(_files(scratch, folders, name), task))


def _rate_of(files: Iterable[Path], task: Task) -> float:
    sizes = _Sizes(_window(task))
    for file in files:
        sizes.add(file)
    return sizes.bit_rate(task.recipe.gop_seconds)


def _spread(scratch: Path, folders: str, name: str, task: Task) -> float | None:
    """Standard error of the rate's logarithm, from part to part."""
    logs = [
        math.log(max(_rate_of([file], task), 1.0))
        for file in _files(scratch, folders, name)
    ]
    if len(logs) < 2:  # noqa: PLR2004 - one has no spread
        return None
    return round(statistics.stdev(logs) / math.sqrt(len(logs)), 4)


def _window(task: Task) -> Window:
    """What of every part counts; see `media.sampling`."""
    recipe = task.recipe
    if not any(it.target for it in recipe.video):
        return None
    used = (it for it in task.media.video if it.index == recipe.video_index)
    return weighed_window(recipe.parts[0], next(used).frame_rate)


def _metric(task: Task, name: str) -> Metric | None:
    target = next(it.target for it in task.recipe.video if it.name == name)
    return None if target is None else METRICS[target.metric]


def _file(scratch: Path, folders: str, number: int, name: str) -> Path:
    return scratch / f"{folders}-{number}" / f"{name}.mp4"


def _files(scratch: Path, folders: str, name: str) -> list[Path]:
    return sorted(scratch.glob(f"{folders}-*[0-9]/{name}.mp4"))


class _Sizes:
    """How large the pictures of one rendition are, keyframes and others."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._bytes = {True: 0, False: 0}
        self._count = {True: 0, False: 0}
        self._seconds = 0.0

    def add(self, path: Path) -> None:
        with path.open("rb") as file, open_media(file, "mov") as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                base, at = packet.time_base, packet.pts
                shown = None if base is None or at is None else float(at * base)
                if packet.size and self._counts(shown):
                    self._bytes[packet.is_keyframe] += packet.size
                    self._count[packet.is_keyframe] += 1
            if self._window is not None:
                self._seconds += self._window[1] - self._window[0]
            elif stream.duration and stream.time_base:
                self._seconds += float(stream.duration * stream.time_base)

    def _counts(self, at_seconds: float | None) -> bool:
        if self._window is None or at_seconds is None:
            return True
        return self._window[0] <= at_seconds + _HAIR_SECONDS < self._window[1]

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
