"""What tasks ask of an object store: how many requests, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..contract import StoreRequests, Task

PART_BYTES = 16 * 2**20
"""What goes in one request; larger objects go in parts of it. S3 takes 10,000 parts at
most, so objects of up to 156 GiB."""
SOURCE_GETS = 4
"""For reading a source, at most: one where it is read from front to back, three where
its index is at its end, one more where reading begins at a keyframe (ffmpeg 9.0.2 over
HTTP)."""
RECORDS = StoreRequests(puts=4, gets=8)
"""Of an invocation that is started through the store: its order, what it says of its
beginning, its beats and its report; and looking whether it is still wanted."""

PAGE = StoreRequests(puts=1, gets=0)
"""Of whoever publishes: the page beside the manifest."""


def has_page(task: Task) -> bool:
    """Whether a page is published with what *task* makes."""
    made = task.kind in {"encode", "join"} and not task.recipe.parts
    return made and task.recipe.packaging.type == "cmaf"


def requests_for(
    objects: Iterable[tuple[int, int]],
    *,
    source_gets: int = SOURCE_GETS,
    inputs: Iterable[int] = (),
) -> StoreRequests:
    """
    What a task asks that writes *objects*: of so many bytes, so many.

    *source_gets*: for reading its source; *inputs*: of what tasks before it have made,
    so many objects in each folder, which is listed first. A plan gives the sizes that
    it expects, a bill those that were made: what counts is the same.
    """
    puts, gets = 0, source_gets
    for size, count in objects:
        if size < PART_BYTES:
            puts += count
        else:
            # Begun, sent in parts, completed and looked at.
            puts += count * (math.ceil(size / PART_BYTES) + 2)
            gets += count
    for count in inputs:
        puts += 1
        gets += count
    return StoreRequests(puts=puts, gets=gets)
