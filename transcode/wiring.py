"""Settings → objects: who is plugged into whom."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from .catalog import Catalog
from .contract import Capabilities
from .errors import (
    DestinationError,
    SettingsError,
    UsageError,
)
from .invoke.engine import Engine
from .plan.coefficients import Coefficients, parse_coefficients
from .platforms.machine import scratch_mib, this_machine
from .platforms.platform import Machine, Platform, held_to_tier
from .settings import Settings
from .tracing.spans import begin
from .units import nearest
from .work.toolchain import capabilities, find_ffmpeg, yardstick_seconds

if TYPE_CHECKING:
    from .contract.job import Delivery
    from .deliver import Announcer, Senders, Target
    from .deliver.functiongraph import AsyncStatus, FunctionCalls
    from .deliver.targets import GraphFunction
    from .invoke.kubernetes import KubernetesCluster
    from .invoke.kubernetes_job import JobSetup
    from .invoke.ray import RayCluster
    from .invoke.variants import FunctionVariant
    from .ledger.budgets import Cap

ENGINES = ("local", "ray", "functiongraph", "aws-lambda", "kubernetes")
_OF_ONE_PLATFORM = ("functiongraph", "aws-lambda")
"""Engines that call a platform's own functions: they serve none that names them not."""

_IN_A_CONTAINER = (*_OF_ONE_PLATFORM, "kubernetes")
"""Engines whose platform kills all that runs in a container, us among it."""
_LAMBDA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,58}")
"""A function's name has 64 characters at most; six are for the memory."""
_RESTING_SECONDS = (20.0, 60.0, 300.0, 600.0)
"""A destination that is down is left alone for so long, ever longer."""
_OWN_MIB = 128


"""Of a function's memory, for this process beside the worker: 100 MiB with S3's client
loaded, measured, and some to grow."""


def own_mib(engine: str) -> int:
    """What a function of *engine* itself needs of every spec; 0 where it is apart."""
    return _OWN_MIB if engine in _IN_A_CONTAINER else 0


def own_mib_on(platform: Platform) -> int:
    """Likewise of every spec of *platform*; 0 where workers are held apart from us."""
    return 0 if platform.lattice.kind == "machine" else _OWN_MIB


def bills_starts(engine: str) -> bool:
    """Whether each of its tasks is a call of a function, whose start is billed, too."""
    return engine in _OF_ONE_PLATFORM


@dataclass(frozen=True)
class Wiring:
    """Everything a command needs; each part is made when it is first asked for."""

    settings: Settings
    held_to: Machine | None = None
    """What we may use, where the kernel does not tell: inside a platform's function."""
    pace: float | None = None
    """How fast this machine is taken to be, as in `Coefficients`; None: looked at."""

    @cached_property
    def catalog(self) -> Catalog:
        """Profiles, platforms and services by name."""
        return Catalog(self.settings)

    @property
    def machine(self) -> Machine:
        """What we may use; of scratch what is free now, since a service lives long."""
        if self.held_to is not None:
            return self.held_to
        free, whole = scratch_mib(self.scratch)
        now = {"scratch_mib": free, "scratch_total_mib": whole}
        return self._machine.model_copy(update=now)

    @cached_property
    def _machine(self) -> Machine:
        return this_machine(self.scratch)

    def machine_of(self, engine: str) -> Machine:
        """The most that one task can have where *engine* runs it."""
        if engine == "ray":
            return self.ray_cluster.largest(self.machine.scratch_mib)
        return self.machine

    @cached_property
    def ray_cluster(self) -> RayCluster:
        """The cluster of the engine `ray`; one that is started here ends with us."""
        from .invoke.ray import RayCluster  # noqa: PLC0415  an extra, and heavy

        # Nothing of ours calls home, and nothing that we start.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        return RayCluster(self.settings.ray_address)

    @property
    def scratch(self) -> Path:
        """
        Where temporary files go; raises `SettingsError` where it does not exist, now.
        """
        scratch = Path(self.settings.scratch or tempfile.gettempdir())
        if not scratch.is_dir():
            raise SettingsError(
                f"TRANSCODE_SCRATCH={str(scratch)!r} is no folder; create it or name "
                "another.",
                setting="TRANSCODE_SCRATCH",
            )
        return scratch

    @cached_property
    def coefficients(self) -> Coefficients:
        """What predictions are made of, for this machine: every engine works on it."""
        found = self._read_coefficients()
        if self.pace is not None:
            return found.model_copy(update={"pace": self.pace})
        if found.measured.yardstick_seconds is None:
            return found
        try:
            kept = self.index_folder / "yardstick.json"
        except RuntimeError:
            kept = None  # somebody without a home, as in a container
        return found.here(yardstick_seconds(find_ffmpeg(self.settings), kept))

    def _read_coefficients(self) -> Coefficients:
        if self.settings.coefficients:
            path = Path(self.settings.coefficients)
            try:
                return parse_coefficients(path.read_text(encoding="utf-8"))
            except OSError as exc:
                raise SettingsError(
                    f"TRANSCODE_COEFFICIENTS={str(path)!r} cannot be read: "
                    f"{exc.strerror}.",
                    setting="TRANSCODE_COEFFICIENTS",
                ) from exc
        shipped = resources.files("transcode.plan") / "coefficients.toml"
        return parse_coefficients(shipped.read_text(encoding="utf-8"))

    @cached_property
    def caps(self) -> tuple[Cap, ...]:
        """Budgets that jobs share; raises `SettingsError`."""
        from .ledger.budgets import parse_caps  # noqa: PLC0415 - who keeps jobs

        return parse_caps(self.settings.budgets or "")

    @property
    def index_folder(self) -> Path:
        """Where a local index may be kept; it can be made anew at any time."""
        return self.settings.index_folder(os.environ)

    def capabilities(self, *, prove_hardware: bool = False) -> Capabilities:
        return capabilities(self.settings, prove_hardware=prove_hardware)

    def prepare(self) -> None:
        """Make ready what a plan needs, off the event loop: files and a process."""
        self.capabilities()
        self.catalog.platforms()
        _ = self.coefficients, self.machine, self.catalog.services

    def own_platform(self, engine: str) -> str:
        """The platform whose rules and prices an engine's attempts follow."""
        if engine not in ENGINES:
            raise UsageError(
                f"There is no engine {engine!r}; there are: {', '.join(ENGINES)}."
                f"{nearest(engine, ENGINES)}",
                engine=engine,
            )
        return engine

    def platform_of(self, engine: str, name: str | None) -> Platform:
        """
        The platform *name*, or *engine*'s own, with the specs that the engine can have.

        Raises `PlatformError`, and `UsageError` where the engine does not call it.
        """
        own = self.own_platform(engine)
        platform = self.catalog.platform(name or own)
        if engine in _OF_ONE_PLATFORM and engine not in platform.engines:
            served = [p.name for p in self.catalog.platforms() if engine in p.engines]
            raise UsageError(
                f"The engine {engine} cannot run what is planned for {platform.name}: "
                f"it calls {' and '.join(served)}. Another platform of the same kind "
                f'says engines = ["{engine}"] in its file.',
                engine=engine,
                platform=platform.name,
            )
        if engine == "functiongraph":
            from .invoke.variants import narrowed  # noqa: PLC0415 - see `engine`

            return narrowed(platform, [one for one, _ in self.graph_functions])
        return held_to_tier(platform) if engine == "aws-lambda" else platform

    def engine(
        self, name: str, platform: Platform
    ) -> AbstractAsyncContextManager[Engine]:
        self.own_platform(name)
        if name == "ray":
            return self._ray_engine(platform)
        if name == "functiongraph":
            return self._functiongraph_engine(platform)
        if name == "aws-lambda":
            return self._lambda_engine(platform)
        if name == "kubernetes":
            return self._kubernetes_engine(platform)
        # Only what runs something needs them.
        from .invoke.local.engine import LocalEngine  # noqa: PLC0415
        from .invoke.local.staging import StagingEngine  # noqa: PLC0415

        kept = _OWN_MIB if self.held_to else 0
        machine = LocalEngine(self.machine, platform, self.settings, kept_mib=kept)
        return StagingEngine(machine, self.settings)

    @asynccontextmanager
    async def _ray_engine(self, platform: Platform) -> AsyncIterator[Engine]:
        # An extra, and nothing of it for whoever works here.
        from .invoke.ray import RayInvoker  # noqa: PLC0415
        from .invoke.remote import RemoteEngine  # noqa: PLC0415
        from .store.open import bucket  # noqa: PLC0415

        yield RemoteEngine(
            RayInvoker(self.ray_cluster, self.settings),
            platform,
            self.settings,
            lambda place: bucket(place, self.settings),
        )

    @asynccontextmanager
    async def _functiongraph_engine(self, platform: Platform) -> AsyncIterator[Engine]:
        # Loads aiohttp, and nothing of it for whoever works here.
        from .deliver import check  # noqa: PLC0415
        from .invoke.functiongraph import (  # noqa: PLC0415
            FunctionGraphFunction,
            FunctionGraphInvoker,
        )
        from .invoke.remote import RemoteEngine  # noqa: PLC0415
        from .store.open import bucket  # noqa: PLC0415

        async with self.senders() as senders:
            check([target for _, target in self.graph_functions], self.settings)
            calls = await senders.function_calls()
            functions = [
                FunctionGraphFunction(variant, _TaskFunction(calls, target))
                for variant, target in self.graph_functions
            ]
            yield RemoteEngine(
                FunctionGraphInvoker(
                    functions,
                    platform,
                    concurrency=self.settings.functiongraph_concurrency,
                ),
                platform,
                self.settings,
                lambda place: bucket(place, self.settings),
            )

    @asynccontextmanager
    async def _lambda_engine(self, platform: Platform) -> AsyncIterator[Engine]:
        # Loads aiobotocore, and nothing of it for whoever works here.
        from .invoke.aws_lambda import LambdaInvoker  # noqa: PLC0415
        from .invoke.remote import RemoteEngine  # noqa: PLC0415
        from .store.open import bucket  # noqa: PLC0415

        async with self.senders() as senders:
            calls = await senders.lambda_calls()
            yield RemoteEngine(
                LambdaInvoker(calls, self.task_functions, platform),
                platform,
                self.settings,
                lambda place: bucket(place, self.settings),
            )

    @asynccontextmanager
    async def _kubernetes_engine(self, platform: Platform) -> AsyncIterator[Engine]:
        # An extra, and nothing of it for whoever works here.
        from .invoke.kubernetes import KubernetesInvoker  # noqa: PLC0415
        from .invoke.remote import RemoteEngine  # noqa: PLC0415
        from .store.open import bucket  # noqa: PLC0415

        setup = self.job_setup
        async with self.kubernetes_cluster() as cluster:
            yield RemoteEngine(
                KubernetesInvoker(cluster, setup, platform),
                platform,
                self.settings,
                lambda place: bucket(place, self.settings),
            )

    @asynccontextmanager
    async def kubernetes_cluster(self) -> AsyncIterator[KubernetesCluster]:
        """Where the engine `kubernetes` makes its Jobs; raises `SettingsError`."""
        from .invoke.kubernetes import KubernetesCluster  # noqa: PLC0415

        cluster = await KubernetesCluster.open(self.settings.kubernetes_namespace)
        try:
            yield cluster
        finally:
            await cluster.close()

    @property
    def job_setup(self) -> JobSetup:
        """What is the same of all Jobs; raises `SettingsError`."""
        from .invoke.kubernetes_job import JobSetup  # noqa: PLC0415

        given = self.settings
        if given.kubernetes_image is None:
            raise SettingsError(
                "TRANSCODE_KUBERNETES_IMAGE is not set: name the image of the Jobs, "
                "made by the repository's Dockerfile and pushed where the nodes find "
                "it.",
                setting="TRANSCODE_KUBERNETES_IMAGE",
            )
        return JobSetup(
            image=given.kubernetes_image,
            service_account=given.kubernetes_service_account,
            secret=given.kubernetes_secret,
            queue=given.kubernetes_queue,
            settings=given.for_engines().to_json(),
        )

    @property
    def task_functions(self) -> str:
        """What those of the engine `aws-lambda` are called before their memory."""
        prefix = self.settings.lambda_function
        variable = "TRANSCODE_LAMBDA_FUNCTION"
        if prefix is None or not _LAMBDA_NAME.fullmatch(prefix):
            raise SettingsError(
                f"{variable}: name what the functions that do tasks are called before "
                "their memory, as in transcode for transcode-1024, transcode-1769, … "
                "(letters, digits, - and _; at most 58).",
                setting=variable,
            )
        return prefix

    @cached_property
    def graph_functions(self) -> tuple[tuple[FunctionVariant, GraphFunction], ...]:
        """Those of the engine `functiongraph`; raises `SettingsError`."""
        from .deliver.targets import GraphFunction, parse_target  # noqa: PLC0415
        from .invoke.variants import VARIABLE, parse_variants  # noqa: PLC0415

        found = []
        for variant in parse_variants(self.settings.functiongraph_function or ""):
            try:
                target = parse_target(variant.address)
            except DestinationError as exc:
                why = f" ({exc.message})"
                target = None
            else:
                why = ""
            if not isinstance(target, GraphFunction):
                raise SettingsError(
                    f"{VARIABLE}: name the functions that do tasks, as in "
                    f"urn:fss:region:project:function:default:transcode:latest{why}.",
                    setting=VARIABLE,
                )
            found.append((variant, target))
        return tuple(found)

    def told_of(self, *, success: bool) -> tuple[Target, ...]:
        """Who is told of a result, or of a job that failed; raises `SettingsError`."""
        from .deliver import check, parse_targets  # noqa: PLC0415 - who keeps jobs

        name = "on_success" if success else "on_failure"
        try:
            targets = parse_targets(getattr(self.settings, name) or "")
        except DestinationError as exc:
            variable = f"TRANSCODE_{name.upper()}"
            raise SettingsError(
                f"{variable}: {exc.message}", setting=variable, **exc.evidence
            ) from exc
        check(targets, self.settings)
        return targets

    def senders(self) -> Senders:
        """Who tells them; a context manager that shares connections."""
        from .deliver import Senders  # noqa: PLC0415 - likewise

        return Senders(self.settings, self._create)

    def announcer(
        self, heard: Callable[[Delivery], None] = lambda _told: None
    ) -> Announcer:
        """
        Tells who is set, and *heard* what became of it; a context manager.

        Raises `SettingsError`.
        """
        from .deliver import Announcer  # noqa: PLC0415 - likewise

        return Announcer(
            self.senders(),
            on_success=self.told_of(success=True),
            on_failure=self.told_of(success=False),
            resting_seconds=_RESTING_SECONDS,
            heard=heard,
        )

    async def _create(self, folder: str, name: str, body: bytes) -> None:
        from .store.open import bucket  # noqa: PLC0415  only a folder needs it

        async with bucket(folder, self.settings) as objects:
            await objects.create(name, body)


@dataclass(frozen=True, slots=True)
class _TaskFunction:
    """FunctionGraph's API for one function."""

    calls: FunctionCalls
    function: GraphFunction

    async def invoke(self, body: bytes, *, memory_mib: int | None) -> str:
        return await self.calls.invoke(self.function, body, memory_mib=memory_mib)

    async def status(self, request_id: str) -> AsyncStatus | None:
        return await self.calls.status(self.function, request_id)

    async def cancel(self, request_id: str) -> None:
        await self.calls.cancel(self.function, request_id)


def wire(settings: Settings) -> Wiring:
    """Raises `SettingsError` where a setting wants what is not installed."""
    begin(settings.traces)
    return Wiring(settings)
