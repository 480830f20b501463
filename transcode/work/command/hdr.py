"""What HDR was graded on, in each encoder's words, and read back from its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...contract import (
    ContentLight,
    DynamicRange,
    MasteringDisplay,
    Recipe,
    VideoStream,
)

_CHROMATICITY_STEPS = 50_000
_LUMINANCE_STEPS = 10_000
"""Per unit and per cd/m²: the fixed point of HEVC's message (ITU-T H.265, D.3.28)."""
_CHROMATICITY_SLACK = 0.0005
_LUMINANCE_SLACK = 0.01
"""AV1 counts luminance in 1/256 and 1/16384 cd/m² (AV1 6.7.4): relative to the most."""
DEFAULT_PEAK_NITS = 1000.0
"""Where nobody says: what most HDR is graded to, and what HLG means (ITU-R BT.2100)."""


def kept(video: VideoStream, recipe: Recipe) -> VideoStream | None:
    """*video* where its HDR is kept in what is encoded; else None."""
    hdr = video.dynamic_range in {DynamicRange.HDR10, DynamicRange.HLG}
    return video if hdr and not recipe.tone_map else None


def peak_nits(video: VideoStream) -> float:
    """The brightest that *video* gets, in cd/m², as far as it says so."""
    if video.content_light is not None:
        return float(video.content_light.max_nits)
    if video.mastering_display is not None:
        return video.mastering_display.max_nits
    return DEFAULT_PEAK_NITS


def x265_parameters(video: VideoStream) -> dict[str, str]:
    """HDR10's messages with every keyframe, so that a player may begin anywhere."""
    parameters = {"repeat-headers": "1"}
    if video.dynamic_range is DynamicRange.HDR10:
        # Bits to where PQ's steps are seen.
        parameters["hdr10-opt"] = "1"
    display, light = video.mastering_display, video.content_light
    if display is not None:
        points = _points(display, lambda it: f"{round(it * _CHROMATICITY_STEPS)}")
        most, least = (
            round(it * _LUMINANCE_STEPS) for it in (display.max_nits, display.min_nits)
        )
        parameters["master-display"] = f"{points}L({most},{least})"
    if light is not None:
        parameters["max-cll"] = f"{light.max_nits},{light.average_nits}"
    return parameters


def svtav1_parameters(video: VideoStream) -> dict[str, str]:
    """The same for SVT-AV1, which takes fractions."""
    parameters = {}
    display, light = video.mastering_display, video.content_light
    if display is not None:
        points = _points(display, lambda it: f"{it:.5f}")
        parameters["mastering-display"] = (
            f"{points}L({display.max_nits:.4f},{display.min_nits:.4f})"
        )
    if light is not None:
        parameters["content-light"] = f"{light.max_nits},{light.average_nits}"
    return parameters


def _points(display: MasteringDisplay, write: Callable[[float], str]) -> str:
    points = {
        "G": display.green,
        "B": display.blue,
        "R": display.red,
        "WP": display.white,
    }
    return "".join(f"{n}({write(x)},{write(y)})" for n, (x, y) in points.items())


def differences(
    planned: VideoStream | None,
    mastering: Sequence[float] | None,
    light: Sequence[int] | None,
) -> Iterator[str]:
    """
    Where what a rendition says of its mastering is not what *planned* says.

    *mastering* and *light* are as `sidedata` reads them. None planned: SDR, which
    players would show as HDR if it said anything.
    """
    if planned is None:
        if mastering is not None or light is not None:
            yield "says how HDR was mastered and is none"
        return
    yield from _display_differs(planned.mastering_display, mastering)
    yield from _light_differs(planned.content_light, light)


def _display_differs(
    planned: MasteringDisplay | None, found: Sequence[float] | None
) -> Iterator[str]:
    if planned is None:
        return
    if found is None:
        yield "does not say what display it was mastered on"
        return
    wanted = [*planned.red, *planned.green, *planned.blue, *planned.white]
    luminance = (planned.min_nits, planned.max_nits)
    if any(
        abs(a - b) > _CHROMATICITY_SLACK for a, b in zip(wanted, found[:8], strict=True)
    ) or any(
        abs(a - b) > _LUMINANCE_SLACK * max(a, 1)
        for a, b in zip(luminance, found[8:], strict=True)
    ):
        yield "says it was mastered on another display than its source"


def _light_differs(
    planned: ContentLight | None, found: Sequence[int] | None
) -> Iterator[str]:
    if planned is None:
        return
    wanted = [planned.max_nits, planned.average_nits]
    if found is None or list(found) != wanted:
        yield f"has content light levels {found}, not {wanted}"
