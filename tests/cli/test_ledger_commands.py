"""`jobs`, `show` and `costs` as a user types them, over records of two jobs."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

from transcode.cli.show.costs import costs_text
from transcode.cli.show.job_list import JobListing, jobs_text
from transcode.contract import OutcomeKind
from transcode.contract.job import Claim, Ending, LedgerRecord, Submission
from transcode.invoke.scheduler import provisional_attempt
from transcode.jobs.receipts import ledger_record
from transcode.ledger.job_line import JobLine
from transcode.ledger.log import append
from transcode.ledger.totals import Total
from transcode.pipeline import admit
from transcode.plan.refit import _is_held_out
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.open import bucket
from transcode.wiring import wire

Run = Callable[..., CompletedProcess[str]]
MakeRecord = Callable[..., LedgerRecord]
NOON = datetime(2026, 10, 30, 12, tzinfo=UTC)


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {**os.environ, "TRANSCODE_INDEX": str(tmp_path / "index")}


@pytest.fixture
def records(tmp_path: Path, make_record: MakeRecord) -> list[LedgerRecord]:
    """Two jobs on two platforms over two months; the first failed once before."""
    made = [
        make_record(1, outcome="out_of_memory", at=NOON, memory_mib=128, wall=1),
        make_record(1, number=2, at=NOON, memory_mib=1024, wall=4, tags={"who": "me"}),
        make_record(2, at=NOON + timedelta(days=3), platform="aws-lambda", wall=2),
    ]

    async def keep() -> None:
        async with bucket(str(tmp_path / "transcoded"), Settings()) as store:
            for record in made:
                await append(store, record)
            first = made[0]
            root = f".transcode/jobs/{first.job_id}"
            submission = Submission(
                job_id=first.job_id,
                folder=f"clip.hls.{first.job_id[:12]}",
                source=first.source,
                profile=first.profile,
                to="transcoded",
                tags={"who": "me"},
                submitted_at=NOON,
            )
            claim = Claim(
                job_id=first.job_id, number=1, owner="host.1", lease_seconds=60
            )
            ending = Ending.model_validate(
                {
                    "job_id": first.job_id,
                    "claim": 1,
                    "kind": "failed",
                    "final": True,
                    "outcome": "encoder_failed",
                    "failure": {
                        "type": "EncoderFailed",
                        "message": "The encoder stopped.",
                        "retryable": False,
                    },
                }
            )
            for name, value in (
                ("submission", submission),
                ("claims/000001", claim),
                ("endings/000001", ending),
            ):
                await store.create(f"{root}/{name}.json", value.to_json().encode())

    anyio.run(keep)
    return made


def test_jobs_are_listed_with_status_and_cost(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """As a table, and as one JSON document; filters leave out the others."""
    text = transcode("jobs", environ=environ).stdout
    listed = json.loads(transcode("jobs", "--json", environ=environ).stdout)
    none = transcode("jobs", "--status", "running", environ=environ).stdout
    other = transcode("jobs", "--tag", "who=you", "--json", environ=environ).stdout

    assert "failed" in text
    assert [("failed", {"who": "me"}, 1)] == [
        (job["status"], job["tags"], job["tries"]) for job in listed
    ]
    cost = records[0].attempt.cost + records[1].attempt.cost
    assert [cost.model_dump(mode="json")] == listed[0]["cost"]
    assert "No such jobs in transcoded.\n" == none
    assert [] == json.loads(other)


def test_a_list_of_what_has_not_changed_loads_little(tmp_path: Path) -> None:
    """Most of the time that a list took was imports: neither a loop nor the models."""
    code = (
        "import sys; from transcode.cli.main import run_command_line as run; "
        "run(['jobs', '--to', 'nothing']); print(*sorted(sys.modules))"
    )

    def loaded() -> set[str]:
        argv = [sys.executable, "-c", code]
        env = {**os.environ, "TRANSCODE_INDEX": str(tmp_path / "index")}
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, cwd=tmp_path, env=env
        )
        return {*done.stdout.splitlines()[-1].split()}

    heavy = {"anyio", "asyncio", "transcode.contract.outcome", "transcode.ledger.index"}
    assert heavy <= loaded()
    assert set() == heavy & loaded()


def test_jobs_and_costs_fit_a_terminal_of_few_columns() -> None:
    """The id, where it stands, what it is and what it cost are the last to go."""
    line = JobLine(
        job_id=32 * "0",
        status="cancelled",
        source=f"/in/{40 * 'long'}-1.mp4",
        profile="a-profile",
        tags={},
        folder="x",
        submitted_at=NOON.isoformat(),
        finished_at=None,
        wall_seconds=1234.5,
        tries=3,
        by_hand=False,
    )
    spent = Total("2026-11-28", "USD", 10, Decimal("0.0000123456"), failed=3)
    found = [JobListing(line, (spent,))]

    jobs = jobs_text(found, "out", width=60).splitlines()
    costs = costs_text([spent], by="day", width=60).splitlines()

    assert 60 >= max(map(len, [*jobs, *costs]))
    assert ["job", "status", "source", "cost"] == jobs[0].split()
    assert jobs[1].endswith("-1.mp4  0.0000123 USD")
    assert "0.0000123 USD" in costs[1]
    assert "submitted" in jobs_text(found, "out")


def test_a_job_is_shown_with_every_attempt_and_its_failure(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """By the beginning of its id or by its folder."""
    job = records[0].job_id

    text = transcode("show", job[:5], environ=environ).stdout
    folder = f"transcoded/clip.hls.{job[:12]}/"
    data = json.loads(transcode("show", folder, "--json", environ=environ).stdout)

    assert f"Job {job}: failed" in text
    assert "out of memory" in text
    assert "Failure: EncoderFailed: The encoder stopped." in text
    assert [1, 2] == [it["attempt"]["number"] for it in data["attempts"]]
    assert data["attempts"][0]["predicted_cost"]["currency"] == "CNY"


def test_a_job_that_is_none_is_a_wrong_request(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """With what to do about it."""
    done = transcode("show", "zzzz", environ=environ)

    assert 2 == done.returncode
    assert "`transcode jobs` lists them" in done.stderr


def test_costs_are_totals_for_each_currency(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """JSON and CSV hold every digit, and no sum mixes currencies."""
    data = json.loads(
        transcode("costs", "--by", "month", "--json", environ=environ).stdout
    )
    rows = list(
        csv.DictReader(io.StringIO(transcode("costs", "--csv", environ=environ).stdout))
    )

    cny = records[0].attempt.cost.amount + records[1].attempt.cost.amount
    usd = records[2].attempt.cost.amount
    assert [("2026-10", "CNY", cny), ("2026-11", "USD", usd)] == [
        (it["group"], it["currency"], Decimal(it["cost"])) for it in data["groups"]
    ]
    assert ["CNY", "USD"] == [it["currency"] for it in data["totals"]]
    assert records[0].attempt.cost.amount == Decimal(data["totals"][0]["failed_cost"])
    assert ["2026-10-30", "2026-11-02"] == [row["day"] for row in rows]


def test_days_are_chosen_by_month(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """`--until 2026-10` is the whole of October."""
    args = ("costs", "--since", "2026-10", "--until", "2026-10", "--json")
    data = json.loads(transcode(*args, environ=environ).stdout)

    assert ["2026-10-30"] == [it["group"] for it in data["groups"]]


def test_a_call_is_entered_whole_whatever_days_are_shown(
    transcode: Run, make_record: MakeRecord, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Its parts may lie on either side of midnight: each gets its own share."""

    def part(number: int, at: datetime) -> LedgerRecord:
        record = make_record(number, at=at, wall=2)
        attempt = record.attempt.model_copy(update={"invocation": "aaaaaaaa-1"})
        return record.model_copy(update={"attempt": attempt})

    async def fill() -> None:
        async with bucket(str(tmp_path / "transcoded"), Settings()) as store:
            for n, at in ((7, NOON), (8, NOON + timedelta(days=1))):
                await append(store, part(n, at))

    anyio.run(fill)
    log = tmp_path / "functions.log"
    log.write_text("Finish invoke request 'aaaaaaaa-1', billing duration: 4100ms")
    since = ("costs", "--since", f"{NOON + timedelta(days=1):%Y-%m-%d}", "--json")

    transcode(*since, "--reconcile", log, "--enter", environ=environ)
    data = json.loads(transcode(*since, environ=environ).stdout)

    assert [2050] == [it["billed_milliseconds"] for it in data["totals"]]


def test_a_statement_agrees_with_itself(
    transcode: Run,
    records: list[LedgerRecord],
    environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """What `--statement --csv` writes, `--reconcile` finds no difference in."""
    bill = tmp_path / "bill.csv"
    text = transcode("costs", "--statement", "--csv", environ=environ).stdout
    bill.write_text(text, encoding="utf-8")

    same = transcode("costs", "--reconcile", bill, "--json", environ=environ)
    bill.write_text(text.replace(",5000,", ",5001,"), encoding="utf-8")
    other = transcode("costs", "--reconcile", bill, "--json", environ=environ)

    assert {"compared": 6, "differences": []} == json.loads(same.stdout)["bill"]
    assert [("2026-10/functiongraph/encode", "5000", "5001")] == [
        (it["where"], it["ours"], it["theirs"])
        for it in json.loads(other.stdout)["bill"]["differences"]
    ]


def test_reserved_instances_belong_to_one_month_of_one_platform(
    transcode: Run, records: list[LedgerRecord], environ: Mapping[str, str]
) -> None:
    """Elsewhere they are refused; there they are on the bill."""
    args = ("costs", "--statement", "--reserved", "1024:12h:1h")
    wrong = transcode(*args, environ=environ)
    days = ("--until", "2026-10", "--json")
    right = json.loads(transcode(*args, *days, environ=environ).stdout)

    assert 2 == wrong.returncode
    assert "choose one by --since and --until" in wrong.stderr
    # 11 hours idle at 1 GiB; the busy hour is within the free tier.
    assert [("reserved, idle", "39600")] == [
        (line["item"], line["quantity"]) for line in right[0]["lines"]
    ]


def test_what_is_no_record_is_told_and_not_counted(
    transcode: Run,
    records: list[LedgerRecord],
    environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """On stderr; the answer on stdout stays one document."""
    (tmp_path / "transcoded/.transcode/ledger/notes.txt").write_text("mine")
    done = transcode("costs", "--json", environ=environ)

    assert 0 == done.returncode
    assert "notes.txt" in done.stderr
    assert 2 == len(json.loads(done.stdout)["totals"])


def test_looking_makes_nothing(
    transcode: Run, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """A place where no job ever was stays as it is."""
    done = transcode("costs", "--to", "nowhere", environ=environ)

    assert (0, "Nothing was spent.\n") == (done.returncode, done.stdout)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("records")
def test_calibrate_says_how_many_tasks_are_missing(
    transcode: Run, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Exit code 2, and no file is written."""
    done = transcode(
        *("calibrate", "--from-ledger", "--out", tmp_path / "new.toml"), environ=environ
    )

    assert 2 == done.returncode
    assert "20 are needed" in done.stderr
    assert not (tmp_path / "new.toml").exists()


def test_calibrate_refuses_a_fit_that_is_worse(
    transcode: Run,
    environ: Mapping[str, str],
    make_clip: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """
    What is held out took what was foretold, the rest three times as long: exit code 2,
    and what stands in the file stays there.
    """
    request = Request(source=str(make_clip("taught", seconds=1)), profile="preview")
    plan = anyio.run(admit, request, wire(Settings()))
    task = plan.tasks[0].task

    async def keep() -> None:
        async with bucket(str(tmp_path / "transcoded"), Settings()) as store:
            for n in range(40):
                uri = f"s3://uploads/{n}.mp4"
                longer = 1 if _is_held_out(uri) else 3
                told = task.predicted
                took = told.model_copy(
                    update={
                        "wall_seconds": told.wall_seconds * longer,
                        "cpu_seconds": told.cpu_seconds * longer,
                    }
                )
                attempt = provisional_attempt(task, 1).model_copy(
                    update={"measured": took, "outcome": OutcomeKind.SUCCEEDED}
                )
                record = ledger_record(plan, task, attempt, claim=n + 1, now=NOON)
                source = record.source.model_copy(update={"uri": uri})
                await append(store, record.model_copy(update={"source": source}))

    anyio.run(keep)
    (tmp_path / "in-use.toml").write_text("kept")

    done = transcode(
        *("calibrate", "--from-ledger", "--out", "in-use.toml"), environ=environ
    )

    assert 2 == done.returncode
    assert "worse than what is in use: a median error of wall time" in done.stderr
    assert "kept" == (tmp_path / "in-use.toml").read_text()
