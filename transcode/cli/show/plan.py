"""
A plan as a page of plain text, for someone who has never seen one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ...contract import (
    AudioRendition,
    CaptionRendition,
    CmafPackaging,
    Elsewhere,
    HardwareOffer,
    Media,
    Plan,
    PlannedTask,
    Recipe,
    Rung,
    ServicePrice,
    Task,
    VideoRendition,
    VideoStream,
)
from ...media.metrics import named
from ...units import (
    bit_rate,
    columns,
    cpus,
    duration,
    frame_rate,
    marked,
    memory,
    money,
    narrowed,
    size,
    spec_words,
)
from .legible import legible

_RUNGS = {
    Rung.SKIP: "skip: the result is there already",
    Rung.COPY: "copy: every stream stays as it is, and so does the container",
    Rung.REMUX: "remux: every stream is copied into another container",
    Rung.AUDIO_ONLY: "audio only: nothing but sound is encoded",
    Rung.FULL: "full: pictures are encoded",
}


WIDTH = 80
"""Columns, where nobody says how many there are."""


def explain(plan: Plan, *, width: int | None = None) -> str:
    """
    *plan* in words and tables, at most 80 columns wide except for long names, and no
    wider than *width*.

    What the source is, what will be made and why, the spec with its prediction, the
    nearest specs that lost, and what it would cost on other platforms and services.
    """
    plan = legible(plan)
    wide = WIDTH if width is None else min(WIDTH, width)
    sections: list[Iterable[str]] = [_head(plan, wide)]
    if plan.tasks:
        main, *parts = plan.tasks
        chunks = [it for it in parts if it.task.kind == "chunk"]
        sections.append(_renditions(main.task.recipe, wide))
        if chunks:
            sections += [
                divided_specs(plan, main, parts, width=wide),
                losers_of(
                    max(chunks, key=lambda it: it.task.predicted.wall_seconds),
                    of="the longest chunk",
                    width=wide,
                ),
            ]
        else:
            sections += [
                single_spec(plan, main, wide),
                losers_of(main, width=wide),
            ]
    sections += [
        in_words(plan.hardware, wide),
        division_words(plan, wide),
        indexing_words(plan, wide),
        sampling_words(plan, wide),
        elsewhere(plan.elsewhere, wide),
        at_services(plan.services, wide),
        _warnings(plan.warnings, wide),
    ]
    pages = ("\n".join(section) for section in sections)
    return "\n\n".join(page for page in pages if page) + "\n"


def _head(plan: Plan, width: int = WIDTH) -> Iterator[str]:
    yield from item("Source", f"{plan.source.uri}", width=width)
    used = [planned.task.recipe.video_index for planned in plan.tasks]
    yield from item("", source_line(plan.media, used[0] if used else None), width=width)
    yield from item("Profile", f"{plan.profile.name}", width=width)
    if plan.engine != "local":
        yield from item("Engine", plan.engine, width=width)
    yield from item("Work", _RUNGS[plan.rung], width=width)
    for reason in plan.reasons:
        yield from item("", f"- {reason}", hang=2, width=width)


def source_line(media: Media, used: int | None = None) -> str:
    """
    *media* in one line: container, length, picture, sound.

    Of several pictures the one with stream index *used* is described, else the first.
    """
    parts = [media.container, duration(media.duration_seconds), size(media.bytes)]
    pictures = sorted(media.video, key=lambda it: it.index != used)
    parts.append(_picture(pictures[0]) if pictures else "no picture")
    if len(pictures) > 1:
        parts.append(f"{len(pictures)} video tracks")
    if not media.audio:
        parts.append("no sound")
    else:
        first = media.audio[0]
        layout = first.layout or (f"{first.channels} ch" if first.channels else "")
        parts.append(f"{first.codec} {layout}".strip())
        if len(media.audio) > 1:
            parts.append(f"{len(media.audio)} soundtracks")
    return ", ".join(part for part in parts if part)


def _picture(video: VideoStream) -> str:
    words = [video.codec, f"{video.display_width}x{video.display_height}"]
    if video.frame_rate is not None:
        words.append(f"at {frame_rate(video.frame_rate)} fps")
    if video.variable_frame_rate:
        words.append("(variable)")
    if video.dynamic_range != "sdr":
        words.append(str(video.dynamic_range).upper())
    if video.interlaced:
        words.append("interlaced")
    return " ".join(words)


def _renditions(recipe: Recipe, width: int = WIDTH) -> Iterator[str]:
    yield from item("Makes", _made(recipe), width=width)
    rows = [("name", "size", "codec", "how", "bit rate")]
    rows += [_video_row(it) for it in recipe.video]
    rows += [_audio_row(it) for it in recipe.audio]
    rows += [_caption_row(it) for it in recipe.captions]
    yield ""
    # The codec is in the encoder's name; a cap is missed sooner than how it is made.
    kept = narrowed(rows, width=_room(width), drop=(2, 4))
    yield from (f"  {line}" for line in columns(kept, right=()))
    notes = [
        *(["The picture is deinterlaced."] if recipe.deinterlace else []),
        *(["Subtitles are burned in."] if recipe.burned_index is not None else []),
        *(["The picture is tone-mapped from HDR to SDR."] if recipe.tone_map else []),
        *([marked(recipe.watermark)] if recipe.watermark else []),
        *(["All are cut at the source's own keyframes."] if _follows(recipe) else []),
    ]
    if notes:
        yield ""
        yield from item("", " ".join(notes), indent=2, width=width)


def _follows(recipe: Recipe) -> bool:
    return recipe.keyframes == "source" and len(recipe.video) > 1


def _made(recipe: Recipe) -> str:
    packaging = recipe.packaging
    if isinstance(packaging, CmafPackaging):
        forms = [
            *(["HLS"] if packaging.hls else []),
            *(["DASH"] if packaging.dash else []),
        ]
        made = f"{' and '.join(forms)} in {packaging.segment_seconds:g} s segments"
        if packaging.segments == "single_file":
            made += " of one file each"
    else:
        made = ", ".join(file.name for file in packaging.files)
    if recipe.poster:
        made += f"; poster {recipe.poster.width}x{recipe.poster.height}"
    if recipe.sprites:
        every = f"{recipe.sprites.interval_seconds:.3g}"
        made += f"; {recipe.sprites.count} thumbnails, one every {every} s"
    return made


def _video_row(it: VideoRendition) -> tuple[str, str, str, str, str]:
    if it.made_by == "copied":
        return it.name, f"{it.width}x{it.height}", it.codec, "copied", "as it is"
    rate = f", {frame_rate(it.frame_rate)} fps" if it.frame_rate else ""
    quality = _quality(it)
    return (
        it.name,
        f"{it.width}x{it.height}",
        it.codec,
        f"{it.encoder} {it.preset or ''}".strip() + f", {quality}{rate}",
        _most(it),
    )


def _most(it: VideoRendition) -> str:
    """On average where the source says so; else the cap at peaks."""
    most = it.most_bit_rate or it.max_bit_rate
    return "-" if most is None else f"at most {bit_rate(most)}"


def _quality(it: VideoRendition) -> str:
    if it.target is None:
        return "-" if it.crf is None else f"crf {it.crf:g}"
    if it.target.expected is None:
        return named(it.target)
    return f"{named(it.target)}, crf {it.crf:g}"


def _audio_row(it: AudioRendition) -> tuple[str, str, str, str, str]:
    shape = {1: "mono", 2: "stereo"}.get(it.channels, f"{it.channels} ch")
    language = f", {it.language}" if it.language else ""
    loudness = f", {it.loudness.integrated_lufs:g} LUFS" if it.loudness else ""
    how = "copied" if it.made_by == "copied" else f"{it.encoder}{loudness}"
    rate = "-" if it.bit_rate is None else bit_rate(it.bit_rate)
    return it.name, shape + language, it.codec, how, rate


def _caption_row(it: CaptionRendition) -> tuple[str, str, str, str, str]:
    forced = ", forced" if it.forced else ""
    how = f"from subtitle track {it.source_index}{forced}"
    return (
        it.name,
        f"text{f', {it.language}' if it.language else ''}",
        "webvtt",
        how,
        "-",
    )


def _warnings(warnings: Sequence[str], width: int = WIDTH) -> Iterator[str]:
    if not warnings:
        return
    yield "Please note"
    for warning in warnings:
        yield from wrapped(warning, first="  - ", rest="    ", width=width)


def single_spec(plan: Plan, planned: PlannedTask, width: int = WIDTH) -> Iterator[str]:
    task, usage = planned.task, planned.task.predicted
    price = f"{plan.platform.name}, prices of {plan.platform.price_table}"
    yield from item("Platform", price, width=width)
    yield from item("Spec", spec_words(task.spec), width=width)
    if planned.candidates:
        yield from item("", planned.candidates[0].reason, width=width)
    rows = [
        ("time", duration(usage.wall_seconds), _sure(task)),
        ("processor", duration(usage.cpu_seconds), "of one vCPU"),
        ("memory", memory(usage.peak_memory_bytes), _share(planned)),
        ("scratch", memory(usage.scratch_bytes), ""),
        *_start_row(plan),
        *store_row(plan),
        ("price", money(plan.predicted_cost), _with_search(plan) + _limits(plan)),
    ]
    yield ""
    yield "Predicted"
    yield from _figures(rows, width)


def divided_specs(
    plan: Plan,
    join: PlannedTask,
    parts: Sequence[PlannedTask],
    *,
    width: int = WIDTH,
) -> Iterator[str]:
    """Several tasks at once, and one after them."""
    sound = next((it.task for it in parts if it.task.kind == "sound"), None)
    price = f"{plan.platform.name}, prices of {plan.platform.price_table}"
    yield from item("Platform", price, width=width)
    each = [it.task for it in parts if it.task.kind == "chunk"]
    yield from item(
        "Specs", f"{len(each)} chunks, each {spec_words(each[0].spec)}", width=width
    )
    if sound is not None:
        words = f"beside them the sound, {spec_words(sound.spec)}"
        yield from item("", words, width=width)
    yield from item("", f"then a join, {spec_words(join.task.spec)}", width=width)
    if plan.division is not None:
        yield from item("", plan.division.reason, width=width)
    longest = max(each, key=lambda it: it.predicted.wall_seconds)
    usage = plan.predicted
    pays = plan.indexing is not None and plan.indexing.verdict == "pays"
    first = "the index, " if pays else ""
    when = f"{first}all chunks at once, and the join"
    rows = [
        ("time", duration(usage.wall_seconds), when),
        ("a chunk", duration(longest.predicted.wall_seconds), _sure(longest)),
        *(
            [("the sound", duration(sound.predicted.wall_seconds), _sure(sound))]
            if sound
            else []
        ),
        ("the join", duration(join.task.predicted.wall_seconds), _sure(join.task)),
        ("processor", duration(usage.cpu_seconds), "of one vCPU"),
        ("memory", memory(usage.peak_memory_bytes), "of the largest"),
        ("scratch", memory(usage.scratch_bytes), "of all"),
        *_start_row(plan),
        *store_row(plan),
        ("price", money(plan.predicted_cost), _with_index(plan) + _limits(plan)),
    ]
    yield ""
    yield "Predicted"
    yield from _figures(rows, width)


def _with_index(plan: Plan) -> str:
    return "" if plan.indexing is None else "index included  "


def store_row(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """What will be asked of the platform's object store, and what that costs."""
    asked, terms = plan.predicted.store, plan.store
    if asked is None or terms is None:
        return
    cost = terms.cost(asked)
    said = f"and {asked.gets} GET to {terms.name}, "
    said += "price not known" if cost is None else f"{money(cost)} of the price"
    yield "requests", f"{asked.puts} PUT", said


def _start_row(plan: Plan) -> list[tuple[str, str, str]]:
    start = plan.starting
    if start is None:
        return []
    of = "every call" if start.share == 1 else f"{start.share:.0%} of calls"
    words = f"billed for a new instance, assumed for {of}"
    return [("start", duration(start.seconds), words)]


def _figures(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for line in columns(rows, right=(1,)):
        yield from wrapped(line.rstrip(), first="  ", rest=" " * 4, width=width)


def _sure(task: Task) -> str:
    wall = task.predicted_wall
    return f"90 % sure of {duration(wall.low)} to {duration(wall.high)}"


def division_words(plan: Plan, width: int = WIDTH) -> Iterator[str]:
    """What chunks would be, where it is done in one piece and need not be."""
    said = plan.division
    if said is not None and said.chunks == 1 and said.possible:
        yield from item("Chunks", f"None are made. {said.reason}", width=width)


def indexing_words(plan: Plan, width: int = WIDTH) -> Iterator[str]:
    """That all packets are looked at first, or were."""
    indexing = plan.indexing
    if indexing is None:
        return
    text = indexing.reason
    if indexing.cost is not None:
        text += f" It has cost {money(indexing.cost)}."
    yield from item("Index", text, width=width)


def sampling_words(plan: Plan, width: int = WIDTH) -> Iterator[str]:
    sampling = plan.sampling
    if sampling is None:
        return
    text = sampling.reason
    planned = sampling.planned
    if sampling.cost is not None:
        text += f" It has cost {money(sampling.cost)}."
    elif planned is None:
        text = f"None is taken. {text}"
    else:
        price = money(planned.task.predicted_cost)
        seconds = duration(planned.task.predicted.wall_seconds)
        pays = sampling.verdict in {"pays", "needed"}
        when = "`run` takes one first" if pays else "None is taken"
        text = f"{when} ({seconds}, {price}). {text}"
    yield from item("Sample", text, width=width)


def _share(planned: PlannedTask) -> str:
    peak = planned.task.predicted.peak_memory_bytes
    if peak is None:
        return ""
    share = peak / (planned.task.spec.memory_mib * 2**20)
    return f"{share:.0%} of the spec"


def _with_search(plan: Plan) -> str:
    sampling = plan.sampling
    if sampling is None or sampling.verdict not in {"needed", "taken"}:
        return ""
    return "sample included  "


def _limits(plan: Plan) -> str:
    said = []
    if plan.deadline_seconds is not None:
        said.append(f"deadline {duration(plan.deadline_seconds)}")
    if plan.budget is not None:
        said.append(f"budget {money(plan.budget)}")
    return ", ".join(said)


def losers_of(
    planned: PlannedTask, *, of: str = "", width: int = WIDTH
) -> Iterator[str]:
    losers = [it for it in planned.candidates if not it.chosen]
    if not losers:
        return
    yield f"Specs that lost{f' for {of}' if of else ''}, nearest first"
    rows = [
        (
            f"{it.spec.memory_mib} MiB",
            cpus(it.spec),
            duration(it.predicted.wall_seconds),
            money(it.cost),
        )
        for it in losers[:_MOST_LOSERS]
    ]
    lines = columns(rows, right=(0, 1, 2, 3))
    for line, it in zip(lines, losers, strict=False):
        prefix = f"  {line}  "
        yield from wrapped(it.reason, first=prefix, rest=" " * len(prefix), width=width)
    if len(losers) > _MOST_LOSERS:
        yield f"  and {len(losers) - _MOST_LOSERS} more; --json lists them all"


def item(
    label: str, text: str, *, indent: int = 10, hang: int = 0, width: int = WIDTH
) -> Iterator[str]:
    first = f"{label:<{indent}}"
    yield from wrapped(text, first=first, rest=" " * (indent + hang), width=width)


_MOST_LOSERS = 4


def _room(width: int) -> int | None:
    """For a table; None where it may be as wide as its cells, as in a pipe."""
    return None if width >= WIDTH else width - 2


def elsewhere(others: Sequence[Elsewhere], width: int = WIDTH) -> Iterator[str]:
    if not others:
        return
    yield "The same on other platforms"
    fitting = [it for it in others if it.cost is not None and it.spec is not None]
    rows = [
        (
            it.platform,
            f"{f'{it.chunks} x ' if it.chunks > 1 else ''}{it.spec.memory_mib} MiB",
            cpus(it.spec),
            duration(it.wall_seconds),
            money(it.cost),
        )
        for it in fitting
        if it.spec is not None and it.cost is not None
    ]
    kept = narrowed(rows, width=_room(width), drop=(2, 1))
    right = range(1, len(kept[0])) if kept else ()
    yield from (f"  {line}" for line in columns(kept, right=right))
    for it in others:
        if it.cost is None:
            first = f"  {it.platform}: "
            yield from wrapped(
                it.reason or "does not fit", first=first, rest="    ", width=width
            )


def at_services(services: Sequence[ServicePrice], width: int = WIDTH) -> Iterator[str]:
    if not services:
        return
    yield "The same renditions at a managed service's list price"
    rows = [
        (it.service, money(it.cost), f"{money(it.per_minute)} a minute")
        for it in services
        if it.cost is not None and it.per_minute is not None
    ]
    kept = narrowed(rows, width=_room(width), drop=(1,))
    right = range(1, len(kept[0])) if kept else ()
    yield from (f"  {line}" for line in columns(kept, right=right))
    for it in services:
        if it.cost is None:
            first = f"  {it.service}: "
            yield from wrapped(
                it.reason or "not known", first=first, rest="    ", width=width
            )


def wrapped(text: str, *, first: str, rest: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def in_words(found: Sequence[HardwareOffer], width: int = WIDTH) -> Iterator[str]:
    """Lines for a person; none where there is no card."""
    if not found:
        return
    yield "With a GPU"
    for it in found:
        size = f"{it.spec.memory_mib} MiB, {cpus(it.spec)}"
        said = f"{it.title} beside {size}: "
        if it.per_second is None:
            said += "its price is not known."
        elif it.within_seconds is None:
            said += "costs nothing."
        else:
            within = duration(it.within_seconds)
            said += f"{money(it.per_second)} a second, so cheaper only within {within}"
            if it.times_real_time is not None:
                said += f", {it.times_real_time:.3g} times as fast as real time"
            said += "."
        yield from wrapped(said, first="  ", rest="    ", width=width)
    for reason in dict.fromkeys(it.reason for it in found):
        yield from wrapped(reason, first="  ", rest="  ", width=width)
