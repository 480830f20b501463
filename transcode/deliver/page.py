"""
The page of a result: one file that plays what the manifest beside it names.

It is a constant, made of the same files as the pages of `transcode serve`: nothing of a
job is in it, so that nothing of an upload can be. What it shows it reads from
`manifest.json`, by an address relative to its own, wherever the folder is served from.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from urllib.parse import quote

_SCRIPTS = ("parts.js", "player.js", "play.js")
"""In the order in which they import each other."""
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|function|async)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PageFile:
    """The page, and what it may do."""

    body: bytes
    policy: str
    """A Content-Security-Policy: its own scripts and styles, and its own origin."""


@cache
def page() -> PageFile:
    """Put together at first use: only who publishes or serves one needs it."""
    folder = resources.files("transcode") / "serve" / "static"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    style = text("page.css")
    script = "".join(_EXPORT.sub("", _IMPORT.sub("", text(name))) for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "connect-src 'self'; img-src data: blob:; media-src blob:; base-uri 'none'; "
        "form-action 'none'"
    )
    inlined = {
        '<link rel="stylesheet" href="/page.css">': f"<style>{style}</style>",
        '<link rel="icon" href="/icon.svg">': (
            f'<link rel="icon" href="data:image/svg+xml,{quote(text("icon.svg"))}">'
        ),
        '<script type="module" src="/play.js"></script>': (
            f'<script type="module">{script}</script>'
        ),
        # First of all: it holds for what comes after it.
        '<meta charset="utf-8">': (
            '<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        ),
    }
    whole = text("play.html")
    for mark, content in inlined.items():
        before, found, after = whole.partition(mark)
        assert found, mark  # noqa: S101  play.html is ours, and has it
        whole = before + content + after
    return PageFile(whole.encode(), policy)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest())
    return f"'sha256-{digest.decode()}'"
