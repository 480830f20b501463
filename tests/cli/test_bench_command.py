"""`transcode bench` as it is typed: its report, its files and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from transcode.bench.report import BenchReport, Figure, Found
from transcode.cli.commands.bench import registry as command


def found(*values: float) -> Found:
    """One figure, of which less is better."""
    return Found(figures=(Figure(name="cpu", unit="s", better="less", values=values),))


def measured(told: Found, **files: Path | None) -> None:
    """Any bench, as `measures` calls it."""
    given = {"out": None, "page_file": None, "against": None, **files}
    command._measure("overhead", lambda **_: told, {}, **given)


def test_a_regression_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the report was written, so that it can be looked at."""
    then, now = tmp_path / "then.json", tmp_path / "now.json"
    measured(found(1.0, 1.01, 0.99), out=then)
    measured(found(1.0, 1.01, 0.99), against=then)

    with pytest.raises(SystemExit) as ended:
        measured(found(2.0, 2.01, 1.99), against=then, out=now)

    assert 4 == ended.value.code
    assert (2.0, 2.01, 1.99) == BenchReport.from_json(now.read_bytes()).figures[
        0
    ].values
    assert "1 figure worse than it was" in capsys.readouterr().out


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    """Before anything is measured."""
    (tmp_path / "no.json").write_text("{}")
    argv = [sys.executable, "-m", "transcode", "bench", "throughput"]
    argv += ["--against", str(tmp_path / "no.json"), "--json", str(tmp_path / "x")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (2, "") == (done.returncode, done.stdout)
    assert "is no report of `transcode bench --json`" in done.stderr


def test_every_bench_has_what_all_have() -> None:
    """Whoever registers one gets the report with it."""
    for name, it in command.bench.commands.items():
        own = {max(p.opts, key=len) for p in it.params if isinstance(p, click.Option)}
        assert {"--json", "--page", "--against"} <= own, name


def test_throughput_measures_a_queue(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """One job of one second; standard output is the one document."""
    argv = [sys.executable, "-m", "transcode", "bench", "throughput", "--repeat", "1"]
    argv += [str(make_clip("one", seconds=1)), "--jobs", "1", "--at-once", "1"]
    argv += ["--profile", "preview", "--load", "0.9", "--json", "-", "--page", "p.html"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert 0 == done.returncode, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    measured = {it["name"] for it in report["figures"] if it["values"]}
    assert {"jobs", "output", "cpu", "price", "cores_busy", "latency_95th"} <= measured
    assert all(it["values"] or it["reason"] for it in report["figures"])
    [made] = [it["of"] for it in report["figures"] if it["name"] == "cpu_of_work"]
    assert {"profile": "preview", "codec": "h264"}.items() <= made.items()
    assert "preview, 1 side by side: 1 of 1" in done.stderr
    assert "<svg" in (tmp_path / "p.html").read_text(encoding="utf-8")
