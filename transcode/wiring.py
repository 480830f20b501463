"""Settings → objects: who is plugged into whom."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from .catalog import _by_path, _folders, _lookup, _names, _why
from .contract import Capabilities
from .contract.job import Delivery
from .deliver import Announcer, Senders, Target, check, parse_targets
from .errors import (
    ClipError,
    DestinationError,
    PlatformError,
    ProfileError,
    SettingsError,
    UsageError,
    WatermarkError,
)
from .invoke.engine import Engine
from .ledger.budgets import Cap, parse_caps
from .media.image import look_at
from .plan.coefficients import Coefficients, parse_coefficients
from .plan.profile import ClipProfile, Profile, WatermarkProfile, parse_profile
from .platforms.machine import this_machine
from .platforms.managed_services import Service, parse_service
from .platforms.platform import Machine, Platform, parse_platform
from .settings import Settings
from .work.toolchain import capabilities, find_ffmpeg, yardstick_seconds

ENGINES = ("local",)


_RESTING_SECONDS = (20.0, 60.0, 300.0, 600.0)
"""A destination that is down is left alone for so long, ever longer."""
_OWN_MIB = 128


"""Of a function's memory, for this process beside the worker: 100 MiB with S3's client
loaded, measured, and some to grow."""


@dataclass(frozen=True)
class Wiring:
    """Everything a command needs; each part is made when it is first asked for."""

    settings: Settings
    held_to: Machine | None = None
    """What we may use, where the kernel does not tell: inside a platform's function."""

    @cached_property
    def machine(self) -> Machine:
        return self.held_to or this_machine(self.scratch)

    @cached_property
    def scratch(self) -> Path:
        """Where temporary files go; raises `SettingsError` where it does not exist."""
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
        return parse_caps(self.settings.budgets or "")

    @property
    def index_folder(self) -> Path:
        """Where a local index may be kept; it can be made anew at any time."""
        if self.settings.index:
            return Path(self.settings.index)
        return Path.home() / ".cache" / "transcode" / "index"

    def capabilities(self, *, prove_hardware: bool = False) -> Capabilities:
        return capabilities(self.settings, prove_hardware=prove_hardware)

    def prepare(self) -> None:
        """Make ready what a plan needs, off the event loop: files and a process."""
        self.capabilities()
        self.platforms()
        _ = self.coefficients, self.machine, self.services

    def own_platform(self, engine: str) -> str:
        """The platform whose rules and prices an engine's attempts follow."""
        if engine not in ENGINES:
            raise UsageError(
                f"There is no engine {engine!r}; there is: {', '.join(ENGINES)}.",
                engine=engine,
            )
        return engine

    def engine(
        self, name: str, platform: Platform
    ) -> AbstractAsyncContextManager[Engine]:
        self.own_platform(name)
        from .invoke.local.engine import LocalEngine  # noqa: PLC0415  only `run` needs it

        kept = _OWN_MIB if self.held_to else 0
        return LocalEngine(self.machine, platform, self.settings, kept_mib=kept)

    def told_of(self, *, success: bool) -> tuple[Target, ...]:
        """Who is told of a result, or of a job that failed; raises `SettingsError`."""
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
        return Senders(self.settings, self._create)

    def announcer(
        self, heard: Callable[[Delivery], None] = lambda _told: None
    ) -> Announcer:
        """
        Tells who is set, and *heard* what became of it; a context manager.

        Raises `SettingsError`.
        """
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

    def profile(self, name: str) -> Profile:
        """A profile by name or by path; raises `ProfileError`."""
        path = _by_path(name)
        if path is None:
            found = _folders("profiles", self.settings.profiles_dir)
            path = _lookup(found, name)
            if path is None:
                raise ProfileError(
                    f"There is no profile {name!r}; there are: "
                    f"{', '.join(_names(found))}. A path to a TOML file works too.",
                    profile=name,
                )
        try:
            return parse_profile(path.read_text(encoding="utf-8"), origin=str(path))
        except (OSError, ValueError) as exc:
            raise ProfileError(
                f"The profile {str(path)!r} cannot be read: {_why(exc)}.",
                profile=name,
            ) from exc

    def asked(
        self,
        name: str,
        *,
        clip: ClipProfile | None = None,
        watermark: WatermarkProfile | None = None,
    ) -> Profile:
        """
        The profile of a job: *name*'s, with what is asked for this one job over it.

        A watermark's image was looked at. Raises `ProfileError`, `ClipError` and
        `WatermarkError`.
        """
        profile = self.profile(name)
        changes: dict[str, object] = {}
        if clip is not None:
            try:
                changes["clip"] = clip.over(profile.clip)
            except ValueError as exc:
                raise ClipError(
                    f"With the profile's own [clip], it would end before it begins: "
                    f"{profile.clip}.",
                ) from exc
        folder, mark = Path(), watermark
        if mark is None and profile.watermark is not None:
            by_path = _by_path(name)
            folder, mark = (by_path.parent if by_path else folder), profile.watermark
        if mark is not None:
            if profile.video is None:
                raise WatermarkError(
                    f"Profile {profile.name} makes no pictures to draw a watermark on."
                )
            changes["watermark"] = mark.with_image(look_at(folder / mark.image))
        return profile.model_copy(update=changes) if changes else profile

    def profiles(self) -> tuple[Profile, ...]:
        folders = _folders("profiles", self.settings.profiles_dir)
        return tuple(self.profile(name) for name in _names(folders))

    def platform(self, name: str) -> Platform:
        """A platform by name or by path; raises `PlatformError`."""
        path = _by_path(name)
        if path is None:
            found = _folders("profiles/platforms", self.settings.platforms_dir)
            path = _lookup(found, name)
            if path is None:
                raise PlatformError(
                    f"There is no platform {name!r}; there are: "
                    f"{', '.join(_names(found))}. A path to a TOML file works too.",
                    platform=name,
                )
        try:
            return parse_platform(path.read_text(encoding="utf-8"), origin=str(path))
        except (OSError, ValueError) as exc:
            raise PlatformError(
                f"The platform {str(path)!r} cannot be read: {_why(exc)}.",
                platform=name,
            ) from exc

    def platforms(self) -> tuple[Platform, ...]:
        return self._platforms

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """Managed services that plans are compared with; raises `PlatformError`."""
        found = []
        for folder in _folders("profiles/services", None):
            for path in sorted(folder.glob("*.toml")):
                text = path.read_text(encoding="utf-8")
                found.append(parse_service(text, origin=str(path)))
        return tuple(found)

    @cached_property
    def _platforms(self) -> tuple[Platform, ...]:
        folders = _folders("profiles/platforms", self.settings.platforms_dir)
        return tuple(self.platform(name) for name in _names(folders))


def wire(settings: Settings) -> Wiring:
    return Wiring(settings)
