"""
The part of the emulator that sets functions up: what an account keeps of each.

The documented calls that `transcode deploy functiongraph` makes: creating a function,
its metadata, its most instances, reserved instances, asynchronous configuration and
triggers ("API Reference" of FunctionGraph, 2025-08-30). What the documentation calls
mandatory is missed with 400, what is not there with 404.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

Answer = tuple[int, Any]

_MANDATORY = ("func_name", "runtime", "timeout", "handler", "memory_size")
_NOT_FOUND: Answer = (404, {"error_code": "FSS.1051", "error_msg": "not found"})


@dataclass
class Functions:
    """Of one account, by name."""

    config: dict[str, dict[str, Any]] = field(default_factory=dict)
    later: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Asynchronous configuration."""
    reserved: dict[str, dict[str, Any]] = field(default_factory=dict)
    triggers: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def answer(self, method: str, path: str, query: str, body: bytes) -> Answer | None:
        """None for what is no call of management."""
        asked = json.loads(body) if body else {}
        _, _, rest = path.partition("/fgs/")
        parts = [unquote(part) for part in rest.split("/")]
        match method, parts:
            case "POST", ["functions"]:
                return self._create(asked)
            case "GET", ["functions", "reservedinstanceconfigs"]:
                return self._kept(parse_qs(query).get("function_urn", [""])[0])
            case (("GET" | "POST"), ["triggers", urn]):
                return self._watch(method, name_of(urn), asked)
            case "DELETE", ["triggers", urn, _kind, number]:
                gone = self.triggers.get(name_of(urn), {}).pop(number, None)
                return _NOT_FOUND if gone is None else (204, None)
            case (("GET" | "PUT"), ["functions", urn, what]):
                return self._one(method, urn, what, asked)
        return None

    def _create(self, asked: Mapping[str, Any]) -> Answer:
        name = asked.get("func_name")
        missing = [it for it in (*_MANDATORY, "package") if asked.get(it) is None]
        if missing:
            return 400, {"error_code": "FSS.0400", "error_msg": f"no {missing[0]}"}
        if name in self.config:
            return 409, {"error_code": "FSS.0409", "error_msg": "exists"}
        self.config[str(name)] = {**asked, "strategy_config": {"concurrency": 400}}
        return 200, self.config[str(name)]

    def _one(
        self, method: str, urn: str, what: str, asked: dict[str, Any]
    ) -> Answer | None:
        name = name_of(urn)
        known = {"config", "config-max-instance", "reservedinstances"}
        if what not in {*known, "async-invoke-config"}:
            return None
        if name not in self.config:
            return _NOT_FOUND
        config, found = self.config[name], None
        match method, what:
            case "GET", "config":
                found = config
            case "PUT", "config":
                if any(asked.get(it) is None for it in _MANDATORY):
                    return 400, {"error_code": "FSS.0400", "error_msg": "mandatory"}
                config.update(asked)
                found = config
            case "PUT", "config-max-instance":
                config["strategy_config"]["concurrency"] = asked["max_instance_num"]
                found = config
            case "PUT", "reservedinstances":
                found = self.reserved[name] = {"urn": urn, **asked}
            case "GET", "async-invoke-config":
                found = self.later.get(name)
            case "PUT", "async-invoke-config":
                found = self.later[name] = {"func_urn": urn, **asked}
        return _NOT_FOUND if found is None else (200, found)

    def _kept(self, urn: str) -> Answer:
        one = self.reserved.get(name_of(urn))
        found = [
            {
                "function_urn": it["urn"],
                "qualifier_type": "version",
                "qualifier_name": it["urn"].rpartition(":")[2],
                "min_count": it["count"],
                "idle_mode": it.get("idle_mode", False),
            }
            for it in ([one] if one else [])
        ]
        return 200, {"reserved_instances": found, "count": len(found)}

    def _watch(self, method: str, name: str, asked: dict[str, Any]) -> Answer:
        if name not in self.config:
            return _NOT_FOUND
        mine = self.triggers.setdefault(name, {})
        if method == "POST":
            number = f"trigger-{next(self._numbers)}"
            mine[number] = {"trigger_id": number, **asked}
            return 201, mine[number]
        return 200, list(mine.values())


def name_of(urn: str) -> str:
    """`urn:fss:region:project:function:package:NAME:version`."""
    parts = urn.split(":")
    return parts[6] if len(parts) > 6 else urn
