"""
AWS Lambda: `transcode.handlers.aws_lambda.handler`.

For S3, SNS, EventBridge, SQS (with `ReportBatchItemFailures`) and a clock.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from typing import TYPE_CHECKING, Any

# Imports are billed: what a call needs is loaded by the first one.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from transcode.functions.runtime import Function


def handler(event: Any, context: Any) -> dict[str, Any]:
    """
    Make jobs of what *event* tells of, and do them until shortly before our end.

    Returns what became of each, or for SQS which messages are to come again: those
    whose job is not over. Raises only while the store does not answer, or the settings
    are wrong, so that Lambda repeats the event or puts it aside.
    """
    import anyio

    from transcode.functions.upload import Invocation, answer

    from .log import write

    function = _function()
    # Asked after the warming up, which comes out of the same time.
    invocation = Invocation(
        id=context.aws_request_id,
        seconds_left=context.get_remaining_time_in_millis() / 1000,
    )
    done = anyio.run(answer, function, event, invocation)
    write(invocation.id, done.document)
    if _is_queued(event):
        return {"batchItemFailures": [{"itemIdentifier": name} for name in done.again]}
    if done.trouble is not None:
        raise done.trouble
    return dict(done.document)


@cache
def _function() -> Function:
    from transcode.functions.runtime import Function
    from transcode.settings import Settings

    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    arm = platform.machine() == "aarch64"
    return Function.prepare(
        Settings.from_environment(os.environ),
        platform="aws-lambda-arm" if arm else "aws-lambda",
        memory_mib=int(memory) if memory else None,
    )


def _is_queued(event: object) -> bool:
    """Whether SQS calls, with messages of which it takes back some."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and any(
        isinstance(record, dict) and record.get("eventSource") == "aws:sqs"
        for record in records
    )
