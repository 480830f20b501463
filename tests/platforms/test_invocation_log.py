"""What platforms say of an invocation in their logs."""

from __future__ import annotations

import json

import pytest

from transcode.platforms.invocation_log import InvocationLine, read_log

REQUEST = "8f5d2a6e-1c0b-4f8e-9f3e-2b7c1d4e5f60"
REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 3121.50 ms\tBilled Duration: 4655 ms\t"
    "Memory Size: 1769 MB\tMax Memory Used: 231 MB\tInit Duration: 1532.71 ms\t"
)
RECORD = {
    "time": "2026-11-28T10:00:00.000Z",
    "type": "platform.report",
    "record": {
        "requestId": REQUEST,
        "metrics": {
            "durationMs": 3121.5,
            "billedDurationMs": 4655,
            "memorySizeMB": 1769,
            "maxMemoryUsedMB": 231,
            "initDurationMs": 1532.71,
        },
        "status": "success",
    },
}
EXPORTED = json.dumps({"events": [{"message": REPORT}, {"message": "other"}]})
TWICE = json.dumps({"events": [{"message": json.dumps(RECORD)}]})


@pytest.mark.parametrize(
    "text", [f"START\n{REPORT}\nmore", json.dumps(RECORD), EXPORTED, TWICE]
)
def test_lambda_says_billed_time_start_and_memory(text: str) -> None:
    """As a line, as a record, and in what `aws logs` writes of either."""
    assert {
        REQUEST: InvocationLine(
            invocation=REQUEST,
            billed_milliseconds=4655,
            start_milliseconds=1532.71,
            memory_mib=1769,
            peak_memory_mib=231,
        )
    } == read_log(text)


def test_functiongraph_says_billed_time_and_memory() -> None:
    """The line of its console; of a start it says nothing."""
    name = "1cbe80f3-ab12-4c3d-9e8f-001122334455"
    line = (
        f"2026-11-28 10:00:00+08:00 Finish invoke request '{name}', "
        "duration: 65.828ms, "
        "billing duration: 66ms, memory used: 21.473MB, billing memory: 128MB, "
        "cpu used: 0.300U, storage used: 0.039MB"
    )

    assert {
        name: InvocationLine(
            invocation=name,
            billed_milliseconds=66,
            memory_mib=128,
            peak_memory_mib=21.473,
        )
    } == read_log(line)


def test_what_is_not_said_is_not_known() -> None:
    """A warm call has no start, and another line says nothing at all."""
    warm = REPORT.partition("Max Memory")[0]

    (one,) = read_log(f"{warm}\nREPORT RequestId: {REQUEST} of something else").values()
    assert (4655, None, None) == (
        *(one.billed_milliseconds, one.start_milliseconds, one.peak_memory_mib),
    )
    assert {} == read_log("month,platform,function\n2026-11,aws-lambda,x\n")
