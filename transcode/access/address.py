"""
One address, parsed once: what is compared is what is opened.

A path stands for itself, byte for byte. In `file:` and `http(s):` addresses names are
percent-encoded, and a name that would be another thing to the next reader (`..`, an
encoded slash, a zero byte) is refused instead of resolved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes, urlsplit

from ..errors import UsageError

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_OVERLONG = re.compile(
    "[\udcc0\udcc1][\udc80-\udcbf]|\udce0[\udc80-\udc9f]|\udcf0[\udc80-\udc8f]"
)
"""A character in more bytes of UTF-8 than it takes, which some servers read all the
same: `%c0%ae` as a dot (RFC 3629, section 3)."""
_MOST_ENCODINGS = 8
"""Times a name may be encoded over again before it is called no name."""
_FILE = "file://"
_WEB = ("http://", "https://")
_PORTS = {"http": 80, "https": 443}


def is_web(text: str) -> bool:
    return text.startswith(_WEB)


def is_local(text: str) -> bool:
    """Whether it is a path or a `file://` address."""
    return "://" not in text or text.startswith(_FILE)


def path_of(text: str, what: str = "address") -> str:
    """
    The path that a path or a `file://` address names, as the kernel takes it.

    Raises `UsageError` for a zero byte; of a `file://` address also for a host, a
    query, a fragment, and names that are `.`, `..`, or have a slash in them.
    """
    if "\0" in text:
        raise _wrong(text, what, "has a zero byte, which no path has")
    if not text.startswith(_FILE):
        return text
    host, slash, rest = text.removeprefix(_FILE).partition("/")
    if host not in {"", "localhost"}:
        # What stands after two slashes is a host, and so never looked for here.
        raise _wrong(
            text,
            what,
            f"names the host {host!r}, and file:// is this machine's: write "
            "file:///absolute/path",
        )
    if not slash:
        raise _wrong(text, what, "names no path: write file:///absolute/path")
    if set(rest) & set("?#"):
        raise _wrong(text, what, "has a '?' or '#', which a file has as '%3F' or '%23'")
    names = (_plain_name(name, text, what) for name in rest.split("/"))
    return "/" + "/".join(name for name in names if name)


def web_place(text: str, what: str = "address") -> tuple[str, tuple[str, ...]]:
    """
    The origin of an http(s) address, and the names along its path, decoded.

    Raises `UsageError` for what two readers could take for two places: a name or
    password before the host, a fragment, blanks, a backslash, and names that are `.`,
    `..` or have a slash in them, however often they are encoded.
    """
    if any(c <= " " or c == "\x7f" for c in text) or "\\" in text:
        raise _wrong(text, what, "has a blank, a control character or a backslash")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise _wrong(text, what, "is no valid URL") from exc
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _wrong(text, what, "names no server")
    if "@" in parts.netloc:
        raise _wrong(text, what, "holds a user name or password; leave them out")
    if "#" in text:
        raise _wrong(text, what, "has a fragment ('#…'), which no server sees")
    origin = f"{parts.scheme}://{parts.hostname}:{port or _PORTS[parts.scheme]}"
    names = parts.path.split("/")[1:]
    return origin, tuple(_plain_name(name, text, what, web=True) for name in names)


def lies_within(text: str, place: str) -> bool:
    """
    Whether an address lies in a folder, under a prefix or web address, by its text.

    A bucket's prefix counts as a folder, with or without its slash; a scheme alone,
    `s3://`, holds all of it. Symbolic links are for who can look. Raises `UsageError`
    for a relative path and for what `path_of` and `web_place` refuse.
    """
    if is_local(text) or is_local(place):
        return (
            is_local(text)
            and is_local(place)
            and _starts(_path_names(text), _path_names(place))
        )
    if is_web(text) or is_web(place):
        if not is_web(text) or not is_web(place):
            return False
        if place in _WEB:
            return text.startswith(place) and bool(web_place(text))
        (origin, names), (home, folder) = web_place(text), web_place(place)
        folder = folder[:-1] if folder and not folder[-1] else folder
        return origin == home and _starts(names, folder) and len(names) > len(folder)
    # A key is any text; the store's own door refuses those that lead out of it.
    return text.startswith(place if place.endswith("://") else place.rstrip("/") + "/")


def _path_names(text: str) -> list[str]:
    path = path_of(text)
    if not path.startswith("/"):
        raise UsageError(
            f"{text!r} is a relative path; give an absolute one.", address=text
        )
    names = [name for name in path.split("/") if name]
    if {".", ".."} & set(names):
        raise _wrong(text, "address", "has '.' or '..' between slashes")
    return names


def _starts(names: Sequence[str], folder: Sequence[str]) -> bool:
    return list(names[: len(folder)]) == list(folder)


def _plain_name(name: str, text: str, what: str, *, web: bool = False) -> str:
    """One name between slashes, decoded once; raises `UsageError`."""
    if _STRAY_PERCENT.search(name):
        raise _wrong(text, what, "has a '%' that encodes nothing: write it as '%25'")
    decoded = _decoded(name)
    seen = decoded
    # A server behind another one may decode again what that one has decoded.
    for _ in range(_MOST_ENCODINGS if web else 1):
        # Servers of servlets take what follows a `;` off a name before they go there.
        plain = seen.partition(";")[0] if web else seen
        strange = web and ("\\" in seen or _OVERLONG.search(seen))
        if plain in {".", ".."} or set(seen) & set("/\0") or strange:
            raise _wrong(
                text, what, "has a name that is '.', '..', or holds a slash or zero"
            )
        if not _ESCAPE.search(seen):
            return decoded
        seen = _decoded(seen)
    if web:
        raise _wrong(text, what, "has a name that is encoded over and over")
    return decoded


def _decoded(name: str) -> str:
    return unquote_to_bytes(name).decode("utf-8", "surrogateescape")


def _wrong(text: str, what: str, why: str) -> UsageError:
    shown = text.partition("?")[0] if is_web(text) else text
    return UsageError(f"The {what} {shown!r} {why}.", address=shown)
