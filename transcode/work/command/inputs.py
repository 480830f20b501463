"""Every input that ffmpeg is given, each fenced; the other door to ffmpeg-python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ffmpeg

from ...contract import Recipe, Task, VideoStream
from ...errors import MediaRejected
from ...sandbox.allowlist import DEMUXERS
from .filters import crops_late
from .seek import (
    SERVED,
    by_its_clock,
    decoder_threads,
    dropping,
    keeps_clock,
    over_http,
    reading,
)
from .stream import Stream
from .subtitles import lines_options
from .video import may_change
from .watermark import DECODERS as MARK_DECODERS
from .watermark import DEMUXERS as MARK_DEMUXERS

__all__ = [
    "APART",
    "added",
    "address",
    "burned_lines",
    "joined_file",
    "joined_sound",
    "mark_image",
    "upload",
]


APART = ("-max_probe_packets", "2500")
"""Tells the upload that is read a second time from the first; libavformat's default."""


def upload(
    task: Task,
    *,
    hardware_decode: bool = False,
    clocked: bool = False,
    apart: bool = False,
) -> Any:
    """
    With *clocked*, times are the source's own clock's, counted from its zero.

    *apart*: a demuxer of its own, beside the one whose pictures are decoded.
    """
    media = task.media
    if not {*media.format_name.split(",")} <= {*DEMUXERS.split(",")}:
        raise MediaRejected(
            f"{media.format_name!r} is no format that an upload may have: whatever"
            " looked at it was misled.",
        )
    options: dict[str, str | None] = {
        # What probing found, not what the content persuades a second guess of.
        "f": media.format_name.split(",")[0],
        # Also for whatever a container may embed: no playlist, no script.
        "format_whitelist": media.format_name,
        # A local upload may open nothing else; a remote one what is served to it.
        "protocol_whitelist": "file",
        # The spec's share of cores for the decoder.
        "threads": str(decoder_threads(task, task.spec.threads)),
    }
    options |= by_its_clock(task) if clocked else reading(task.recipe, media)
    clip = task.recipe.clip
    if media.fragmented and task.kind == "chunk" and clip and clip.seek_seconds:
        # Without an index of its fragments reading begins at one before.
        options |= dropping(task)
    recipe = task.recipe
    if recipe.video_index is None or may_change(task):
        # The first filter takes every size; the others need not begin anew. Those of
        # sound would lose some where it changes, or shift the rest.
        options["reinit_filter"] = "0"
    late = next((it for it in media.video if crops_late(it)), None)
    if late is not None:
        options[f"apply_cropping:{late.index}"] = "codec"
    twice = next((it for it in media.video if _said_twice(it, recipe)), None)
    if twice is not None:
        # FFmpeg 9.0.2 gives up where a frame has two display matrices.
        key = f"bsf:{twice.index}"
        one = _ONE_ORIENTATION.get(twice.codec, "null")
        options[key] = ",".join([*filter(None, [options.get(key)]), one])
    if recipe.decoder is not None and recipe.video_index is not None:
        # Its usual decoder would show what lies under transparency.
        options[f"c:{recipe.video_index}"] = recipe.decoder
    if apart:
        options[APART[0].lstrip("-")] = APART[1]
    if task.source.is_remote:
        options |= over_http()
    elif hardware_decode:
        # NVDEC; frames come back to memory, where the filters are.
        options["hwaccel"] = "cuda"
    return ffmpeg.input(address(task), **options)


_ONE_ORIENTATION = {
    "h264": "h264_metadata=display_orientation=remove",
    # All messages before the pictures: none is known to remove this one alone.
    "hevc": "filter_units=remove_types=39",
}


def _said_twice(video: VideoStream, recipe: Recipe) -> bool:
    return video.oriented_twice and video.index == recipe.video_index


def address(task: Task) -> str:
    """What ffmpeg opens the upload by."""
    if task.source.is_remote:
        return SERVED
    # The prefix keeps a colon in a file name from becoming a protocol.
    return f"file:{task.source.location}"


def joined_file(task: Task, path: str, **options: str) -> Any:
    """What was made of chunks: our own file, and nothing beside it."""
    begins = task.recipe.chunks[0].start_seconds
    if begins and not keeps_clock(task):
        # Else ffmpeg takes its first picture, and not the source's first sound, for 0.
        options["itsoffset"] = f"{begins:.6f}"
    only = {"format_whitelist": "mov", "protocol_whitelist": "file"}
    return ffmpeg.input(f"file:{path}", f="mov", **only, **options)["v"]


def joined_sound(path: str) -> Any:
    """A soundtrack that another task made: its times are those of the whole."""
    only = {"format_whitelist": "mov", "protocol_whitelist": "file"}
    return ffmpeg.input(f"file:{path}", f="mov", **only)["a"]


def mark_image(recipe: Recipe) -> Any:
    """The watermark's image: one picture of one format, by one decoder."""
    if recipe.watermark is None:
        return None
    image = recipe.watermark.image
    demuxer = MARK_DEMUXERS[image.format]
    return ffmpeg.input(
        f"file:{image.path}",
        f=demuxer,
        format_whitelist=demuxer,
        protocol_whitelist="file",
        codec_whitelist=MARK_DECODERS[image.format],
        threads="1",
    )["v"]


def burned_lines(task: Task, path: str) -> Any:
    return ffmpeg.input(f"file:{path}", **lines_options(task))


def added(sounds: Sequence[Stream]) -> Stream:
    """Several soundtracks at once, none turned down; as long as the longest."""
    options = {"inputs": len(sounds), "normalize": 0, "duration": "longest"}
    both: Stream = ffmpeg.filter(list(sounds), "amix", **options)
    return both
