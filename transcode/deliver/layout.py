"""How a job's folder is called, and what is in it: what was named, and nothing else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ..contract import Artifact
from ..errors import OutputRejected

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


def leave_only(folder: Path, artifacts: Iterable[Artifact]) -> None:
    """
    Of what lies in *folder* the *artifacts*, with fixed modes.

    Whoever made them has met an upload: anything may lie beside them and in their
    place. What nobody named is removed; links are not followed. Modes are those that a
    new file of ours has, whatever was given to them. Raises `OutputRejected` where a
    named one is no regular file of its own, or not as long as when it was verified.
    """
    named = {artifact.path: artifact for artifact in artifacts}
    given = folder.stat().st_mode & 0o777
    found = set()
    for place, folders, files, here in os.fwalk(folder, topdown=False):
        within = PurePosixPath(place).relative_to(folder)
        for name in files:
            path = str(within / name)
            if path in named and _settle(name, here, named[path], mode=given & 0o666):
                found.add(path)
            else:
                os.unlink(name, dir_fd=here)
        for name in folders:
            if not _is_folder(name, here):
                os.unlink(name, dir_fd=here)
            elif any(path.startswith(f"{within / name}/") for path in found):
                os.chmod(name, given, dir_fd=here)
            else:
                os.rmdir(name, dir_fd=here)
    for path in named:
        if path not in found:
            raise OutputRejected(
                f"{path} is not what was verified: it is no regular file of its own, or"
                " of another length.",
                path=path,
            )


def _settle(name: str, folder: int, artifact: Artifact, *, mode: int) -> bool:
    """Whether it is a file, and the one that was verified; it has its mode then."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return False
        os.fchmod(file, mode)
        return status.st_size == artifact.bytes
    finally:
        os.close(file)


def _is_folder(name: str, folder: int) -> bool:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISDIR(status.st_mode)
