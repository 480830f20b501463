"""What a task will write into its store, object by object, and ask of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ..contract import (
    AudioRendition,
    CmafPackaging,
    FilePackaging,
    Recipe,
    StoreRequests,
    VideoRendition,
)
from ..platforms.requests import RECORDS, SOURCE_GETS, requests_for

SMALL = 4096
"""Bytes of a playlist, a header or captions: below what takes more than one request."""
SHEET = 2**18


def requests_of(
    recipe: Recipe, seconds: float, rates: Mapping[str, float]
) -> StoreRequests:
    """
    What the task of *recipe* asks of a store for *seconds* of results.

    *rates*: bits per second of each rendition.
    """
    if recipe.parts:
        # A sample keeps nothing, and reads as often as it has parts.
        return requests_for((), source_gets=SOURCE_GETS * len(recipe.parts)) + RECORDS
    encoded = sum(it.made_by == "encoded" for it in recipe.video)
    inputs = [encoded] * len(recipe.chunks)
    if recipe.sound_apart:
        inputs.append(sum(it.made_by == "encoded" for it in recipe.audio))
    asked = requests_for(_objects(recipe, seconds, rates), inputs=inputs)
    return asked + RECORDS


def _objects(
    recipe: Recipe, seconds: float, rates: Mapping[str, float]
) -> Iterator[tuple[int, int]]:
    """Bytes, and how many of them: hours have as many segments as they have, in one."""
    packaging = recipe.packaging
    if isinstance(packaging, FilePackaging):
        for file in packaging.files:
            names = (*(() if file.video is None else (file.video,)), *file.audio)
            yield _bytes(sum(rates.get(name, 0.0) for name in names), seconds), 1
    else:
        every: list[VideoRendition | AudioRendition] = [*recipe.video, *recipe.audio]
        for rendition in every:
            yield from _streamed(packaging, rendition, seconds, rates)
        # The page, which whoever publishes writes.
        yield SMALL, packaging.hls + packaging.dash + 1
        if packaging.hls:
            yield SMALL, len(recipe.captions)
    yield SMALL, len(recipe.captions)
    if recipe.poster is not None:
        yield SHEET, 1
    if recipe.sprites is not None:
        sheet = recipe.sprites.columns * recipe.sprites.rows
        yield SHEET, math.ceil(recipe.sprites.count / sheet)
        yield SMALL, 1
        if isinstance(packaging, CmafPackaging) and packaging.hls:
            yield SMALL, 1


def _streamed(
    packaging: CmafPackaging,
    rendition: VideoRendition | AudioRendition,
    seconds: float,
    rates: Mapping[str, float],
) -> Iterator[tuple[int, int]]:
    """Segments and header, or one file; and the playlists."""
    rate = rates.get(rendition.name, 0.0)
    if packaging.segments == "single_file":
        yield _bytes(rate, seconds), 1
    else:
        count = max(1, math.ceil(seconds / packaging.segment_seconds))
        yield SMALL, 1
        yield _bytes(rate, packaging.segment_seconds), count
    if packaging.hls:
        yield SMALL, 1
        if isinstance(rendition, VideoRendition) and packaging.iframe_playlists:
            yield SMALL, 1


def _bytes(rate: float, seconds: float) -> int:
    return round(rate * seconds / 8)
