"""What a sweep costs grows with what is new or open, and not with what is finished."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from transcode.settings import Settings

pytestmark = pytest.mark.anyio

PER_OPEN, PER_NEW, ONCE = 8, 40, 30
"""Requests, at most: of a job that another works on, of an upload that is taken,
worked on and told of, and of a sweep with nothing to do."""


@pytest.fixture(scope="module")
def sweeps() -> ModuleType:
    """`bench/stress/sweeps.py`."""
    path = Path(__file__).resolve().parents[2] / "bench/stress/sweeps.py"
    spec = importlib.util.spec_from_file_location("sweeps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sweeps"] = module
    spec.loader.exec_module(module)
    return module


async def test_requests_grow_with_what_is_new_or_open(
    sweeps: Any, s3_settings: Settings, s3_shared: str
) -> None:
    """Twice as many finished uploads: the same number of requests."""
    few, few_idle = await sweeps.measure(
        s3_settings.s3_endpoint_url, s3_shared, finished=40, opened=2, new=1
    )
    many, many_idle = await sweeps.measure(
        s3_settings.s3_endpoint_url, s3_shared, finished=120, opened=2, new=1
    )

    assert few_idle.requests == many_idle.requests <= ONCE + 2 * PER_OPEN
    assert few.requests <= ONCE + 2 * PER_OPEN + PER_NEW
    # A pause that the store's locks make is asked for once more, at most.
    assert abs(few.requests - many.requests) <= 2
