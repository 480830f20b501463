"""Imports are billed at every cold start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    *("aiobotocore", "aiohttp", "anyio", "asyncio", "av", "botocore", "ffmpeg"),
    *("pydantic", "rich", "starlette", "transcode.pipeline", "uvicorn"),
)
_CODE = """
import json, sys, time
began = time.process_time()
import transcode.handlers.{name}
spent = time.process_time() - began
print(json.dumps([spent, sorted(set(sys.modules) & set({heavy!r}))]))
"""


@pytest.mark.parametrize("name", ["aws_lambda", "functiongraph", "functiongraph_image"])
def test_importing_a_handler_is_light(name: str) -> None:
    """Nothing heavy before it is needed, and under 0.3 s of CPU: 0.01 s, measured."""
    code = _CODE.format(name=name, heavy=HEAVY)
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    spent, loaded = json.loads(done.stdout)

    assert [] == loaded
    assert spent < 0.3
