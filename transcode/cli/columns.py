"""How wide an answer may be: as the terminal that it is read on."""

from __future__ import annotations

import os
import sys
from typing import TextIO

LEAST = 60
"""Columns that every table can do with; a terminal of fewer wraps its lines."""


def columns(of: TextIO | None = None) -> int | None:
    """
    Of the terminal that *of* leads to, by default standard output; None where there is
    none: what is read by a program, or kept, has everything in it.
    """
    stream = sys.stdout if of is None else of
    try:
        if not stream.isatty():
            return None
        return max(LEAST, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return None
