"""What Shaka Packager's HLS playlists lack or get wrong, from the segments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from .served import Resource, Served, average, differs, peak, target_seconds

_BEGIN_BIT_RATE = 2_000_000
_LENGTH, _TARGET = "#EXTINF:", "#EXT-X-TARGETDURATION:"
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


def iframe_playlist(keyframes: Sequence[Resource], *, header: str) -> str:
    """
    Every keyframe that can be fetched by itself, each until the next (RFC 8216
    §4.3.3.6). The packager lists the first of each segment.
    """
    lines = [
        "#EXTM3U",
        # As the packager's others; EXT-X-MAP needs 5 here, and 6 there (§7).
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{target_seconds(keyframes)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-I-FRAMES-ONLY",
        f'#EXT-X-MAP:URI="{header}"',
    ]
    for it in keyframes:
        lines += [
            f"#EXTINF:{float(it.seconds):.3f},",
            f"#EXT-X-BYTERANGE:{it.bytes}@{it.offset}",
            it.uri,
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def with_lengths(text: str, segments: Sequence[Resource]) -> str:
    """
    A media playlist that says of each segment how long it is seen (RFC 8216
    §4.3.2.1). The packager adds up the times until the next picture is *decoded*, which
    come to something else where pictures do not follow evenly.
    """
    lines = text.splitlines()
    said = [n for n, line in enumerate(lines) if line.startswith(_LENGTH)]
    if len(said) != len(segments):
        return text  # verification says so
    wrong = [
        (n, it.seconds)
        for n, it in zip(said, segments, strict=True)
        if differs(_seconds(lines[n]), it.seconds)
    ]
    if not wrong:
        return text
    for n, seconds in wrong:
        lines[n] = f"{_LENGTH}{float(seconds):.3f},"
    for n, line in enumerate(lines):
        if line.startswith(_TARGET):
            least = max(target_seconds(segments), int(line.removeprefix(_TARGET)))
            lines[n] = f"{_TARGET}{least}"
    return "\n".join(lines) + "\n"


def _seconds(line: str) -> Fraction:
    return Fraction(line.removeprefix(_LENGTH).partition(",")[0])


def mended_master(
    text: str,
    served: Mapping[str, Served],
    *,
    groups: Mapping[str, Mapping[str, str]],
    texts: Sequence[Resource] = (),
    scores: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """
    *text* with true bit rates and frame rates.

    *served* is keyed by media playlist; *groups* gives attributes, in the playlist's
    own writing, to be set in the `EXT-X-MEDIA` of a playlist; *texts* are the
    captions; *scores* are how good a variant is, by media playlist.

    RFC 8216 §4.3.4.2: the largest sum that any playable combination of
    renditions comes to.
    """
    lines = text.splitlines()
    members: dict[str, list[Served]] = {}
    for number, line in enumerate(lines):
        if not line.startswith("#EXT-X-MEDIA:"):
            continue
        said = _attributes(line)
        uri = said.get("URI", "").strip('"')
        if uri in served:
            members.setdefault(said.get("GROUP-ID", ""), []).append(served[uri])
        lines[number] = _with(line, groups.get(uri, {}))
    # One file each, as long as the presentation: its peak is its average.
    subtitles = [(average([it]), average([it])) for it in texts]
    for number, line in enumerate(lines):
        if line.startswith("#EXT-X-STREAM-INF:") and number + 1 < len(lines):
            one = served.get(lines[number + 1].strip())
            if one is None:
                continue
            group = members.get(_attributes(line).get("AUDIO", ""), [])
            beside = [_rates(it) for it in group if it is not one]
            peaks, means = _rates(one)
            for more in (beside, subtitles):
                peaks += max((it[0] for it in more), default=0)
                means += max((it[1] for it in more), default=0)
            uri = lines[number + 1].strip()
            score = {"SCORE": str(scores[uri])} if uri in scores else {}
            lines[number] = _with(line, _said(peaks, means) | _rate(one) | score)
        elif line.startswith("#EXT-X-I-FRAME-STREAM-INF:"):
            uri = _attributes(line).get("URI", "").strip('"')
            one = served.get(f"{uri.rpartition('/')[0]}/index.m3u8")
            if one is not None:
                target = target_seconds(one.keyframes)
                rates = peak(one.keyframes, target), average(one.keyframes)
                lines[number] = _with(line, _said(*rates))
    return "\n".join(_begun_small(lines) if scores else lines) + "\n"


def _begun_small(lines: list[str]) -> list[str]:
    """
    *lines* with that variant in front that a player begins with, which knows nothing of
    its network yet: of the codec that all play the best within 2 Mbit/s, as Apple's HLS
    authoring specification has it for Wi-Fi; else the one of least.
    """
    at = [n for n, it in enumerate(lines) if it.startswith("#EXT-X-STREAM-INF:")]
    said = {n: _attributes(lines[n]) for n in at}
    rate = {n: int(said[n].get("BANDWIDTH", 0)) for n in at}
    common = [n for n in at if said[n].get("CODECS", "").startswith('"avc1')]
    small = [n for n in common if rate[n] <= _BEGIN_BIT_RATE]
    if not common:
        return lines
    first = (max if small else min)(small or common, key=rate.__getitem__)
    pair = lines[first : first + 2]
    rest = lines[:first] + lines[first + 2 :]
    return rest[: at[0]] + pair + rest[at[0] :]


def _rates(one: Served) -> tuple[int, int]:
    return one.peak_bit_rate, one.average_bit_rate


def _said(peaks: int, means: int) -> dict[str, str]:
    return {"BANDWIDTH": str(peaks), "AVERAGE-BANDWIDTH": str(means)}


def _rate(one: Served) -> dict[str, str]:
    if one.frame_rate is None:
        return {}
    return {"FRAME-RATE": f"{float(one.frame_rate):.3f}"}


def _attributes(line: str) -> dict[str, str]:
    """As written, quotes and all."""
    return dict(_ATTRIBUTE.findall(line.partition(":")[2]))


def _with(line: str, said: Mapping[str, str]) -> str:
    """*line* with attributes set; those it has stay in their place."""
    if not said:
        return line
    tag = line.partition(":")[0]
    both = {**_attributes(line), **said}
    return f"{tag}:{','.join(f'{name}={value}' for name, value in both.items())}"
