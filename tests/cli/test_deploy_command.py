"""`transcode deploy` as it is typed: who is written to, and who is only looked at."""

from __future__ import annotations

import subprocess
import sys

import pytest

from transcode.cli.commands.deploy import LOOKS, WRITES


def deploy(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "transcode", "deploy", *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", sorted(set(LOOKS) - set(WRITES)))
def test_what_templates_set_up_is_only_looked_at(target: str) -> None:
    """And the sentence says with what."""
    done = deploy(target)

    assert 2 == done.returncode
    assert f"`transcode deploy --check {target}`" in " ".join(done.stderr.split())


def test_looking_and_writing_are_not_asked_for_at_once() -> None:
    """Nobody means both."""
    done = deploy("functiongraph", "--check", "--yes")

    assert 2 == done.returncode
    assert "--check only reads" in done.stderr
