"""What starts a job and what never may: filters, and the guard against recursion."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ..contract import Value
from ..errors import UsageError

MARK = "transcode-job"
"""The metadata key that every object we write carries; its value is the job's id."""


class Filter(Value):
    """Which keys are uploads at all; by default every key."""

    prefix: str = ""
    """As in a bucket's listing: `in` takes `in/a.mp4` and `index.mp4` alike."""
    suffixes: tuple[str, ...] = ()
    """`.mp4`, in whatever case the key has it; none takes all."""

    def takes(self, key: str) -> bool:
        """Whether an object of this key may be an upload."""
        return key.startswith(self.prefix) and self.takes_suffix_of(key)

    def takes_suffix_of(self, key: str) -> bool:
        folded = key.casefold()
        wanted = tuple(suffix.casefold() for suffix in self.suffixes)
        return not wanted or folded.endswith(wanted)


def is_own_output(metadata: Mapping[str, object]) -> bool:
    """
    Whether an object's user metadata says that we made it.

    Names are taken in any case, and with or without the header's prefix
    (`x-amz-meta-`, `x-obs-meta-`, `x-oss-meta-`, `x-goog-meta-`): stores differ in
    what they hand back.
    """
    return any(name.casefold().rpartition("-meta-")[2] == MARK for name in metadata)


def overlaps(trigger: str, destination: str) -> bool:
    """
    Whether results written to *destination* could fall under *trigger*, or the reverse.

    Both are an `s3://` or `gs://` prefix, a `file://` address or an absolute path. A
    bucket's trigger is a plain prefix of text, so `s3://b/in` covers `s3://b/inside/`;
    end it with a slash to mean the folder. Folders are compared after `.` and `..` are
    resolved in the text; symbolic links are the caller's to resolve, where files can
    be looked at. Raises `UsageError` for a relative path or an address without a
    bucket.
    """
    watched, written = _place(trigger), _place(destination)
    if watched[0] != written[0] or watched[1] != written[1]:
        return False
    if watched[0] == "file":
        ours, theirs = path_parts(watched[2]), path_parts(written[2])
        shared = min(len(ours), len(theirs))
        return ours[:shared] == theirs[:shared]
    # Results are written to whole folders, whatever slashes their address has.
    folder = written[2].strip("/")
    folder = f"{folder}/" if folder else ""
    return folder.startswith(watched[2]) or watched[2].startswith(folder)


def lies_in(uri: str, place: str) -> bool:
    """
    Whether one object lies in a folder, under a prefix, or under a web address.

    A bucket's prefix counts as a folder, with or without its slash; a scheme alone,
    `s3://`, holds all of it. Raises `UsageError` for a relative path.
    """
    remote = ["://" in text and not text.startswith("file://") for text in (uri, place)]
    if all(remote):
        return uri.startswith(place.rstrip("/") + "/")
    if any(remote):
        return False
    parts = path_parts(_place(place)[2])
    return path_parts(_place(uri)[2])[: len(parts)] == parts


def path_parts(path: str) -> tuple[str, ...]:
    """The names along an absolute path, `.` and `..` resolved as text."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def _place(text: str) -> tuple[str, str, str]:
    """(scheme, bucket or host, rest) of an address."""
    scheme, found, rest = text.partition("://")
    if not found or scheme == "file":
        path = unquote(urlsplit(text).path) if found else text
        if not path.startswith("/"):
            raise UsageError(
                f"{text!r} is a relative path; give an absolute one.", uri=text
            )
        return "file", "", path
    bucket, _, rest = rest.partition("/")
    if not bucket:
        raise UsageError(f"{text!r} names no bucket; write s3://bucket/prefix.")
    return scheme, bucket, rest
