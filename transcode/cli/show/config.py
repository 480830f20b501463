"""Settings as text and as JSON: what holds, and who said so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...settings import OF_FUNCTIONS, PREFIX, Settings
from ...units import place, printable, table
from ..settings_file import SettingsFile

_HIDDEN = "set, not shown"


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them; *value* is None where it is unset, or a secret."""

    name: str
    value: Any
    origin: str | None
    """The variable or the file; None: it is at its default."""
    secret: bool


def gathered(settings: Settings, origins: Mapping[str, str]) -> list[Setting]:
    """Every setting, in the order of their names."""
    secrets = Settings.secrets()
    return [
        Setting(
            name,
            None if name in secrets else getattr(settings, name),
            origins.get(name),
            name in secrets,
        )
        for name in sorted(Settings.model_fields)
    ]


def settings_text(found: Sequence[Setting], files: Sequence[SettingsFile]) -> str:
    """What was set first, then the defaults; never wider than 60 columns by itself."""
    kinds = {str(one.path): f"{one.kind} file" for one in files}
    named = [
        (f"{one.kind} file", place(str(one.path)) if one.there else _missing(one))
        for one in files
    ]
    chosen = [
        (
            it.name,
            _HIDDEN if it.secret else _said(it.value),
            kinds.get(it.origin, "environment"),
        )
        for it in found
        if it.origin is not None
    ]
    options = {name: one for one in files for name in one.options}
    given = [
        (f"--{name.replace('_', '-')}", one.options[name], f"{one.kind} file")
        for name, one in sorted(options.items())
    ]
    rest = [
        (it.name, _said(it.value))
        for it in found
        if it.origin is None and it.name not in OF_FUNCTIONS
    ]
    blocks = [
        "Files\n" + table(named),
        "Set\n" + (table(chosen) if chosen else "  nothing"),
        *(["Options, where they are not given\n" + table(given)] if given else []),
        "By default\n" + table(rest),
        f"A setting's variable is {PREFIX} and its name in capitals.",
    ]
    return printable("\n\n".join(blocks))


def settings_json(found: Sequence[Setting], files: Sequence[SettingsFile]) -> str:
    """The same as one document."""
    options = {name: one for one in files for name in one.options}
    document = {
        "files": {
            one.kind: {"path": str(one.path), "exists": one.there} for one in files
        },
        "settings": {
            it.name: {
                "value": it.value,
                "from": it.origin or "default",
                "secret": it.secret,
                "set": it.origin is not None,
            }
            for it in found
        },
        "options": {
            name: {"value": one.options[name], "from": str(one.path)}
            for name, one in sorted(options.items())
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _missing(one: SettingsFile) -> str:
    return f"none; it would be {place(str(one.path))}"


def _said(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
