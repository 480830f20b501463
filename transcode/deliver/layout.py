"""How a job's folder is called."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ..contract import TaskResult

_STEM_LENGTH = 60


_ID_LENGTH = 12


def folder_name(uri: str, profile: str, job_id: str) -> str:
    """
    A name a person recognises and no shell, URL or pattern stumbles over.

    `car-detection.hls.3f2a9c1d04be`: the source's stem with everything but letters,
    digits, `-`, `_` and `.` replaced, the profile, and the job id's first 12 digits
    (48 bits), which alone make it unique.
    """
    path = unquote(urlsplit(uri).path) if "://" in uri else uri
    stem = PurePosixPath(path).stem
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.")[:_STEM_LENGTH]
    plain_profile = re.sub(r"[^A-Za-z0-9_-]+", "-", profile)
    return f"{plain or 'video'}.{plain_profile}.{job_id[:_ID_LENGTH]}"


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
