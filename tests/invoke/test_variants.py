"""Several functions of one image: each task gets the cheapest that fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Source, Spec, Task
from transcode.contract.spec import Gpu
from transcode.errors import PlanError, SettingsError
from transcode.invoke.functiongraph import FunctionGraphFunction, FunctionGraphInvoker
from transcode.invoke.variants import (
    FunctionVariant,
    cheapest,
    misfit,
    narrowed,
    parse_variants,
)
from transcode.platforms.platform import parse_platform

PLATFORM = Path(__file__).parents[2] / "profiles/platforms/functiongraph.toml"
URN = "urn:fss:cn-north-4:p:function:default"


def spec(seconds: int = 60, scratch: int = 512, gpu: Gpu | None = None) -> Spec:
    return Spec(
        memory_mib=512,
        milli_cpus=600,
        scratch_mib=scratch,
        time_limit_seconds=seconds,
        gpu=gpu,
    )


FLEET = parse_variants(
    f"{URN}:large:latest,seconds=86400,scratch=10240 "
    f"{URN}:card:latest,seconds=900,scratch=512,gpu=nvidia-t4:16384 "
    f"{URN}:small:latest,seconds=900,scratch=512"
)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (spec(), "small"),
        (spec(seconds=901), "large"),
        (spec(scratch=10240), "large"),
        (spec(gpu=Gpu(kind="nvidia-t4", memory_mib=8192)), "card"),
        (spec(seconds=901, gpu=Gpu(kind="nvidia-t4", memory_mib=8192)), None),
        (spec(gpu=Gpu(kind="other", memory_mib=8192)), None),
        (spec(seconds=86401), None),
    ],
)
def test_the_cheapest_that_fits_is_taken(wanted: Spec, name: str | None) -> None:
    """Whatever the order in which they are named."""
    found = cheapest(FLEET, wanted)
    assert name == (None if found is None else found.name)
    assert found == cheapest(FLEET[::-1], wanted)


def test_where_none_fits_each_is_named_with_what_it_lacks() -> None:
    """So that somebody knows which to set up anew."""
    text = misfit(FLEET, spec(seconds=90000))
    for one in ("90000 s", "large may run for 86400 s", "small may run for 900 s"):
        assert one in text


@given(
    st.lists(
        st.builds(
            FunctionVariant,
            address=st.sampled_from([f"{URN}:{it}:latest" for it in "abc"]),
            time_limit_seconds=st.none() | st.integers(3, 259_200),
            scratch_mib=st.none() | st.sampled_from([512, 10240]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 259_200),
    st.sampled_from([512, 10240]),
)
def test_what_is_planned_on_the_narrowed_platform_can_have_a_function(
    fleet: list[FunctionVariant], seconds: int, scratch: int
) -> None:
    """A limit of it is that of some function; no function has more than it."""
    platform = parse_platform(PLATFORM.read_text(), origin="it")
    small = narrowed(platform, fleet)
    most = small.limits.time_limit_seconds
    assert most is not None
    fits = cheapest(fleet, spec(seconds, scratch)) is not None
    assert not fits or (seconds <= most and scratch in small.scratch.sizes_mib)
    if len(fleet) == 1:
        allowed = seconds <= most and scratch in small.scratch.sizes_mib
        assert fits is allowed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "name at least one function"),
        (f"{URN}:a:latest {URN}:a:latest", "one stands twice"),
        (f"{URN}:a:latest,seconds=2", "seconds=2 is not 3 to 259200"),
        (f"{URN}:a:latest,seconds=٣٣", "is not 3 to 259200"),
        (f"{URN}:a:latest,scratch=1024", "scratch=1024 is not 512 or 10240"),
        (f"{URN}:a:latest,gpu=nvidia-t4:1000", "in steps of 1024 up to 16384"),
        (f"{URN}:a:latest,memory=512", "'memory=512' is none of seconds="),
        (f"{URN}:a:latest,seconds=3,seconds=4", "once each"),
    ],
)
def test_what_is_none_is_refused(text: str, why: str) -> None:
    """With how it is written."""
    with pytest.raises(SettingsError, match=re.escape(why)):
        parse_variants(text)


class Called:
    """One function's calls; nothing is called."""

    def __init__(self) -> None:
        self.memory: list[int] = []

    async def invoke(self, body: bytes, *, memory_mib: int | None) -> str:
        assert memory_mib is not None
        self.memory.append(memory_mib)
        return "request"

    async def status(self, request_id: str) -> None:
        return None

    async def cancel(self, request_id: str) -> None:
        """Nothing runs."""


def asking(specification: Spec) -> Task:
    """A task of that spec; nothing else of it is looked at."""
    source = Source(uri="s3://in/a.mp4", bytes=1, etag="-", location="-")
    unchecked: Any = Task
    return cast("Task", unchecked.model_construct(spec=specification, source=source))


async def test_a_task_is_started_by_the_function_that_fits_or_refused_by_name() -> None:
    """In the memory of its spec; what fits none is started nowhere."""
    called = [Called() for _ in FLEET]
    platform = parse_platform(PLATFORM.read_text(), origin="it")
    functions = [
        FunctionGraphFunction(*pair) for pair in zip(FLEET, called, strict=True)
    ]
    invoker = FunctionGraphInvoker(functions, platform)

    await invoker.start("s3://out/records/", asking(spec()))
    await invoker.start("s3://out/records/", asking(spec(scratch=10240)))
    with pytest.raises(PlanError, match="small may run for 900 s"):
        await invoker.start("s3://out/records/", asking(spec(seconds=100_000)))

    assert [[512], [], [512]] == [one.memory for one in called]
    assert invoker.fits(spec())
    assert invoker.misfit(spec()) is None
    assert not invoker.fits(spec(seconds=100_000))
    assert "large may run for 86400 s" in (invoker.misfit(spec(seconds=100_000)) or "")
