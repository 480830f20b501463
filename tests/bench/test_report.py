"""What every bench gives: figures, pages, and the comparison with an earlier report."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from pydantic import ValidationError

from transcode.bench.against import compare, refuse_others
from transcode.bench.page import number, page
from transcode.bench.report import BenchReport, Curve, Figure, MachineFacts, tables
from transcode.bench.throughput import percentile
from transcode.cli.show.bench import bench_text
from transcode.errors import UsageError

MACHINE = MachineFacts(
    processor="Z80", cores=2, memory_mib=64, load_before=0.1, python="3.11"
)


def report(*figures: Figure, **more: object) -> BenchReport:
    """One that says no more than it must."""
    fields = {
        "bench": "throughput",
        "version": "1",
        "began_at": "2026-11-28T10:00:00+00:00",
        "seconds": 1.0,
        "machine": MACHINE,
        "figures": figures,
        **more,
    }
    return BenchReport.model_validate(fields)


def cpu(*values: float, profile: str = "mp4") -> Figure:
    """Less of it is better."""
    return Figure(
        name="cpu", unit="s/min", better="less", of={"profile": profile}, values=values
    )


@pytest.mark.parametrize("values", [{}, {"values": (1.0,), "reason": "none"}])
def test_a_figure_has_values_or_the_reason_why_not(values: dict[str, object]) -> None:
    """Never both, and never neither: what is unknown is said."""
    with pytest.raises(ValidationError):
        Figure.model_validate({"name": "cpu", "unit": "s", **values})


def test_a_report_survives_its_json() -> None:
    """`--against` reads what `--json` has written."""
    written = report(cpu(1.0, 2.0), asked={"profiles": "mp4"})

    assert written == BenchReport.from_json(written.to_json(indent=2))
    assert '"schema":"transcode/bench/1"' in written.to_json()


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        ((10.0, 10.1, 9.9), (12.0, 12.1, 11.9), "worse"),
        ((12.0, 12.1, 11.9), (10.0, 10.1, 9.9), "better"),
        ((10.0, 10.1, 9.9), (10.0, 10.2, 9.8), "same"),
        # By a fifth, and no less scattered than that.
        ((10.0, 14.0, 7.0), (12.0, 16.0, 9.0), "same"),
        # Beyond chance, and too little to matter.
        ((10.0, 10.0, 10.0), (10.2, 10.2, 10.2), "same"),
        ((10.0, 10.0, 10.0), (11.0, 11.0, 11.0), "worse"),
        ((10.0,), (20.0, 20.1), "unknown"),
    ],
)
def test_what_is_worse_is_so_beyond_chance(
    then: tuple[float, ...], now: tuple[float, ...], verdict: str
) -> None:
    """By the spread of the repeats on both sides."""
    [found] = compare(report(cpu(*now)), report(cpu(*then)))

    assert verdict == found.verdict
    assert (found.reason is None) is (verdict != "unknown")


def test_more_is_worse_only_where_less_is_better() -> None:
    """Each figure says which way is good; those that do not are left out."""
    more = {"better": "more", "name": "jobs"}
    fast, slow = (cpu(*it).model_copy(update=more) for it in ((9, 9.1), (5, 5.1)))
    neither = cpu(1).model_copy(update={"better": None})

    [found] = compare(report(slow, neither), report(fast, neither))

    assert ("jobs", "worse") == (found.now.name, found.verdict)


def test_what_was_not_measured_has_no_verdict() -> None:
    """Now or then; the reason is kept."""
    gone = Figure(
        name="cpu",
        unit="s/min",
        better="less",
        of={"profile": "mp4"},
        reason="no GPU",
    )

    [now] = compare(report(gone), report(cpu(1, 2)))
    [then] = compare(report(cpu(1, 2)), report(gone))

    assert ("unknown", "not measured now: no GPU") == (now.verdict, now.reason)
    assert ("unknown", "not measured then: no GPU") == (then.verdict, then.reason)


@pytest.mark.parametrize(
    "other",
    [
        {"bench": "overhead"},
        {"machine": MACHINE.model_copy(update={"processor": "6502"})},
        {"machine": MACHINE.model_copy(update={"cores": 4})},
        {"asked": {"jobs": "8"}},
    ],
)
def test_reports_of_two_questions_are_not_compared(other: dict[str, object]) -> None:
    """Another machine is no regression."""
    with pytest.raises(UsageError, match="another measurement"):
        refuse_others(report(), report(**other))


def test_figures_of_one_kind_stand_in_one_table() -> None:
    """Its columns are their names, its rows what they are of."""
    jobs = cpu(5).model_copy(update={"name": "jobs"})
    [(keys, names, rows)] = tables([cpu(1), jobs, cpu(2, profile="hls")])

    assert (("profile",), ["cpu", "jobs"]) == (keys, names)
    assert [[cpu(1), jobs], [cpu(2, profile="hls"), None]] == rows


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0000612, "0.0000612"), (1.046, "1.05"), (12.34, "12.3"), (1240.4, "1240")),
        *((0.0, "0"), (None, "–"), (-0.051, "-0.0510")),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    """And never an exponent."""
    assert text == number(value)


def test_percentiles_are_values_that_were_measured() -> None:
    """By nearest rank: of few values the 99th is the largest."""
    values = [float(n) for n in range(1, 11)]

    assert [5.0, 10.0, 10.0] == [percentile(values, it) for it in (50, 95, 99)]


class _Page(HTMLParser):
    """Which elements were opened and not closed, and what they name elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elsewhere += [v or "" for k, v in attrs if k in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def test_the_page_stands_alone() -> None:
    """All of it is in one file, and what a file is called runs nothing."""
    strange = cpu(1.0, 1.2, profile="<script>alert(1)</script>")
    gone = Figure(name="jobs", unit="1/h", of={"card": "none"}, reason="no <GPU>")
    curve = Curve(name="rate", label="a&b", x="kbit/s", y="VMAF", points=((1, 2),))
    worse = compare(report(cpu(9, 9.1)), report(cpu(1, 1.1)))
    text = page(report(strange, gone, curves=(curve,), notes=("<b>",)), worse)

    found = _Page()
    found.feed(text)

    assert ([], []) == (found.open, found.elsewhere)
    assert "<script" not in text
    assert "a&amp;b" in text
    assert "jobs none: no &lt;GPU&gt;" in text
    assert 2 == text.count("<table>")
    assert 2 == len(re.findall("<svg", text))


def test_the_terminal_names_what_was_not_measured() -> None:
    """And says plainly what became worse."""
    gone = Figure(name="jobs", unit="1/h", of={"profile": "gpu"}, reason="no GPU here")
    now = report(cpu(9, 9.1), gone)
    text = bench_text(now, compare(now, report(cpu(1, 1.1))))

    assert "jobs, gpu: no GPU here" in text
    assert "9.05 [9.00–9.10]" in text
    assert "1 figure worse than it was, beyond chance." in text
