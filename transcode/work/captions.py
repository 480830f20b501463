"""Subtitle tracks that ffmpeg wrote as WebVTT → captions that players can rely on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..contract import (
    AudioRendition,
    CaptionRendition,
    CmafPackaging,
    Task,
    VideoRendition,
)
from ..errors import TranscodeError
from .captions_listing import (
    FOLDER,
    captions_file,
    captions_playlist,
    listed_in_manifest,
    listed_in_master,
    media_playlist,
)
from .package import MANIFEST, MASTER, PLAYLIST, folder
from .report import EncodeReport
from .verify.playlists import BrokenPlaylist, read_media_playlist
from .webvtt import read_written, shifted, within, write

# ffmpeg's names for what a message is about: an input stream, an output file.
_INPUT = re.compile(r"\[sist#0:(\d+)/")
_OUTPUT = re.compile(r"\[(?:sost#\d+:\d+|out#\d+)/webvtt\b")
_ERROR = re.compile(r"\[(?:error|fatal)\]")


def finish_captions(
    task: Task, report: EncodeReport, staging: Path
) -> tuple[Task, tuple[str, ...]]:
    """
    Clean what was written; *task* without the tracks that have no text, and notes.

    Cues are put in order and cut to the presentation, text is escaped. Beside each
    file of a streaming task stands the playlist that HLS lists it by.
    """
    recipe, notes = task.recipe, []
    kept: list[CaptionRendition] = []
    streaming = isinstance(recipe.packaging, CmafPackaging) and recipe.packaging.hls
    end = _end_seconds(task, staging)
    for captions in recipe.captions:
        if failed := report.caption_errors.get(captions.source_index):
            notes.append(
                f"{_words(captions)}: {failed} of its packets could not be decoded."
            )
        path = staging / captions_file(captions)
        text = path.read_text(encoding="utf-8", errors="replace")
        written = read_written(text, scripted=_scripted(task, captions))
        cues = shifted(written, -round(_begin_seconds(task) * 1000))
        cues = within(cues, None if end is None else round(end * 1000))
        if not cues:
            path.unlink()
            notes.append(f"{_words(captions)} has no text and is left out.")
            continue
        path.write_text(write(cues, mapped=streaming), encoding="utf-8")
        if streaming:
            lasts = end or cues[-1].end / 1000
            text = media_playlist(captions, seconds=lasts)
            (staging / captions_playlist(captions)).write_text(text, encoding="utf-8")
        kept.append(captions)
    if recipe.captions and not kept:
        (staging / FOLDER).rmdir()
    if isinstance(recipe.packaging, CmafPackaging):
        _list(kept, staging)
    return _with(task, tuple(kept)), tuple(notes)


def without_guilty(task: Task, exc: TranscodeError) -> tuple[Task, str] | None:
    """
    *task* without the captions that made ffmpeg fail, and what to tell of it.

    None where something else failed. ffmpeg gives up when more than two thirds of a
    stream's packets do not decode; a picture need not be lost for that.
    """
    tail = exc.describe().evidence.get("stderr_tail")
    lines = [it for it in str(tail or "").splitlines() if _ERROR.search(it)]
    inputs = {int(found[1]) for it in lines if (found := _INPUT.search(it))}
    ours = task.recipe.captions
    guilty = tuple(it for it in ours if it.source_index in inputs)
    if not guilty and any(_OUTPUT.search(line) for line in lines):
        guilty = ours
    if not guilty:
        return None
    kept = tuple(it for it in ours if it not in guilty)
    named = ", ".join(_words(it) for it in guilty)
    return _with(task, kept), f"{named} cannot be decoded and is left out."


def _list(captions: Sequence[CaptionRendition], staging: Path) -> None:
    master, manifest = staging / MASTER, staging / MANIFEST
    if master.exists():
        text = master.read_text(encoding="utf-8")
        master.write_text(listed_in_master(text, captions), encoding="utf-8")
    if manifest.exists():
        text = manifest.read_text(encoding="utf-8")
        sizes = {
            one.name: (staging / captions_file(one)).stat().st_size for one in captions
        }
        text = listed_in_manifest(text, captions, sizes=sizes)
        manifest.write_text(text, encoding="utf-8")


def _with(task: Task, captions: tuple[CaptionRendition, ...]) -> Task:
    recipe = task.recipe.model_copy(update={"captions": captions})
    return task.model_copy(update={"recipe": recipe})


def _scripted(task: Task, captions: CaptionRendition) -> bool:
    index = captions.source_index
    return any(
        it.index == index and it.codec in {"ass", "ssa"} for it in task.media.subtitles
    )


def _words(captions: CaptionRendition) -> str:
    language = f" ({captions.language})" if captions.language else ""
    named = f' "{captions.title}"' if captions.title else ""
    return f"Subtitle track {captions.source_index}{named}{language}"


def _begin_seconds(task: Task) -> float:
    """What ffmpeg's second is, that becomes 0."""
    clip = task.recipe.clip
    return 0.0 if clip is None else clip.start_seconds - (clip.seek_seconds or 0.0)


def _end_seconds(task: Task, staging: Path) -> float | None:
    """When the presentation ends: as its playlists say, else as probing found."""
    renditions: list[VideoRendition | AudioRendition]
    renditions = [*task.recipe.video, *task.recipe.audio]
    ends: list[float] = []
    for rendition in renditions:
        path = staging / folder(rendition) / PLAYLIST
        try:
            playlist = read_media_playlist(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, BrokenPlaylist):
            continue  # a file has none, and of a broken one verification tells
        ends.append(float(playlist.seconds))
    return max(ends, default=task.media.duration_seconds)
