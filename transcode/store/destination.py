"""What results need of a store: a private place first, and one visible end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from ..contract import Manifest

MANIFEST_NAME = "manifest.json"


"""The object whose existence is success."""


Marks = Mapping[str, str]


"""Metadata of every object that we make."""


FIRST = "0001"


"""The token of the first try at a job."""


Commit = Callable[[], Awaitable[None]]


async def freely() -> None:
    """Where nobody else may have decided that there shall be no result."""


class Finds(Protocol):
    """Looks for a finished job."""

    async def find(self, folder: str) -> Manifest | None:
        """The manifest in *folder*, or None where no such job has finished."""


class Stages(Protocol):
    """Gives workers a place that nobody sees."""

    async def prepare(self, folder: str, *, token: str = FIRST) -> Path:
        """
        A fresh, private, local folder to write results of *folder*'s job to.

        *token* names the try: no two tries at a job may have the same.

        Raises `DestinationUnwritable` before anything was spent.
        """

    def sending(
        self, folder: str, staging: Path, *, token: str = FIRST, marks: Marks
    ) -> AbstractAsyncContextManager[None]:
        """
        Take finished files out of *staging*'s folders, where that saves time, while
        the block makes more. Nothing is visible before `publish`, whose *token* must
        be the same; what fails here is done again there.
        """

    async def discard(self, staging: Path) -> None:
        """Remove *staging* and whatever it made necessary; never raises."""


class Publishes(Protocol):
    """Makes results visible, all or nothing."""

    async def publish(
        self,
        folder: str,
        staging: Path,
        manifest: Manifest,
        *,
        token: str = FIRST,
        commit: Commit = freely,
    ) -> None:
        """
        Make the staged files and *manifest* visible under *folder*, manifest last.

        Atomic towards readers: they see no manifest, or a manifest whose every
        output exists and is the one of this *token*. Raises `ObjectExists` when
        another worker was first. *commit* is waited for right before the manifest;
        if it raises, there will be none.
        """


class Destination(Finds, Stages, Publishes, Protocol):
    """Where results go."""

    def uri(self, folder: str, path: str = "", *, token: str = FIRST) -> str:
        """How a person or a manifest names the result *path* of one try."""


def provenance(job_id: str, profile: str) -> Marks:
    """Marks an output as ours, so that it is never taken for an upload."""
    return {"transcode-job": job_id, "transcode-profile": profile}
