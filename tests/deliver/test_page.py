"""The page of a result is a constant, and stands beside the manifest that names it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeClip
from transcode.deliver.page import page


def test_it_needs_nothing_but_its_own_folder() -> None:
    """No address but the manifest's is in it, and scripts alone by their hashes."""
    text = page().body.decode()

    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert ([1], [1]) == ([len(scripts)], [len(styles)])
    assert not re.search(r"^(import|export) ", scripts[0], re.MULTILINE)
    assert not re.search(r"""(src|href)=["'](?!data:|manifest\.json)""", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    for name, (inside,) in (("script-src", scripts), ("style-src", styles)):
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in page().policy
    assert f'content="{page().policy}"' in text
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_no_name_is_given_twice_in_what_is_put_together() -> None:
    """The scripts are modules elsewhere; here they share one scope."""
    (script,) = re.findall(rb"<script[^>]*>(.*?)</script>", page().body, re.DOTALL)
    names = re.findall(
        r"^(?:async )?(?:const|let|function) ([\w$]+)", script.decode(), re.MULTILINE
    )

    assert len(names) > 20
    assert sorted({*names}) == sorted(names)


@pytest.mark.parametrize("profile", ["hls", "mp4"])
def test_a_cmaf_result_has_one_and_a_file_none(
    make_clip: MakeClip, tmp_path: Path, profile: str
) -> None:
    """The manifest names it; what was made of another source has the very same."""
    argv = [sys.executable, "-m", "transcode", "run", "--json", "--quiet"]
    argv += ["--profile", profile, str(make_clip("paged", 1, "64x64"))]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    manifest = json.loads(done.stdout)

    (folder,) = (tmp_path / "transcoded").iterdir()
    stored = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["page"] == stored["page"]
    there = {str(path) for path in folder.rglob("*") if path.is_file()}
    named = {output["uri"] for output in manifest["outputs"]}
    beside = there - named - {str(folder / "manifest.json")}
    if profile == "mp4":
        assert (None, set()) == (manifest["page"], beside)
        return
    assert {str(folder / "index.html")} == beside
    assert page().body == (folder / "index.html").read_bytes()
    assert {
        "uri": str(folder / "index.html"),
        "bytes": len(page().body),
        "sha256": hashlib.sha256(page().body).hexdigest(),
    } == manifest["page"]
    assert not any(output["uri"].endswith(".html") for output in manifest["outputs"])


def test_what_makes_no_page_does_not_read_it(tmp_path: Path) -> None:
    """Neither the package nor a file's plan opens it; `page` is read at first use."""
    script = (
        "import sys, transcode.pipeline, transcode.invoke.worker, transcode.cli.main\n"
        "print(sorted(it for it in sys.modules if it.endswith('deliver.page')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "[]" == done.stdout.strip()
