"""A stream of the filter graph, and what is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self


class Stream(Protocol):
    """The part of ffmpeg-python's stream that is used here."""

    def filter(self, name: str, /, *args: object, **options: object) -> Self: ...
    def split(self) -> Mapping[int, Self]: ...
    def filter_multi_output(self, name: str, /) -> Mapping[int, Self]: ...
    def overlay(self, over: Self, /, **options: object) -> Self: ...


class Pair(Protocol):
    """A filter with two inputs of one size: *main* passes, *beat* says when."""

    def __call__(
        self, main: Stream, beat: Stream, name: str, /, **options: object
    ) -> Stream: ...


class Drawn(Protocol):
    """Draws the watermark on a still of the given size."""

    def __call__(self, stream: Stream, width: int, height: int, /) -> Stream: ...
