"""Thresholds and margins that two stages must agree on."""

from __future__ import annotations

from typing import Final

MEMORY_MARGIN: Final = 1.25
"""A spec's memory over the peak that was predicted or seen: the arithmetic knows
pictures, not allocators."""
WOVEN_RATIO: Final = 1.2
"""By how much more one field is like the last frame than the other is. At idet's own
1.04 a progressive test picture passes for fields; at 1.4 film in fields no longer does
(FFmpeg 9.0.2: testsrc2, and Big Buck Bunny through `interlace` and `telecine`)."""
