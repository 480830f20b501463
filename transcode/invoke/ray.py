"""
Attempts as tasks of a Ray cluster, each with the resources of its spec.

Ray places and does not hold: its `memory=` limits nothing, and its own watch for memory
kills neighbours (measured with Ray 2.60). So the spec is held inside the task, by the
same box as on one machine; `max_retries=0`, since tries are ours to count; and no media
passes through its object store, nothing but addresses.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import socket
import threading
from typing import Any

import anyio.to_thread

from ..contract import Spec, Task
from ..errors import (
    Cancelled,
    OutOfMemory,
    SettingsError,
    TranscodeError,
    UsageError,
    WorkerLost,
)
from ..platforms.platform import Machine
from ..settings import Settings

__all__ = ["RayCluster", "RayInvoker"]

MIB = 2**20
_CONNECT_SECONDS = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STORE_BYTES = 100 * MIB
"""Of memory for objects, which we have none of; by default it is a third of all."""


class RayCluster:
    """A cluster that is connected to, or one on this machine that ends with us."""

    def __init__(self, address: str | None) -> None:
        """*address*: as Ray writes it (`auto`, `host:6379`); None: start one here."""
        self._ray = _import()
        _keep_quiet()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            _refuse_silence(address)
            # It takes SIGTERM and leaves without a word; who has called us tidies up.
            kept = {one: signal.getsignal(one) for one in _SIGNALS}
            try:
                self._ray.init(
                    # Not whatever cluster somebody has left on this machine.
                    address=address or "local",
                    include_dashboard=None if address else False,
                    log_to_driver=False,
                    logging_level="error",
                    **({} if address else {"object_store_memory": _STORE_BYTES}),
                )
            except (ConnectionError, ValueError, RuntimeError, OSError) as exc:
                raise _no_cluster(address, exc) from exc
            finally:
                if threading.current_thread() is threading.main_thread():
                    for one, handler in kept.items():
                        signal.signal(one, handler)

    def close(self) -> None:
        """Let go of it; one that was started here ends."""
        if self._ours:
            self._ray.shutdown()

    def largest(self, scratch_mib: int) -> Machine:
        """What one task can have at most; raises `UsageError` without any node."""
        nodes = self._nodes()
        if not nodes:
            raise UsageError("The Ray cluster has no node that is alive.")
        return Machine(
            milli_cpus=max(cpu for cpu, _ in nodes),
            memory_mib=max(memory for _, memory in nodes),
            scratch_mib=scratch_mib,
        )

    def fits(self, spec: Spec) -> bool:
        """
        Whether any node is large enough.

        Ray itself waits for ever for one that is not.
        """
        return any(
            spec.milli_cpus <= cpu and spec.memory_mib <= memory
            for cpu, memory in self._nodes()
        )

    def _nodes(self) -> list[tuple[int, int]]:
        """Milli-CPUs and MiB of each that is alive."""
        return [
            (
                int(node["Resources"].get("CPU", 0) * 1000),
                int(node["Resources"].get("memory", 0) // MIB),
            )
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        ]


def _keep_quiet() -> None:
    """
    Have Ray print nothing: it tells of lost workers on our stdout, whatever
    `log_to_driver` says (2.60), where one JSON document may stand and nothing else.
    """
    prints: Any = importlib.import_module("ray._private.worker")
    prints.print_to_stdstream = lambda *_data, **_how: None


def _refuse_silence(address: str | None) -> None:
    """Raise where nobody listens: Ray would ask for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as exc:
        raise _no_cluster(address, exc) from exc


def _no_cluster(address: str | None, exc: Exception) -> SettingsError:
    return SettingsError(
        f"TRANSCODE_RAY_ADDRESS={address!r}: no Ray cluster answers there "
        f"({_first_line(exc)}). Start one (`ray start --head`), or leave it unset to "
        "have one started here.",
        setting="TRANSCODE_RAY_ADDRESS",
    )


class RayInvoker:
    """Starts tasks on a cluster."""

    def __init__(self, cluster: RayCluster, settings: Settings) -> None:
        self._ray = _import()
        self._cluster = cluster
        self._told = settings.for_engines().to_json()

    def fits(self, spec: Spec) -> bool:
        return spec.gpu is None and self._cluster.fits(spec)

    async def invoke(self, records: str, task: Task) -> RayTask:
        remote = self._ray.remote(_perform).options(
            name=task.task_id,
            num_cpus=task.spec.milli_cpus / 1000,
            memory=task.spec.memory_mib * MIB,
            max_retries=0,
        )
        started = await anyio.to_thread.run_sync(remote.remote, records, self._told)
        return RayTask(self._ray, started)


class RayTask:
    """One that was started; see `remote.RemoteInvocation`."""

    def __init__(self, ray: Any, started: Any) -> None:
        self._ray, self._started = ray, started

    async def ended(self) -> TranscodeError | None:
        try:
            await asyncio.wrap_future(self._started.future())
        except self._ray.exceptions.OutOfMemoryError as exc:
            return OutOfMemory(
                "Ray's watch over the node's memory killed the attempt: "
                f"{_first_line(exc)}.",
                held_by="ray",
            )
        except self._ray.exceptions.TaskCancelledError:
            return Cancelled("The attempt was cancelled.")
        except self._ray.exceptions.RayError as exc:
            return WorkerLost(
                f"Ray lost the attempt ({type(exc).__name__}: {_first_line(exc)}).",
                exception=type(exc).__name__,
            )
        return None

    async def cancel(self) -> None:
        # Without force, a task that waits for its child runs on (measured).
        def stop() -> None:
            self._ray.cancel(self._started, force=True)

        await anyio.to_thread.run_sync(stop)


def _perform(records: str, settings: str) -> bool:
    """What a Ray worker does."""
    import anyio  # noqa: PLC0415  what a worker imports, it pays for

    task = importlib.import_module("transcode.functions.task")
    wiring = importlib.import_module("transcode.wiring")
    told = wiring.Wiring(Settings.from_json(settings))
    done: bool = anyio.run(task.perform_task, records, told)
    return done


def _import() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as exc:
        raise UsageError(
            "The engine `ray` needs Ray, which is not installed: "
            "pip install 'ray>=2.56'.",
            engine="ray",
        ) from exc


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")
