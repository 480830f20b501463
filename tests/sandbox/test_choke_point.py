"""Every opening of media has its one place; each new one is a decision, not a habit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "transcode"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "handlers").rglob("*.py")])

# What opens → the only functions that may, with the reason.
PLACES = {
    "libav": {
        (
            "probe/child/__main__.py",
            "_open",
        ): "uploads: whitelisted, in a child, from memory",
        ("work/verify/decode.py", "open_media"): "our own outputs, demuxer forced",
        ("work/join.py", "_begun"): "writes what is made of our own chunks",
    },
    "encoder input": {
        (
            "work/command/inputs.py",
            "upload",
        ): "whitelists, forced demuxer, file: prefix",
        (
            "work/command/inputs.py",
            "mark_image",
        ): "a watermark: one format, one decoder, a file",
        (
            "work/command/inputs.py",
            "burned_lines",
        ): "what was copied out of an upload, likewise",
        (
            "work/command/inputs.py",
            "joined_file",
        ): "our own chunks in one: one format, a file",
        (
            "work/command/inputs.py",
            "joined_sound",
        ): "our own sound: one format, a file",
        ("work/command/build.py", "extract"): "silence of lavfi's own, no upload",
        ("work/command/scores.py", "compare"): "our own rendition: one format, a file",
    },
    "encoder argument": {
        ("bench/clips.py", "own_clip"): "a test picture of lavfi's own, no upload",
        ("bench/by_hand.py", "_reading"): "the operator's own file, as by hand",
        ("bench/chunks.py", "_told"): "our own results, copied to nowhere",
        (
            "bench/peers.py",
            "_streamed",
        ): "no ffmpeg: -i is its configuration",
        ("bench/quality.py", "vmaf"): "our own result beside the operator's own file",
        ("work/toolchain.py", "_refusal"): "a test picture of lavfi's own, no upload",
        ("work/toolchain.py", ""): "the yardstick: lavfi's own pictures, no upload",
        ("work/command/build.py", "_decoded_input"): "tells which it is",
        ("work/encode.py", "allowed"): "reads which inputs a command has",
    },
    "address": {
        ("cli/commands/doctor.py", "_s3"): "asks whether storage answers",
        ("access/web.py", ""): "one client for all that is read over http(s)",
        (
            "invoke/ray.py",
            "_refuse_silence",
        ): "asks whether the operator's cluster answers",
    },
    "process": {
        ("bench/children.py", "__init__"): "ourselves, and the operator's own files",
        ("cli/commands/doctor.py", "_fence"): "tries the fence; opens nothing",
        ("invoke/local/prestart.py", "start"): "the worker",
        ("invoke/local/forkserver.py", "__init__"): "the one workers are forked from",
        ("invoke/local/reaper.py", "__init__"): "cleans up after us",
        ("probe/prestart.py", "start"): "the probing child",
        ("work/toolchain.py", "_run"): "asks the tools what they can do",
        ("work/toolchain.py", "small_encode_seconds"): "how fast they are here",
        ("work/children.py", "start"): "encoder and packager, each fenced",
    },
}
_OPENERS = {
    "libav": {"av.open", "av.container.open", "container.core.open"},
    "encoder input": {"ffmpeg.input", "ffmpeg.source"},
    "address": {
        *("urllib.request.urlopen", "urlopen", "opener.open", "request.urlopen"),
        *("urllib.request.urlretrieve", "urlretrieve", "http.client.HTTPConnection"),
        *("http.client.HTTPSConnection", "HTTPConnection", "HTTPSConnection"),
        *("socket.create_connection", "create_connection", "anyio.connect_tcp"),
    },
    "process": {
        *("subprocess.Popen", "subprocess.run", "subprocess.call", "Popen"),
        *("subprocess.check_output", "subprocess.check_call", "subprocess.getoutput"),
        *("anyio.open_process", "anyio.run_process", "os.system", "os.popen"),
        *("os.posix_spawn", "os.posix_spawnp", "os.execv", "os.execve", "os.execvp"),
        *("os.spawnv", "asyncio.create_subprocess_exec", "ffmpeg.run", "ffmpeg.probe"),
        *("asyncio.create_subprocess_shell", "ffmpeg.run_async"),
    },
}
# Filters that open files or addresses by a name in their options.
FILTERS = {
    *("movie", "amovie", "subtitles", "ass", "sendcmd", "asendcmd", "zmq", "azmq"),
    *("lut1d", "lut3d", "drawtext", "vidstabtransform", "ladspa", "lv2", "frei0r"),
    *("sofalizer", "arnndn", "haldclutsrc", "cover_rect", "find_rect", "openclsrc"),
    *("program_opencl", "dnn_processing", "sr", "derain", "whisper", "libplacebo"),
}
ALLOWED_FILTERS: dict[str, str] = {}
"""Filter → why its file cannot be chosen by an upload."""


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _aliases(tree: ast.AST) -> dict[str, str]:
    """Local name → what it stands for, so that no `import … as` hides an opening."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {it.asname: it.name for it in node.names if it.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {
                it.asname or it.name: f"{node.module}.{it.name}" for it in node.names
            }
    return found


Place = tuple[str, str]
"""(file, function)"""


def _functions(node: ast.AST, inside: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Every node with the name of the function it is in; types are left out."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = node.name
    if isinstance(node, ast.Subscript) and _dotted(node.value).endswith("Popen"):
        return
    yield node, inside
    for child in ast.iter_child_nodes(node):
        yield from _functions(child, inside)


def _kinds(node: ast.AST, aliases: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute | ast.Name):
        dotted = _dotted(node)
        first, dot, rest = dotted.partition(".")
        meant = {dotted, aliases.get(first, first) + dot + rest}
        yield from (kind for kind, known in _OPENERS.items() if meant & known)
    if isinstance(node, ast.Constant) and node.value == "-i":
        yield "encoder argument"
    if isinstance(node, ast.Call) and _dotted(node.func).endswith("filter"):
        constants = [it.value for it in node.args if isinstance(it, ast.Constant)]
        words = {it for it in constants if isinstance(it, str)}
        yield from (f"filter {it}" for it in words & FILTERS - ALLOWED_FILTERS.keys())


def openings(path: Path, text: str) -> Iterator[tuple[str, Place, int]]:
    """(what kind, where, line) of everything in *text* that opens."""
    tree = ast.parse(text)
    inside = path.is_relative_to(PACKAGE)
    name = path.relative_to(PACKAGE if inside else ROOT).as_posix()
    aliases = _aliases(tree)
    for node, function in _functions(tree):
        for kind in _kinds(node, aliases):
            yield kind, (name, function), getattr(node, "lineno", 0)


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda it: it.relative_to(ROOT).as_posix()
)
def test_media_are_opened_at_the_choke_points_only(path: Path) -> None:
    """
    No module opens media, starts a process or asks an address but where it is listed.
    """
    found = openings(path, path.read_text(encoding="utf-8"))

    assert [] == [it for it in found if it[1] not in PLACES.get(it[0], {})]


def test_every_listed_place_is_still_one() -> None:
    """
    An exception goes when its opening has gone.
    """
    found = {
        (kind, place)
        for path in MODULES
        for kind, place, _line in openings(path, path.read_text(encoding="utf-8"))
    }

    assert {(kind, place) for kind in PLACES for place in PLACES[kind]} <= found


def test_every_program_of_the_worker_is_fenced() -> None:
    """
    Nobody starts a program without saying what it may.
    """
    calls = [
        node
        for path in sorted((PACKAGE / "work").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _dotted(node.func) == "Program"
    ]

    assert calls
    for call in calls:
        given = {it.arg for it in call.keywords} | set(range(len(call.args)))
        assert {"may", 4} & given, ast.unparse(call)


@pytest.mark.parametrize(
    "text",
    [
        "import av\nav.open('x')",
        "from av import open as look\nlook('x')",
        "import av as a\ndef f():\n    return a.open('x')",
        "import ffmpeg\nffmpeg.input('x')",
        "argv = ['ffmpeg', '-i', 'x']",
        "from urllib.request import urlopen\nurlopen('http://x')",
        "import subprocess as s\ns.run(['x'])",
        "import os\nos.system('x')",
        "import ffmpeg\nffmpeg.probe('x')",
        "picture = stream.filter('movie', 'x')",
        "from functools import partial\nimport av\nlook = partial(av.open, 'x')",
    ],
)
def test_the_rule_sees_each_way_to_open(text: str) -> None:
    """
    What this test looks for, it finds under any name.
    """
    found = list(openings(PACKAGE / "new.py", text))

    assert found
    assert all(place not in PLACES.get(kind, {}) for kind, place, _line in found)
