"""Finished files → artifacts: what each one is, its size and its digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..contract import (
    Artifact,
    ArtifactKind,
    AudioFacts,
    AudioRendition,
    CaptionRendition,
    CmafPackaging,
    LoudnessFacts,
    MadeBy,
    OutputFile,
    Recipe,
    Task,
    VideoFacts,
    VideoRendition,
)
from .captions_listing import FOLDER as CAPTIONS_FOLDER
from .captions_listing import captions_file, captions_playlist
from .package import IFRAMES, INIT, MANIFEST, MASTER, MEDIA, PLAYLIST, folder
from .stills import POSTER, SPRITES_FOLDER, THUMBNAILS
from .stills_listing import PLAYLIST as IMAGES
from .verify.verify import RenditionFacts

_SEGMENT = re.compile(r"[0-9]{5,}\.m4s")
"""As the packager is told to name them."""
_SPRITE = re.compile(r"[0-9]{5,}\.jpg")


def collect(
    task: Task, facts: Mapping[str, RenditionFacts], *, staging: Path
) -> tuple[Artifact, ...]:
    """
    Everything that the task left in *staging*, renditions first.

    Raises OSError for a file that was promised and cannot be read.
    """
    recipe = task.recipe
    found: list[Artifact] = []
    if isinstance(recipe.packaging, CmafPackaging):
        everything: list[VideoRendition | AudioRendition]
        everything = [*recipe.video, *recipe.audio]
        for rendition in everything:
            found += _streamed(rendition, facts.get(rendition.name), staging)
        for name, kind in _INDEXES.items():
            if (staging / name).exists():
                found.append(_artifact(staging, name, kind))
    else:
        for file in recipe.packaging.files:
            found.append(_file(task, file, facts, staging))
    for one in recipe.captions:
        found.append(_captions(one, staging))
        if (staging / captions_playlist(one)).exists():
            found.append(_artifact(staging, captions_playlist(one), "playlist"))
    found += _stills(staging)
    return tuple(found)


_INDEXES: Mapping[str, ArtifactKind] = {MASTER: "playlist", MANIFEST: "manifest"}


def _streamed(
    rendition: VideoRendition | AudioRendition,
    facts: RenditionFacts | None,
    staging: Path,
) -> Iterator[Artifact]:
    place = folder(rendition)
    names = sorted(
        f"{place}/{path.name}"
        for path in (staging / place).iterdir()
        if path.name in {INIT, MEDIA} or _SEGMENT.fullmatch(path.name)
    )
    segments = [
        _artifact(staging, name, "segment", rendition.made_by, container="mp4")
        for name in names
    ]
    video = isinstance(rendition, VideoRendition)
    playlist = f"{place}/{PLAYLIST}"
    # Without HLS there is no playlist: the header, or the file, is the rendition.
    face = playlist if (staging / playlist).exists() else f"{place}/{INIT}"
    if not (staging / face).exists():
        face = f"{place}/{MEDIA}"
    yield _artifact(
        staging,
        face,
        "rendition" if video else "audio",
        rendition.made_by,
        container="mp4",
    ).model_copy(
        update={
            "media_bytes": sum(segment.bytes for segment in segments),
            **_facts(rendition, facts),
        }
    )
    yield from (segment for segment in segments if segment.path != face)
    if (staging / place / IFRAMES).exists():
        yield _artifact(staging, f"{place}/{IFRAMES}", "playlist")


def _file(
    task: Task, file: OutputFile, facts: Mapping[str, RenditionFacts], staging: Path
) -> Artifact:
    recipe = task.recipe
    inside: list[VideoRendition | AudioRendition] = [
        *(it for it in recipe.video if it.name == file.video),
        *(it for it in recipe.audio if it.name in file.audio),
    ]
    made_by: MadeBy = "encoded"
    if all(it.made_by == "copied" for it in inside):
        made_by = "copied" if file.container == task.media.container else "remuxed"
    described: dict[str, object] = {}
    for it in reversed(inside):  # the first sound describes the sound
        described |= _facts(it, facts.get(it.name))
    sounds = [it for it in inside if isinstance(it, AudioRendition)]
    if len(sounds) > 1:
        each = (_facts(it, facts.get(it.name)).get("audio") for it in sounds)
        described["soundtracks"] = tuple(it for it in each if it is not None)
    known = [facts[it.name] for it in inside if it.name in facts]
    if known:
        # What a player shows: from the first thing that begins to the last to end.
        ends = [it.start_seconds + it.duration_seconds for it in known]
        begins = min(it.start_seconds for it in known)
        described["duration_seconds"] = max(ends) - begins
    kind: ArtifactKind = "audio" if file.video is None else "rendition"
    return _artifact(
        staging, file.name, kind, made_by, container=file.container
    ).model_copy(update=described)


def _captions(captions: CaptionRendition, staging: Path) -> Artifact:
    name = captions_file(captions)
    return _artifact(staging, name, "captions", "encoded", container="webvtt")


def _stills(staging: Path) -> Iterator[Artifact]:
    if (staging / POSTER).exists():
        yield _artifact(staging, POSTER, "poster", container="jpeg")
    for path in sorted((staging / SPRITES_FOLDER).glob("*.jpg")):
        if not _SPRITE.fullmatch(path.name):
            continue
        name = f"{SPRITES_FOLDER}/{path.name}"
        yield _artifact(staging, name, "sprite", container="jpeg")
    if (staging / THUMBNAILS).exists():
        yield _artifact(staging, THUMBNAILS, "thumbnails")
    if (staging / IMAGES).exists():
        yield _artifact(staging, IMAGES, "playlist")


def _facts(
    rendition: VideoRendition | AudioRendition, facts: RenditionFacts | None
) -> dict[str, object]:
    if facts is None:
        return {}
    duration = {"duration_seconds": facts.duration_seconds}
    if isinstance(rendition, VideoRendition):
        return duration | {
            "video": VideoFacts(
                codec=facts.codec,
                width=facts.width or rendition.width,
                height=facts.height or rendition.height,
                frames=facts.frames,
                frame_rate=facts.frame_rate,
            ),
            "quality": facts.quality,
        }
    loud = facts.loudness
    if loud is None:
        loud = "it is copied, and not listened to"
    return duration | {
        "audio": AudioFacts(
            codec=facts.codec,
            sample_rate=facts.sample_rate or rendition.sample_rate,
            channels=facts.channels or rendition.channels,
            language=rendition.language,
            loudness=loud if isinstance(loud, LoudnessFacts) else None,
            unknown={"loudness": loud} if isinstance(loud, str) else {},
        )
    }


def _as_it_is(path: str, flags: int) -> int:
    """No link is followed, and nobody waited for at a pipe: a decoder was here."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _artifact(
    staging: Path,
    name: str,
    kind: ArtifactKind,
    made_by: MadeBy = "generated",
    *,
    container: str | None = None,
) -> Artifact:
    with open(staging / name, "rb", opener=_as_it_is) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return Artifact(
        path=name,
        kind=kind,
        made_by=made_by,
        bytes=size,
        sha256=digest,
        container=container,
    )


def prepare(recipe: Recipe, staging: Path) -> None:
    """Make the folders that ffmpeg expects to exist."""
    if recipe.sprites is not None:
        (staging / SPRITES_FOLDER).mkdir(exist_ok=True)
    if recipe.captions:
        (staging / CAPTIONS_FOLDER).mkdir(exist_ok=True)


def clear(staging: Path) -> None:
    """What a failed way left behind must not be taken for a result."""
    for path in staging.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
