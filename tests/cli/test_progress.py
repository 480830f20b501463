from __future__ import annotations

import io

import pytest

from transcode.cli.show.progress import (
    LINE_SECONDS,
    SILENT_SECONDS,
    ProgressText,
    watching,
)
from transcode.contract import Attempt, Manifest, Plan, Progress
from transcode.hooks import (
    AlreadyDone,
    AttemptEnded,
    Overdue,
    Planned,
    Progressed,
    Published,
)


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def progressed(done: float, *, phase: str = "encode") -> Progressed:
    return Progressed(
        Progress(
            task_id="encode",
            done_seconds=done,
            total_seconds=30.0,
            speed=2.5,
            phase=phase,
        )
    )


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def lines(out: io.StringIO, clock: Hands, plan: Plan) -> ProgressText:
    """Lines that have already seen the plan; what they said of it is thrown away."""
    lines = ProgressText(out, clock)
    lines(Planned(plan))
    out.seek(0)
    out.truncate()
    return lines


def test_what_takes_longer_than_predicted_is_said_at_once(
    lines: ProgressText, out: io.StringIO
) -> None:
    """One line, with what was expected; no wait for the next report."""
    lines(Overdue("encode", 1, predicted_seconds=12.0, high_seconds=18.5))

    assert (
        "encode: attempt 1 takes longer than predicted: 12.0 s were expected, at most "
        "18.5 s nine times out of ten\n"
    ) == out.getvalue()


def test_the_plan_is_said_in_one_line(plan: Plan, clock: Hands) -> None:
    """What, in which spec, where, how long and for how much; then its warnings."""
    out = io.StringIO()

    ProgressText(out, clock)(Planned(plan))

    assert (
        "plan: full, 1 task in 512 MiB, 0.6 vCPU on functiongraph, "
        "about 10.0 s and 0.00110 CNY\n"
        "warning: subtitles are not kept\n" == out.getvalue()
    )


def test_a_line_says_how_far_how_fast_and_at_what_cost(
    lines: ProgressText, out: io.StringIO, clock: Hands
) -> None:
    """After half the predicted time half the predicted cost was spent."""
    lines(progressed(0.0))
    clock.seconds += 5
    lines(progressed(15.0))

    assert (
        "encode: encode 0 %, 2.5×, 0:12 left, 512 MiB, 0.6 vCPU\n"
        "encode: encode 50 %, 2.5×, 0:06 left, 512 MiB, 0.6 vCPU, ≈ 0.000550 CNY\n"
        == out.getvalue()
    )


def test_lines_do_not_come_faster_than_their_pace(
    lines: ProgressText, out: io.StringIO, clock: Hands
) -> None:
    """However often a worker reports, a log gets a line in five seconds."""
    for step in range(300):
        clock.seconds = 100 + step / 10
        lines(progressed(step / 10))

    assert 30 / LINE_SECONDS == len(out.getvalue().splitlines())


def test_slow_work_is_not_silent_for_long(
    lines: ProgressText, out: io.StringIO, clock: Hands
) -> None:
    """Without ten percent of progress there is still a line a minute."""
    for step in range(121):
        clock.seconds = 100 + step
        lines(progressed(step / 1000))

    assert 1 + 120 / SILENT_SECONDS == len(out.getvalue().splitlines())


def test_a_failed_attempt_is_said_with_its_price(
    lines: ProgressText, out: io.StringIO, failed_attempt: Attempt
) -> None:
    """It cost money, so it is told; in one line, whatever the message holds."""
    lines(AttemptEnded("encode", failed_attempt))

    assert (
        "encode: attempt 1 in 512 MiB, 0.6 vCPU out of memory after 1.25 s, "
        "0.0000707 CNY: The kernel killed the attempt at 512 MiB.\n" == out.getvalue()
    )


def test_a_second_attempt_adds_to_what_the_first_cost(
    lines: ProgressText, out: io.StringIO, clock: Hands, failed_attempt: Attempt
) -> None:
    """The cost so far is the job's, not the attempt's."""
    lines(AttemptEnded("encode", failed_attempt))
    clock.seconds += 60
    lines(progressed(0.0))

    last = out.getvalue().splitlines()[-1]
    assert "encode: encode 0 %, 2.5×, 0:12 left, attempt 2, ≈ 0.0000707 CNY" == last


def test_a_terminal_gets_a_bar_and_its_cursor_back(
    plan: Plan, attempt: Attempt, failed_attempt: Attempt, manifest: Manifest
) -> None:
    """The bar shows everything that a line shows; afterwards the cursor is visible."""
    terminal, clock = Terminal(), Hands()

    with watching(quiet=False, out=terminal, now=clock) as show:
        show(Planned(plan))
        show(progressed(15.0))
        show(AttemptEnded("encode", failed_attempt))
        show(progressed(15.0, phase="verify"))
        show(AttemptEnded("encode", attempt))
        show(Published(manifest))

    text = terminal.getvalue()
    assert "attempt 1 in 512 MiB" in text
    assert "done" in text
    assert "100 %" in text
    assert "0.00734 CNY" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_pipe_gets_no_escape_sequences(plan: Plan) -> None:
    """A log file is read by people and grep."""
    out = io.StringIO()

    with watching(quiet=False, out=out) as show:
        show(Planned(plan))
        show(progressed(15.0))

    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_quiet_says_nothing(plan: Plan, manifest: Manifest) -> None:
    """Not on a terminal either."""
    out = Terminal()

    with watching(quiet=True, out=out) as show:
        show(Planned(plan))
        show(AlreadyDone(manifest))

    assert "" == out.getvalue()


def test_events_of_unknown_tasks_are_let_pass(
    lines: ProgressText, out: io.StringIO, attempt: Attempt
) -> None:
    """A display never ends a job."""
    lines(
        Progressed(
            Progress(task_id="?", done_seconds=1, total_seconds=None, speed=None)
        )
    )

    assert "" == out.getvalue()
