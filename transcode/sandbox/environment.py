"""What of our environment a process that does the work may see: an allow-list."""

from __future__ import annotations

import ctypes
import gc
import os

WORKING = frozenset(
    {
        *("PATH", "LD_LIBRARY_PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
"""What every child may see; credentials live in the rest of it."""
_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "TMPDIR"})
"""What a worker besides needs to start at all."""
_PR_SET_DUMPABLE = 4
"""linux/prctl.h."""
_YOUNG_OBJECTS = 200_000
"""Of which the garbage collector waits for more before it looks; Python's own 700 has
it look a hundred times while a short job imports, for garbage that is not there."""


def passed_on() -> dict[str, str]:
    """The environment of a worker, to be given when it is started: what it begins
    with stays to be read in /proc, whatever it forgets later."""
    wanted = WORKING | _PYTHON
    return {name: value for name, value in os.environ.items() if name in wanted}


def keep_private() -> None:
    """
    Let no other process of this user read our memory and environment.

    They hold keys. Root may go on reading, and so may this process; what it starts is
    not affected. A core of it is no longer written.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def start_lean(*, lasting: bool = False) -> None:
    """
    Spend nothing on what a process of ours has no use for; to be called before it
    imports, and again where the environment was cleared.

    Collections of garbage while all that is made is kept, and a look into the metadata
    of every installed distribution for plugins of pydantic, which we have none of. Of
    garbage there is some in a process that is *lasting*, which collects it as ever.
    """
    if not lasting:
        gc.set_threshold(_YOUNG_OBJECTS)
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
