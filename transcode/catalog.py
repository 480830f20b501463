"""Profiles, platforms and services by name: shipped ones and the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .contract import QualityMetric
from .errors import (
    ClipError,
    PlatformError,
    ProfileError,
    QualityError,
    WatermarkError,
)
from .media.image import look_at
from .media.metrics import METRICS
from .plan.profile import (
    ClipProfile,
    Profile,
    VideoProfile,
    WatermarkProfile,
    parse_profile,
)
from .platforms.managed_services import Service, parse_service
from .platforms.platform import Platform, parse_platform
from .settings import Settings
from .units import nearest


@dataclass(frozen=True)
class Catalog:
    """What can be asked for by name, read when it is first asked for."""

    settings: Settings

    def profile(self, name: str) -> Profile:
        """A profile by name or by path; raises `ProfileError`."""
        path = _by_path(name)
        if path is None:
            found = _folders("profiles", self.settings.profiles_dir)
            path = _lookup(found, name)
            if path is None:
                raise ProfileError(
                    _unknown("profile", name, _names(found)),
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
        target_vmaf: float | None = None,
        target_xpsnr: float | None = None,
    ) -> Profile:
        """
        The profile of a job: *name*'s, with what is asked for this one job over it.

        A watermark's image was looked at. Raises `ProfileError`, `ClipError`,
        `QualityError` and `WatermarkError`.
        """
        profile = self.profile(name)
        changes: dict[str, object] = {}
        aims: dict[QualityMetric, float | None]
        aims = {"vmaf": target_vmaf, "xpsnr": target_xpsnr}
        if any(it is not None for it in aims.values()):
            video, *also = _aimed(profile, aims)
            changes |= {"video": video, "also": tuple(also)}
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
                    _unknown("platform", name, _names(found)),
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


def _aimed(
    profile: Profile, aims: Mapping[QualityMetric, float | None]
) -> list[VideoProfile]:
    """Its pictures, each rendition to be as good as this one job asks."""
    given = {name: score for name, score in aims.items() if score is not None}
    if len(given) > 1:
        raise QualityError(
            "Two targets were given: a rendition can be made for a VMAF or for an "
            "XPSNR, not for both."
        )
    ((name, score),) = given.items()
    metric = METRICS[name]
    if profile.video is None:
        raise QualityError(
            f"Profile {profile.name} makes no pictures that could have a {metric.name}."
        )
    if name != "vmaf" and any(it.ways for it in profile.videos):
        raise QualityError(
            f"Profile {profile.name} takes the cheapest of several ways, which are "
            "compared at equal VMAF: ask for one (--target-vmaf), or use a profile "
            "without ways."
        )
    if not metric.least <= score <= metric.most:
        raise QualityError(
            f"A target of {metric.name} {score:g}{metric.unit} is none: write "
            f"{metric.least:g} to {metric.most:g}; {metric.usual}."
        )
    none = {f"target_{it}": None for it in METRICS}
    return [
        video.model_copy(
            update={
                **none,
                f"target_{name}": score,
                "rungs": tuple(rung.model_copy(update=none) for rung in video.rungs),
            }
        )
        for video in profile.videos
    ]


def _why(exc: OSError | ValueError) -> str:
    if isinstance(exc, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (getattr(exc, "strerror", None) or str(exc)).lower()


def _unknown(kind: str, name: str, known: list[str]) -> str:
    return (
        f"There is no {kind} {name!r}; there are: {', '.join(known)}."
        f"{nearest(name, known)} A path to a TOML file works too."
    )


def _by_path(name: str) -> Path | None:
    """A name with a slash or the ending of a file is meant as a path."""
    return Path(name) if "/" in name or name.endswith(".toml") else None


def _folders(shipped: str, further: str | None) -> list[Path]:
    """Further ones first: they win. Shipped ones lie in the wheel or the checkout."""
    package = Path(__file__).parent
    folders = [Path(further)] if further else []
    candidates = (package / shipped, package.parent / shipped)
    return folders + [path for path in candidates if path.is_dir()][:1]


def _lookup(folders: list[Path], name: str) -> Path | None:
    # Among what is there, so that no name is too long or too strange to be asked for.
    candidates = (path for folder in folders for path in folder.glob("*.toml"))
    return next((path for path in candidates if path.stem == name), None)


def _names(folders: list[Path]) -> list[str]:
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
