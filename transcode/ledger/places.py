"""Where the state at a destination keeps what, below its root; light to import."""

from __future__ import annotations

LEDGER = ".transcode/ledger/"
JOBS = ".transcode/jobs/"
