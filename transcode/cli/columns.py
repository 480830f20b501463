"""How wide an answer may be: as the terminal that it is read on."""

from __future__ import annotations

import os
import sys

LEAST = 60
"""Columns that every table can do with; a terminal of fewer wraps its lines."""


def columns() -> int | None:
    """
    Of the terminal on standard output; None where there is none: what is read by a
    program, or kept, has everything in it.
    """
    try:
        if not sys.stdout.isatty():
            return None
        return max(LEAST, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return None
