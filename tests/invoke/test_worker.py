"""The worker process: its protocol, and what it does to itself."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import OutcomeKind, Produced, Progress, Task
from transcode.errors import OutputRejected
from transcode.invoke.wire import Report, StagedOrder
from transcode.invoke.worker import serve
from transcode.settings import Settings

WORKER = (sys.executable, "-P", "-m", "transcode.invoke.worker")


@pytest.fixture
def order(make_task: Callable[..., Task], tmp_path: Path) -> StagedOrder:
    """For a source that does not exist."""
    for name in ("staging", "scratch"):
        (tmp_path / name).mkdir()
    return StagedOrder(
        task=make_task(),
        staging=str(tmp_path / "staging"),
        scratch=str(tmp_path / "scratch"),
        settings=Settings(),
    )


def served(order: StagedOrder, perform: Callable[..., Produced]) -> list[Report]:
    said: list[Report] = []
    serve(order, perform, say=said.append)
    return said


def raising(error: Exception) -> Callable[..., Produced]:
    def perform(_task: Task, **_places: Any) -> Produced:
        raise error

    return perform


def test_what_is_done_is_reported(order: StagedOrder) -> None:
    """
    Progress as it comes, the result last, the places as ordered.
    """
    done = Produced(outcome=OutcomeKind.SUCCEEDED)
    step = Progress(task_id="t1", done_seconds=1, total_seconds=2, speed=None)

    def perform(
        task: Task,
        *,
        staging: Path,
        scratch: Path,
        settings: Settings,
        report: Callable[[Progress], None],
    ) -> Produced:
        assert (order.task, order.staging, order.scratch, order.settings) == (
            task,
            str(staging),
            str(scratch),
            settings,
        )
        report(step)
        return done

    assert [Report(progress=step), Report(produced=done)] == served(order, perform)


@pytest.mark.parametrize(
    ("error", "outcome", "kind"),
    [
        (OutputRejected("No."), OutcomeKind.ENCODER_FAILED, "OutputRejected"),
        (MemoryError(), OutcomeKind.OUT_OF_MEMORY, "OutOfMemory"),
        (OSError(errno.ENOSPC, "full"), OutcomeKind.OUT_OF_DISK, "OutOfDisk"),
        (KeyError("bug"), OutcomeKind.ENCODER_FAILED, "WorkError"),
    ],
)
def test_whatever_happens_becomes_an_outcome(
    order: StagedOrder, error: Exception, outcome: OutcomeKind, kind: str
) -> None:
    """
    Nothing escapes: our errors as they describe themselves, others with a traceback.
    """
    (report,) = served(order, raising(error))

    assert report.produced is not None
    assert report.produced.failure is not None
    assert (outcome, kind) == (report.produced.outcome, report.produced.failure.type)


def test_without_an_order_it_leaves(order: StagedOrder) -> None:
    """
    The parent died, or did not need it: nothing said, nothing done.
    """
    done = subprocess.run(WORKER, input=b"", capture_output=True, check=False)

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_the_real_one_answers_an_impossible_order(order: StagedOrder) -> None:
    """
    The last line on stdout is the report, also of what cannot be done.
    """
    done = subprocess.run(
        WORKER, input=order.to_json().encode() + b"\n", capture_output=True, check=False
    )
    report = Report.from_json(done.stdout.splitlines()[-1])

    assert 0 == done.returncode
    assert report.produced is not None
    assert OutcomeKind.SUCCEEDED is not report.produced.outcome
    assert report.produced.failure is not None


def test_what_others_print_does_not_get_between_reports(order: StagedOrder) -> None:
    """
    Standard output belongs to the protocol; prints, children's too, go to stderr.
    """
    script = (
        "import os\n"
        "from transcode.work import perform as work\n"
        "from transcode.contract import OutcomeKind, Produced\n"
        "def perform(task, **rest):\n"
        "    print('from a library', flush=True)\n"
        "    os.system('echo from a child')\n"
        "    return Produced(outcome=OutcomeKind.SUCCEEDED)\n"
        "work.perform = perform\n"
        "from transcode.invoke.worker import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=order.to_json().encode() + b"\n",
        capture_output=True,
        check=True,
    )

    assert Report(produced=Produced(outcome=OutcomeKind.SUCCEEDED)) == (
        Report.from_json(done.stdout)
    )
    assert b"from a library\nfrom a child\n" == done.stderr


def test_it_confines_itself_before_anything_else() -> None:
    """
    No new rights, no core, first to go when memory runs out; it dies with its parent.
    """
    script = (
        "import ctypes, json, pathlib, resource\n"
        "from transcode.invoke.worker import _confine\n"
        "_confine()\n"
        "signal = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(signal), 0, 0, 0)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(json.dumps([\n"
        "    signal.value,\n"
        "    'NoNewPrivs:\\t1' in status,\n"
        "    resource.getrlimit(resource.RLIMIT_CORE),\n"
        "    pathlib.Path('/proc/self/oom_score_adj').read_text().strip(),\n"
        "]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True
    )

    assert [9, True, [0, 0], "500"] == json.loads(done.stdout)
