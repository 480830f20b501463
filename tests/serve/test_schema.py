"""The interface does what its own description says; schemathesis tries to refute it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from transcode.serve.api import OPERATIONS
from transcode.serve.operations import described

EXAMPLES = os.environ.get("SCHEMA_EXAMPLES")
"""Of each operation. By hand SCHEMA_EXAMPLES=100, and every corner of every schema is
tried besides, which takes its time."""
PHASES = "coverage,fuzzing" if EXAMPLES else "fuzzing"
ENDLESS = "events$"
"""A stream of events is no answer that one waits for; what posts events is JSON of any
kind."""


def test_schemathesis_finds_nothing(refusing: Any, tmp_path: Path) -> None:
    """
    Every answer has a status, a type and a shape that are described; what breaks the
    description is refused, and nothing is a fault of ours.

    That what fits is taken cannot be held: whether a source exists, no schema says.
    """
    argv = [
        *(str(Path(sys.executable).parent / "st"), "run", "--no-color", "--seed=1"),
        f"http://127.0.0.1:{refusing.port}/openapi.json",
        *("--checks=all", "--exclude-checks=positive_data_acceptance"),
        *("--exclude-path-regex", ENDLESS, "--max-examples", EXAMPLES or "4"),
        f"--phases={PHASES}",
        *("--generation-database=none", "--request-timeout=60"),
        "--suppress-health-check=all",  # a busy machine makes examples slowly
    ]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout
    found = re.search(r"Tested: (\d+)", done.stdout)
    assert found is not None
    assert int(found[1]) >= 12, done.stdout


def test_every_operation_is_described() -> None:
    """With a sentence, and of every field of a body and a query what it means."""
    document = described(OPERATIONS)
    found = [it for path in document["paths"].values() for it in path.values()]

    assert "3.1.0" == document["openapi"]
    assert len(OPERATIONS) == len(found)
    assert len(found) == len({it["operationId"] for it in found})
    said = [it["summary"] for it in found]
    assert [] == [text for text in said if not text.endswith((".", ":", "?"))]
    parameters = [parameter for it in found for parameter in it["parameters"]]
    assert [] == [it["name"] for it in parameters if not it["description"]]
    fields = document["components"]["schemas"]["Asked"]["properties"]
    assert [] == [n for n, about in fields.items() if not about.get("description")]


def test_the_page_on_http_names_every_address() -> None:
    """And every field that may be asked for."""
    page = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    schemas = described(OPERATIONS)["components"]["schemas"]

    for one in OPERATIONS:
        path = one.path.replace("{job}", "{id}").replace(":path", "")
        assert f"`{one.method} {path}`" in page or one.method == "OPTIONS", one.path
    for model in ("Asked", "MarkAsked"):
        assert [] == [f for f in schemas[model]["properties"] if f"`{f}`" not in page]
