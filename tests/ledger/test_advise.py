"""The best single spec: as trying all of them gives, and never below the choice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Candidate, Money, Spec, Usage
from transcode.ledger.advise import Case, fixed_specs
from transcode.platforms.platform import parse_platform

FILE = Path(__file__).resolve().parents[2] / "profiles/platforms/functiongraph.toml"
PLATFORM = parse_platform(FILE.read_text(encoding="utf-8"), origin=FILE.name)
SIZES = (128, 512, 2048)

tasks = st.tuples(
    st.sampled_from(["hls", "mp4"]),
    st.integers(1, 3000),  # MiB that it needs
    st.integers(1, 100),  # CPU seconds
)


def case(group: str, memory: int, seconds: int) -> Case:
    return Case(
        group,
        tuple(
            Candidate(
                spec=Spec(memory_mib=size, milli_cpus=size, scratch_mib=512),
                predicted=Usage(
                    wall_seconds=seconds * 1000 / size,
                    cpu_seconds=seconds,
                    peak_memory_bytes=memory * 2**20,
                ),
                cost=Money(amount=Decimal(seconds) + size, currency="CNY"),
                chosen=False,
                reason="",
            )
            for size in SIZES
        ),
    )


@given(
    st.lists(tasks, min_size=1, max_size=6),
    st.sampled_from([None, 10.0, 100.0]),
    st.sampled_from([0, 128]),
)
def test_it_is_the_best_of_all(
    work: list[tuple[str, int, int]], deadline: float | None, own: int
) -> None:
    """Of those that do every task that can be done at all, beside the function."""

    def can(size: int, memory: int, seconds: int) -> bool:
        late = deadline is not None and seconds * 1000 / size > deadline
        return memory * 1.25 + own <= size and not late

    cases = [case(*it) for it in work]
    rows = fixed_specs(cases, PLATFORM, deadline_seconds=deadline, own_mib=own)

    found = rows[-1]
    possible = [it for it in work if any(can(s, it[1], it[2]) for s in SIZES)]
    costs = {
        size: sum(Decimal(seconds) + size for _, _, seconds in possible)
        for size in SIZES
        if all(can(size, memory, seconds) for _, memory, seconds in possible)
    }
    assert len(work) - len(possible) == found.impossible
    if possible:
        assert min(costs.values(), default=None) == found.cost
    assert found.cost is None or found.chosen_cost <= found.cost
    apart = [row for row in rows if row.group]
    assert found.chosen_cost == sum((row.chosen_cost for row in apart), Decimal(0))


def test_the_function_itself_needs_some_of_every_spec() -> None:
    """80 MiB with a quarter to spare fit into 128 MiB, and beside it they do not."""
    work = [case("hls", 80, 1)]

    bare = fixed_specs(work, PLATFORM)
    beside = fixed_specs(work, PLATFORM, own_mib=128)

    assert [128] == [row.spec.memory_mib for row in bare if row.spec]
    assert [512] == [row.spec.memory_mib for row in beside if row.spec]
    assert bare[0].chosen_cost < beside[0].chosen_cost


def test_groups_stand_apart_and_then_together() -> None:
    """The last row is of all, where there are several."""
    rows = fixed_specs([case("hls", 100, 1), case("mp4", 1000, 1)], PLATFORM)

    assert ["hls", "mp4", ""] == [row.group for row in rows]
    assert [128, 2048, 2048] == [row.spec.memory_mib for row in rows if row.spec]
