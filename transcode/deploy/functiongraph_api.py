"""
FunctionGraph's management API: a function as it is, and a step to what is wanted.

After "API Reference" of FunctionGraph (2025-08-30): creating a function, querying and
modifying its metadata, its most instances, reserved instances, asynchronous
configuration and triggers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..deliver.functiongraph import FunctionCalls, quoted
from ..deliver.targets import GraphFunction
from ..errors import DestinationRefused
from .functiongraph_state import (
    DeployedDestination,
    DeployedFunction,
    DeployedTrigger,
    DeployStep,
    SecretEnvironment,
)

_NOT_THERE = 404
_RUNTIME = "Custom Image"
_HANDLER = "-"
"""Of an image: it has no handler in a file, and its initializer is `POST /init`."""
_TRIGGER_FIELDS = ("name", "bucket", "prefix", "suffix", "schedule_type", "schedule")


@dataclass(frozen=True, slots=True)
class FunctionManagement:
    """One function's; all raise `DeliveryError`."""

    calls: FunctionCalls
    function: GraphFunction

    async def found(self) -> DeployedFunction | None:
        """What there is; None where there is no such function."""
        config = await self._read("GET", f"{self._path}/config")
        if config is None:
            return None
        later = await self._read("GET", f"{self._path}/async-invoke-config") or {}
        query = f"function_urn={quoted(self.function.urn)}"
        kept = await self._read(
            "GET", "/functions/reservedinstanceconfigs", query=query
        )
        triggers = await self._read("GET", f"/triggers/{quoted(self.function.urn)}")
        told = later.get("destination_config") or {}
        return _of_config(config).model_copy(
            update={
                "reserved_instances": _reserved(kept or {}, self.function.urn),
                "retries": later.get("max_async_retry_attempts"),
                "event_age_seconds": later.get("max_async_event_age_in_seconds"),
                "status_log": later.get("enable_async_status_log"),
                "on_success": _of_destination(told.get("on_success")),
                "on_failure": _of_destination(told.get("on_failure")),
                "triggers": tuple(map(_of_trigger, triggers or ())),
            }
        )

    async def take(
        self, step: DeployStep, kept: Mapping[str, str], secrets: SecretEnvironment
    ) -> None:
        """One call. *kept*: variables of the function that are not ours."""
        wanted = step.wanted
        match step.kind:
            case "create":
                document = _creation(wanted, kept, secrets)
                await self._write("POST", "/functions", document)
            case "configure":
                document = _configuration(wanted, kept, secrets)
                await self._write("PUT", f"{self._path}/config", document)
            case "instances":
                document = {"max_instance_num": wanted.most_instances}
                await self._write("PUT", f"{self._path}/config-max-instance", document)
            case "reserve":
                document = {"count": wanted.reserved_instances, "idle_mode": False}
                await self._write("PUT", f"{self._path}/reservedinstances", document)
            case "asynchronous":
                document = _asynchronous(wanted)
                await self._write("PUT", f"{self._path}/async-invoke-config", document)
            case "trigger" | "untrigger":
                await self._trigger(step)

    async def _trigger(self, step: DeployStep) -> None:
        one, at = step.trigger, f"/triggers/{quoted(self.function.urn)}"
        assert one is not None  # noqa: S101  such steps have one
        if step.kind == "untrigger":
            await self._write("DELETE", f"{at}/{one.kind}/{one.trigger_id}", None)
            return
        event = {
            it: list(x) if isinstance(x, tuple) else x for it, x in one.event.items()
        }
        document = {
            "trigger_type_code": one.kind,
            "trigger_status": "ACTIVE",
            "event_data": event,
        }
        await self._write("POST", at, document)

    @property
    def _path(self) -> str:
        return f"/functions/{quoted(self.function.urn)}"

    async def _read(self, method: str, path: str, *, query: str = "") -> Any:
        assert method == "GET"  # noqa: S101  nothing else reads
        try:
            return await self.calls.manage(self.function, "GET", path, query=query)
        except DestinationRefused as exc:
            if exc.evidence.get("status") == _NOT_THERE:
                return None
            raise

    async def _write(
        self, method: Any, path: str, document: Mapping[str, Any] | None
    ) -> None:
        await self.calls.manage(self.function, method, path, document=document)


def _creation(
    wanted: DeployedFunction, kept: Mapping[str, str], secrets: SecretEnvironment
) -> dict[str, Any]:
    both = _configuration(wanted, kept, secrets)
    later = ("ephemeral_storage", "enable_auth_in_header")
    return {
        "package": wanted.package,
        "code_type": "Custom-Image-Swr",
        "type": "v2",
        **{name: it for name, it in both.items() if name not in later},
    }


def _configuration(
    wanted: DeployedFunction, kept: Mapping[str, str], secrets: SecretEnvironment
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "func_name": wanted.name,
        "runtime": _RUNTIME,
        "timeout": wanted.time_limit_seconds,
        "handler": _HANDLER,
        "memory_size": wanted.memory_mib,
        "user_data": json.dumps({**kept, **wanted.environment}),
        "xrole": wanted.agency,
        "custom_image": {"enabled": True, "image": wanted.image},
        "initializer_handler": _HANDLER,
        "initializer_timeout": wanted.initializer_seconds,
        "ephemeral_storage": wanted.scratch_mib,
        "enable_dynamic_memory": wanted.dynamic_memory,
        "enable_auth_in_header": wanted.keys_in_headers,
    }
    if wanted.gpu is not None:
        document |= {"gpu_type": wanted.gpu, "gpu_memory": wanted.gpu_memory_mib}
    if secrets.values:
        plain = {it: one.get_secret_value() for it, one in secrets.values.items()}
        document["encrypted_user_data"] = json.dumps(plain)
    return document


def _asynchronous(wanted: DeployedFunction) -> dict[str, Any]:
    told = {
        name: {"destination": one.destination, "param": json.dumps(dict(one.param))}
        for name, one in (
            ("on_success", wanted.on_success),
            ("on_failure", wanted.on_failure),
        )
        if one is not None
    }
    return {
        "max_async_event_age_in_seconds": wanted.event_age_seconds,
        "max_async_retry_attempts": wanted.retries,
        "enable_async_status_log": wanted.status_log,
        **({"destination_config": told} if told else {}),
    }


def _of_config(config: Mapping[str, Any]) -> DeployedFunction:
    image = config.get("custom_image") or {}
    strategy = config.get("strategy_config") or {}
    environment = _variables(config.get("user_data"))
    hidden = _variables(config.get("encrypted_user_data"))
    return DeployedFunction(
        name=str(config.get("func_name")),
        package=str(config.get("package")),
        image=image.get("image") or None,
        memory_mib=config.get("memory_size"),
        dynamic_memory=bool(config.get("enable_dynamic_memory")),
        time_limit_seconds=config.get("timeout"),
        initializer_seconds=config.get("initializer_timeout")
        if config.get("initializer_handler")
        else None,
        scratch_mib=config.get("ephemeral_storage"),
        gpu=config.get("gpu_type") or None,
        gpu_memory_mib=config.get("gpu_memory") or None,
        agency=config.get("xrole") or None,
        keys_in_headers=bool(config.get("enable_auth_in_header")),
        environment=environment,
        secrets=tuple(sorted(hidden)),
        most_instances=strategy.get("concurrency"),
        reserved_instances=0,
    )


def _variables(text: Any) -> dict[str, str]:
    """A function's environment is a JSON object in a string."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {str(it): str(found[it]) for it in found} if isinstance(found, dict) else {}


def _reserved(document: Mapping[str, Any], urn: str) -> int:
    version = urn.rpartition(":")[2]
    for one in document.get("reserved_instances") or ():
        if one.get("qualifier_name") == version:
            return int(one.get("min_count") or 0)
    return 0


def _of_destination(found: Mapping[str, Any] | None) -> DeployedDestination | None:
    if not found or not found.get("destination"):
        return None
    return DeployedDestination(
        destination=found["destination"], param=json.loads(found.get("param") or "{}")
    )


def _of_trigger(found: Mapping[str, Any]) -> DeployedTrigger:
    given = found.get("event_data") or {}
    event: dict[str, Any] = {it: given[it] for it in _TRIGGER_FIELDS if given.get(it)}
    if given.get("events"):
        event["events"] = tuple(given["events"])
    return DeployedTrigger(
        kind=str(found.get("trigger_type_code")),
        name=str(given.get("name") or ""),
        event=event,
        trigger_id=found.get("trigger_id"),
    )
