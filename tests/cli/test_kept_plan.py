"""`plan --out` and `run --plan`: what was shown is what is run, or is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from transcode.cli.kept_plan import keep, read, refuse_change
from transcode.cli.main import run_command_line
from transcode.contract import Plan
from transcode.errors import PlanChanged, UsageError


@pytest.fixture
def clip(
    make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSCODE_INDEX", str(tmp_path / "index"))
    shutil.copy(make_clip("kept", 1), "clip.mp4")
    return tmp_path / "clip.mp4"


def test_what_was_shown_is_run_or_refused(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From another folder, too; once the source is another one, it is not run."""
    planning = ["plan", "clip.mp4", "--profile=preview", "--out=plan.json", "--json"]
    assert 0 == run_command_line(planning)
    shown = json.loads(capsys.readouterr().out)
    os.chdir("/")
    plan = str(clip.parent / "plan.json")
    running = ["run", "--plan", plan, "--to", str(clip.parent / "out"), "--json"]
    assert 2 == run_command_line([*running, "--deadline=5"])
    assert "leave out --deadline" in capsys.readouterr().err
    assert 2 == run_command_line([*running, "clip.mp4"])
    assert 2 == run_command_line(["run"])
    capsys.readouterr()

    assert 0 == run_command_line(running)

    manifest = json.loads(capsys.readouterr().out)
    specs = [p["task"]["spec"] for p in shown["tasks"]]
    assert specs == [t["attempts"][0]["spec"] for t in manifest["tasks"]]
    assert shown["job_id"] == manifest["job_id"]
    os.utime(clip, (1, 1))
    assert 5 == run_command_line(running)
    said = json.loads(capsys.readouterr().out)["error"]
    assert "PlanChanged" == said["type"]
    assert ["the source is another version"] == said["evidence"]["changes"]

    kept = read(clip.parent / "plan.json")
    for words, update in changes(kept.plan).items():
        with pytest.raises(PlanChanged, match=words):
            refuse_change(kept.plan, kept.plan.model_copy(update=update))
    refuse_change(kept.plan, kept.plan)
    always = kept.request.model_copy(update={"sample": "always"})
    with pytest.raises(UsageError, match="another sample"):
        keep(always, kept.plan, clip.parent / "no.json")


def test_how_fast_the_machine_seems_is_no_change(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is looked at for every plan until a day's looks agree, and moves the price by
    more than what is let pass: a kept plan is judged by the speed it was made with.
    """
    monkeypatch.setattr("transcode.wiring.yardstick_seconds", lambda *_: 0.05)
    assert 0 == run_command_line(["plan", str(clip), "--profile=preview", "--out=it"])
    monkeypatch.setattr("transcode.wiring.yardstick_seconds", lambda *_: 0.08)
    capsys.readouterr()

    assert 0 == run_command_line(["run", "--plan=it", "--json"])

    shown, made = read(Path("it")).plan, json.loads(capsys.readouterr().out)
    assert str(shown.predicted_cost.amount) == made["cost"]["predicted"]


def changes(plan: Plan) -> dict[str, dict[str, Any]]:
    """What is said → what became another."""
    (planned,) = plan.tasks
    task = planned.task
    larger = task.spec.model_copy(update={"memory_mib": task.spec.memory_mib + 1})
    joined = planned.model_copy(
        update={"task": task.model_copy(update={"kind": "join"})}
    )
    moved = planned.model_copy(
        update={"task": task.model_copy(update={"spec": larger})}
    )
    dearer = plan.predicted_cost.amount * Decimal("1.02")
    price = plan.predicted_cost.model_copy(update={"amount": dearer})
    return {
        "profile 'other' has changed": {
            "profile": plan.profile.model_copy(update={"name": "other"})
        },
        "are now local's of 2001": {
            "platform": plan.platform.model_copy(update={"price_table": "2001-01-01"})
        },
        "other work": {"tasks": (joined,)},
        "it would run in": {"tasks": (moved,)},
        "it would cost": {"predicted_cost": price},
    }


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "transcode/plan/1"}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    """With the field, and with what writes one."""
    (tmp_path / "plan.json").write_text(text)

    with pytest.raises(UsageError, match="is no plan of this release"):
        read(tmp_path / "plan.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "none.json")
