"""Finds every process that came of one, whatever has become of its parents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def marking(environ: Mapping[str, str], mark: str) -> dict[str, str]:
    """
    *environ* with *mark* in it, to be inherited.

    In PATH, as a folder that nobody has: workers and encoders are started with an
    allow-list of variables, and one of ours would not reach them.
    """
    return {**environ, "PATH": f"{environ.get('PATH', os.defpath)}:/marked/{mark}"}


def marked(mark: str, wanted: bytes = b"") -> list[int]:
    """Processes that have inherited *mark*, with *wanted* in their argv; not ours."""
    found = []
    own, sign = str(os.getpid()), f"/marked/{mark}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes()
            argv = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended, or is nobody's to look into
        if process.name != own and sign in environ and wanted in argv:
            found.append(int(process.name))
    return found
