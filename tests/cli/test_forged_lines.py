"""What strangers wrote is shown as one line, and runs in no spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode import units
from transcode.cli.show import costs as show
from transcode.cli.show.legible import legible
from transcode.contract import SourceRecord
from transcode.ledger.totals import Total

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
FORGED = "deadbeef0123 (clip) succeeded"
NAME = f"a\n{FORGED}\r\x1b[2J\u2028.mp4"


def run(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "transcode", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@given(st.text())
def test_a_text_is_one_line(text: str) -> None:
    """Whatever anybody takes for a line break, and for a control character."""
    shown = units.one_line(text)

    assert shown.isprintable()
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert units.printable(shown) == shown


@pytest.mark.parametrize("mark", BREAKS)
def test_a_cell_is_one_line(mark: str) -> None:
    """A table has as many lines as rows."""
    text = units.table([(f"a{mark}b", "c"), ("d", f"{mark}e")], head=("x", mark))

    assert 3 == len(text.splitlines())


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...]
    tags: Mapping[str, str]
    record: SourceRecord


def test_a_record_is_legible_all_through() -> None:
    """Tuples, mappings, models and what stands in them; what was fine is the same."""
    fine = SourceRecord(uri="/in/a.mp4", bytes=1, etag="1", version=None)
    wrong = fine.model_copy(update={"uri": "/in/a\nb"})

    cleaned = legible(Inner(("a\n",), {"k\r": "v\u2028"}, wrong))

    assert Inner(
        ("a�",), {"k�": "v�"}, wrong.model_copy(update={"uri": "/in/a�b"})
    ) == (cleaned)
    assert fine is legible(fine)
    assert (1, None) == legible((1, None))


def test_no_name_or_title_forges_a_line(
    make_clip: Any, ffmpeg: str, tmp_path: Path
) -> None:
    """In probing, planning, working, listing, showing and in a service's log."""
    clip, uploads = make_clip("forged", 1, "64x64"), tmp_path / "in"
    uploads.mkdir()
    argv = [ffmpeg, "-v", "error", "-i", clip, "-c", "copy", "-map", "0"]
    title = f"title=b\n{FORGED}\x1b[2J"
    plain = tmp_path / "plain.mp4"
    subprocess.run(
        [*argv, "-metadata:s:a:0", title, "-metadata:s:v:0", title, plain], check=True
    )
    shutil.copyfile(plain, uploads / NAME)
    source = str(uploads / NAME)

    told = [
        run("probe", source, cwd=tmp_path),
        run("plan", source, "--profile=preview", cwd=tmp_path),
        run("submit", source, "--profile=preview", "--to=out", "--wait", cwd=tmp_path),
        run("jobs", "--to=out", cwd=tmp_path),
        run("run", source, "--profile=preview", "--to=out", cwd=tmp_path),
        run(
            "sweep", "in", "--profile=preview", "--to=two", "--settle=0.1", cwd=tmp_path
        ),
        run("run", f"{uploads}/gone\n{FORGED}", cwd=tmp_path),
    ]
    ids = json.loads(run("jobs", "--to=out", "--json", cwd=tmp_path).stdout)
    told.append(run("show", ids[0]["job_id"], "--to=out", cwd=tmp_path))

    for one in told:
        text = one.stdout + one.stderr
        assert not [line for line in text.splitlines() if line.startswith(FORGED)]
        assert not set(text) & set(BREAKS.replace("\n", "") + "\x1b")
    assert [0, 0, 0, 0, 0, 0, 2, 0] == [one.returncode for one in told]


# ── spreadsheets ──────────────────────────────────────────────────────────────


def cells(group: str) -> list[list[str]]:
    total = Total(
        group=group,
        currency="USD",
        attempts=1,
        failed=0,
        cost=Decimal("-0.5"),
        failed_cost=Decimal(0),
        billed_milliseconds=1,
        compared=0,
        predicted=Decimal(0),
        actual=Decimal(0),
    )
    text = show.costs_csv([total], by=group)
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "＝", "＠"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "a;", "a;\t", '"', "'"])
def test_no_cell_begins_a_formula(begin: str, before: str) -> None:
    """Nor does one behind blanks or a separator; heads are cells, too."""
    head, row = cells(f"{before}{begin}cmd|' /C calc'!A0")

    assert head[0].startswith("'")
    assert row[0].startswith("'")
    assert 2 == len(show.costs_csv([], by="x").splitlines()) + 2


def test_plain_cells_stay() -> None:
    """Names, numbers and amounts below nothing are what they were."""
    assert ["customer-a@b", "-0.5"] == [cells("customer-a@b")[1][0], cells("a")[1][4]]
    assert "2026-11" == cells("2026-11")[1][0]
