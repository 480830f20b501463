"""A finished job as text: outputs, where to look, the bill, verification."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import PurePosixPath

from ...contract import (
    Attempt,
    JobCost,
    Manifest,
    OutcomeKind,
    Output,
    Partial,
    TaskRecord,
    Usage,
)
from ...media.metrics import told
from ...units import (
    UNKNOWN,
    duration,
    exact_rate,
    folded,
    memory,
    one_line,
    place,
    plural,
    printable,
    rounded,
    size,
    spec,
    table,
)
from .legible import legible

MOST_CHUNKS = 4
"""More of them that went well are one line of the bill."""
_ORDER = ("rendition", "audio", "captions", "poster", "thumbnails", "sprite")
_ENTRANCES = (("master.m3u8", "HLS"), ("manifest.mpd", "DASH"))


def result_text(
    manifest: Manifest, *, already: bool = False, width: int | None = None
) -> str:
    """
    The summary printed after `run`; *already*: it was found, not made now. On a
    terminal of few columns tables have less in them.
    """
    manifest = legible(manifest)
    blocks = [
        folded(_headline(manifest, already=already), width),
        *(
            []
            if manifest.partial is None
            else [folded(partial_line(manifest.partial), width)]
        ),
        # Who made it, what it is called, how long it lasts.
        "Outputs\n" + table(_outputs(manifest), width=width, drop=(1, 5, 3)),
        "Where to look\n" + table(_entrances(manifest)),
        bill_text(manifest, width=width),
        "\n".join(folded(line, width) for line in _verification(manifest)),
    ]
    if manifest.warnings:
        said = [folded(f"  {warning}", width) for warning in manifest.warnings]
        blocks.append("\n".join(["Warnings", *said]))
    return printable("\n\n".join(blocks))


def partial_line(partial: Partial) -> str:
    """What a user has to know of results that are not of the whole source."""
    of = partial.promised_seconds
    promised = "" if of is None else f" of the {duration(of)} promised"
    made = f"{duration(partial.made_seconds)}{promised}"
    return one_line(f"In part only: {made}. The source: {partial.reason}.")


def bill_text(manifest: Manifest, *, width: int | None = None) -> str:
    """Every attempt with what was predicted and what was measured, and the total."""
    currency = manifest.cost.currency
    head = ("task", "try", "spec", "", "wall", "CPU", "memory", f"cost ({currency})")
    even = [task for task in manifest.tasks if _went_well(task)]
    if len(even) <= MOST_CHUNKS:
        even = []
    rows = [
        *(attempt_rows(f"{len(even)} chunks", ("1", _all_of(even))) if even else ()),
        *(
            row
            for task in manifest.tasks
            if task not in even
            for attempt in task.attempts
            for row in attempt_rows(task.task_id, (str(attempt.number), attempt))
        ),
    ]
    note = ""
    if even:
        said = "  Of the chunks, time and memory are the largest, the rest is summed."
        note = folded(said, width) + "\n"
    total = (
        f"Total {rounded(manifest.cost.amount)} {currency}, predicted "
        f"{rounded(manifest.cost.predicted)} {currency}"
        f"{_deviation(manifest.cost.amount, manifest.cost.predicted)}"
    )
    platform = f"{manifest.platform.name}, prices of {manifest.platform.price_table}"
    title = f"Bill ({platform})"
    lines = (*_store_line(manifest.cost), *_speed_line(manifest.cost))
    store = "".join(f"{folded(f'  {line}', width)}\n" for line in lines)
    return "\n".join(
        [title, attempts_table(rows, head, width), f"{note}{store}  {total}"]
    )


def _store_line(cost: JobCost) -> Iterator[str]:
    """What was asked of the object store, and what it is of the total."""
    asked = cost.store
    if asked is None:
        return
    how = "counted" if asked.counted else "derived from what was made"
    said = f"Store: {asked.puts} PUT and {asked.gets} GET, {how}"
    if asked.amount is None:
        yield f"{said}; not in the total: {asked.reason}"
    else:
        yield f"{said}: {rounded(asked.amount)} {cost.currency} of the total"


def _speed_line(cost: JobCost) -> Iterator[str]:
    """What it costs that chunks are done sooner."""
    one = cost.one_piece
    if one is not None:
        yield (
            f"In one piece it was predicted to take {duration(one.wall_seconds)} and "
            f"{rounded(one.cost.amount)} {cost.currency}: chunks were to cost"
            f"{_deviation(cost.predicted, one.cost.amount) or ' the same'}"
        )


def attempts_table(
    rows: Sequence[Sequence[str]], head: Sequence[str], width: int | None
) -> str:
    """
    *rows* of `attempt_rows`; where they are too wide, what an attempt is stands on a
    line of its own.
    """
    wide = table(rows, head=head)
    if width is None or max(map(len, wide.splitlines())) <= width:
        return wide
    lines: list[Sequence[str]] = [("", *head[4:])]
    titles: dict[int, str] = {}
    for task, number, spec_, *figures in rows:
        if task:
            titles[len(lines)] = f"  {one_line(task)}, try {number}: {one_line(spec_)}"
        lines.append(figures)
    # Processor time is what can be spared.
    made = table(lines, width=width, drop=(2, 3)).splitlines()
    return "\n".join(
        f"{titles[n]}\n{line}" if n in titles else line for n, line in enumerate(made)
    )


def _went_well(task: TaskRecord) -> bool:
    """A chunk about which there is nothing to tell but what it took."""
    first, *more = task.attempts
    done = first.outcome is OutcomeKind.SUCCEEDED and first.measured is not None
    return task.kind == "chunk" and done and not more


def _all_of(tasks: Sequence[TaskRecord]) -> Attempt:
    each = [task.attempts[0] for task in tasks]
    measured = [it.measured for it in each if it.measured is not None]
    return each[0].model_copy(
        update={
            "predicted": _together([it.predicted for it in each]),
            "measured": _together(measured),
            "cost": sum((it.cost for it in each[1:]), start=each[0].cost),
        }
    )


def _together(several: Sequence[Usage]) -> Usage:
    """What was used side by side: the longest, the largest, and the sum."""
    peaks = [it.peak_memory_bytes for it in several if it.peak_memory_bytes is not None]
    return Usage(
        wall_seconds=max(it.wall_seconds for it in several),
        cpu_seconds=sum(it.cpu_seconds for it in several),
        peak_memory_bytes=max(peaks, default=None),
    )


def _headline(manifest: Manifest, *, already: bool) -> str:
    name = PurePosixPath(place(manifest.source.uri)).name
    took = (
        ""
        if manifest.wall_seconds is None
        else f" in {duration(manifest.wall_seconds)}"
    )
    if already:
        when = f" on {manifest.finished_at}" if manifest.finished_at else ""
        done = f"Already done{when}, nothing was done again"
    else:
        done = f"Done{took}"
    return (
        f"{done}: {name}, profile {manifest.profile.name}, job {manifest.job_id[:12]}"
    )


def _outputs(manifest: Manifest) -> list[Sequence[str]]:
    shown = [o for o in manifest.outputs if o.kind in _ORDER]
    shown.sort(key=lambda o: (_ORDER.index(o.kind), -(_pixels(o))))
    rows: list[Sequence[str]] = []
    sprites = [o for o in shown if o.kind == "sprite"]
    for output in shown:
        if output.kind == "sprite":
            continue
        rows.append(
            (
                _name(output, manifest.location),
                output.kind,
                _what(output),
                duration(output.duration_seconds) if output.duration_seconds else "",
                size(_weight(output)),
                output.made_by,
            )
        )
    if sprites:
        weight = size(sum(o.bytes for o in sprites))
        what = plural(len(sprites), "sheet")
        rows.append(("sprites", "sprite", what, "", weight, sprites[0].made_by))
    return rows


def _pixels(output: Output) -> int:
    return 0 if output.video is None else output.video.width * output.video.height


def _weight(output: Output) -> int:
    """Of a playlist what it plays, of a file the file."""
    return output.bytes if output.media_bytes is None else output.media_bytes


def _name(output: Output, location: str | None) -> str:
    path = _relative(output.uri, location)
    # `video/720p/index.m3u8` is the rendition 720p; nobody calls it index.
    return path.parent.name if path.name == "index.m3u8" else path.name


def _relative(uri: str, location: str | None) -> PurePosixPath:
    inside = uri
    if location is not None and uri.startswith(location):
        inside = uri.removeprefix(location).lstrip("/")
    return PurePosixPath(place(inside))


def _what(output: Output) -> str:
    parts = []
    if output.video is not None:
        video = output.video
        parts.append(f"{video.codec} {video.width}×{video.height}")
        if video.frame_rate is not None:
            parts.append(exact_rate(video.frame_rate).rpartition("= ")[2])
        if output.quality is not None:
            parts.append(told(output.quality.metric, output.quality.score))
    if output.audio is not None:
        audio = output.audio
        language = f" {audio.language}" if audio.language else ""
        channels = {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} ch")
        parts.append(f"{audio.codec} {audio.sample_rate} Hz {channels}{language}")
        if audio.loudness is not None:
            parts.append(f"{audio.loudness.integrated_lufs:.1f} LUFS")
    return ", ".join(parts)


def _entrances(manifest: Manifest) -> list[Sequence[str]]:
    found = {str(_relative(o.uri, manifest.location)): o.uri for o in manifest.outputs}
    rows = [(label, place(found[path])) for path, label in _ENTRANCES if path in found]
    if not rows:
        rows = [
            ("audio" if o.video is None else "video", place(o.uri))
            for o in manifest.outputs
            if o.kind in {"rendition", "audio"}
        ]
    rows += [("poster", place(o.uri)) for o in manifest.outputs if o.kind == "poster"]
    if manifest.location:
        folder = place(manifest.location)
        of_job = folder
        if manifest.page is not None:
            of_job = place(manifest.page.uri.rpartition("/")[0])
        rows += [
            ("folder", folder),
            ("page", f"transcode play {shlex.quote(of_job)}"),
        ]
    return list(rows)


def attempt_rows(
    task_id: str, numbered: tuple[str, Attempt]
) -> tuple[Sequence[str], Sequence[str]]:
    """Predicted above measured, so that the eye compares down a column."""
    number, attempt = numbered
    outcome = attempt.outcome.value.replace("_", " ")
    return (
        (
            *(task_id, number, spec(attempt.spec)),
            *("predicted", *_used(attempt.predicted)),
        ),
        ("", "", "", outcome, *_used(attempt.measured), rounded(attempt.cost.amount)),
    )


def _used(usage: Usage | None) -> tuple[str, str, str]:
    if usage is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    wall, cpu = duration(usage.wall_seconds), duration(usage.cpu_seconds)
    return wall, cpu, memory(usage.peak_memory_bytes)


def _deviation(actual: Decimal, predicted: Decimal) -> str:
    if not predicted:
        return ""
    percent = (actual - predicted) * 100 / predicted
    return f" ({percent:+.0f} %)"


def _verification(manifest: Manifest) -> Sequence[str]:
    checks = manifest.verification.checks
    failed = [check for check in checks if not check.passed]
    if not checks:
        return ["Not verified: nothing was checked"]
    if not failed and manifest.verification.passed:
        names = ", ".join(_unique(check.name.replace("_", " ") for check in checks))
        return [f"Verified: {plural(len(checks), 'check')} passed ({names})"]
    lines = [f"  {check.name}: {check.detail}" for check in failed]
    return [f"Failed {len(failed)} of {plural(len(checks), 'check')}", *lines]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
