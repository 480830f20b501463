"""How far apart pictures are shown, told briefly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_COMMONEST, _LONGEST = 64, 32
"""Of the distances between frames, so many are told at most."""


def counted(order: Sequence[int]) -> list[tuple[int, int]]:
    """
    (ticks between neighbours of *order*, how often), commonest first.

    Where there are very many, the longest are among those told: they are rare, and may
    be most of the time.
    """
    steps = Counter(b - a for a, b in pairwise(order))
    told = dict(steps.most_common(_COMMONEST))
    if len(steps) > _COMMONEST:
        told |= {step: steps[step] for step in sorted(steps)[-_LONGEST:]}
    return list(told.items())
