"""Telling: over real sockets, with tries, and never at the cost of another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import standardwebhooks
from pydantic import SecretStr

from transcode.contract import Failure, Upload
from transcode.contract.job import Delivery
from transcode.deliver import RetryClock, Senders, parse_targets, tell, told_digest
from transcode.deliver.message import Notice
from transcode.deliver.response import retry_after
from transcode.deliver.targets import Target, parse_target
from transcode.errors import ObjectExists, SettingsError, StoreError
from transcode.serve.schemas import Asked
from transcode.settings import Settings
from transcode.wiring import wire

from .conftest import SENT_AT, WEBHOOK_SECRET, Answer, Listener, MakeEnvelope

pytestmark = pytest.mark.anyio

SETTINGS = Settings(webhook_secret=SecretStr(WEBHOOK_SECRET))


class Waits:
    """Remembers what it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def clock(waits: Waits) -> RetryClock:
    return RetryClock(sleep=waits, chance=lambda: 1.0)


async def _no_folder(folder: str, name: str, body: bytes) -> None:
    raise AssertionError(folder)


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    async with Senders(SETTINGS, _no_folder) as senders:
        yield senders


async def test_a_webhook_is_signed_and_told(
    listener: Listener, senders: Senders, make_envelope: MakeEnvelope
) -> None:
    """The specification's own verifier takes what arrives, and it is the envelope."""
    envelope = make_envelope()

    (told,) = await tell(
        envelope, parse_targets(f"{listener.url}/told?a=b%2F&c"), senders.send
    )
    (received,) = listener.received
    payload = standardwebhooks.Webhook(WEBHOOK_SECRET).verify(
        received.body, received.headers
    )

    assert (True, 1, None) == (told.ok, told.tries, told.error)
    assert json.loads(envelope.to_json()) == payload
    assert "/told?a=b%2F&c" == received.path
    assert {envelope.id} == {
        received.headers[name] for name in ("idempotency-key", "webhook-id")
    }


async def test_a_server_that_recovers_is_told_under_the_same_id(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    waits: Waits,
) -> None:
    """500, a reset, 503, then 200: four requests, one key, waits that grow."""
    listener.script = [Answer(500), Answer(reset=True), Answer(503), Answer(200)]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )
    verifier = standardwebhooks.Webhook(WEBHOOK_SECRET)
    for received in listener.received:
        verifier.verify(received.body, received.headers)

    assert (True, 4) == (told.ok, told.tries)
    assert 1 == len({r.headers["idempotency-key"] for r in listener.received})
    assert [1.0, 2.0, 4.0] == waits.seconds


async def test_waits_are_spread_by_chance(
    listener: Listener, senders: Senders, make_envelope: MakeEnvelope, waits: Waits
) -> None:
    """From half of the usual wait, so that many do not come back at once."""
    listener.script = [Answer(500)]
    clock = RetryClock(sleep=waits, chance=lambda: 0.0)

    await tell(make_envelope(), parse_targets(listener.url), senders.send, clock=clock)

    assert [0.5, 1.0, 2.0] == waits.seconds


async def test_a_server_that_stays_down_ends_the_round(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
) -> None:
    """The last answer is kept, and that another round may help."""
    listener.script = [Answer(502, body=b"upstream\x1b[31m  is\ndown")]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert (False, 4) == (told.ok, told.tries)
    assert told.error is not None
    assert ("DestinationDown", True) == (told.error.type, told.error.retryable)
    assert (502, "upstream�[31m is down") == (
        told.error.evidence["status"],
        told.error.evidence["answer"],
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_a_refusal_is_not_repeated(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    status: int,
) -> None:
    """The same request would get the same answer."""
    listener.script = [Answer(status)]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert (False, 1) == (told.ok, told.tries)
    assert told.error is not None
    assert ("DestinationRefused", False) == (told.error.type, told.error.retryable)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 504])
async def test_what_may_pass_is_repeated(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    status: int,
) -> None:
    """Busy, too early, in conflict with another try."""
    listener.script = [Answer(status), Answer(202)]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert (True, 2) == (told.ok, told.tries)


async def test_a_redirect_is_not_followed(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
) -> None:
    """It could lead a signed notice anywhere."""
    listener.script = [Answer(307, {"Location": f"{listener.url}/elsewhere"})]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert 1 == len(listener.received)
    assert told.error is not None
    assert "redirects (307)" in told.error.message


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0xa9fea9fe"],
)
async def test_no_keys_of_machines_are_asked_for(
    host: str, clock: RetryClock, senders: Senders, make_envelope: MakeEnvelope
) -> None:
    """Whatever a name leads to: who is told lies not where clouds keep their keys."""
    (told,) = await tell(
        make_envelope(), parse_targets(f"http://{host}/"), senders.send, clock=clock
    )

    assert not told.ok
    assert told.error is not None
    assert "where clouds keep the keys" in told.error.message


async def test_who_is_named_may_be_anywhere(
    listener: Listener, make_envelope: MakeEnvelope
) -> None:
    """A neighbour is the operator's to name; strangers name no destination at all."""
    async with Senders(SETTINGS, _no_folder) as senders:
        port = listener.url.rpartition(":")[2]
        targets = parse_targets(f"http://localhost:{port}/")
        (told,) = await tell(make_envelope(), targets, senders.send)

    assert told.ok
    named = {*Asked.model_fields, *Upload.model_fields}
    assert not named & {"webhook", "destination", "callback", "on_success", "to"}


async def test_retry_after_is_honoured(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    waits: Waits,
) -> None:
    """They are not asked again before they want to be."""
    listener.script = [Answer(429, {"Retry-After": "7"}), Answer(200)]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert (True, [7.0]) == (told.ok, waits.seconds)


async def test_a_long_retry_after_is_for_another_round(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    waits: Waits,
) -> None:
    """Nobody waits an hour in a worker, and nobody asks sooner."""
    listener.script = [Answer(503, {"Retry-After": "3600"})]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )

    assert (False, 1, []) == (told.ok, told.tries, waits.seconds)
    assert told.error is not None
    assert 3600.0 == told.error.evidence["retry_after_seconds"]


async def test_413_is_linked(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    waits: Waits,
) -> None:
    """A server with a smaller limit than ours gets the link, at once, same key."""
    listener.script = [Answer(413), Answer(200)]

    (told,) = await tell(
        make_envelope(), parse_targets(listener.url), senders.send, clock=clock
    )
    first, second = (json.loads(r.body) for r in listener.received)

    assert (True, 2, True, []) == (told.ok, told.tries, told.linked, waits.seconds)
    assert first["manifest"] is not None
    assert second["manifest"] is None
    assert second["manifest_uri"] == first["manifest_uri"]
    assert 1 == len({r.headers["idempotency-key"] for r in listener.received})


async def test_413_twice_is_refused(
    listener: Listener, senders: Senders, make_envelope: MakeEnvelope
) -> None:
    """It cannot be made any smaller."""
    listener.script = [Answer(413)]

    (told,) = await tell(make_envelope(), parse_targets(listener.url), senders.send)

    assert (False, 2) == (told.ok, told.tries)


async def test_a_server_that_hangs_is_left(
    listener: Listener, make_envelope: MakeEnvelope, clock: RetryClock
) -> None:
    """After the time for one try, which counts as one."""
    listener.script = [Answer(hang=True), Answer(200)]

    async with Senders(SETTINGS, _no_folder, attempt_seconds=0.5) as senders:
        (told,) = await tell(
            make_envelope(),
            parse_targets(listener.url),
            senders.send,
            clock=clock,
        )

    assert (True, 2) == (told.ok, told.tries)


async def test_nobody_there(
    free_port: int,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
) -> None:
    """A refused connection is tried again, and said in words."""
    (told,) = await tell(
        make_envelope(),
        parse_targets(f"http://127.0.0.1:{free_port}/hush?hush"),
        senders.send,
        clock=clock,
    )

    assert (False, 4) == (told.ok, told.tries)
    assert told.error is not None
    assert "cannot be reached" in told.error.message
    assert "hush" not in told.to_json()


async def test_one_that_fails_costs_no_other(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
) -> None:
    """Also one whose sender is broken in a way that nobody thought of."""
    targets = parse_targets(f"lambda://broken {listener.url} file:///nowhere")

    async def send(target: Target, notice: Notice) -> None:
        if target.text == "lambda://broken":
            raise ZeroDivisionError("hush")
        await senders.send(target, notice)

    told = await tell(make_envelope(), targets, send, clock=clock)

    assert [False, True, False] == [one.ok for one in told]
    assert [t.name for t in targets] == [one.target for one in told]
    assert told[0].error is not None
    assert "ZeroDivisionError" in told[0].error.message
    assert "hush" not in told[0].to_json()


async def test_nothing_secret_is_kept(
    listener: Listener,
    senders: Senders,
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    *,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither address nor key stand in the record, a log or on the terminal."""
    caplog.set_level("DEBUG")
    failures: list[Delivery] = []
    for answer in (Answer(500), Answer(404), Answer(reset=True), Answer(302)):
        listener.script = [answer]
        failures += await tell(
            make_envelope(),
            parse_targets(f"{listener.url}/T0/hush?token=hush"),
            senders.send,
            clock=clock,
        )
    out, err = capfd.readouterr()
    shown = "".join([out, err, caplog.text, *(t.to_json() for t in failures)])

    assert [False] * 4 == [told.ok for told in failures]
    assert "hush" not in shown
    assert WEBHOOK_SECRET.removeprefix("whsec_") not in shown + repr(SETTINGS)


async def test_a_record_is_named_by_destination_and_result(
    listener: Listener, senders: Senders, make_envelope: MakeEnvelope
) -> None:
    """So that a failure that was told of does not hide the later success."""
    (target,) = parse_targets(listener.url)
    failed = make_envelope(error=Failure(type="OutOfDisk", message="", retryable=True))

    (told,) = await tell(make_envelope(), [target], senders.send)

    assert told_digest(make_envelope().id, target) == told.digest
    assert told.digest != told_digest(failed.id, target)


def _raises(error: Exception) -> Callable[[str, str, bytes], Awaitable[None]]:
    async def create(folder: str, name: str, body: bytes) -> None:
        raise error

    return create


@pytest.mark.parametrize(
    ("error", "ok", "tries"),
    [
        (ObjectExists("It is there."), True, 1),
        (StoreError("It is slow."), False, 4),
        (SettingsError("No key."), False, 1),
    ],
)
async def test_what_a_store_says_is_judged(
    make_envelope: MakeEnvelope,
    clock: RetryClock,
    error: Exception,
    ok: bool,  # noqa: FBT001 - a parameter of the test
    tries: int,
) -> None:
    """An object that is there was told before; a store that is down may come back."""
    async with Senders(Settings(), _raises(error)) as senders:
        (told,) = await tell(
            make_envelope(),
            parse_targets("s3://told"),
            senders.send,
            clock=clock,
        )

    assert (ok, tries) == (told.ok, told.tries)


async def test_a_folder_gets_one_object_per_result(
    tmp_path: Path, make_envelope: MakeEnvelope
) -> None:
    """However often it is told; the first stays."""
    wiring = wire(Settings(on_success=f"file://{tmp_path}/told"))
    envelope = make_envelope()
    later = envelope.model_copy(update={"sent_at": SENT_AT + timedelta(hours=1)})

    async with wiring.senders() as senders:
        for each in (envelope, later):
            (told,) = await tell(each, wiring.told_of(success=True), senders.send)
            assert told.ok
    (path,) = (tmp_path / "told").iterdir()

    assert f"{envelope.id}.json" == path.name
    assert json.loads(envelope.to_json()) == json.loads(path.read_text())
    assert () == wiring.told_of(success=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_success": "https://a.example"}, "TRANSCODE_WEBHOOK_SECRET, which is not"),
        (
            {"on_success": "https://a.example", "webhook_secret": "whsec_a"},
            "TRANSCODE_WEBHOOK_SECRET is wrong",
        ),
        (
            {"on_success": "urn:fss:cn-north-4:p:function:default:told:latest"},
            "TRANSCODE_HUAWEI_ACCESS_KEY, which is not",
        ),
        ({"on_success": "ftp://a"}, "TRANSCODE_ON_SUCCESS: The destination 'ftp://a'"),
    ],
)
def test_what_is_missing_is_said_at_the_start(
    given: dict[str, str], words: str
) -> None:
    """Not after an hour of encoding."""
    environ = {f"TRANSCODE_{name.upper()}": value for name, value in given.items()}

    with pytest.raises(SettingsError, match=words):
        wire(Settings.from_environment(environ)).told_of(success=True)


NOW = datetime(2026, 11, 22, 22, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(minutes=1), usegmt=True), 60.0),
        (format_datetime(NOW - timedelta(minutes=1), usegmt=True), 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """RFC 9110, 10.2.3; what cannot be read is as if it were not there."""
    assert seconds == retry_after({"Retry-After": value}, NOW)


def test_targets_are_values() -> None:
    """A target can be asked for in another shape, and stays what it was."""
    target = parse_target("lambda://done")

    assert "lambda" == replace(target, shape="lambda").shape
