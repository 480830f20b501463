"""Task → the ffmpeg command that sets what was made beside what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import ffmpeg

from ...contract import Task, VideoRendition
from ...media.sampling import (
    COMPARED_EVERY,
    MOST_VMAF_THREADS,
    SCORED_AT_LEAST,
    SCORED_OF_ALL,
    scored_window,
)
from .build import GLOBAL, pair, rate_of
from .inputs import burned_lines, mark_image, upload
from .video import lay

_LINE_PIXELS = 64
"""libavutil aligns lines to 64 bytes at most, chroma's half as wide ones, too."""
VMAF_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "1080p": "version=vmaf_v0.6.1",
        "4k": "version=vmaf_4k_v0.6.1",
        # The same model; its scores are bent for a small screen.
        "phone": "version=vmaf_v0.6.1:enable_transform=true",
    }
)
"""Those built into libvmaf, as its filter names them."""
_HAIR = 0.005


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A rendition that was made, where it is to be compared with its source."""

    path: str
    demuxer: str
    seek_seconds: float | None = None
    """In it, where the part begins; None: it is nothing but the part."""
    lasts_seconds: float | None = None
    early_seconds: float = 0.0
    """So far before the part's first picture reading begins."""


def compare(
    task: Task,
    finished_ones: Mapping[str, MadeFile],
    *,
    program: str,
    lines: str | None = None,
) -> tuple[str, ...]:
    """
    Measures each rendition of *task*'s clip against the pictures it is made of.

    Those come from the source by the very graph that the encoder is fed by; both are
    set side by side by their times. Findings are written to `scores_file` in the
    folder it is started in. *lines* as in `build`.
    """
    recipe = task.recipe
    picture = upload(task)[str(recipe.video_index)]
    burned = None if lines is None else burned_lines(task, lines)
    pictures = lay(
        task,
        picture,
        image=mark_image(recipe),
        lines=burned["s"] if burned else None,
        pair=pair,
    )
    threads = str(min(task.spec.threads, MOST_VMAF_THREADS))
    window = None
    if task.kind == "sample" and recipe.clip is not None:
        window = scored_window(recipe.clip, rate_of(task))
    outputs = []
    for rendition in recipe.video:
        one = finished_ones[rendition.name]
        options = {"threads": threads}
        if one.seek_seconds is not None:
            options["ss"] = f"{one.seek_seconds:.6f}"
            options["t"] = f"{one.lasts_seconds:.6f}"
        made = ffmpeg.input(
            f"file:{one.path}",
            f=one.demuxer,
            format_whitelist=one.demuxer,
            protocol_whitelist="file",
            **options,
        )["v"]
        if one.early_seconds:
            made = made.filter("setpts", f"PTS-{one.early_seconds:.6f}/TB")
        source = pictures.renditions[rendition.name].pop()
        if window is not None:
            # A hair early: times are rounded.
            span = {
                "start": f"{window[0] - _HAIR:.6f}",
                "end": f"{window[1] - _HAIR:.6f}",
            }
            made, source = made.filter("trim", **span), source.filter("trim", **span)
        every = _scored_every(task, pictures.frame_rate, window)
        scored = _scored(rendition, made, source, threads=threads, every=every)
        outputs.append(ffmpeg.output(scored, "-", f="null"))
    if burned is not None:
        outputs.append(ffmpeg.output(burned["a"], "-", f="null", c="copy"))
    shared = ("-filter_complex_threads", threads)
    return (program, *GLOBAL, *shared, *ffmpeg.merge_outputs(*outputs).get_args())


def scores_file(rendition: VideoRendition) -> str:
    """In which file `compare` has the scores of one written."""
    metric = rendition.target.metric if rendition.target else "vmaf"
    return f"{rendition.name}.json" if metric == "vmaf" else f"{rendition.name}.txt"


def _scored(
    rendition: VideoRendition, made: Any, source: Any, *, threads: str, every: int
) -> Any:
    """Both side by side, by the metric of its target."""
    target = rendition.target
    beside = {"shortest": 1, "repeatlast": 0, "ts_sync_mode": "nearest"}
    if target is not None and target.metric == "xpsnr":
        # It wants one format of both, and libavfilter would choose which.
        same = [_whole_lines(it, rendition) for it in (made, source)]
        file = scores_file(rendition)
        return ffmpeg.filter(same, "xpsnr", stats_file=file, **beside)
    model = target.model if target is not None and target.model else "1080p"
    return ffmpeg.filter(
        [made, source],
        "libvmaf",
        model=VMAF_MODELS[model],
        n_threads=threads,
        n_subsample=every,
        log_fmt="json",
        log_path=scores_file(rendition),
        **beside,
    )


def _whole_lines(picture: Any, rendition: VideoRendition) -> Any:
    """
    In the rendition's format; of more than 8 bits as wide as its lines are in memory.

    The filter of FFmpeg 9.0.2 takes one for the other there: a picture beside itself
    came to 7 dB at 854x480 and at 1080x1920 (github.com/fraunhoferhhi/xpsnr, issue 8).
    What is added mirrors the edge, so that it is as good as the rest: within 0.1 dB of
    the same pictures in 8 bits, from 426x240 on.
    """
    picture = picture.filter("format", rendition.pixel_format)
    more = -rendition.width % _LINE_PIXELS
    if not more or not rendition.pixel_format.endswith("10le"):
        return picture
    mode = "mirror" if more <= rendition.width else "smear"
    picture = picture.filter("pad", rendition.width + more, rendition.height)
    return picture.filter("fillborders", right=more, mode=mode)


def _scored_every(
    task: Task, rate: Fraction | None, window: tuple[float, float] | None
) -> int:
    """Of a part with few pictures none is left out."""
    clip = task.recipe.clip
    if clip is None or clip.end_seconds is None or rate is None:
        return COMPARED_EVERY
    begin, end = window or (clip.start_seconds, clip.end_seconds)
    pictures = round((end - begin) * rate)
    if clip.entire:
        # An odd number, as below.
        return max(COMPARED_EVERY, pictures // SCORED_OF_ALL | 1)
    few = pictures < COMPARED_EVERY * SCORED_AT_LEAST
    return 1 if few else COMPARED_EVERY
