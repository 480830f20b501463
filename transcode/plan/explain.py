"""
A plan as a page of plain text, for someone who has never seen one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..contract import (
    AudioRendition,
    CaptionRendition,
    CmafPackaging,
    Media,
    Plan,
    Recipe,
    Rung,
    VideoRendition,
    VideoStream,
)
from .choices import (
    divided_specs,
    division_words,
    item,
    losers_of,
    sampling_words,
    single_spec,
)
from .compared import at_services, elsewhere, wrapped
from .hardware import in_words
from .words import (
    bit_rate,
    columns,
    duration,
    frame_rate,
    marked,
    size,
)

_RUNGS = {
    Rung.SKIP: "skip: the result is there already",
    Rung.COPY: "copy: every stream stays as it is, and so does the container",
    Rung.REMUX: "remux: every stream is copied into another container",
    Rung.AUDIO_ONLY: "audio only: nothing but sound is encoded",
    Rung.FULL: "full: pictures are encoded",
}


def explain(plan: Plan) -> str:
    """
    *plan* in words and tables, at most 80 columns wide except for long names.

    What the source is, what will be made and why, the spec with its prediction, the
    nearest specs that lost, and what it would cost on other platforms and services.
    """
    sections: list[Iterable[str]] = [_head(plan)]
    if plan.tasks:
        main, *chunks = plan.tasks
        sections.append(_renditions(main.task.recipe))
        if chunks:
            sections += [
                divided_specs(plan, main, chunks),
                losers_of(
                    max(chunks, key=lambda it: it.task.predicted.wall_seconds),
                    of="the longest chunk",
                ),
            ]
        else:
            sections += [single_spec(plan, main), losers_of(main)]
    sections += [
        in_words(plan.hardware),
        division_words(plan),
        sampling_words(plan),
        elsewhere(plan.elsewhere),
        at_services(plan.services),
        _warnings(plan.warnings),
    ]
    pages = ("\n".join(section) for section in sections)
    return "\n\n".join(page for page in pages if page) + "\n"


def _head(plan: Plan) -> Iterator[str]:
    yield from item("Source", f"{plan.source.uri}")
    used = [planned.task.recipe.video_index for planned in plan.tasks]
    yield from item("", source_line(plan.media, used[0] if used else None))
    yield from item("Profile", f"{plan.profile.name}")
    yield from item("Work", _RUNGS[plan.rung])
    for reason in plan.reasons:
        yield from item("", f"- {reason}", hang=2)


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


def _renditions(recipe: Recipe) -> Iterator[str]:
    yield from item("Makes", _made(recipe))
    rows = [("name", "size", "codec", "how", "bit rate")]
    rows += [_video_row(it) for it in recipe.video]
    rows += [_audio_row(it) for it in recipe.audio]
    rows += [_caption_row(it) for it in recipe.captions]
    yield ""
    yield from (f"  {line}" for line in columns(rows, right=()))
    notes = [
        *(["The picture is deinterlaced."] if recipe.deinterlace else []),
        *(["Subtitles are burned in."] if recipe.burned_index is not None else []),
        *(["The picture is tone-mapped from HDR to SDR."] if recipe.tone_map else []),
        *([marked(recipe.watermark)] if recipe.watermark else []),
        *(["All are cut at the source's own keyframes."] if _follows(recipe) else []),
    ]
    if notes:
        yield ""
        yield from item("", " ".join(notes), indent=2)


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
    quality = f"crf {it.crf:g}" if it.crf is not None else "-"
    return (
        it.name,
        f"{it.width}x{it.height}",
        it.codec,
        f"{it.encoder} {it.preset or ''}".strip() + f", {quality}{rate}",
        "-" if it.max_bit_rate is None else f"at most {bit_rate(it.max_bit_rate)}",
    )


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


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if not warnings:
        return
    yield "Please note"
    for warning in warnings:
        yield from wrapped(warning, first="  - ", rest="    ")
