"""The command line: `main` is the console entry point, light to import."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["main"]

_CANCELLED = """{
  "status": "cancelled",
  "error": {
    "type": "Cancelled", "message": "Interrupted.", "retryable": false, "evidence": {}
  }
}"""


def main() -> NoReturn:
    """Run `transcode` with this process's arguments and exit with its code."""
    try:
        # Inside the `try`: a Ctrl-C while Python is still importing is a Ctrl-C too,
        # and so is SIGTERM from here on.
        import signal  # noqa: PLC0415

        if os.getpid() == 1:
            from . import init  # noqa: PLC0415

            init.fork()
        signal.signal(signal.SIGTERM, signal.default_int_handler)

        from . import prestart  # noqa: PLC0415

        prestart.begin(sys.argv[1:])
        # When those are under way: it imports.
        from ..sandbox.environment import keep_private, start_lean  # noqa: PLC0415

        keep_private()
        start_lean(lasting=prestart.is_lasting(sys.argv[1:]))
        from .main import own_streams, run_command_line  # noqa: PLC0415

        own_streams()
    except KeyboardInterrupt:
        if "--json" in sys.argv:
            sys.stdout.write(f"{_CANCELLED}\n")
        _leave(130)
    try:
        _leave(run_command_line(sys.argv[1:]))
    except KeyboardInterrupt:
        _leave(130)


def _leave(code: int) -> NoReturn:
    """
    End here and now, with everything written.

    An interpreter that takes itself apart first gives signals back to the system, and
    a SIGTERM in those last milliseconds would deny a result that is already visible.
    """
    if (prestart := sys.modules.get(f"{__name__}.prestart")) is not None:
        prestart.abandon()
    if (spans := sys.modules.get("transcode.tracing.spans")) is not None:
        spans.flush()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # Whoever read it has left, or it was closed; who could be told?
            continue
    os._exit(code)
