"""What starts a job and what never may: filters, and the guard against recursion."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ..contract import Value
from ..errors import UsageError

MARK = "transcode-job"
"""The metadata key that every object we write carries; its value is the job's id."""


NO_MEDIA = frozenset(
    (
        # captions, lists and notes that lie beside videos
        *("srt", "vtt", "ass", "ssa", "sub", "idx", "smi", "sbv", "scc", "stl", "ttml"),
        *("lrc", "nfo", "txt", "md", "rtf", "log", "csv", "tsv", "json", "jsonl"),
        *("xml", "yml", "yaml", "toml", "ini", "cfg", "conf", "html", "htm", "pdf"),
        *("doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "edl"),
        *("cue", "m3u", "m3u8", "mpd", "pls", "url", "lnk", "webloc", "desktop"),
        # pictures
        *("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "heic", "heif", "svg"),
        *("ico", "psd", "thm", "xmp", "dng", "cr2", "cr3", "nef", "arw"),
        # what file systems, tools and transfers leave
        *("db", "ds_store", "tmp", "temp", "bak", "swp", "lock", "torrent", "aria2"),
        *("md5", "sha1", "sha256", "sha512", "sfv", "par2", "asc", "sig", "gpg"),
        # archives and programs
        *("zip", "rar", "7z", "gz", "bz2", "xz", "zst", "tar", "tgz", "iso", "dmg"),
        *("exe", "msi", "dll", "so", "sh", "bat", "ps1", "py", "js", "css", "prproj"),
    )
)
"""Endings of what lies beside videos and is none. Unknown endings are taken: an upload
that nobody looks at is lost without a word, one that is no media is rejected aloud."""
_NO_MEDIA_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_NOBODYS_FOLDERS = frozenset(
    {
        *("@eadir", "@recycle", "@recently-snapshot", "@sharebin"),
        *("#recycle", "#snapshot", "$recycle.bin", "recycler", "lost+found"),
        *("system volume information", "__macosx", "network trash folder"),
    }
)
"""Where file servers and systems keep previews, snapshots and what was deleted."""


def in_nobodys_folder(key: str) -> bool:
    """Whether *key* lies in a hidden folder, or in one that a file server made."""
    return any(is_nobodys_folder(name) for name in key.split("/")[:-1])


def is_nobodys_folder(name: str) -> bool:
    """Whether no upload is looked for in a folder of this name."""
    return name.startswith(".") or name.casefold() in _NOBODYS_FOLDERS


class Filter(Value):
    """Which keys are uploads at all; by default every key."""

    prefix: str = ""
    """As in a bucket's listing: `in` takes `in/a.mp4` and `index.mp4` alike."""
    suffixes: tuple[str, ...] = ()
    """`.mp4`, in whatever case the key has it; none takes all."""
    may_be_media: bool = False
    """Where no suffixes are named: none of `NO_MEDIA`, and nothing out of the folders
    in which file servers keep previews and what was deleted."""

    def takes(self, key: str) -> bool:
        """Whether an object of this key may be an upload."""
        return (
            key.startswith(self.prefix)
            and self.takes_suffix_of(key)
            and not self.passes_over(key)
        )

    def takes_suffix_of(self, key: str) -> bool:
        folded = key.casefold()
        wanted = tuple(suffix.casefold() for suffix in self.suffixes)
        return not wanted or folded.endswith(wanted)

    def passes_over(self, key: str) -> bool:
        """Whether *key* is what lies beside videos, and nobody asked for it."""
        if self.suffixes or not self.may_be_media:
            return False
        name = key.casefold().rpartition("/")[2]
        _, dot, ending = name.rpartition(".")
        no_media = name in _NO_MEDIA_NAMES or (bool(dot) and ending in NO_MEDIA)
        return no_media or in_nobodys_folder(key)


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
