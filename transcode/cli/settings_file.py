"""
`transcode.toml`: settings and options that stand in a file, yours and a project's.

Read before anything else, so it imports little; what settings mean and which of them a
project may set stands in `transcode.settings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from ..settings import SettingsLayer

NAME = "transcode.toml"
_MOST_BYTES = 64 * 1024
_TABLE = "options"
OPTIONS = (
    *("profile", "platform", "engine", "to", "deadline", "budget", "optimize"),
    "sample",
)
"""What `[options]` may say; the same as `--profile` and so on."""
OF_A_PROJECT = ("profile", "platform", "to", "deadline", "optimize", "sample")
"""
Those of a project's file: not what costs without a limit, nor where work runs. What is
named must be the project's own.
"""
_OF_PLANS = frozenset({"run", "plan", "submit", "watch", "serve", "sweep"})
_PATHS = ("profile", "platform")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One of the two files, whether it is there or not."""

    kind: Literal["user", "project"]
    path: Path
    there: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def layer(self) -> SettingsLayer:
        """As `Settings` takes it."""
        from ..settings import SettingsLayer  # noqa: PLC0415 - see the module

        return SettingsLayer(
            kind=self.kind, path=str(self.path), values=dict(self.values)
        )


@cache
def files() -> tuple[SettingsFile, ...]:
    """Those of this process, read once; the later one wins. Raises `SettingsError`."""
    return read(os.environ, Path.cwd())


def read(environ: Mapping[str, str], here: Path) -> tuple[SettingsFile, ...]:
    """The user's file and that of the project in *here*; raises `SettingsError`."""
    found = []
    own = _of_the_user(environ)
    if own is not None:
        found.append(_read("user", own))
    project = here / NAME
    if own is None or not _same(own, project):
        found.append(_read("project", project))
    return tuple(found)


def defaults(group: click.Group, argv: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Command → option → its default, as click's `default_map` wants it.

    Of those commands alone that *argv* may mean.
    """
    merged: dict[str, Any] = {}
    for one in files():
        merged |= one.options
    if not merged:
        return {}
    found: dict[str, dict[str, Any]] = {}
    context = click.Context(group)
    for name in {*argv}.intersection(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is None:
            continue
        has = {parameter.name for parameter in command.params}
        wanted = has & (merged.keys() if name in _OF_PLANS else {"to"})
        found[name] = {key: merged[key] for key in merged if key in wanted}
    return found


def origin_of(option: str | None) -> SettingsFile | None:
    """The file that says what *option* is, where it was not given."""
    return next((one for one in reversed(files()) if option in one.options), None)


def _of_the_user(environ: Mapping[str, str]) -> Path | None:
    base = environ.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):
        return Path(base) / "transcode" / NAME
    try:
        return Path.home() / ".config" / "transcode" / NAME
    except RuntimeError:
        return None  # somebody without a home, as in a container


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _read(kind: Literal["user", "project"], path: Path) -> SettingsFile:
    try:
        # Not a pipe that nobody writes to, nor a disk.
        if not path.exists():
            return SettingsFile(kind, path)
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise _wrong(path, "is no file of at most 64 KiB")
        import tomllib  # noqa: PLC0415 - mostly there is none to read

        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as exc:
        why = (exc.strerror or str(exc)).lower()
        raise _wrong(path, f"cannot be read: {why}") from None
    except RecursionError:
        raise _wrong(path, "is no TOML: it is nested too deeply") from None
    except ValueError as exc:
        # Of both kinds: no UTF-8, no TOML.
        raise _wrong(path, f"is no TOML: {str(exc).lower().rstrip('.')}") from None
    options = content.pop(_TABLE, {})
    if not isinstance(options, dict):
        raise _wrong(path, f"has {_TABLE} as a value; write a table, [{_TABLE}]")
    return SettingsFile(
        kind,
        path,
        True,
        content,
        {k: _option(kind, path, k, options[k]) for k in options},
    )


def _option(kind: str, path: Path, name: str, value: object) -> str:
    """As it would be typed."""
    where = f"[{_TABLE}] {name}"
    if name not in OPTIONS:
        from ..units import nearest  # noqa: PLC0415 - only where something failed

        raise _wrong(
            path,
            f"has {where}; there are {', '.join(OPTIONS)}.{nearest(name, OPTIONS)}",
        )
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _wrong(path, f"has {where} = {value!r}; write a text or a number")
    text = str(value) if isinstance(value, str | int) else format(value, "f")
    if kind == "project":
        _refuse_foreign(path, name, text)
    if name in _PATHS and ("/" in text or text.endswith(".toml")):
        return str(path.parent / Path(text).expanduser())
    return text


def _refuse_foreign(path: Path, name: str, text: str) -> None:
    """A folder that came from somebody else decides on nothing outside of itself."""
    where = f"[{_TABLE}] {name} = {text!r}"
    if name not in OF_A_PROJECT:
        raise _wrong(
            path, f"has {where}, which only your own file may set: {_own_name()}"
        )
    by_path = "/" in text or text.endswith(".toml")
    if name == "platform" and by_path:
        raise _wrong(
            path,
            f"has {where}: prices are not a project's to make, so name one of "
            "`transcode platforms`",
        )
    if name == "to" or (name == "profile" and by_path):
        aim = path.parent / text
        if "://" in text or not aim.resolve().is_relative_to(path.parent.resolve()):
            raise _wrong(
                path, f"has {where}, which leads out of the project; name what is in it"
            )


def _own_name() -> str:
    return str(_of_the_user(os.environ) or "none here")


def _wrong(path: Path, why: str) -> Exception:
    from ..errors import SettingsError  # noqa: PLC0415 - see the module

    end = "" if why.endswith((".", "?")) else "."
    return SettingsError(f"{str(path)!r} {why}{end}", setting=str(path))
