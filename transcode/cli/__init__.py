"""The command line: `main` is the console entry point, light to import."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run `transcode` with this process's arguments and exit with its code."""
    try:
        # Inside the `try`: a Ctrl-C while Python is still importing is a Ctrl-C too.
        from .edge import run_command_line  # noqa: PLC0415

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
