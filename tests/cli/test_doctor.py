from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transcode.cli.commands.doctor import (
    Diagnosis,
    _engines,
    examine,
    report_json,
    report_text,
    works,
)
from transcode.settings import Settings
from transcode.wiring import wire

FINE = Diagnosis("cores", "ok", "2")
LESS = Diagnosis("cgroups", "warn", "none may be made", "Run as root.")
GONE = Diagnosis("packager", "fail", "not found", "Install it.")


def test_a_report_says_what_to_do(golden: Callable[[str, str], None]) -> None:
    """A line each, advice beneath, a verdict at the end."""
    golden("doctor.txt", report_text([FINE, LESS, GONE]) + "\n")


def test_a_report_fits_a_terminal() -> None:
    """Lines break between words, and go on below what they say."""
    long = Diagnosis("fence", "warn", "it holds " * 12, "Ask somebody. " * 9)

    text = report_text([FINE, long], width=60)

    assert 60 >= max(map(len, text.splitlines()))
    below = [line for line in text.splitlines() if line.startswith(" " * 13)]
    assert len(below) > 1
    assert text.split() == report_text([FINE, long]).split()


@pytest.mark.parametrize(
    ("findings", "ready", "verdict"),
    [
        ([FINE], True, "Ready."),
        ([FINE, LESS], True, "Ready, with 1 restriction."),
        ([FINE, LESS, GONE], False, "Not ready: 1 essential thing missing."),
    ],
)
def test_only_what_is_essential_fails(
    findings: list[Diagnosis], *, ready: bool, verdict: str
) -> None:
    """A restriction is no failure."""
    assert ready is works(findings)
    assert verdict == report_text(findings).splitlines()[-1]
    assert ready is json.loads(report_json(findings))["ready"]


def test_engines_say_what_they_want() -> None:
    """Without calling anybody."""
    named = Settings(lambda_function="transcode", kubernetes_image="transcode:1")
    (bare,), (set_up,) = _engines(wire(Settings())), _engines(wire(named))

    assert bare.detail.startswith("local, ray;")
    assert "aws-lambda wants TRANSCODE_LAMBDA_FUNCTION" in bare.detail
    assert "kubernetes wants TRANSCODE_KUBERNETES_IMAGE" in bare.detail
    assert set_up.detail.startswith("local, ray, aws-lambda, kubernetes;")


def test_this_machine_is_examined(tmp_path: Path) -> None:
    """Every subject has a line, and here nothing essential is missing."""
    found = {f.name: f for f in examine(Settings(scratch=str(tmp_path)))}

    subjects = {
        "engines",
        *("python", "ffmpeg", "packager", "nvenc", "profiles", "platforms", "cores"),
        "speed",
        *("memory", "scratch", "scratch writable", "cgroups", "s3", "profile hls"),
    }
    assert set() == subjects - set(found)
    assert [] == [f for f in found.values() if f.level == "fail"]
    assert "libx264" in found["profile hls"].detail


def test_a_missing_ffmpeg_does_not_end_the_examination(tmp_path: Path) -> None:
    """What else is wrong is told in the same go."""
    found = {f.name: f for f in examine(Settings(ffmpeg=str(tmp_path / "no-ffmpeg")))}

    assert "fail" == found["tools"].level
    assert "no-ffmpeg" in found["tools"].detail
    assert "cgroups" in found


def test_a_missing_scratch_is_told(tmp_path: Path) -> None:
    """By the name of its setting."""
    found = {f.name: f for f in examine(Settings(scratch=str(tmp_path / "nowhere")))}

    assert "fail" == found["machine"].level
    assert "TRANSCODE_SCRATCH" in found["machine"].detail


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers like a storage that wants credentials."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_endpoint_that_answers_is_reachable(endpoint: str) -> None:
    """Refusing a stranger is an answer; one that is gone is a restriction."""
    there = {f.name: f for f in examine(Settings(s3_endpoint_url=endpoint))}
    gone = {f.name: f for f in examine(Settings(s3_endpoint_url="http://127.0.0.1:1"))}
    wrong = {f.name: f for f in examine(Settings(s3_endpoint_url="ftp://x"))}

    assert ("ok", f"{endpoint} answers") == (there["s3"].level, there["s3"].detail)
    assert "warn" == gone["s3"].level
    assert "warn" == wrong["s3"].level
