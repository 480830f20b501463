"""What is left to do once a job is over: collect garbage, tell, close it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from ..contract import Manifest
from ..contract.job import Delivery, Envelope, JobReport
from ..errors import ScratchFull, ScratchTooSmall, WorkerLost, revive
from ..store.bucket import Bucket
from ..store.destination import MANIFEST_NAME, RECORDS
from . import History, JobRepository
from .repository import EndedJob

_PLACE = re.compile(r"(\d{4,}|run-[0-9a-f]{8})(?:\..+\.\d+)?")
"""Of an attempt: the token of its try, its task and its number; once it was the token
alone."""


class Tells(Protocol):
    """Passes results on to whoever waits for them."""

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        """
        Tell all destinations but those *known* to be told, by their digests.

        Returns who has been told now, and whether that is everybody.
        """


@runtime_checkable
class Explains(Protocol):
    """Says what became of each destination, beside who was told."""

    def said(self, envelope_id: str) -> Mapping[str, Delivery]:
        """Of the last round of telling this result, by digest; once."""


async def tidy(  # noqa: PLR0913 - what is known of the end
    repository: JobRepository,
    bucket: Bucket,
    history: History,
    ended: JobReport,
    *,
    settled: bool,
    thorough: bool = False,
) -> None:
    """
    Collect garbage (*thorough*: also of one clean try, whose tasks were calls of their
    own), and enter what workers left unsaid.
    *settled*: whoever has just worked on it has entered the attempts.

    Whatever of it was cut short is done by the next to look at the job.
    """
    await _collect(bucket, history, ended, thorough=thorough)
    if not settled or len(history.tried) > 1:
        await _enter(repository, ended)


def may_be_mended(ended: JobReport) -> bool:
    """
    Whether it ended for no fault of the upload's, and nothing was spent: seen again,
    it is opened again.
    """
    error = ended.manifest.error if ended.over and ended.manifest else None
    if error is None or ended.manifest is None:
        return False
    why = revive(error)
    # Who kills its workers would do so again.
    mendable = why.mendable and not isinstance(why, WorkerLost)
    return mendable and not ended.manifest.cost.amount


def room_needed_mib(ended: JobReport) -> int:
    """Scratch without which it would end as it did, in MiB; 0: it was not for that."""
    error = ended.manifest.error if ended.over and ended.manifest else None
    if error is None or not isinstance(revive(error), ScratchFull | ScratchTooSmall):
        return 0
    needed = error.evidence.get("needed_mib")
    return needed if isinstance(needed, int) else 0


async def tell_and_close(
    repository: JobRepository,
    bucket: Bucket,
    tells: Tells,
    history: History,
    ended: JobReport,
) -> tuple[bool, tuple[Delivery, ...]]:
    """
    Tell, and once everybody knows, take the job off the list of open ones. Returns
    whether that is so, and which destinations could not be told in this round.
    """
    everybody, missed = True, tuple[Delivery, ...]()
    if ended.manifest is not None:
        everybody, missed = await _tell(
            repository, bucket, tells, history, ended, ended.manifest
        )
    if everybody:
        known = None if may_be_mended(ended) else EndedJob(ended.job_id, ended.status)
        await repository.close(ended.job_id, history.round_number, ended=known)
    return everybody, missed


async def _enter(repository: JobRepository, ended: JobReport) -> None:
    """
    What workers began that nobody has heard of since; and of one that vanished right
    after its results were to be seen, what the manifest says of it.
    """
    tasks = ended.manifest.tasks if ended.manifest else ()
    shown = {(t.task_id, a.number): a for t in tasks for a in t.attempts}
    for record in await repository.attempts(ended.job_id):
        attempt = shown.get((record.task_id, record.attempt.number), record.attempt)
        # Of what was made by one try and published by another, the first knew no more.
        same = record.attempt.measured in {None, attempt.measured}
        if same and attempt != record.attempt:
            known = record.model_copy(update={"attempt": attempt})
            await repository.keep_attempt(known)
            await repository.enter(known)
        else:
            await repository.enter(record)


async def _tell(  # noqa: PLR0913, PLR0917 - who, by whom, of what
    repository: JobRepository,
    bucket: Bucket,
    tells: Tells,
    history: History,
    ended: JobReport,
    manifest: Manifest,
) -> tuple[bool, tuple[Delivery, ...]]:
    succeeded = ended.status == "succeeded"
    manifest_uri = bucket.uri(f"{ended.folder}/{MANIFEST_NAME}")
    envelope = Envelope.of(
        ended.submission,
        manifest,
        manifest_uri=manifest_uri if succeeded else None,
        tries=ended.tries,
        sent_at=await repository.now(),
        round_number=history.round_number,
    )
    told, everybody = await tells.tell(envelope, known=history.told)
    said = tells.said(envelope.id) if isinstance(tells, Explains) else {}
    for digest in told:
        await repository.told(
            ended.job_id, history.round_number, digest, told=said.get(digest)
        )
    missed = tuple(one for one in said.values() if not one.ok)
    for one in missed:
        await repository.untold(ended.job_id, history.round_number, one)
    return everybody, missed


async def _collect(
    bucket: Bucket, history: History, ended: JobReport, *, thorough: bool
) -> None:
    """
    Remove what tries without a result have left: under other tokens in S3, hidden
    beside the results in a folder. One clean try has left nothing.

    Where there is no result, what a worker was about to publish when it fell silent
    is left alone: should it come back, its manifest must name what exists.
    """
    if ended.manifest is None:
        return
    if ended.status == "succeeded" and len(history.tried) <= 1 and not thorough:
        return
    root = f"{ended.folder}/"
    newest = max((one.claim.number for one in history.tried), default=0)
    publishing = {f"{one.claim.number:04d}" for one in history.tried if one.publishing}
    outputs = ended.manifest.outputs if ended.status == "succeeded" else ()
    named = {output.uri for output in outputs}
    kept = {_place(uri.removeprefix(bucket.uri(root))) for uri in named}
    async for entry in bucket.entries(root):
        place = _place(entry.key.removeprefix(root))
        if place is None or place in kept:
            continue
        if _is_later(place, newest):
            continue
        if ended.status != "succeeded" and place.partition(".")[0] in publishing:
            continue
        await bucket.delete(entry.key)
    roots = [f"{RECORDS}/{ended.folder}/"]
    if ended.status == "succeeded" or not publishing:
        roots.append(f".transcode-{ended.folder}.")
    for under in roots:
        await _remove(bucket, under, newest)


async def _remove(bucket: Bucket, root: str, newest: int) -> None:
    async for entry in bucket.entries(root):
        if not _is_later(entry.key.removeprefix(root), newest):
            await bucket.delete(entry.key)


def _is_later(place: str, newest: int) -> bool:
    """Whether it is of a round that has begun meanwhile."""
    token = re.split(r"[./]", place, maxsplit=1)[0]
    return token.isdecimal() and int(token) > newest


def _place(path: str) -> str | None:
    """Of the attempt that wrote *path*; None where it is under none."""
    first, slash, _ = path.partition("/")
    return first if slash and _PLACE.fullmatch(first) else None
