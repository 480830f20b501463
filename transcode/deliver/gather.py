"""What several tasks made, in one folder."""

from __future__ import annotations

from pathlib import Path

from ..contract import TaskResult


def gather(staging: Path, results: tuple[TaskResult, ...]) -> Path:
    """One folder with the last attempt's files of every task; renames, no copies."""
    folders = [
        staging / f"{result.task_id}.{result.attempts[-1].number}" for result in results
    ]
    first, *others = folders
    for folder in others:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                aim = first / path.relative_to(folder)
                aim.parent.mkdir(parents=True, exist_ok=True)
                path.rename(aim)
    return first
