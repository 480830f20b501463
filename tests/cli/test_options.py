"""Help, options and completion, without a process of their own."""

from __future__ import annotations

from pathlib import Path

import anyio
import click
import pytest
from click.testing import CliRunner

from transcode.catalog import Catalog
from transcode.cli.commands.run import transcode as group
from transcode.cli.completion import known_jobs, script
from transcode.cli.failure import evidence, known, paragraph
from transcode.cli.main import run_command_line
from transcode.contract import Manifest
from transcode.contract.job import Submission
from transcode.errors import (
    Cancelled,
    EncoderFailed,
    OutOfMemory,
    SourceNotFound,
    UsageError,
)
from transcode.ledger.index import Index
from transcode.settings import Settings
from transcode.store.open import bucket

COMMANDS = [
    *("run", "plan", "probe", "submit", "watch", "serve", "sweep", "cancel", "retry"),
    *("jobs", "show", "play", "costs", "reprice", "advise", "calibrate", "bench"),
    *("profiles", "platforms", "doctor", "config", "deploy", "completion"),
]


def test_commands_stand_in_the_order_of_need() -> None:
    """A newcomer runs first and debugs completion last."""
    assert COMMANDS == group.list_commands(click.Context(group))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """A sentence, every option with a help text."""
    shown = CliRunner().invoke(group, [command, "--help"])

    assert 0 == shown.exit_code
    asked = group.get_command(click.Context(group), command)
    assert asked is not None
    options = [p for p in asked.params if isinstance(p, click.Option)]
    assert [] == [option.name for option in options if not option.help]
    if command != "doctor":
        assert f"transcode {command}" in shown.output.partition("Examples:")[2]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("1h", 3600.0), (" 5m ", 300.0)],
)
def test_a_deadline_takes_units(text: str, seconds: float) -> None:
    """Seconds unless it says otherwise."""
    option = next(p for p in group.commands["run"].params if p.name == "deadline")

    assert seconds == option.type.convert(text, None, None)


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "soon", "1d", "1e3", "inf", "nan", "٣"]
)
def test_a_deadline_that_is_none_is_refused(text: str) -> None:
    """With an example of what would do."""
    shown = CliRunner().invoke(group, ["run", "x", f"--deadline={text}"])

    assert 2 == shown.exit_code
    assert "5m" in shown.output


@pytest.mark.parametrize("text", ["", "-1", "5 CNY", "inf", "nan", "1,5"])
def test_a_budget_that_is_no_amount_is_refused(text: str) -> None:
    """With an example of what would do."""
    shown = CliRunner().invoke(group, ["plan", "x", f"--budget={text}"])

    assert 2 == shown.exit_code
    assert "0.05" in shown.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_this_command(shell: str) -> None:
    """The variable in it is the one that click answers to."""
    text = script(group, shell)

    assert f"_TRANSCODE_COMPLETE={shell}_complete" in text


def test_an_unknown_shell_is_asked_for() -> None:
    """Nothing is guessed."""
    shown = CliRunner().invoke(group, ["completion"], env={"SHELL": "/bin/tcsh"})

    assert 2 == shown.exit_code
    assert "bash|zsh|fish" in shown.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("transcode run clip.mp4 --profile ", "plain,hls"),
        ("transcode run clip.mp4 --platform ", "plain,functiongraph"),
        ("transcode profiles ", "plain,mp4"),
        ("transcode run clip.mp4 --optimize ", "plain,balanced"),
        ("transcode run ", "file,"),
    ],
)
def test_names_are_completed(words: str, expected: str) -> None:
    """Profiles, platforms, choices, and files for a source."""
    environ = {
        "_TRANSCODE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split())),
    }

    shown = CliRunner().invoke(group, [], prog_name="transcode", env=environ)

    assert expected in shown.output.splitlines()


def test_a_paragraph_is_one_line_and_ends() -> None:
    """Whatever a tool's message looked like."""
    error = EncoderFailed("ffmpeg said\n  no\x1b[0m")

    assert "ffmpeg said no\ufffd[0m." == paragraph(error)


def test_a_paragraph_says_what_was_spent(manifest: Manifest) -> None:
    """A failure that cost money says how much."""
    error = OutOfMemory("No larger spec is left.")
    error.manifest = manifest

    text = paragraph(error)

    assert "No larger spec is left. Spent on 2 attempts: 0.00734 CNY." == text


def test_evidence_keeps_lines_apart() -> None:
    """A tail of stderr is read line by line."""
    error = EncoderFailed("failed", status=1, stderr_tail="one\ntwo")

    text = evidence(error)

    assert "  EncoderFailed\n  status: 1\n  stderr_tail: one\n    two" == text


def test_an_error_in_a_group_is_found() -> None:
    """Task groups wrap what their children raise."""
    inner = SourceNotFound("no")
    group = ExceptionGroup("a", [ValueError("b"), ExceptionGroup("c", [inner])])

    assert inner is known(group)
    assert None is known(ValueError("b"))
    assert None is known(KeyboardInterrupt())
    assert 130 == Cancelled.exit_code


@pytest.mark.parametrize(
    ("kind", "slip", "meant"),
    [("profile", "hsl", "hls"), ("platform", "aws-lamda", "aws-lambda")],
)
def test_a_slip_is_asked_about(kind: str, slip: str, meant: str) -> None:
    """What was probably meant stands beside what there is."""
    with pytest.raises(UsageError, match=rf"Did you mean {meant}\?"):
        getattr(Catalog(Settings()), kind)(slip)
    with pytest.raises(UsageError) as caught:
        getattr(Catalog(Settings()), kind)("zzzz")
    assert "Did you mean" not in str(caught.value)


def test_what_is_no_setting_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, once, and the command goes on."""
    monkeypatch.setenv("TRANSCODE_SCRATSH", "/x")

    assert 0 == run_command_line(["profiles", "hls", "--json"])
    said = capsys.readouterr()
    assert (
        "TRANSCODE_SCRATSH is no setting and changes nothing. Did you mean " in said.err
    )
    assert said.out.startswith("{")


@pytest.mark.parametrize("words", ["run -q", "plan -v", "show -v"])
def test_short_forms_are_known(words: str) -> None:
    """`-q` as `--quiet`, `-v` as `--verbose`."""
    command, option = words.split()

    result = CliRunner().invoke(group, [command, option, "--help"])

    assert 0 == result.exit_code


async def test_ids_of_jobs_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the index last saw them; where there is none, nothing is offered."""
    monkeypatch.setenv("TRANSCODE_INDEX", str(tmp_path / "index"))
    to, job = str(tmp_path / "out"), "0a" * 16
    submission = Submission.model_validate(
        {
            "job_id": job,
            "folder": "clip.hls.0a",
            "source": {"uri": "clip.mp4", "bytes": 1, "etag": "e", "version": None},
            "profile": {"name": "hls", "digest": "sha256:0"},
            "to": to,
            "submitted_at": "2026-11-28T00:00:00Z",
        }
    )
    async with bucket(to, Settings()) as store:
        body = submission.to_json().encode()
        await store.put(f".transcode/jobs/{job}/submission.json", body)
        with Index.open(tmp_path / "index", store.uri()) as index:
            await index.sync(store)
    offered = await anyio.to_thread.run_sync(known_jobs, to, "0a")
    assert [("0a0a0a0a0a0a", "waiting clip.hls.0a")] == offered
    assert [] == await anyio.to_thread.run_sync(known_jobs, to, "1")
    assert [] == await anyio.to_thread.run_sync(known_jobs, "ftp://x", "")
