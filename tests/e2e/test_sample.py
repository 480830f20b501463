"""A sample encode before the work, as a user meets it: taken, shown, billed."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
KEYS = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0")


@pytest.fixture(scope="module")
def film(make_clip: Callable[..., Path]) -> Path:
    """Long enough to be sampled, with a keyframe every 2 s."""
    return make_clip("film", seconds=18, size="640x360", extra=KEYS)


def test_a_sample_is_taken_first_and_stays_on_the_bill(
    transcode: Command, film: Path
) -> None:
    """Two tasks, their costs add up, and the manifest has what the sample told."""
    done = transcode(
        "run", film, "--profile", "preview", "--sample", "always", "--json"
    )
    assert 0 == done.code, done.err
    manifest = done.document

    assert ["sample", "encode"] == [task["kind"] for task in manifest["tasks"]]
    sample = manifest["tasks"][0]["attempts"][0]
    assert ["succeeded", 3] == [sample["outcome"], len(sample["sampled"]["parts"])]
    assert all(part["frames"] >= 18 for part in sample["sampled"]["parts"])
    assert 1 == sample["sampled"]["start"]["frames"]
    costs = [
        Decimal(attempt["cost"]["amount"])
        for task in manifest["tasks"]
        for attempt in task["attempts"]
    ]
    assert Decimal(manifest["cost"]["amount"]) == sum(costs)
    assert 450 == manifest["outputs"][0]["video"]["frames"]
    assert "sample: 3 parts of the source first" in done.err


def test_a_plan_takes_none_unless_it_is_told_to(
    transcode: Command, film: Path, of_any_machine: Path, tmp_path: Path
) -> None:
    """`plan` spends nothing by itself; what it spends when asked, it says."""
    # Of one speed of this machine: measured anew, two plans differ by more than that.
    env = {**os.environ, "TRANSCODE_COEFFICIENTS": str(of_any_machine)}
    argv = ("plan", film, "--profile", "preview", "--json")
    plain = transcode(*argv, env=env)
    asked = transcode(*argv, "--sample", "always", env=env)

    assert (0, 0) == (plain.code, asked.code), asked.err
    assert plain.document["sampling"]["content"] is None
    told = asked.document["sampling"]
    assert "taken" == told["verdict"]
    assert Decimal(told["cost"]["amount"]) > 0
    width = [
        document["tasks"][0]["task"]["predicted_wall"]
        for document in (plain.document, asked.document)
    ]
    assert width[1]["high"] / width[1]["low"] < width[0]["high"] / width[0]["low"], (
        width
    )
    assert [] == [it for it in tmp_path.iterdir() if it.name == "transcoded"]


def test_a_refusal_that_a_sample_may_lift_says_so(
    transcode: Command, film: Path, of_any_machine: Path
) -> None:
    """`plan` refuses with the way out; the deadline lies within the interval."""
    env = {**os.environ, "TRANSCODE_COEFFICIENTS": str(of_any_machine)}
    plain = transcode("plan", film, "--json", env=env)
    task = plain.document["tasks"][0]["task"]
    likely, high = task["predicted"]["wall_seconds"], task["predicted_wall"]["high"]
    deadline = likely / 4 + high * 3 / 4
    refused = transcode("plan", film, "--deadline", f"{deadline:.3f}s", env=env)

    assert 5 == refused.code
    assert "A sample encode could tell more: it may show that the job fits" in (
        " ".join(refused.err.split())
    )
