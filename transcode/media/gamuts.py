"""Primaries by their chromaticities: which white they have, and how to BT.709's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

CHROMATICITIES: Final[Mapping[str, tuple[float, ...]]] = {
    "bt709": (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    "bt470m": (0.670, 0.330, 0.210, 0.710, 0.140, 0.080, 0.3100, 0.3160),
    "film": (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.3100, 0.3160),
    "smpte431": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3140, 0.3510),
}
"""ITU-T H.273, table 2: CIE 1931 x and y of red, green, blue and white, for BT.709 and
for what has another white than D65."""
_BRADFORD = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
"""XYZ → cones (Lam 1985, as in ICC.1:2022, annex E)."""

Matrix = tuple[tuple[float, ...], ...]


def has_other_white(primaries: str) -> bool:
    """Whether white is not D65: converters that keep it would show grey tinted."""
    return primaries != "bt709" and primaries in CHROMATICITIES


def to_bt709(primaries: str) -> Matrix:
    """
    Linear RGB in *primaries* → linear RGB in BT.709, white to white.

    SMPTE RP 177 for the primaries, Bradford's transform for the white between them.
    """
    source, wanted = CHROMATICITIES[primaries], CHROMATICITIES["bt709"]
    own, d65 = (_times(_BRADFORD, _xyz(*it[6:])) for it in (source, wanted))
    gains = tuple(
        tuple(d65[row] / own[row] if row == column else 0.0 for column in range(3))
        for row in range(3)
    )
    adapted = _product(_inverse(_BRADFORD), _product(gains, _BRADFORD))
    return _product(_inverse(_to_xyz(wanted)), _product(adapted, _to_xyz(source)))


def _to_xyz(points: Sequence[float]) -> Matrix:
    """Linear RGB → XYZ with white's luminance at 1."""
    corners = [points[n : n + 2] for n in (0, 2, 4)]
    columns = tuple(zip(*((x, y, 1 - x - y) for x, y in corners), strict=True))
    scale = _times(_inverse(columns), _xyz(*points[6:]))
    return tuple(tuple(it * scale[n] for n, it in enumerate(row)) for row in columns)


def _xyz(x: float, y: float) -> tuple[float, ...]:
    return x / y, 1.0, (1 - x - y) / y


def _times(m: Matrix, v: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, v, strict=True)) for row in m)


def _product(a: Matrix, b: Matrix) -> Matrix:
    columns = [_times(a, column) for column in zip(*b, strict=True)]
    return tuple(zip(*columns, strict=True))


def _inverse(m: Matrix) -> Matrix:
    """Of three by three, by cofactors."""
    (a, b, c), (d, e, f), (g, h, i) = m
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    whole = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return tuple(tuple(it / whole for it in row) for row in cofactors)
