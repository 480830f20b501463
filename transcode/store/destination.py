"""What results need of a store: a private place for each attempt, one visible end."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..contract import Manifest, ResultPage

MANIFEST_NAME = "manifest.json"
"""The object whose existence is success."""
PAGE_NAME = "index.html"
"""What a web server shows of a folder; beside the manifest, and reads it."""
RECORDS = ".transcode/invocations"


Marks = Mapping[str, str]


"""Metadata of every object that we make."""


FIRST = "0001"


"""The token of the first try at a job."""


def token_of(claim: int) -> str:
    """The token of the try under that claim."""
    return f"{claim:04d}"


Commit = Callable[[], Awaitable[None]]


async def freely() -> None:
    """Where nobody else may have decided that there shall be no result."""


class Finds(Protocol):
    """Looks for a finished job."""

    async def find(self, folder: str) -> Manifest | None:
        """The manifest in *folder*, or None where no such job has finished."""


class Places(Protocol):
    """Gives attempts places that nobody sees."""

    async def prepare(self, folder: str, *, token: str = FIRST) -> Path | None:
        """
        Prove by writing that results of *folder*'s job can be delivered here.

        *token* names the try: no two tries at a job may have the same. Returns the
        private folder of this machine that all of the try lies in, where there is one.
        Raises `DestinationUnwritable` before anything was spent.
        """

    def place(self, folder: str, name: str, *, token: str = FIRST) -> str:
        """The address of what the attempt *name* makes: see `staging.staged`."""

    def records(self, folder: str, name: str, *, token: str = FIRST) -> str:
        """The address of what an invocation is told and says of itself."""

    async def discard(self, folder: str, *, token: str = FIRST) -> None:
        """
        Remove what attempts have made and no manifest names, and their records; never
        raises.
        """


class Publishes(Protocol):
    """Makes results visible, all or nothing."""

    @property
    def in_place(self) -> bool:
        """What attempts have made is published where it lies, and never moved."""

    async def publish(  # noqa: PLR0913 - what is shown, and by whom
        self,
        folder: str,
        manifest: Manifest,
        *,
        made: Sequence[str],
        token: str = FIRST,
        page: bytes | None = None,
        commit: Commit = freely,
    ) -> Manifest:
        """
        Make what the attempts *made*, *page* and *manifest* visible under *folder*,
        manifest last. Returns the manifest as it stands there: it names the page.

        Atomic towards readers: they see no manifest, or a manifest whose every
        output exists and is the one of this *token*. Raises `ObjectExists` when
        another worker was first. *commit* is waited for right before the page and the
        manifest; if it raises, there will be neither.
        """


class Destination(Finds, Places, Publishes, Protocol):
    """Where results go."""

    def uri(self, folder: str, path: str = "", *, name: str, token: str = FIRST) -> str:
        """How a person or a manifest names the result *path* of attempt *name*."""


def naming(manifest: Manifest, uri: str, page: bytes) -> Manifest:
    """*manifest* with *page* in it, which lies at *uri*."""
    digest = hashlib.sha256(page).hexdigest()
    found = ResultPage(uri=uri, bytes=len(page), sha256=digest)
    return manifest.model_copy(update={"page": found})


def provenance(job_id: str, profile: str) -> Marks:
    """Marks an output as ours, so that it is never taken for an upload."""
    return {"transcode-job": job_id, "transcode-profile": profile}
