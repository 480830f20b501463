"""Names of a package that import their modules when they are first asked for."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as type checkers know it, without the price of `typing`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


def exports(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    `__getattr__` and `__dir__` of *package*; *homes* names what each module brings.

    What was found stays: it is looked for once. Raises AttributeError for other names.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    # Not through setattr, which a package may have changed.
    namespace = vars(sys.modules[package])

    def find(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - not before it is needed

        found = getattr(import_module(f"{package}.{home}"), name)
        namespace[name] = found
        return found

    def names() -> list[str]:
        return sorted({*namespace, *home_of})

    return find, names
