"""Profiles, platforms and services by name: shipped ones and the user's own."""

from __future__ import annotations

from pathlib import Path


def _why(exc: OSError | ValueError) -> str:
    if isinstance(exc, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (getattr(exc, "strerror", None) or str(exc)).lower()


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
