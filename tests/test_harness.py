"""What the tests take for granted of the process that they run in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import transcode

CODE = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"


def test_a_child_can_be_interrupted() -> None:
    """Or tests of Ctrl-C would wait for what nobody hears."""
    argv = [sys.executable, "-c", CODE]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert "default_int_handler" == done.stdout.strip()


def test_that_holds_where_sigint_is_ignored(request: pytest.FixtureRequest) -> None:
    """As under `nohup`, in some CI, and behind the `&` of a script."""
    this = f"{__file__}::{test_a_child_can_be_interrupted.__name__}"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                this,
            ],
            cwd=request.config.rootpath,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        signal.signal(signal.SIGINT, before)

    assert 0 == done.returncode, done.stdout


def test_what_is_tested_is_what_ships() -> None:
    """`make wheel` tests what was installed, and cannot import the checkout."""
    if not os.environ.get("TESTS_OF_WHEEL"):
        pytest.skip("these are tests of the checkout")

    assert Path(transcode.__file__).is_relative_to(sys.prefix)
    assert str(Path(__file__).parents[1]) not in sys.path


def test_every_module_can_be_imported() -> None:
    """None is left out of what ships, nor anything that it imports."""
    code = (
        "import importlib, pkgutil, transcode\n"
        "found = pkgutil.walk_packages(transcode.__path__, 'transcode.')\n"
        "names = [it.name for it in found if not it.name.endswith('.__main__')]\n"
        "print(len([importlib.import_module(name) for name in names]))"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert int(done.stdout) > 250
