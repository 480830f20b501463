"""Options that cut a clip and draw a watermark; the same for `plan` and `run`."""

from __future__ import annotations

import re
from typing import Any

import click

from .options import Command, Text

_MOMENT = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)", re.ASCII)
_KEY = "transcode.treatment"
_POSITIONS = (
    *("top-left", "top", "top-right", "left", "center", "right"),
    *("bottom-left", "bottom", "bottom-right"),
)


class Moment(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """A place in a video as `83.5`, `1:23.5` or `0:01:23.5`; becomes seconds."""

    name = "TIME"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        if isinstance(value, float):
            return value
        found = _MOMENT.fullmatch(str(value).strip())
        if found is None or (found[2] and float(found[3]) >= 60):  # noqa: PLR2004
            self.fail(
                f"{value!r} is no place in a video; write seconds (83.5), MM:SS.mmm "
                "(1:23.5) or HH:MM:SS.mmm (0:01:23.5).",
                param,
                ctx,
            )
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        ctx.meta.setdefault(_KEY, {})[param.name] = value


def treatment_options(command: Command) -> Command:
    """What is done to the source beside transcoding; `treatment` tells what."""
    for option in reversed(
        (
            click.option(
                "--start",
                "start_seconds",
                type=Moment(),
                expose_value=False,
                callback=_keep,
                help="Make only what comes after: seconds, MM:SS.mmm or HH:MM:SS.mmm.",
            ),
            click.option(
                "--end",
                "end_seconds",
                type=Moment(),
                expose_value=False,
                callback=_keep,
                help="Make only what comes before.",
            ),
            click.option(
                "--watermark",
                "image",
                type=Text("FILE"),
                expose_value=False,
                callback=_keep,
                help="Draw this PNG, JPEG or WebP image on the picture.",
            ),
            click.option(
                "--watermark-position",
                "position",
                type=click.Choice(_POSITIONS),
                expose_value=False,
                callback=_keep,
                help="Where; `bottom-right` unless told otherwise.",
            ),
            click.option(
                "--watermark-margin",
                "margin",
                type=click.FloatRange(0, 0.5, max_open=True),
                expose_value=False,
                callback=_keep,
                help="How far from the edges, as a share of the frame's short side; "
                "0.03 unless told otherwise.",
            ),
            click.option(
                "--watermark-size",
                "size",
                type=click.FloatRange(0, 1, min_open=True),
                expose_value=False,
                callback=_keep,
                help="How large, as a share of the frame's width and height; "
                "0.1 unless told otherwise.",
            ),
            click.option(
                "--watermark-opacity",
                "opacity",
                type=click.FloatRange(0, 1, min_open=True),
                expose_value=False,
                callback=_keep,
                help="1 (as the image is) down to near 0.",
            ),
        )
    ):
        command = option(command)
    return command


def treatment() -> dict[str, dict[str, Any]]:
    """
    `clip` and `watermark` of a request, where they were asked for.

    Raises click's UsageError for what contradicts itself.
    """
    given: dict[str, Any] = click.get_current_context().meta.get(_KEY, {})
    clip = {k: v for k, v in given.items() if k.endswith("_seconds")}
    mark = {k: v for k, v in given.items() if k not in clip}
    start, end = clip.get("start_seconds"), clip.get("end_seconds")
    if end is not None and (start or 0.0) >= end:
        raise click.UsageError(
            f"--end {end:g} is not after --start {start or 0:g}; nothing is between."
        )
    if mark and "image" not in mark:
        raise click.UsageError(
            "A watermark needs its image: --watermark FILE. Where a profile has one, "
            "its place and size stand there too."
        )
    size, margin = mark.get("size", 0.1), mark.get("margin", 0.03)
    if size + 2 * margin > 1:
        raise click.UsageError(
            f"--watermark-size {size:g} and twice --watermark-margin {margin:g} are "
            "more than the frame."
        )
    asked = {"clip": clip, "watermark": mark}
    return {name: value for name, value in asked.items() if value}
