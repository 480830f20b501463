"""How a job's folder is called."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

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
