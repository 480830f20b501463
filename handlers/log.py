"""One line of JSON for each call, where the platform's log collects it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def write(call: str, document: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps({"call": call, **document}, default=str) + "\n")
    sys.stderr.flush()
