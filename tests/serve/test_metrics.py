"""Series: what adds to them, how they read, and that they stay few."""

from __future__ import annotations

from pathlib import Path

import pytest

from transcode.contract import Attempt, Failure, Money, OutcomeKind, Spec, Usage
from transcode.contract.job import Delivery
from transcode.hooks import AttemptEnded, Overdue
from transcode.serve.metrics import (
    ATTEMPTS,
    SERIES,
    TOLD,
    Metrics,
    Sample,
    Series,
    of_attempt,
    of_event,
    of_told,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

ATTEMPT = Attempt(
    number=1,
    spec=Spec(memory_mib=1024, milli_cpus=1000),
    predicted=Usage(wall_seconds=2, cpu_seconds=4, peak_memory_bytes=100),
    measured=Usage(
        wall_seconds=3,
        cpu_seconds=4,
        peak_memory_bytes=50,
        read_bytes=7,
        written_bytes=None,
    ),
    cost=Money(amount="0.25", currency="CNY"),
    outcome=OutcomeKind.SUCCEEDED,
)


def lines(metrics: Metrics) -> dict[str, float]:
    """The exposition as a dictionary."""
    text = metrics.text().decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
    return {name: float(value) for name, value in pairs}


def test_what_runs_past_its_interval_is_counted() -> None:
    """When it does, not when it ends."""
    metrics = Metrics()

    metrics.add(of_event(Overdue("t", 1, 2.0, 3.0), platform="local"))

    assert 1 == lines(metrics)['transcode_overdue_total{platform="local"}']


def test_an_attempt_is_counted_billed_and_compared() -> None:
    """Unknown figures add nothing: they are not 0."""
    metrics = Metrics()

    metrics.add(of_event(AttemptEnded("t", ATTEMPT), platform="local"))
    read = lines(metrics)

    assert 1 == read['transcode_attempts_total{outcome="succeeded",platform="local"}']
    assert 0.25 == read['transcode_cost_total{currency="CNY",platform="local"}']
    assert 4 == read['transcode_cpu_seconds_total{platform="local"}']
    assert 7 == read['transcode_read_bytes_total{platform="local"}']
    assert 'transcode_written_bytes_total{platform="local"}' not in read
    assert 1.5 == read['transcode_wall_ratio_sum{platform="local"}']
    assert 1.0 == read['transcode_cpu_ratio_sum{platform="local"}']
    assert 0.5 == read['transcode_memory_ratio_sum{platform="local"}']


def test_a_failed_attempt_costs_and_is_not_compared() -> None:
    """What was cut short does not say how good the prediction was."""
    failed = ATTEMPT.model_copy(update={"outcome": OutcomeKind.OUT_OF_MEMORY})

    names = {s.series.name for s in of_attempt(failed, platform="local")}

    assert "transcode_cost_total" in names
    assert not any(name.endswith("_ratio") for name in names)


def test_a_lost_attempt_is_counted() -> None:
    """Without a trace, and with its cost."""
    lost = ATTEMPT.model_copy(update={"outcome": OutcomeKind.LOST, "measured": None})

    assert ["transcode_attempts_total", "transcode_cost_total"] == [
        s.series.name for s in of_attempt(lost, platform="local")
    ]


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("https://a.example (0)", "webhook"),
        ("s3://a/b (0)", "folder"),
        ("sqs://eu-west-1/1/a (0)", "sqs"),
        ("sqs+https://a (0)", "sqs"),
        ("arn:aws:sns:eu-west-1:1:a (0)", "sns"),
        ("arn:aws-cn:lambda:cn-north-1:1:function:a (0)", "lambda"),
        ("lambda://a (0)", "lambda"),
        ("urn:fss:a (0)", "functiongraph"),
        ("carrier pigeon", "other"),
    ],
)
@pytest.mark.parametrize("retryable", [True, False, None])
def test_a_destination_is_counted_by_kind(
    target: str,
    kind: str,
    retryable: bool | None,  # noqa: FBT001 - of the test
) -> None:
    """By kind and outcome, never by address."""
    failure = Failure(type="DestinationDown", message="", retryable=bool(retryable))
    told = Delivery(
        envelope_id="e",
        digest="d",
        target=target,
        ok=retryable is None,
        tries=1,
        error=None if retryable is None else failure,
    )
    outcome = {True: "down", False: "refused", None: "told"}[retryable]

    assert [Sample(TOLD, 1, (kind, outcome))] == list(of_told(told))


def test_labels_are_bounded() -> None:
    """Somebody with a platform file per customer does not fill a server's memory."""
    metrics = Metrics()

    metrics.add(Sample(ATTEMPTS, 1, ("lost", str(n))) for n in range(1000))
    read = [name for name in lines(metrics) if name.startswith("transcode_attempts_t")]

    assert 201 == len(read)
    assert (
        800
        == lines(metrics)['transcode_attempts_total{outcome="other",platform="other"}']
    )


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_every_series_is_on_the_page(series: Series) -> None:
    """With its kind and its labels."""
    (row,) = (
        line
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith(f"| `{series.name}` ")
    )
    _, _, kind, labels, *_ = (cell.strip() for cell in row.split("|"))

    assert series.kind == kind
    assert ", ".join(f"`{label}`" for label in series.labels) == labels
