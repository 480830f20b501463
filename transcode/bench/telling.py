"""How far a bench is, told while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tell:
    """Passes what is measured now, and how much of it is done, to whoever shows it."""

    show: Callable[[str], None]
    """One line; the next replaces it."""
    what: str = ""
    _done: int = field(default=0)

    def repeat(self, what: str, number: int, of: int) -> Tell:
        """The same for the repeat *number*, from 0, of *of*."""
        return self.begin(what if of == 1 else f"{what}, {number + 1} of {of}")

    def begin(self, what: str) -> Tell:
        """Something else is measured from here on."""
        self.show(what)
        return Tell(self.show, what)

    def step(self, of: int) -> None:
        """One more of *of* is done."""
        self._done += 1
        self.show(f"{self.what}: {self._done} of {of}")
