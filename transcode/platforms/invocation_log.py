"""
What a platform says in its log of each invocation: billed time, start, memory.

AWS Lambda's `REPORT` line, as text or as the JSON record `platform.report`, and
FunctionGraph's `Finish invoke request`. Of asynchronous calls either says it here and
nowhere else; of synchronous ones FunctionGraph has the same figure in a header,
`X-CFF-Billing-Duration`.

https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html,
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html (2026-09);
FunctionGraph: a line that its console shows, support.huaweicloud.com (2025-10)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..contract import Value

__all__ = ["InvocationLine", "read_log"]

_REPORT = re.compile(r"REPORT RequestId: (?P<id>[0-9a-fA-F-]{8,64})(?P<rest>[^\n]*)")
_RECORD = re.compile(r'\\?"requestId\\?"\s*:\s*\\?"(?P<id>[0-9a-fA-F-]{8,64})\\?"')
_FINISH = re.compile(
    r"Finish invoke request '(?P<id>[0-9a-zA-Z-]{8,64})'(?P<rest>[^\n]*)"
)
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"


class InvocationLine(Value):
    """One invocation, in the platform's words; None: its line does not say."""

    invocation: str
    billed_milliseconds: int
    start_milliseconds: float | None = None
    """Of a new instance, billed with the rest; None: there was one, or nothing is said
    of it (FunctionGraph bills the initializer within the call's own time)."""
    memory_mib: int | None = None
    peak_memory_mib: float | None = None


def read_log(text: str) -> dict[str, InvocationLine]:
    """By invocation, all that *text* tells of; other lines are passed over; pure."""
    return {one.invocation: one for one in _lines(text)}


def _lines(text: str) -> Iterator[InvocationLine]:
    for found in _REPORT.finditer(text):
        rest = found["rest"].partition("REPORT RequestId")[0]
        yield from _line(
            found["id"],
            _after(r"Billed Duration: ", rest, " ms"),
            start=_after(r"Init Duration: ", rest, " ms"),
            memory=_after(r"Memory Size: ", rest, " MB"),
            peak=_after(r"Max Memory Used: ", rest, " MB"),
        )
    for part in text.split("platform.report")[1:]:
        named = _RECORD.search(part)
        if named is not None:
            rest = part[named.end() :].partition("platform.")[0]
            yield from _line(
                named["id"],
                _member("billedDurationMs", rest),
                start=_member("initDurationMs", rest),
                memory=_member("memorySizeMB", rest),
                peak=_member("maxMemoryUsedMB", rest),
            )
    for found in _FINISH.finditer(text):
        rest = found["rest"].partition("Finish invoke request")[0]
        yield from _line(
            found["id"],
            _after(r"billing duration: ", rest, "ms"),
            start=None,
            memory=_after(r"billing memory: ", rest, "MB"),
            peak=_after(r"memory used: ", rest, "MB"),
        )


def _after(words: str, text: str, unit: str) -> float | None:
    found = re.search(rf"(?<![A-Za-z] ){words}{_NUMBER}{unit}", text)
    return None if found is None else float(found[1])


def _member(name: str, text: str) -> float | None:
    found = re.search(rf'\\?"{name}\\?"\s*:\s*{_NUMBER}', text)
    return None if found is None else float(found[1])


def _line(
    name: str,
    billed: float | None,
    *,
    start: float | None,
    memory: float | None,
    peak: float | None,
) -> Iterator[InvocationLine]:
    if billed is not None:
        yield InvocationLine(
            invocation=name,
            billed_milliseconds=round(billed),
            start_milliseconds=start,
            memory_mib=None if memory is None else round(memory),
            peak_memory_mib=peak,
        )
