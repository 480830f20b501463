"""
The words for how a job stands, and for how an attempt ended.

Apart from the values that carry them: whoever only tells or sorts by them loads no
model.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

JobStatus = Literal[
    "waiting",
    "running",
    "lost",
    "retrying",
    "succeeded",
    "rejected",
    "failed",
    "cancelled",
]
OPEN: tuple[JobStatus, ...] = ("waiting", "running", "lost", "retrying")
"""
Nobody has begun it, or it was put off; somebody works on it; whoever did has not been
heard of for a lease; a try failed and there will be another.
"""
FINAL: tuple[JobStatus, ...] = ("succeeded", "rejected", "failed", "cancelled")
"""It stays so unless somebody asks for it again."""
STATUSES = OPEN + FINAL


class OutcomeKind(StrEnum):
    SUCCEEDED = "succeeded"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_DISK = "out_of_disk"
    GPU_UNAVAILABLE = "gpu_unavailable"
    ENCODER_FAILED = "encoder_failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    LOST = "lost"
