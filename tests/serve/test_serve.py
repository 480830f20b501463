"""Everything that the server answers, over a socket, with results in a folder."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def s3_event(bucket: str, *keys: str) -> dict[str, Any]:
    """As S3 tells of new objects."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventTime": "2026-11-22T10:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {"key": key, "size": 1000, "eTag": "e", "sequencer": "1"},
                },
            }
            for key in keys
        ]
    }


PARTS = ("submit", "job", "probe", "plan", "attempt", "deliver")


def spans_in(log: str) -> list[Any]:
    """Each a document of several lines, among lines of the server's."""
    found = re.findall(r"^\{\n.*?^\}$", log, re.MULTILINE | re.DOTALL)
    return [json.loads(it) for it in found]


def test_a_job_by_hand_is_done(serve: Any, make_clip: Any, tmp_path: Path) -> None:
    """
    Posted twice it is one job; it is done here, counted, and costs something. Its spans
    stand in the trace of whoever posted it.
    """
    clip = make_clip("by-hand", seconds=1)
    traces = {"TRANSCODE_TRACES": "console"}
    server = serve("--to=out", f"--source={clip.parent}", "--tag=team=a", env=traces)
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    header = {"traceparent": f"00-{trace}-{caller}-01"}

    asked = {"source": str(clip), "tags": {"customer": "42"}, "priority": 3}
    first = server.ask("POST", "/jobs", asked, header)
    again = server.ask("POST", "/jobs", asked)
    ended = server.ends(first.json["job_id"])

    assert (201, 200) == (first.status, again.status)
    assert first.json["job_id"] == again.json["job_id"]
    assert {"team": "a", "customer": "42"} == ended["submission"]["tags"]
    assert "succeeded" == ended["status"]
    assert (tmp_path / "out" / ended["folder"] / "manifest.json").is_file()
    # The result is visible a moment before whoever made it has put the job down.
    series = server.until_measured(b'transcode_queue_jobs{status="running"} 0.0')
    assert series.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'transcode_jobs_total{status="succeeded"} 1.0' in series.body
    assert 0 == server.stop()
    spans = spans_in(server.log.read_text())
    ours = {it["name"]: it for it in spans if trace in it["context"]["trace_id"]}
    assert {f"transcode.{name}" for name in PARTS} == ours.keys()
    assert f"0x{caller}" == ours["transcode.submit"]["parent_id"]
    submitted = ours["transcode.submit"]["context"]["span_id"]
    assert submitted == ours["transcode.job"]["parent_id"]
    job = ours["transcode.job"]["context"]["span_id"]
    assert {job} == {ours[f"transcode.{name}"]["parent_id"] for name in PARTS[2:]}


def test_what_was_run_by_hand_is_shown(
    serve: Any, make_clip: Any, tmp_path: Path
) -> None:
    """Listed, reported and read like a job; there is nothing to cancel."""
    clip = make_clip("by-hand", seconds=1)
    argv = [sys.executable, "-m", "transcode", "run", clip, "--profile", "preview"]
    argv += ["--to", tmp_path / "out", "--json", "--quiet"]
    made = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    server = serve("--to=out", f"--source={clip.parent}")

    (listed,) = server.ask("GET", "/jobs").json["jobs"]
    report = server.ask("GET", f"/jobs/{listed['job_id'][:8]}")
    file = server.ask("GET", f"/jobs/{listed['job_id']}/files/poster.jpg")
    cancelled = server.ask("POST", f"/jobs/{listed['job_id']}/cancel")

    assert (made["job_id"], True) == (listed["job_id"], listed["by_hand"])
    assert (200, made) == (report.status, report.json["manifest"])
    assert (200, b"\xff\xd8") == (file.status, file.body[:2])
    assert 404 == cancelled.status


def test_cancel_and_retry(serve: Any, make_clip: Any) -> None:
    """A job that succeeded cannot be retried: 409. One that is none is 404."""
    clip = make_clip("by-hand", seconds=1)
    server = serve("--to=out", f"--source={clip.parent}")
    job = server.ask("POST", "/jobs", {"source": str(clip)}).json["job_id"]
    server.ends(job)

    cancelled = server.ask("POST", f"/jobs/{job}/cancel")
    retried = server.ask("POST", f"/jobs/{job}/retry")
    unknown = server.ask("POST", "/jobs/feedbeef/cancel")

    assert (202, "succeeded") == (cancelled.status, cancelled.json["status"])
    assert (409, "UsageError") == (retried.status, retried.json["type"])
    assert (404, "UsageError") == (unknown.status, unknown.json["type"])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"source": "/etc/passwd"}, 400, "--source"),
        ({"source": "file:///etc/passwd"}, 400, "--source"),
        ({"source": "http://169.254.169.254/meta"}, 400, "--source"),
        ({"source": "relative.mp4"}, 400, "--source"),
        ({"source": "s3://b/k", "profile": "/etc/passwd"}, 400, "profile"),
        ({"source": "s3://b/k", "platform": "x.toml/../y"}, 400, "platform"),
        (
            {"source": "s3://b/k", "watermark": {"image": "/etc/x.png"}},
            400,
            "watermark",
        ),
        ({"source": "s3://b/k", "to": "elsewhere"}, 400, "to"),
        ({"source": "s3://b/k", "tags": {"a b": "c"}}, 400, "tags"),
        ({"source": "s3://b/k", "budget": "much"}, 400, "budget"),
        ({}, 400, "source"),
        ([], 400, "document"),
    ],
    ids=str,
)
def test_a_submission_that_is_wrong(
    refusing: Any, body: object, status: int, says: str
) -> None:
    """400 with the field; nothing of this host can be read, nothing is kept."""
    reply = refusing.ask("POST", "/jobs", body)

    assert (status, "UsageError") == (reply.status, reply.json["type"])
    assert "application/problem+json" == reply.headers["content-type"]
    named = {"type", "message", "retryable", "evidence"}
    assert named | {"title", "status", "detail"} == set(reply.json)
    assert (status, reply.json["message"]) == (
        reply.json["status"],
        reply.json["detail"],
    )
    assert says in reply.json["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe", 400),
        (b"{}", 400),
        (b"[1]", 400),
        (json.dumps({"Records": [{"s3": {}}]}).encode(), 400),
        (b"x" * (2 * 2**20 + 1), 413),
    ],
    ids=["not text", "nothing known", "no object", "no key", "too long"],
)
def test_an_event_that_is_none(refusing: Any, body: bytes, status: int) -> None:
    """A typed error that asks for no repeat."""
    reply = refusing.ask("POST", "/events", body)

    assert (status, False) == (reply.status, reply.json["retryable"])


def test_what_is_no_upload_is_said(refusing: Any) -> None:
    """A test event, a folder marker, a file of this host: 200, with the reason."""
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}
    marker = s3_event("b", "folder/")

    said = [refusing.ask("POST", "/events", body) for body in (test, marker)]

    assert [200, 200] == [reply.status for reply in said]
    reasons = [reply.json["ignored"][0]["reason"] for reply in said]
    assert ["test_event", "folder_marker"] == reasons


def test_an_envelope_in_headers_is_read(refusing: Any) -> None:
    """A CloudEvent in binary mode; this server takes nothing from GCS."""
    folder = Path(__file__).parents[1] / "event/examples"
    sent = json.loads((folder / "gcs-binary.json").read_text())

    reply = refusing.ask("POST", "/events", sent["body"], sent["headers"])

    (upload,) = reply.json["uploads"]
    assert upload["uri"].startswith("gs://")
    assert "none of the places" in upload["ignored"]


def test_a_webhook_may_ask_first(refusing: Any) -> None:
    """The handshake of CloudEvents: who may send is told so."""
    reply = refusing.ask(
        "OPTIONS", "/events", headers={"WebHook-Request-Origin": "events.example"}
    )

    assert (200, "events.example") == (
        reply.status,
        reply.headers["webhook-allowed-origin"],
    )


def test_addresses_that_are_none(refusing: Any) -> None:
    """In the shape of every error."""
    replies = [
        refusing.ask("GET", "/nothing"),
        refusing.ask("DELETE", "/jobs"),
        refusing.ask("GET", "/jobs/feedbeef"),
    ]

    assert [404, 405, 404] == [reply.status for reply in replies]
    assert all("message" in reply.json for reply in replies)


def test_strangers_see_health_only(serve: Any) -> None:
    """With a token set, nothing else answers without it."""
    server = serve("--to=out", env={"TRANSCODE_TOKEN": "s3cret"})
    asked = [
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/jobs/feedbeef"),
        ("POST", "/jobs"),
        ("POST", "/events"),
    ]

    without = [server.ask(*one).status for one in asked]
    wrong = server.ask("GET", "/metrics", headers={"Authorization": "Bearer no"})
    right = server.ask("GET", "/metrics", headers={"Authorization": "Bearer s3cret"})

    assert [200, 401, 401, 401, 401] == without
    assert (401, "Bearer") == (wrong.status, wrong.headers["www-authenticate"])
    assert 200 == right.status


def nowhere(address: str) -> dict[str, str]:
    """S3 at an address where nobody answers."""
    return {
        "TRANSCODE_S3_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }


def test_a_store_that_is_down(serve: Any) -> None:
    """503 and when to come back, so that the event is sent again; health says so."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        server = serve("--to=out", env=nowhere(address))

        reply = server.ask("POST", "/events", s3_event("b", "a.mp4"))

    assert 503 == reply.status
    assert int(reply.headers["retry-after"]) > 0
    assert reply.json["retryable"] is True
    assert "StoreDown" == reply.json["type"]


def test_results_are_no_uploads(serve: Any, tmp_path: Path) -> None:
    """At the start where it can be seen, else when told: no job, no object written."""
    keys = ("out/x/manifest.json", "out/.transcode/open/1")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        # Credentials it has: without any, it would end, and not always after this.
        server = serve("--to=s3://uploads/out", env=nowhere(address))
        reply = server.ask("POST", "/events", s3_event("uploads", *keys))

    assert 200 == reply.status
    assert {"it lies among our results"} == {
        one["ignored"] for one in reply.json["uploads"]
    }


def test_overlap_is_refused_at_the_start(tmp_path: Path, cli: Any) -> None:
    """Exit code 2 and a sentence; nothing listens."""
    done = cli("serve", "--to=s3://b/in/out", "--source=s3://b/in", "--port=0")

    assert 2 == done.returncode
    assert "would lie among the uploads" in done.stderr


def test_sigterm_ends_it(serve: Any) -> None:
    """In order, within seconds."""
    server = serve("--to=out")

    assert 0 == server.stop()
