"""The real entry point, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Manifest, Media, Plan

HEAVY = {"av", "aiobotocore", "botocore", "rich", "imageio_ffmpeg", "ffmpeg"}

Transcode = Callable[..., "subprocess.CompletedProcess[str]"]
MakeClip = Callable[..., Path]


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after *code*."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if "|" in line]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_the_entry_point_is_light() -> None:
    """Importing it loads nothing heavy, not even the contract's pydantic."""
    assert set() == loaded("import transcode.cli") & {*HEAVY, "pydantic", "click"}


def test_help_does_not_wait_for_the_media_stack() -> None:
    """All commands' words are there without anything that they would use."""
    code = (
        "import sys, transcode.cli; sys.argv = ['transcode', 'run', '--help'];"
        "transcode.cli.main()"
    )

    assert set() == loaded(code) & {*HEAVY, "pydantic", "anyio"}


def test_commands_and_their_output_are_light() -> None:
    """Listing profiles opens no codec and speaks to no storage."""
    code = (
        "import sys, transcode.cli; sys.argv = ['transcode', 'profiles'];"
        "transcode.cli.main()"
    )

    assert set() == loaded(code) & {"av", "aiobotocore", "botocore", "rich"}


def test_a_mistyped_option_is_a_usage_error(transcode: Transcode) -> None:
    """Exit 2, stdout untouched."""
    ended = transcode("run", "clip.mp4", "--dedline", "5")

    assert (2, "") == (ended.returncode, ended.stdout)
    assert "--dedline" in ended.stderr


def test_no_command_shows_help(transcode: Transcode) -> None:
    """Somebody who types `transcode` alone wants to know what there is."""
    ended = transcode()

    assert 2 == ended.returncode
    assert "transcode run clip.mov" in ended.stderr


def test_every_failure_is_one_json_document_on_stdout(transcode: Transcode) -> None:
    """Even a usage error, and the paragraph still stands on stderr."""
    mistyped = transcode("run", "--json")
    missing = transcode("plan", "nowhere.mp4", "--json")

    assert [2, 2] == [mistyped.returncode, missing.returncode]
    assert "rejected" == json.loads(mistyped.stdout)["status"]
    document = json.loads(missing.stdout)
    assert "rejected" == document["status"]
    assert "SourceNotFound" == document["error"]["type"]
    assert "nowhere.mp4" in document["error"]["message"]
    assert document["error"]["message"] in missing.stderr


def test_a_failure_is_one_paragraph_and_evidence_is_asked_for(
    transcode: Transcode,
) -> None:
    """No traceback, no evidence unless `--verbose`."""
    plain = transcode("probe", "nowhere.mp4")
    verbose = transcode("probe", "nowhere.mp4", "--verbose")

    assert 1 == len(plain.stderr.splitlines())
    assert plain.stderr.startswith("transcode: ")
    assert verbose.stderr.startswith(plain.stderr)
    assert "SourceNotFound" in verbose.stderr
    assert "Traceback" not in plain.stderr + verbose.stderr


def test_a_wrong_setting_is_named(transcode: Transcode) -> None:
    """Exit 2 and the variable."""
    environ = {**os.environ, "TRANSCODE_PROBE_SECONDS": "soon"}

    ended = transcode("probe", "x.mp4", environ=environ)

    assert 2 == ended.returncode
    assert "TRANSCODE_PROBE_SECONDS" in ended.stderr


def test_a_reader_who_has_seen_enough_is_no_error(transcode: Transcode) -> None:
    """`transcode platforms functiongraph | head -0` ends without a word."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "transcode", "platforms", "functiongraph"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (0, "") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize(
    "command", ["platforms", "platforms --json", "plan CLIP", "plan x --json"]
)
def test_an_answer_that_cannot_be_written_is_told(
    make_clip: MakeClip, command: str
) -> None:
    """`transcode plan clip.mov > plan.txt` on a full disk: exit 4, one paragraph."""
    words = command.replace("CLIP", str(make_clip("plan", 1))).split()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "transcode", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert 4 == ended.returncode
    *_, last = ended.stderr.splitlines()
    message = "The answer cannot be written to standard output"
    assert f"transcode: {message}: no space left on device." == last
    assert "Traceback" not in ended.stderr


def test_a_log_that_cannot_be_written_ends_no_work(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """`transcode run clip.mov 2> run.log` on a full disk makes the renditions."""
    words = ["run", str(make_clip("run", 2)), "--profile", "preview", "--json"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "transcode", *words, "--to", str(tmp_path / "to")],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False,
        )  # fmt: skip

    assert 0 == ended.returncode
    assert "succeeded" == json.loads(ended.stdout)["status"]


def test_a_closed_stdout_is_no_bug() -> None:
    """`transcode platforms >&-` has nowhere to print to, and that is all."""
    line = f"exec {sys.executable} -m transcode platforms >&-"

    ended = subprocess.run(["/bin/sh", "-c", line], stderr=subprocess.PIPE, check=False)

    assert (0, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("module", ["main", "commands.run", "failure"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_python_imports_is_an_interrupt(
    number: int, module: str
) -> None:
    """Exit 130, one document, no traceback, from the first line of `main` on."""
    code = f"""
import os, signal, sys
import transcode.cli
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "transcode.cli.{module}":
            os.kill(os.getpid(), {int(number)})
        return None
sys.meta_path.insert(0, Interrupting())
sys.argv = ["transcode", "probe", "nowhere.mp4", "--json"]
transcode.cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert 130 == ended.returncode
    assert "Traceback" not in ended.stderr
    assert "cancelled" == json.loads(ended.stdout)["status"]


def test_probe_prints_a_table_or_a_document(
    transcode: Transcode, make_clip: MakeClip
) -> None:
    """The same facts twice: for a person, and as a value that can be read back."""
    clip = make_clip("probe", 1)

    table = transcode("probe", clip)
    document = transcode("probe", clip, "--json")

    assert [(0, ""), (0, "")] == [(e.returncode, e.stderr) for e in (table, document)]
    assert "320×240 as seen" in table.stdout
    assert "25 fps" in table.stdout
    assert 320 == Media.from_json(document.stdout).video[0].display_width


def test_plan_prints_a_table_or_a_document(
    transcode: Transcode, make_clip: MakeClip, tmp_path: Path
) -> None:
    """Nothing is encoded and nothing is written."""
    clip = make_clip("plan", 1)

    table = transcode("plan", clip, "--platform", "functiongraph")
    document = transcode("plan", clip, "--platform", "functiongraph", "--json")

    assert [0, 0] == [table.returncode, document.returncode], table.stderr
    assert "CNY" in table.stdout
    assert "functiongraph" == Plan.from_json(document.stdout).platform.name
    assert [] == list(tmp_path.iterdir())


def test_run_separates_result_and_progress(
    transcode: Transcode, make_clip: MakeClip
) -> None:
    """The manifest alone on stdout; a second run finds the first."""
    clip = make_clip("run", 2)

    document = transcode("run", clip, "--profile", "preview", "--json")
    again = transcode("run", clip, "--profile", "preview")
    silent = transcode("run", clip, "--profile", "preview", "--quiet")

    assert 0 == document.returncode, document.stderr
    manifest = Manifest.from_json(document.stdout)
    assert "succeeded" == manifest.status
    assert "plan: " in document.stderr
    assert "published" in document.stderr
    assert "\x1b" not in document.stderr
    assert again.stdout.startswith("Already done")
    assert f"job {manifest.job_id[:12]}" in again.stdout
    assert (0, "", "") == (silent.returncode, silent.stdout, silent.stderr)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--memory", "100"), 2),
        (("--deadline", "0.001s"), 5),
        (("--budget", "0.000000001"), 5),
        (("--engine", "abacus"), 2),
        (("--platform", "moon"), 2),
        (("--profile", "no-such"), 2),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(
    transcode: Transcode, make_clip: MakeClip, args: tuple[str, ...], code: int
) -> None:
    """One paragraph, and nothing written."""
    ended = transcode(
        "run", make_clip("refused", 1), "--platform", "functiongraph", *args
    )

    assert code == ended.returncode, ended.stderr
    assert 1 == len(ended.stderr.splitlines())
    assert "" == ended.stdout
