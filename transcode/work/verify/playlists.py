"""HLS playlists and MPDs → values; for reading back what we wrote, not for uploads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_NUMBER = re.compile(r"\$Number(?:%0(\d+)d)?\$")
SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
"""ISO/IEC 23009-1 §5.3.3.5: sets of one picture that players may switch between."""
_DASH = "{urn:mpeg:dash:schema:mpd:2011}"
_TILES = "http://dashif.org/guidelines/thumbnail_tile"
_TRANSFER = "urn:mpeg:mpegB:cicp:TransferCharacteristics"


class BrokenPlaylist(ValueError):
    """The text is not what a playlist or MPD must look like; says why."""


@dataclass(frozen=True, slots=True)
class PlaylistEntry:
    """One line of media in a playlist."""

    uri: str
    seconds: Fraction
    byte_range: tuple[int, int] | None
    """Length and offset."""


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    target_seconds: int
    header: str
    """URI of the initialisation segment."""
    entries: tuple[PlaylistEntry, ...]
    ended: bool
    iframes_only: bool

    @property
    def seconds(self) -> Fraction:
        return sum((entry.seconds for entry in self.entries), Fraction(0))


@dataclass(frozen=True, slots=True)
class ListedMedia:
    """One playlist that a multivariant playlist names, with its attributes."""

    uri: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    variants: tuple[ListedMedia, ...]
    groups: tuple[ListedMedia, ...]
    """`EXT-X-MEDIA` with a URI."""
    iframes: tuple[ListedMedia, ...]


@dataclass(frozen=True, slots=True)
class Representation:
    """One rendition of an MPD, its template expanded."""

    kind: str
    """`video` or `audio`."""
    attributes: Mapping[str, str]
    """Its own, and its adaptation set's where it has none."""
    channels: int | None
    timescale: int
    header: str
    segments: tuple[str, ...]
    starts: tuple[int, ...]
    """As presented: counted from the period's start."""
    durations: tuple[int, ...]
    group: int = 0
    """Which adaptation set it is in; players switch within one."""
    transfer: int | None = None
    """Transfer characteristics (ITU-T H.273) where they are said."""
    roles: frozenset[str] = frozenset()
    label: str | None = None
    """What a viewer reads of it."""
    group_id: str = ""
    switches: frozenset[str] = frozenset()
    """Ids of other adaptation sets that players may switch to."""


@dataclass(frozen=True, slots=True)
class TextTrack:
    """Captions of an MPD: one file for the whole period."""

    uri: str
    mime_type: str | None
    language: str | None
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImageTrack:
    """Thumbnails of an MPD: sheets of tiles, each as long as the others."""

    template: str
    first: int
    seconds: Fraction
    """Of one sheet."""
    size: tuple[int, int]
    """Of one sheet, in pixels."""
    tiles: str | None
    """Columns x rows."""

    def sheet(self, index: int) -> str:
        return _numbered(self.template, self.first + index)


@dataclass(frozen=True, slots=True)
class Presentation:
    static: bool
    seconds: Fraction
    representations: tuple[Representation, ...]
    texts: tuple[TextTrack, ...] = ()
    images: tuple[ImageTrack, ...] = ()


def read_media_playlist(text: str) -> MediaPlaylist:
    """Parse a media playlist of fragments (RFC 8216). Raises BrokenPlaylist."""
    lines = _lines(text)
    entries, target = read_fetched(text)
    headers = [
        _attributes(line.partition(":")[2]).get("URI")
        for line in lines
        if line.startswith("#EXT-X-MAP:")
    ]
    if not headers or headers[-1] is None:
        msg = "EXT-X-MAP is missing"
        raise BrokenPlaylist(msg)
    return MediaPlaylist(
        target_seconds=target,
        header=headers[-1],
        entries=entries,
        ended="#EXT-X-ENDLIST" in lines,
        iframes_only="#EXT-X-I-FRAMES-ONLY" in lines,
    )


def read_fetched(text: str) -> tuple[tuple[PlaylistEntry, ...], int]:
    """What any media playlist lists, and its target duration. Raises BrokenPlaylist."""
    target = None
    seconds: Fraction | None = None
    byte_range = None
    entries: list[PlaylistEntry] = []
    for line in _lines(text):
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-TARGETDURATION":
            target = _whole(value, line)
        elif tag == "#EXTINF":
            seconds = _fraction(value.split(",")[0], line)
        elif tag == "#EXT-X-BYTERANGE":
            length, _, offset = value.partition("@")
            byte_range = (_whole(length, line), _whole(offset, line))
        elif not line.startswith("#"):
            if seconds is None:
                msg = f"{line} has no EXTINF"
                raise BrokenPlaylist(msg)
            entries.append(PlaylistEntry(line, seconds, byte_range))
            seconds, byte_range = None, None
    if target is None:
        msg = "EXT-X-TARGETDURATION is missing"
        raise BrokenPlaylist(msg)
    return tuple(entries), target


@dataclass(frozen=True, slots=True)
class Named:
    """The files of a rendition, in the order in which they are played."""

    header: str
    segments: list[str]
    target_seconds: int | None
    """None without a playlist of its own: DASH alone has none."""


def read_names(folder: Path) -> Named:
    """
    What the playlist of the rendition in *folder* lists, else what lies there.

    Raises OSError, UnicodeDecodeError, BrokenPlaylist.
    """
    path = folder / "index.m3u8"
    if path.exists():
        playlist = read_media_playlist(path.read_text(encoding="utf-8"))
        names = [entry.uri for entry in playlist.entries]
        named = Named(playlist.header, names, playlist.target_seconds)
    else:
        names = sorted(one.name for one in folder.glob("*.m4s"))
        named = Named("init.mp4", names, None)
    if not names:
        msg = "it has no segments"
        raise BrokenPlaylist(msg)
    return named


def read_segment_list(text: str) -> tuple[str, ...]:
    """The URIs in a finished media playlist of text. Raises BrokenPlaylist."""
    lines = _lines(text)
    if "#EXT-X-ENDLIST" not in lines:
        msg = "it has no EXT-X-ENDLIST"
        raise BrokenPlaylist(msg)
    return tuple(line for line in lines if not line.startswith("#"))


def read_master_playlist(text: str) -> MasterPlaylist:
    """Parse a multivariant playlist (RFC 8216). Raises BrokenPlaylist."""
    variants: list[ListedMedia] = []
    groups: list[ListedMedia] = []
    iframes: list[ListedMedia] = []
    pending: dict[str, str] | None = None
    for line in _lines(text):
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-STREAM-INF":
            pending = _attributes(value)
        elif tag == "#EXT-X-MEDIA":
            attributes = _attributes(value)
            if "URI" in attributes:
                groups.append(ListedMedia(attributes["URI"], attributes))
        elif tag == "#EXT-X-I-FRAME-STREAM-INF":
            attributes = _attributes(value)
            iframes.append(ListedMedia(attributes.get("URI", ""), attributes))
        elif not line.startswith("#"):
            if pending is None:
                msg = f"{line} has no EXT-X-STREAM-INF"
                raise BrokenPlaylist(msg)
            variants.append(ListedMedia(line, pending))
            pending = None
    return MasterPlaylist(tuple(variants), tuple(groups), tuple(iframes))


def read_mpd(text: str) -> Presentation:
    """Parse an MPD with segment timelines (ISO/IEC 23009-1). Raises BrokenPlaylist."""
    try:
        root = ET.fromstring(text)  # noqa: S314  our packager's
    except ET.ParseError as exc:
        msg = f"it is not well-formed XML ({exc})"
        raise BrokenPlaylist(msg) from exc
    try:
        return Presentation(
            static=root.get("type") == "static",
            seconds=_iso_duration(root.attrib["mediaPresentationDuration"]),
            representations=tuple(_representations(root)),
            texts=tuple(_texts(root)),
            images=tuple(_images(root)),
        )
    except (KeyError, ValueError) as exc:
        msg = f"something in it is missing or no number ({exc})"
        raise BrokenPlaylist(msg) from exc


def _representations(root: ET.Element) -> Iterator[Representation]:
    groups = root.iter(f"{_DASH}AdaptationSet")
    for number, group in enumerate(groups):
        if group.get("contentType") in {"text", "image"}:
            continue
        for one in group.iter(f"{_DASH}Representation"):
            template = one.find(f"{_DASH}SegmentTemplate")
            if template is None:
                template = group.find(f"{_DASH}SegmentTemplate")
            if template is None:
                msg = f"representation {one.get('id')} has no SegmentTemplate"
                raise BrokenPlaylist(msg)
            channels = one.find(f"{_DASH}AudioChannelConfiguration")
            starts, durations = _timeline(template)
            first = int(template.get("startNumber", "1"))
            yield Representation(
                kind=group.get("contentType")
                or one.get("mimeType", group.get("mimeType", "")).partition("/")[0],
                attributes={**group.attrib, **one.attrib},
                channels=None if channels is None else int(channels.attrib["value"]),
                timescale=int(template.get("timescale", "1")),
                header=template.attrib["initialization"],
                segments=tuple(
                    _numbered(template.attrib["media"], first + index)
                    for index in range(len(starts))
                ),
                starts=tuple(starts),
                durations=tuple(durations),
                group=number,
                transfer=_transfer(group),
                roles=_roles(group),
                label=group.findtext(f"{_DASH}Label"),
                group_id=group.get("id", ""),
                switches=_switches(group),
            )


def _switches(group: ET.Element) -> frozenset[str]:
    said = [
        one.get("value", "")
        for one in group.iter(f"{_DASH}SupplementalProperty")
        if one.get("schemeIdUri") == SWITCHING
    ]
    return frozenset(name.strip() for text in said for name in text.split(","))


def _transfer(group: ET.Element) -> int | None:
    said = {one.get("schemeIdUri"): one.get("value", "") for one in group.iter()}
    return int(said[_TRANSFER]) if _TRANSFER in said else None


def _images(root: ET.Element) -> Iterator[ImageTrack]:
    for group in root.iter(f"{_DASH}AdaptationSet"):
        template = group.find(f"{_DASH}SegmentTemplate")
        if group.get("contentType") != "image" or template is None:
            continue
        for one in group.iter(f"{_DASH}Representation"):
            said = {it.get("schemeIdUri"): it.get("value") for it in one}
            yield ImageTrack(
                template=template.attrib["media"],
                first=int(template.get("startNumber", "1")),
                seconds=Fraction(
                    int(template.attrib["duration"]), int(template.get("timescale", 1))
                ),
                size=(int(one.attrib["width"]), int(one.attrib["height"])),
                tiles=said.get(_TILES),
            )


def _texts(root: ET.Element) -> Iterator[TextTrack]:
    for group in root.iter(f"{_DASH}AdaptationSet"):
        if group.get("contentType") != "text":
            continue
        for one in group.iter(f"{_DASH}Representation"):
            yield TextTrack(
                uri=one.findtext(f"{_DASH}BaseURL", ""),
                mime_type=one.get("mimeType", group.get("mimeType")),
                language=group.get("lang"),
                roles=_roles(group),
            )


def _roles(group: ET.Element) -> frozenset[str]:
    return frozenset(role.get("value", "") for role in group.iter(f"{_DASH}Role"))


def _timeline(template: ET.Element) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    durations: list[int] = []
    offset = int(template.get("presentationTimeOffset", "0"))
    time = 0
    for run in template.iter(f"{_DASH}S"):
        time = int(run.get("t", time))
        duration = int(run.attrib["d"])
        for _ in range(int(run.get("r", "0")) + 1):
            starts.append(time - offset)
            durations.append(duration)
            time += duration
    return starts, durations


def _numbered(template: str, number: int) -> str:
    return _NUMBER.sub(lambda found: f"{number:0{found[1] or 1}d}", template)


def _iso_duration(text: str) -> Fraction:
    found = _DURATION.fullmatch(text)
    if found is None:
        msg = f"duration {text!r}"
        raise ValueError(msg)
    hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        msg = "it does not begin with #EXTM3U"
        raise BrokenPlaylist(msg)
    return lines


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _whole(text: str, line: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        msg = f"no whole number in {line}"
        raise BrokenPlaylist(msg) from exc


def _fraction(text: str, line: str) -> Fraction:
    try:
        return Fraction(text)
    except ValueError as exc:
        msg = f"no number in {line}"
        raise BrokenPlaylist(msg) from exc
