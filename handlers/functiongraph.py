"""
Huawei FunctionGraph, event function.

`transcode.handlers.functiongraph.handler`, and `….initializer` as its initializer; for
OBS, EventGrid and timer triggers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

# Imports are billed: what a call needs is loaded by the initializer.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from transcode.access.credentials import Credentials
    from transcode.functions.runtime import Function


def initializer(context: Any) -> None:
    """Warm up; raises `SettingsError` where the function is not set up rightly."""
    prepared(_memory(context))


def handler(event: Any, context: Any) -> dict[str, Any]:
    """
    Make jobs of what *event* tells of, and do them until shortly before our end.

    Returns what became of each. Raises only while the store does not answer, so that
    FunctionGraph repeats an asynchronous event if it is configured to.
    """
    import anyio

    from transcode.access.credentials import lent
    from transcode.functions.upload import Invocation, answer

    from .log import write

    keys = credentials(
        context.getSecurityAccessKey(),
        context.getSecuritySecretKey(),
        context.getSecurityToken(),
    )
    function = prepared(_memory(context))
    # Asked after the warming up, which comes out of the same time.
    invocation = Invocation(
        id=context.getRequestID(),
        seconds_left=context.getRemainingTimeInMilliSeconds() / 1000,
    )
    with lent(keys):
        done = anyio.run(answer, function, unwrapped(event), invocation)
    write(invocation.id, done.document)
    if done.trouble is not None:
        raise done.trouble
    return dict(done.document)


@cache
def prepared(memory_mib: int | None) -> Function:
    """With `X-Cff-Instance-Memory`, calls of one function differ in memory."""
    from transcode.functions.runtime import Function
    from transcode.settings import Settings

    return Function.prepare(
        Settings.from_environment(os.environ),
        platform="functiongraph",
        memory_mib=memory_mib,
    )


def unwrapped(event: Any) -> Any:
    """
    What was sent, where an asynchronous call arrives as its documentation's example is
    written: in a member `body`, as an object or as its text.

    The vendor's SDK sends it as it is; which of both a function is given, nobody says.
    """
    if not isinstance(event, Mapping) or event.keys() != {"body"}:
        return event
    body = event["body"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return event
    return body if isinstance(body, Mapping) else event


def credentials(
    key: str | None, secret: str | None, token: str | None
) -> Credentials | None:
    """
    The keys of the function's agency. They change about daily, so each call brings
    them; None without an agency: then the environment's count.
    """
    from transcode.access.credentials import Credentials

    return Credentials(key, secret, token or None) if key and secret else None


def _memory(context: Any) -> int | None:
    given = context.getMemorySize() or os.environ.get("RUNTIME_MEMORY")
    return int(given) if given else None
