"""The picture of a plan."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.cli.show.plot import draw, drawn, frontier
from transcode.contract import Candidate, Elsewhere, Money, Plan, Spec, Usage
from transcode.errors import UsageError

POINTS = st.lists(
    st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=20
)


def candidate(wall: int, price: int) -> Candidate:
    return Candidate(
        spec=Spec(memory_mib=1024, milli_cpus=1000),
        predicted=Usage(wall_seconds=wall, cpu_seconds=1.0, peak_memory_bytes=1),
        cost=Money(amount=Decimal(price), currency="USD"),
        chosen=False,
        reason="-",
    )


@given(POINTS)
def test_nothing_on_the_frontier_is_beaten_and_the_rest_is(
    points: list[tuple[int, int]],
) -> None:
    """Cheaper and no slower, or as cheap and faster, beats."""
    all_of_them = [candidate(*point) for point in points]
    edge = frontier(all_of_them)

    def beats(a: Candidate, b: Candidate) -> bool:
        one = (a.predicted.wall_seconds, a.cost.amount)
        two = (b.predicted.wall_seconds, b.cost.amount)
        return one != two and one[0] <= two[0] and one[1] <= two[1]

    assert not any(beats(a, b) for a in all_of_them for b in edge)
    assert all(it in edge or any(beats(a, it) for a in edge) for it in all_of_them)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_plan_is_drawn_in_the_format_that_is_asked_for(
    plan: Plan, tmp_path: Path, ending: str
) -> None:
    """A file of that kind, with something in it."""
    pytest.importorskip("matplotlib", reason="the extra `plot`")
    file = tmp_path / f"plan.{ending}"
    draw(plan, file)

    begins = {"png": b"\x89PNG", "svg": b"<?xml"}[ending]
    body = file.read_bytes()
    assert body.startswith(begins)
    assert len(body) > 10_000


def test_a_file_that_is_no_picture_is_refused(plan: Plan, tmp_path: Path) -> None:
    """Before anything is imported."""
    with pytest.raises(UsageError, match=r"end in \.png, \.svg, \.pdf"):
        draw(plan, tmp_path / "plan.txt")


def test_without_matplotlib_it_says_how_to_install_it(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra by its name."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)

    with pytest.raises(UsageError, match="pip install 'matplotlib"):
        draw(plan, tmp_path / "plan.png")


def test_other_platforms_are_drawn_where_they_can_be_compared(
    plan: Plan,
) -> None:
    """By name, of the same currency; and nothing lies under the legend."""
    pytest.importorskip("matplotlib", reason="the extra `plot`")

    def other(name: str, currency: str) -> Elsewhere:
        price = Money(amount=Decimal("0.002"), currency=currency)
        spec = plan.tasks[0].task.spec
        return Elsewhere(platform=name, spec=spec, wall_seconds=3.0, cost=price)

    here = plan.predicted_cost.currency
    beside = (other("near-by", here), other("far-off", "XTS"))
    figure = drawn(plan.model_copy(update={"elsewhere": beside}))

    [axes] = figure.axes
    assert "near-by" in {it.get_text() for it in axes.texts}
    assert "far-off" not in {it.get_text() for it in axes.texts}
    figure.draw_without_rendering()
    [legend] = figure.legends
    edge = axes.get_window_extent()
    assert not legend.get_window_extent().overlaps(edge)
