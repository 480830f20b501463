"""
Functions of FunctionGraph as they are to be, as they are, and the steps between.

Values and decisions alone; `functiongraph_api` reads and writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, SecretStr

from ..contract import Value
from ..errors import SettingsError
from ..invoke.variants import VARIABLE, FunctionVariant
from ..settings import PREFIX, Settings
from .report import DeployFinding, Standing

SWEEP = "transcode-sweep"
SWEEP_EVERY = "15m"
_OURS = "transcode-"
"""What the names of our triggers begin with; others are left alone."""
INITIALIZER_SECONDS = 120
"""Of 1 to 300, generously: on the emulator it takes a few with 0.6 vCPU."""
_MOST_VARIABLES = 20
_MOST_CHARACTERS = 4096
"""Of a function's environment; "Creating a Function", 2025-08-30."""

_TOLD = (
    *("to", "sources", "profile", "platform", "suffixes", "margin_seconds"),
    *("s3_endpoint_url", "s3_region", "s3_path_style", "private_hosts"),
    *("fence", "lease_seconds", "tries", "probe_seconds", "budgets"),
    *("functiongraph_function", "scratch"),
)
"""Settings that a function reads; each is told where it was set."""
_SECRET = ("on_success", "on_failure", "webhook_secret")
"""Those that may hold a secret: told encrypted, and shown nowhere."""


class DeployedDestination(Value):
    """Whom the platform tells of a call, as its API says it."""

    destination: Literal["OBS", "SMN", "DIS", "FunctionGraph"]
    param: Mapping[str, str | int]


class DeployedTrigger(Value):
    """What calls a function."""

    kind: str
    """`OBS`, `TIMER`, or what we know nothing of."""
    name: str
    event: Mapping[str, str | tuple[str, ...]]
    """What its API has as `event_data`, as far as we set it."""
    trigger_id: str | None = None
    """Of one that is there."""


class DeployedFunction(Value):
    """One function, wanted or found; None where nothing is set."""

    name: str
    package: str
    image: str | None
    memory_mib: int | None
    dynamic_memory: bool
    time_limit_seconds: int | None
    initializer_seconds: int | None
    scratch_mib: int | None
    gpu: str | None = None
    gpu_memory_mib: int | None = None
    agency: str | None
    keys_in_headers: bool
    """`enable_auth_in_header`: each call brings the agency's keys."""
    environment: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    """Names of what is told encrypted: the values are read back by nobody."""
    most_instances: int | None
    reserved_instances: int
    retries: int | None = None
    event_age_seconds: int | None = None
    status_log: bool | None = None
    on_success: DeployedDestination | None = None
    on_failure: DeployedDestination | None = None
    triggers: tuple[DeployedTrigger, ...] = ()


class SecretEnvironment(Value):
    """What is told encrypted; never part of a state, a finding or a message."""

    values: Mapping[str, SecretStr] = Field(repr=False)


StepKind = Literal[
    "create",
    "configure",
    "instances",
    "reserve",
    "asynchronous",
    "trigger",
    "untrigger",
]


@dataclass(frozen=True, slots=True)
class DeployStep:
    """One call that writes."""

    kind: StepKind
    wanted: DeployedFunction
    trigger: DeployedTrigger | None = None


_GROUPS: Mapping[StepKind, tuple[str, ...]] = {
    "configure": (
        *("image", "memory_mib", "dynamic_memory", "time_limit_seconds"),
        *("initializer_seconds", "scratch_mib", "gpu", "gpu_memory_mib", "agency"),
        *("keys_in_headers", "environment", "secrets"),
    ),
    "instances": ("most_instances",),
    "reserve": ("reserved_instances",),
    "asynchronous": (
        *("retries", "event_age_seconds", "status_log", "on_success", "on_failure"),
    ),
}
"""Which call sets which field."""


def wanted_of(
    settings: Settings, variants: Sequence[FunctionVariant], region: str
) -> tuple[DeployedFunction, ...]:
    """
    What the settings ask for, the function that uploads start first. Raises
    `SettingsError` for what is missing, contradicts itself or is too long.
    """
    for name in ("functiongraph_image", "functiongraph_agency", "to"):
        if not getattr(settings, name):
            raise _wrong(name, "is not set, and no function can be set up without it")
    environment = _environment(settings, region)
    secrets = tuple(PREFIX + name.upper() for name in secret_names(settings))
    found = []
    for number, one in enumerate(variants):
        if one.time_limit_seconds is None or one.scratch_mib is None:
            raise SettingsError(
                f"{VARIABLE}: say seconds= and scratch= of {one.name}, as in "
                f"{one.address},seconds=900,scratch=10240: it is set up so, and plans "
                "go by it.",
                setting=VARIABLE,
            )
        found.append(
            DeployedFunction(
                name=one.name,
                package=one.package,
                image=settings.functiongraph_image,
                memory_mib=settings.functiongraph_memory_mib,
                dynamic_memory=True,
                time_limit_seconds=one.time_limit_seconds,
                initializer_seconds=INITIALIZER_SECONDS,
                scratch_mib=one.scratch_mib,
                gpu=one.gpu,
                gpu_memory_mib=one.gpu_memory_mib,
                agency=settings.functiongraph_agency,
                keys_in_headers=True,
                environment=environment,
                secrets=secrets,
                most_instances=settings.functiongraph_instances,
                reserved_instances=settings.functiongraph_reserved if not number else 0,
                retries=0,
                event_age_seconds=settings.functiongraph_event_age_seconds,
                status_log=True,
                on_success=_destination(settings, "functiongraph_on_success"),
                on_failure=_destination(settings, "functiongraph_on_failure"),
                triggers=_triggers(settings) if not number else (),
            )
        )
    return tuple(found)


def secret_names(settings: Settings) -> tuple[str, ...]:
    """Settings that are set, and are told encrypted."""
    return tuple(n for n in sorted(_SECRET) if getattr(settings, n) is not None)


def secret_environment(settings: Settings) -> SecretEnvironment:
    """With their values."""
    values = {
        PREFIX + name.upper(): one if isinstance(one, SecretStr) else SecretStr(one)
        for name in secret_names(settings)
        if (one := getattr(settings, name)) is not None
    }
    return SecretEnvironment(values=values)


def steps_to(
    wanted: DeployedFunction, found: DeployedFunction | None
) -> tuple[DeployStep, ...]:
    """What to call, in this order; nothing where all is as it is wanted."""
    if found is None:
        kinds: tuple[StepKind, ...] = ("create", "configure", "instances")
        steps = [DeployStep(kind, wanted) for kind in kinds]
        if wanted.reserved_instances:
            steps.append(DeployStep("reserve", wanted))
        steps.append(DeployStep("asynchronous", wanted))
        steps += [DeployStep("trigger", wanted, one) for one in wanted.triggers]
        return tuple(steps)
    steps = [
        DeployStep(kind, wanted)
        for kind, fields in _GROUPS.items()
        if any(_differs(wanted, found, name) for name in fields)
    ]
    there = {one.name: one for one in found.triggers}
    for one in _superfluous(wanted, found):
        steps.append(DeployStep("untrigger", wanted, one))
    for one in wanted.triggers:
        old = there.get(one.name)
        if old is not None and _same(one, old):
            continue
        if old is not None:
            # What calls a function cannot be changed, only made anew.
            steps.append(DeployStep("untrigger", wanted, old))
        steps.append(DeployStep("trigger", wanted, one))
    return tuple(steps)


def findings_of(
    wanted: DeployedFunction, found: DeployedFunction | None
) -> tuple[DeployFinding, ...]:
    """The same for a person: each thing that is wanted beside what is there."""
    what = f"function {wanted.name}"
    rows = [
        DeployFinding(
            what=what,
            standing="missing" if found is None else "as_wanted",
            wanted="there",
            found=None if found is None else "there",
        )
    ]
    for fields in _GROUPS.values():
        for name in fields:
            rows += _rows(what, name, wanted, found)
    there = {one.name: one for one in found.triggers} if found else {}
    for one in wanted.triggers:
        old = there.get(one.name)
        standing: Standing = "missing" if old is None else "different"
        if old is not None and _same(one, old):
            standing = "as_wanted"
        rows.append(
            DeployFinding(
                what=f"{what}: trigger {one.name}",
                standing=standing,
                wanted=_of_trigger(one),
                found=None if old is None else _of_trigger(old),
            )
        )
    for one in _superfluous(wanted, found) if found else ():
        rows.append(
            DeployFinding(
                what=f"{what}: trigger {one.name}",
                standing="superfluous",
                found=_of_trigger(one),
            )
        )
    return tuple(rows)


def _rows(
    what: str, name: str, wanted: DeployedFunction, found: DeployedFunction | None
) -> Iterator[DeployFinding]:
    if name == "environment":
        had = {} if found is None else found.environment
        ours = {it: had[it] for it in had if it.startswith(PREFIX)}
        for variable in sorted({*wanted.environment, *ours}):
            here, there = wanted.environment.get(variable), had.get(variable)
            yield DeployFinding(
                what=f"{what}: {variable}",
                standing=_standing(here, there),
                wanted=here,
                found=there,
            )
        return
    want, has = getattr(wanted, name), None if found is None else getattr(found, name)
    if name == "secrets" and want and want == has:
        yield DeployFinding(
            what=f"{what}: {', '.join(want)}",
            standing="unknown",
            wanted="encrypted, and shown to nobody",
            found="encrypted",
        )
        return
    label, unit = name, ""
    for ending, sign in (("_mib", " MiB"), ("_seconds", " s")):
        if name.endswith(ending):
            label, unit = name.removesuffix(ending), sign
    yield DeployFinding(
        what=f"{what}: {label.replace('_', ' ')}",
        standing=_standing(want, has),
        wanted=_word(want, unit),
        found=_word(has, unit),
    )


def _standing(wanted: object, found: object) -> Standing:
    nothing = (None, "", ())
    if wanted == found or (wanted in nothing and found in nothing):
        return "as_wanted"
    if found in nothing:
        return "missing"
    return "superfluous" if wanted in nothing else "different"


def _word(value: object, unit: str) -> str | None:
    match value:
        case None | ():
            return None
        case bool():
            return "on" if value else "off"
        case DeployedDestination():
            param = json.dumps(dict(value.param), ensure_ascii=False)
            return f"{value.destination} {param}"
        case tuple():
            return ", ".join(map(str, value))
    return f"{value}{unit}"


def _differs(wanted: DeployedFunction, found: DeployedFunction, name: str) -> bool:
    want, has = getattr(wanted, name), getattr(found, name)
    if name == "environment":
        has = {it: has[it] for it in has if it.startswith(PREFIX)}
    return bool(_standing(want, has) != "as_wanted")


def kept_environment(found: DeployedFunction | None) -> Mapping[str, str]:
    """What somebody else has set there: it is written back."""
    if found is None:
        return {}
    own = found.environment
    return {name: own[name] for name in own if not name.startswith(PREFIX)}


def _superfluous(
    wanted: DeployedFunction, found: DeployedFunction
) -> Iterator[DeployedTrigger]:
    names = {one.name for one in wanted.triggers}
    for one in found.triggers:
        if one.name.startswith(_OURS) and one.name not in names:
            yield one


def _same(one: DeployedTrigger, other: DeployedTrigger) -> bool:
    return one.kind == other.kind and _plain(one) == _plain(other)


def _plain(one: DeployedTrigger) -> Mapping[str, object]:
    """`s3:ObjectCreated:*` and `ObjectCreated` are the same: both are documented."""
    event = {it: value for it, value in one.event.items() if value}
    events = event.get("events", ())
    short = {re.sub(r"^s3:|:\*$", "", it) for it in events}
    return {**event, "events": short}


def _of_trigger(one: DeployedTrigger) -> str:
    event = one.event
    if one.kind == "TIMER":
        return f"every {event.get('schedule', '?')}"
    return f"{one.kind} {event.get('bucket', '')}/{event.get('prefix', '')}"


def _environment(settings: Settings, region: str) -> Mapping[str, str]:
    told: dict[str, str] = {}
    for name in _TOLD:
        value = getattr(settings, name)
        if value is None or name not in settings.model_fields_set:
            continue
        said = str(value).lower() if isinstance(value, bool) else str(value)
        told[PREFIX + name.upper()] = said
    # The image runs as somebody without a home; OBS speaks S3.
    told.setdefault("TRANSCODE_SCRATCH", "/tmp")  # noqa: S108 - the platform's own
    endpoint = f"https://obs.{region}.myhuaweicloud.com"
    told.setdefault("TRANSCODE_S3_ENDPOINT_URL", endpoint)
    told.setdefault("TRANSCODE_S3_REGION", region)
    count, length = len(told), sum(len(it) + len(told[it]) for it in told)
    if count > _MOST_VARIABLES or length > _MOST_CHARACTERS:
        raise SettingsError(
            f"{count} variables of {length} characters are more than a function may "
            f"have: {_MOST_VARIABLES}, and {_MOST_CHARACTERS} characters. Leave out "
            "settings that have their default.",
            variables=count,
            characters=length,
        )
    return told


def _triggers(settings: Settings) -> tuple[DeployedTrigger, ...]:
    found = [
        DeployedTrigger(
            kind="TIMER",
            name=SWEEP,
            event={"name": SWEEP, "schedule_type": "Rate", "schedule": SWEEP_EVERY},
        )
    ]
    for source in (settings.sources or "").split():
        scheme, mark, rest = source.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not mark or not bucket:
            raise _wrong("sources", f"names {source!r}, which no trigger can watch")
        digest = hashlib.sha256(source.encode()).hexdigest()[:8]
        name = f"{_OURS}in-{digest}"
        found.append(
            DeployedTrigger(
                kind="OBS",
                name=name,
                event={
                    "name": name,
                    "bucket": bucket,
                    "prefix": prefix,
                    "events": ("s3:ObjectCreated:*",),
                },
            )
        )
    return tuple(found)


def _destination(settings: Settings, name: str) -> DeployedDestination | None:
    text = getattr(settings, name)
    if not text:
        return None
    if text.startswith("urn:smn:"):
        return DeployedDestination(destination="SMN", param={"topic_urn": text})
    if text.startswith("urn:fss:"):
        return DeployedDestination(
            destination="FunctionGraph", param={"func_urn": text}
        )
    scheme, _, rest = text.partition("://")
    place, _, prefix = rest.partition("/")
    if scheme == "obs" and place:
        # 0: what is written there never expires.
        param = {"bucket": place, "prefix": prefix, "expires": 0}
        return DeployedDestination(destination="OBS", param=param)
    if scheme == "dis" and place and not prefix:
        return DeployedDestination(destination="DIS", param={"stream_name": place})
    raise _wrong(
        name, f"is {text!r}; write urn:smn:…, urn:fss:…, obs://bucket/prefix or dis://…"
    )


def _wrong(name: str, why: str) -> SettingsError:
    variable = PREFIX + name.upper()
    return SettingsError(f"{variable} {why}.", setting=variable)
