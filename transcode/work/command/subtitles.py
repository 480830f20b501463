"""Subtitles of pictures (PGS, VobSub, DVB), drawn into the picture."""

from __future__ import annotations

from ...contract import DynamicRange, SubtitleStream, Task, VideoStream
from ...media.colours import scaler_name, source_colour
from .stream import Stream

_REFERENCE_WHITE = {DynamicRange.HDR10: 0.58, DynamicRange.HLG: 0.75}
"""The signal of diffuse white (ITU-R BT.2408-7, table 1): full signal would be the
brightest thing that the screen can show."""
_TICK_SECONDS = 0.001

CLOCK = "anullsrc=r=8000:cl=mono:n=160"
"""Silence in packets of 20 ms, which tell subtitles the time. Without them a line stays
until the next one comes; and by the source's own packets it would come late, since
pictures are read before they are due."""
CLOCK_OPTIONS = {
    "c:a": "flac",
    "frame_size:a": "160",
}


def drawn_lines(picture: Stream, video: VideoStream, lines: Stream) -> Stream:
    """
    The decoded *picture* with *lines* on it, before anything else is done to it.

    Then they are where the source's own times are, and turn into whatever the picture
    turns into. Their canvas is stretched to the whole picture: what was authored for
    the uncut frame stays inside a cut one.
    """
    width, height = video.width, video.height
    if video.rotation_degrees in {90, 270}:
        width, height = height, width
    # The clock's frame comes a microsecond before the line's own; where both round to
    # one tick the picture there would get the former. A tick earlier they are two.
    lines = lines.filter("setpts", f"PTS-{_TICK_SECONDS}/TB")
    level = _REFERENCE_WHITE.get(video.dynamic_range)
    if level is not None:
        lines = lines.filter("colorchannelmixer", rr=level, gg=level, bb=level)
    lines = lines.filter(
        "scale",
        w=width,
        h=height,
        out_color_matrix=scaler_name(source_colour(video).matrix),
        out_range=video.color_range or "tv",
    )
    return picture.overlay(
        lines,
        # The picture goes on when the last line is over.
        eof_action="pass",
        # In the picture's own pixels: 10 bits stay 10 bits.
        format="auto",
    )


def lines_options(task: Task) -> dict[str, str]:
    """Options of the input that the extracted lines are read from."""
    options = {
        "f": "matroska",
        "format_whitelist": "matroska,webm",
        "protocol_whitelist": "file",
        # The canvas of PGS stands in its first line, however late that is.
        "analyzeduration": "86400000000",
        "probesize": "67108864",
    }
    clip = task.recipe.clip
    if clip is not None and clip.seek_seconds:
        # The picture's times count from where reading begins.
        options["itsoffset"] = f"{-clip.seek_seconds:.6f}"
    track = burned_track(task)
    video = next(it for it in task.media.video if it.index == task.recipe.video_index)
    if track.codec == "dvd_subtitle" and task.media.format_name == "mpeg":
        # A program stream has no header to say it: it is the picture's own raster.
        options["canvas_size"] = f"{video.width}x{video.height}"
    return options


def burned_track(task: Task) -> SubtitleStream:
    """The track that is drawn; raises StopIteration where the recipe names none."""
    wanted = task.recipe.burned_index
    return next(it for it in task.media.subtitles if it.index == wanted)
