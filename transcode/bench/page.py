"""A report as one HTML page with its plots; it loads nothing and runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from .against import Change
from .report import BenchReport, Curve, Figure, tables

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1e293b;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem .2rem 0;
text-align:left;border-bottom:1px solid #e2e8f0;vertical-align:top}
td.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}small,.spread{color:#64748b}.worse{color:#b91c1c}
.better{color:#15803d}svg{display:block;margin:.5rem 0 1.5rem;max-width:100%}
text{font:12px system-ui,sans-serif;fill:#334155}
@media(prefers-color-scheme:dark){body{background:#0f172a;color:#e2e8f0}
td,th{border-color:#334155}text{fill:#cbd5e1}small,.spread{color:#94a3b8}
.worse{color:#f87171}.better{color:#4ade80}}
"""
_COLOURS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#a16207", "#be185d")
_WIDTH = 720
_LABEL = 230
_ROW = 26
_HEIGHT = 340


def page(report: BenchReport, differences: Sequence[Change] = ()) -> str:
    """All of the report, for a browser."""
    return "\n".join(_page(report, differences))


def _page(report: BenchReport, differences: Sequence[Change]) -> Iterator[str]:
    title = escape(f"transcode bench {report.bench}")
    yield (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
    )
    yield f"<p>{escape(where(report))}</p>"
    for note in report.notes:
        yield f"<p>{escape(note)}</p>"
    if differences:
        yield from _against(differences)
    for keys, names, every in tables(report.figures):
        rows = [row for row in every if any(it and it.values for it in row)]
        if not rows:
            continue
        yield from _table(keys, names, rows)
        for column, name in enumerate(names):
            measured = [it for row in rows if (it := row[column]) and it.values]
            if measured:
                yield f"<h2>{escape(_headed(name, measured[0].unit))}</h2>"
                yield _dots(measured)
    for name in dict.fromkeys(it.name for it in report.curves):
        yield f"<h2>{escape(name)}</h2>"
        yield _lines([it for it in report.curves if it.name == name])
    if report.unmeasured:
        yield "<h2>Not measured</h2><ul>"
        for it in report.unmeasured:
            what = " ".join((it.name.replace("_", " "), *it.of.values()))
            yield f"<li>{escape(what)}: {escape(it.reason or '')}</li>"
        yield "</ul>"
    yield "</html>"


def where(report: BenchReport) -> str:
    """On what, when and how it was measured, in one paragraph."""
    machine = report.machine
    load = " to ".join(
        "unknown" if it is None else f"{it:.1f}"
        for it in (machine.load_before, machine.load_after)
    )
    asked = " ".join(f"{name} {value}" for name, value in report.asked.items())
    return (
        f"{report.began_at[:16].replace('T', ' ')} UTC, transcode {report.version}, "
        f"{machine.processor or 'unknown processor'}, {machine.cores:g} cores, "
        f"{machine.memory_mib} MiB, load {load}, ffmpeg {machine.ffmpeg or 'unknown'}"
        + (f"; {asked}" if asked else "")
    )


def number(value: float | None) -> str:
    """Three significant digits, never an exponent: `0.0000612`, `1.05`, `1240`."""
    if value is None:
        return "–"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def cell(it: Figure | None) -> tuple[str, str]:
    """The median, and the least and most where it was measured more than once."""
    if it is None or it.median is None:
        return "–", ""
    spread = f"{number(it.low)}–{number(it.high)}" if len(it.values) > 1 else ""
    return number(it.median), spread


def _headed(name: str, unit: str) -> str:
    return name.replace("_", " ") + (f", {unit}" if unit else "")


def _table(
    keys: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[Figure | None]]
) -> Iterator[str]:
    first = [next(it for row in rows if (it := row[n])) for n in range(len(names))]
    heads = [*keys, *(_headed(it.name, it.unit) for it in first)]
    yield "<table><tr>" + "".join(f"<th>{escape(it)}</th>" for it in heads) + "</tr>"
    for row in rows:
        one = next(it for it in row if it)
        yield "<tr>" + "".join(f"<td>{escape(it)}</td>" for it in one.of.values())
        for it in row:
            middle, spread = map(escape, cell(it))
            yield f'<td class="n">{middle} <span class="spread">{spread}</span></td>'
        yield "</tr>"
    yield "</table>"


def _against(differences: Sequence[Change]) -> Iterator[str]:
    yield "<h2>Since then</h2><table><tr>"
    for head in ("", "of", "then", "now", "change", ""):
        yield f"<th>{head}</th>"
    yield "</tr>"
    for it in differences:
        change = "–" if it.change is None else f"{it.change:+.1%}"
        yield (
            f'<tr class="{it.verdict}"><td>{escape(_headed(it.now.name, it.now.unit))}'
            f"</td><td>{escape(' '.join(it.now.of.values()))}</td>"
            f'<td class="n">{number(it.before.median)}</td>'
            f'<td class="n">{number(it.now.median)}</td><td class="n">{change}</td>'
            f"<td>{escape(it.reason or it.verdict)}</td></tr>"
        )
    yield "</table>"


def _dots(figures: Sequence[Figure]) -> str:
    """A row for each: every repeat a dot, the median a stroke."""
    most = max(max(it.values) for it in figures) or 1.0
    least = min(0.0, *(min(it.values) for it in figures))
    scale = (_WIDTH - _LABEL - 40) / ((most - least) or 1.0)
    height = _ROW * len(figures) + 24
    parts = [_svg(height)]
    for mark in _ticks(least, most):
        x = _LABEL + (mark - least) * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 20}" '
            'stroke="#94a3b8" stroke-opacity=".3"/>'
            f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{mark:g}</text>'
        )
    for n, it in enumerate(figures):
        y = n * _ROW + _ROW / 2
        label = escape(" · ".join(it.of.values())[:36] or it.name)
        parts.append(f'<text x="0" y="{y + 4:.0f}">{label}</text>')
        parts += [
            f'<circle cx="{_LABEL + (v - least) * scale:.1f}" cy="{y:.0f}" r="4" '
            f'fill="{_COLOURS[0]}" fill-opacity=".55"/>'
            for v in it.values
        ]
        x = _LABEL + ((it.median or 0) - least) * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{y - 9:.0f}" x2="{x:.1f}" y2="{y + 9:.0f}" '
            f'stroke="{_COLOURS[1]}" stroke-width="2.5"/>'
        )
    return "".join((*parts, "</svg>"))


def _lines(curves: Sequence[Curve]) -> str:
    """All curves in one frame, their labels beside it."""
    xs = [x for it in curves for x, _ in it.points]
    ys = [y for it in curves for _, y in it.points]
    left, right, top, bottom = 60, _WIDTH - 190, 10, _HEIGHT - 44
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x0) / ((x1 - x0) or 1) * (right - left),
            bottom - (y - y0) / ((y1 - y0) or 1) * (bottom - top),
        )

    parts = [_svg(_HEIGHT)]
    for mark in _ticks(x0, x1):
        x, _ = at(mark, y0)
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" '
            'stroke="#94a3b8" stroke-opacity=".3"/>'
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{mark:g}</text>'
        )
    for mark in _ticks(y0, y1):
        _, y = at(x0, mark)
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" '
            'stroke="#94a3b8" stroke-opacity=".3"/>'
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>'
        )
    for n, it in enumerate(curves):
        colour = _COLOURS[n % len(_COLOURS)]
        places = [at(x, y) for x, y in it.points]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            for x, y in places
        ]
        y = top + 14 + 18 * n
        parts.append(
            f'<circle cx="{right + 18}" cy="{y - 4}" r="4" fill="{colour}"/>'
            f'<text x="{right + 28}" y="{y}">{escape(it.label[:24])}</text>'
        )
    axes = curves[0]
    parts.append(
        f'<text x="{(left + right) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(axes.x)}</text>"
        f'<text x="14" y="{(top + bottom) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + bottom) / 2:.0f})">{escape(axes.y)}</text>'
    )
    return "".join((*parts, "</svg>"))


def _svg(height: int) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">'


def _ticks(least: float, most: float) -> list[float]:
    """Round numbers between the two, four to nine of them; Heckbert's nice numbers."""
    span = most - least
    if not span > 0:
        return [least]
    rough = span / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5) if m * power >= rough), 10 * power)
    first = math.ceil(least / step)
    return [round(n * step, 12) for n in range(first, math.floor(most / step) + 1)]
