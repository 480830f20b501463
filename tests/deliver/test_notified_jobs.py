"""From a job to whoever is told of it, through the service, as commands do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.conftest import MakeClip
from transcode.contract.job import Delivery, Envelope
from transcode.deliver import Announcer, Senders, parse_targets, told_digest
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

from .conftest import WEBHOOK_SECRET, Answer, Listener, MakeEnvelope


async def _no_folder(folder: str, name: str, body: bytes) -> None:
    raise AssertionError(folder)


@pytest.mark.anyio
async def test_who_was_not_told_is_told_with_the_next_sweep(
    listener: Listener, make_clip: MakeClip, tmp_path: Path
) -> None:
    """And who was told is left alone: the folder at once, the webhook when mended."""
    settings = Settings(
        on_success=f"{listener.url}/hook file://{tmp_path}/told",
        on_failure=f"{listener.url}/never",
        webhook_secret=SecretStr(WEBHOOK_SECRET),
    )
    listener.script = [Answer(404), Answer(204)]
    clip = make_clip("told", seconds=1, audio=False)
    to = str(tmp_path / "results")

    async with JobService.open(wire(settings), to=to) as service:
        job, _ = await service.submit(
            Request(source=str(clip), profile="preview", to=to), tags={"customer": "a"}
        )
        reports = [await service.perform(job.job_id) for _ in range(3)]
    (path,) = (tmp_path / "told").iterdir()
    notice = Envelope.from_json(path.read_text("utf-8"))
    first, second = listener.received

    assert ["succeeded"] * 3 == [report.status for report in reports]
    assert ["/hook", "/hook"] == [first.path, second.path]
    assert {f"{job.job_id}-succeeded"} == {
        notice.id,
        path.stem,
        *(r.headers["idempotency-key"] for r in (first, second)),
    }
    assert "a" == json.loads(second.body)["submission"]["tags"]["customer"]
    assert notice.manifest == reports[0].manifest
    assert notice.manifest_uri is not None
    assert notice.manifest_uri.startswith(to)


@pytest.mark.anyio
async def test_a_failure_is_told_with_its_evidence(tmp_path: Path) -> None:
    """To the others: a success destination hears nothing of it."""
    settings = Settings(
        on_success=f"file://{tmp_path}/well", on_failure=f"file://{tmp_path}/badly"
    )
    source = tmp_path / "text.mp4"
    source.write_text("Dear diary, today I was renamed.\n" * 50)
    to = str(tmp_path / "results")

    async with JobService.open(wire(settings), to=to) as service:
        job, _ = await service.submit(Request(source=str(source), to=to))
        await service.perform(job.job_id)
    (path,) = (tmp_path / "badly").iterdir()
    notice = Envelope.from_json(path.read_text("utf-8"))

    assert f"{job.job_id}-rejected.json" == path.name
    assert ("rejected", None) == (notice.status, notice.manifest_uri)
    assert notice.manifest is not None
    assert notice.manifest.error is not None
    assert "MediaRejected" == notice.manifest.error.type
    assert not (tmp_path / "well").exists()


@pytest.mark.anyio
async def test_what_became_of_each_is_heard(
    listener: Listener, make_envelope: MakeEnvelope
) -> None:
    """The announcement is whole when each has taken it; those known are not asked."""
    envelope = make_envelope()
    settings = Settings(webhook_secret=SecretStr(WEBHOOK_SECRET))
    targets = parse_targets(f"{listener.url}/a {listener.url}/b {listener.url}/c")
    known = frozenset({told_digest(envelope.id, targets[0])})
    listener.script = [Answer(204), Answer(410)]
    heard: list[Delivery] = []

    async with Announcer(
        Senders(settings, _no_folder), on_success=targets, heard=heard.append
    ) as announcer:
        told, everybody = await announcer.tell(envelope, known=known)
        again = await announcer.tell(envelope, known=known | {t.digest for t in heard})

    assert [one.digest for one in heard if one.ok] == told
    assert {told_digest(envelope.id, t) for t in targets[1:]} == {
        one.digest for one in heard
    }
    assert [True, False] == sorted((one.ok for one in heard), reverse=True)
    assert not everybody
    assert ([], True) == again


def test_a_later_round_is_another_result(make_envelope: MakeEnvelope) -> None:
    """A job that fails again after `retry` is told of again."""
    first = make_envelope()
    assert first.manifest is not None

    second = Envelope.of(
        first.submission,
        first.manifest,
        manifest_uri=None,
        tries=2,
        sent_at=first.sent_at,
        round_number=1,
    )

    assert f"{first.id}-1" == second.id
