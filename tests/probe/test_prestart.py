"""A probing child that is started before it is known what it looks at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from transcode.probe import prestart


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """No test leaves a child behind for the next."""
    yield
    prestart.abandon()


def ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether it was killed and reaped."""
    return child.returncode is not None


def test_who_asks_first_gets_the_child_that_waits() -> None:
    """The second one gets a child of its own."""
    prestart.begin()
    waiting = prestart._waiting[0]

    first, second = (
        prestart.start(sys.executable, {}),
        prestart.start(sys.executable, {}),
    )

    assert waiting is first
    assert waiting is not second
    for child in (first, second):
        prestart.kill(child)
        prestart.close(child)


def test_a_child_that_sees_too_little_is_not_used() -> None:
    """It began without certificates and proxies; who needs them gets another one."""
    prestart.begin()
    waiting = prestart._waiting[0]

    child = prestart.start(sys.executable, {"SSL_CERT_DIR": "/nowhere"})

    assert waiting is not child
    assert ended(waiting)
    prestart.kill(child)
    prestart.close(child)


def test_a_child_that_died_meanwhile_is_not_used() -> None:
    """As where memory was short while it imported."""
    prestart.begin()
    waiting = prestart._waiting[0]
    waiting.kill()
    waiting.wait()

    child = prestart.start(sys.executable, {})

    assert waiting is not child
    assert child.poll() is None
    prestart.kill(child)
    prestart.close(child)


def test_what_nobody_asked_is_ended() -> None:
    """A command that was refused before it looked leaves no process."""
    prestart.begin()
    waiting = prestart._waiting[0]

    prestart.abandon()

    assert ended(waiting)
