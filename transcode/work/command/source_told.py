"""What is told of the source beside what is made of it: pictures' times, packets."""

from __future__ import annotations

from typing import Any

import ffmpeg

from ...contract import Recipe, Task
from ...media.demuxers import LENGTHS, short
from ...media.zeros import WATCHED
from ..holes import packet_options, packets_beside
from ..reshaped import header_options, headers_beside
from ..seen import OPTIONS as SEEN_OPTIONS
from ..seen import sampled_beside, seen_beside
from ..shown import OPTIONS, PACKET_OPTIONS
from .filters import BACK
from .inputs import upload
from .seek import told_until
from .video import Pictures, headers_of, repeats


def pictures_told(pictures: Pictures, picture: Any, shown: str) -> list[Any]:
    if picture is None:
        return []
    if pictures.shown is not None:
        told = [ffmpeg.output(pictures.shown, f"file:{shown}", **OPTIONS)]
        if pictures.seen is not None:
            path = f"file:{seen_beside(shown)}"
            told.append(ffmpeg.output(pictures.seen, path, **SEEN_OPTIONS))
        if pictures.sampled is not None:
            path = f"file:{sampled_beside(shown)}"
            told.append(ffmpeg.output(pictures.sampled, path, **SEEN_OPTIONS, **BACK))
        return told
    return [ffmpeg.output(picture, f"file:{shown}", **PACKET_OPTIONS)]


def packets_told(task: Task, picture: Any, shown: str, *, clocked: bool) -> list[Any]:
    """What is looked for in packets as they come, where there is something."""
    if picture is None or not (headers_of(task) or watched_of(task)):
        return []
    apart = None
    if repeats(task):
        # Where one demuxer feeds both copies and a graph that repeats pictures, and
        # another stream is behind (sound that ends before the picture, or has a gap),
        # FFmpeg 9.0.2 lets neither the demuxer go on nor the graph, and waits for ever
        # (`schedule_update_locked` in ffmpeg_sched.c). Without the copies, or without
        # what repeats, or with a demuxer for each it does not.
        apart = upload(task, clocked=clocked, apart=True)
        picture = apart[str(task.recipe.video_index)]
    found = [*headers_told(task, picture, shown), *_packets(task, picture, shown)]
    if apart is None:
        return found
    return [*found, used(task.recipe, apart, **_end(task))]


def headers_told(task: Task, picture: Any, shown: str) -> list[Any]:
    """What says whether pixels change their shape, where such things are recorded."""
    codec = headers_of(task)
    if codec is None:
        return []
    options = header_options(codec, lengths=short(task.media.format_name) in LENGTHS)
    end = _end(task)
    pairs = zip(headers_beside(shown), options, strict=True)
    return [ffmpeg.output(picture, f"file:{path}", **it, **end) for path, it in pairs]


def _packets(task: Task, picture: Any, shown: str) -> list[Any]:
    """What says whether a picture has holes that its decoder does not tell of."""
    codec = watched_of(task)
    if codec is None:
        return []
    lengths = short(task.media.format_name) in LENGTHS
    options = packet_options(codec, lengths=lengths)
    end = _end(task)
    path = f"file:{packets_beside(shown)}"
    return [ffmpeg.output(picture, path, **options, **end)]


def _end(task: Task) -> dict[str, str]:
    until = told_until(task.recipe.clip)
    return {} if until is None else {"t": f"{until:.6f}"}


def watched_of(task: Task) -> str | None:
    """The codec of the picture used, where zeros in its packets are damage."""
    index = task.recipe.video_index
    codec = next((it.codec for it in task.media.video if it.index == index), None)
    return codec if codec in WATCHED else None


def used(recipe: Recipe, source: Any, **options: str) -> Any:
    """Times count from where the first of the streams in use begins: use the same."""
    used = {it.source_index for it in recipe.audio}
    used |= {index for it in recipe.audio for index in it.channel_indices}
    used |= {it.source_index for it in recipe.captions}
    beside = [source[str(index)] for index in (recipe.video_index, *sorted(used))]
    return ffmpeg.output(*beside, "-", f="null", c="copy", **options)
