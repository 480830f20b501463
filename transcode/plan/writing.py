"""Coefficients as the text that `parse_coefficients` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from .coefficients import Coefficients

_HEAD = (
    "# Measured by bench/calibrate.py, learned by transcode calibrate --from-ledger;\n"
    "# not edited. Use it with TRANSCODE_COEFFICIENTS.\n\n"
)


def coefficients_text(coefficients: Coefficients) -> str:
    """TOML; reading it gives the same coefficients."""
    tables = coefficients.model_dump(mode="json", exclude_none=True)
    return _HEAD + "\n".join(_lines(tables)).lstrip() + "\n"


def _lines(tables: Mapping[str, object], path: str = "") -> Iterator[str]:
    plain = {k: v for k, v in tables.items() if not isinstance(v, dict)}
    if path and plain:
        yield f"\n[{path}]"
    for key, value in plain.items():
        # Of what is in here, JSON and TOML write everything alike.
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in tables.items():
        if isinstance(value, dict):
            name = key if re.fullmatch(r"[\w-]+", key) else json.dumps(key)
            yield from _lines(value, f"{path}.{name}" if path else name)
