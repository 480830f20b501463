"""A client that somebody else's generator makes of our description works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/http.md"


def documented() -> tuple[list[str], str]:
    """The generator's command and the program, as a reader would copy them."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## A client\n")
    [command] = re.findall(r"^(openapi-python-client .*)$", section, re.MULTILINE)
    [program] = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return command.split(), program


def test_a_generated_client_submits_waits_and_reads(
    serve: Any, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """The page's own command and program, on the real service: a job to its outputs."""
    generator = shutil.which(
        "openapi-python-client", path=str(Path(sys.executable).parent)
    )
    if generator is None:
        if os.environ.get("CI"):
            pytest.fail("openapi-python-client is not installed, and this is CI")
        pytest.skip("needs the package openapi-python-client")
    (tmp_path / "in").mkdir()
    clip = shutil.copy(make_clip("asked", 1, "160x120"), tmp_path / "in/clip.mov")
    server = serve("--to=out", "--source=in")
    command, program = documented()
    here = f"127.0.0.1:{server.port}"
    argv = [generator, *(it.replace("127.0.0.1:8000", here) for it in command[1:])]
    made = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 0 == made.returncode, made.stderr
    # One thing that it cannot say is what the page says that it leaves out.
    left_out = {*re.findall(r"parsing (\w+ \S+)", made.stderr)}
    assert {"GET /jobs/{job}/files/{path}"} == left_out, made.stderr

    program = program.replace("127.0.0.1:8000", here)
    program = program.replace("/srv/uploads/clip.mov", str(clip))
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "transcode-client")},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert (0, "") == (ran.returncode, ran.stderr)
    first, *outputs, listed = ran.stdout.splitlines()
    assert re.fullmatch(r"succeeded 0\.\d+ USD", first)
    assert ["poster", "rendition"] == sorted(it.split()[0] for it in outputs)
    assert all(Path(it.split(maxsplit=1)[1]).is_file() for it in outputs)
    # A result is seen before its bill is entered.
    assert re.fullmatch(r"[0-9a-f]{32} succeeded( 0\.\d+)?", listed)
