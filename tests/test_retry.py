"""One policy in standard words for everything of ours that is tried again."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from transcode.retry import RetryPolicy

intervals = st.floats(0.001, 100)
policies = st.builds(
    RetryPolicy,
    initial_interval_seconds=intervals,
    backoff_coefficient=st.floats(1, 10),
    maximum_interval_seconds=st.floats(100, 10_000),
    jitter=st.tuples(st.floats(0, 1), st.floats(1, 2)),
)


def test_intervals_grow_up_to_the_longest() -> None:
    """10 s, a minute, and five minutes ever after."""
    policy = RetryPolicy(10, backoff_coefficient=6, maximum_interval_seconds=300)

    assert [10, 60, 300, 300] == [policy.interval_seconds(n) for n in (1, 2, 3, 4)]


@given(policy=policies, retry=st.integers(1, 10**6), chance=st.floats(0, 1))
def test_a_wait_is_within_its_interval_and_never_shrinks(
    policy: RetryPolicy, retry: int, chance: float
) -> None:
    """However often it is tried: no overflow, no wait beyond the longest."""
    least, most = policy.jitter
    interval = policy.interval_seconds(retry)

    assert interval <= policy.maximum_interval_seconds
    assert interval <= policy.interval_seconds(retry + 1)
    wait = policy.wait_seconds(retry, chance)
    assert interval * least - 1e-9 <= wait <= interval * most + 1e-9


def test_attempts_may_have_an_end() -> None:
    """The first one counts; without a maximum there is none."""
    assert [False, False, True] == [
        RetryPolicy(1, maximum_attempts=3).exhausted(n) for n in (1, 2, 3)
    ]
    assert not RetryPolicy(1).exhausted(10**9)
    assert RetryPolicy(1).maximum_interval_seconds == math.inf
