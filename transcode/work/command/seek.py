"""How a source is read: on how many threads, which part, and what is passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contract import Clip, Media, Recipe, Task
from ...media.demuxers import SEARCHED
from ...media.timeline import zero_seconds

if TYPE_CHECKING:
    from .stream import Stream

SERVED = "http://127.0.0.1:9/upload"
"""By which ffmpeg opens a remote source: whatever it connects to, it is connected to
the process that fetches for it. The source's own address may hold a signature."""

_LEAST_SECONDS = 1e-6
"""What the options of a filter are written to."""
_HAIR_SECONDS = 0.001
"""Less than any picture lasts, more than a container's clock rounds."""

_AFTER_SECONDS = 0.5
"""For pictures whose times a plan has rounded."""
_MARGIN_SECONDS = 2.0
"""A search finds what is decoded then of the stream that it goes by; another is up to a
second away in the file, and pictures are decoded before they are shown."""
_SLICED = frozenset({"mpeg1video", "mpeg2video"})
"""libavcodec decodes these by slices, and then neither conceals damage nor tells of it
(measured with FFmpeg 9.0: 66 damaged pictures on one thread, none on two)."""


def decoder_threads(task: Task, shared: int) -> int:
    """Of *shared* ones, as many as the decoder may have and still tell of damage."""
    index = task.recipe.video_index
    sliced = any(it.index == index and it.codec in _SLICED for it in task.media.video)
    return 1 if sliced else shared


def keeps_clock(task: Task) -> bool:
    """
    Whether times are counted as the source's own clock does, and not from what is read.

    Chunks of a transport stream and their join read one stream of several, and ffmpeg
    takes the first time of those that are used for 0: each would have another zero. So
    would sound without its picture, of any container.
    """
    if task.kind == "sound":
        return True
    return task.media.container in SEARCHED and task.kind in {"chunk", "join"}


def by_its_clock(task: Task) -> dict[str, str | None]:
    """
    Options of the input where `keeps_clock`, with *-copyts* before all.

    Reading begins earlier than its keyframe, since what is searched for is found
    nearly: what is shown before that is dropped undecoded.
    """
    zero, clip = zero_seconds(task.media), task.recipe.clip
    seek = 0.0 if clip is None else clip.seek_seconds or 0.0
    options: dict[str, str | None] = {"itsoffset": f"{-zero - seek:.6f}"}
    if not seek:
        return options
    options |= dropping(task)
    if seek > _MARGIN_SECONDS:
        options["seek_timestamp"] = "1"
        options["ss"] = f"{zero + seek - _MARGIN_SECONDS:.6f}"
        options["noaccurate_seek"] = None
    return options


def dropping(task: Task) -> dict[str, str | None]:
    """
    The bitstream filter that begins with the keyframe that times are counted from.

    What is shown before, it may follow in the file: leading pictures refer to what was
    not read. Later, without a time, come second fields.
    """
    before = f"lt(pts*tb,-{_HAIR_SECONDS / 2:g})"
    drop = f"if(eq(pts,nopts),not(ld(0)),if({before},1,0*st(0,1)))"
    return {f"bsf:{task.recipe.video_index}": f"noise=drop='{drop}'"}


def reading(recipe: Recipe, media: Media) -> dict[str, str | None]:
    """
    Options of the input: none where it is read from its beginning.

    Times are counted from where reading begins; the filters cut to the picture and to
    the sample.
    """
    options: dict[str, str | None] = {}
    clip, later = recipe.clip, 0.0
    if media.clock_seconds is not None:
        later = media.clock_seconds - (media.start_seconds or 0.0)
    if later and (clip is None or clip.seek_seconds is None):
        # Times count from where sound and picture begin, not from where ffmpeg does.
        options["itsoffset"] = f"{later:.6f}"
    if clip is None:
        return options
    if clip.seek_seconds is not None:
        # A hair more, and back again: rounding must not lead to the keyframe before.
        options["ss"] = f"{clip.seek_seconds - later + _HAIR_SECONDS:.6f}"
        options["itsoffset"] = f"{_HAIR_SECONDS:.6f}"
        options["noaccurate_seek"] = None
    copied = any(it.made_by == "copied" for it in recipe.video)
    if clip.end_seconds is not None and copied:
        # Copying ends before the keyframe there, by less than any picture lasts.
        seconds = clip.end_seconds - (clip.seek_seconds or 0.0) - 2 * _HAIR_SECONDS
        options["t"] = f"{seconds:.6f}"
    return options


def cut(stream: Stream, clip: Clip, *, copied: bool, counted: bool = False) -> Stream:
    """
    The pictures that begin in *clip*; *copied* as in `prepare`. *counted*: their times
    are those of a grid, of which the first one's is a point.
    """
    seek = clip.seek_seconds or 0.0
    slack = clip.slack_seconds
    if slack:
        # Half a picture before one is half a tick where a clock counts pictures (AVI,
        # MXF, Ogg), and must not be rounded to the picture before.
        slack -= _LEAST_SECONDS
    options: dict[str, object] = {"start": f"{clip.start_seconds - slack - seek:.6f}"}
    if clip.end_seconds is not None:
        options["end"] = f"{clip.end_seconds - slack - seek:.6f}"
    stream = stream.filter("trim", **options)
    if copied:
        return stream
    if counted:
        # In the whole the grid begins elsewhere: what a source's clock has gone wrong
        # until here is no distance between the first two pictures.
        return stream.filter("setpts", "PTS-STARTPTS")
    # The first picture is the one that begins at or after the start; what little it
    # begins later it is shown earlier, so that sound and picture begin as one.
    begin = f"round(PTS-{clip.start_seconds - seek:.6f}/TB)"
    return stream.filter("setpts", f"if(eq(N,0),0,{begin})")


def told_until(clip: Clip | None) -> float | None:
    """
    Seconds from where reading begins, to which the source is told of, and no further.

    An output that goes on keeps ffmpeg reading and decoding to the source's end: of a
    clip, or a chunk, everything that comes after it.
    """
    if clip is None or clip.end_seconds is None:
        return None
    return clip.end_seconds - (clip.seek_seconds or 0.0) + _AFTER_SECONDS


def cut_sound(stream: Stream, clip: Clip | None) -> Stream:
    """What lies in *clip*, to the sample; what begins later keeps its distance."""
    if clip is None:
        return stream
    seek = clip.seek_seconds or 0.0
    options: dict[str, object] = {"start": f"{clip.start_seconds - seek:.6f}"}
    if clip.end_seconds is not None:
        options["end"] = f"{clip.end_seconds - seek:.6f}"
    stream = stream.filter("atrim", **options)
    return stream.filter("asetpts", f"PTS-{clip.start_seconds - seek:.6f}/TB")


def over_http() -> dict[str, str | None]:
    """The options before `-i` of a source that is served to it; see `fetcher`."""
    return {"protocol_whitelist": "http,tcp"}
