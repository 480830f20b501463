"""On what a bench ran: the figures of two machines are not compared."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from pathlib import Path

from ..wiring import Wiring
from ..work.toolchain import capabilities
from .report import MachineFacts


def machine_facts(wired: Wiring) -> MachineFacts:
    """Processor, cores and memory that we may use, tools, and how busy it is now."""
    return MachineFacts(
        processor=_processor(),
        cores=wired.machine.milli_cpus / 1000,
        memory_mib=wired.machine.memory_mib,
        load_before=load(),
        python=platform.python_version(),
        ffmpeg=capabilities(wired.settings).ffmpeg_version,
    )


def load() -> float | None:
    """Processes that ran or waited to, averaged over the last minute."""
    with suppress(OSError):
        return os.getloadavg()[0]
    return None


def _processor() -> str | None:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return found[1].strip()
    return None
