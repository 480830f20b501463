"""How captions stand in HLS and DASH, whose indexes the packager wrote without them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

from ..contract import CaptionRendition
from .command.languages import in_hls, shortest
from .track_names import caption_names

FOLDER = "captions"
GROUP = "subtitles"


def captions_file(captions: CaptionRendition) -> str:
    """Relative to the job's folder."""
    return f"{FOLDER}/{captions.name}.vtt"


def captions_playlist(captions: CaptionRendition) -> str:
    """Of HLS only."""
    return f"{FOLDER}/{captions.name}.m3u8"


def media_playlist(captions: CaptionRendition, *, seconds: float) -> str:
    """
    All of a track as one segment, as long as the presentation.

    Subtitles on demand need not share the picture's target duration (RFC 8216bis
    §4.4.3.1), and an hour of them is smaller than a second of picture.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{max(1, math.ceil(seconds))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f"#EXTINF:{seconds:.3f},",
        f"{captions.name}.vtt",
        "#EXT-X-ENDLIST",
    ]
    return "\n".join(lines) + "\n"


def listed_in_master(master: str, captions: Sequence[CaptionRendition]) -> str:
    """*master* with one group of subtitles, which every variant names."""
    if not captions:
        return master
    tags = _media_tags(captions)
    lines: list[str] = []
    for line in master.splitlines():
        if line.startswith("#EXT-X-STREAM-INF:"):
            lines += [*tags, f'{line},SUBTITLES="{GROUP}"']
            tags = []
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def listed_in_manifest(
    manifest: str,
    captions: Sequence[CaptionRendition],
    *,
    sizes: Mapping[str, int],
) -> str:
    """
    *manifest* with one adaptation set per track; *sizes* are its files' bytes.

    Roles: ISO/IEC 23009-1, `urn:mpeg:dash:role:2011`.
    """
    taken = re.findall(r'<AdaptationSet\b[^>]*? id="(\d+)"', manifest)
    number = max(map(int, taken), default=-1)
    sets: list[str] = []
    names = caption_names(captions)
    for one in captions:
        number, label = number + 1, names[one.name]
        # As if all of it were fetched within a second: nobody waits for text.
        rate = sizes[one.name] * 8
        sets.append(_adaptation_set(one, number=number, label=label, bandwidth=rate))
    end = manifest.rindex("</Period>")
    begin = manifest.rindex("\n", 0, end) + 1
    return manifest[:begin] + "".join(sets) + manifest[begin:]


def _media_tags(captions: Sequence[CaptionRendition]) -> list[str]:
    tags = []
    chosen: set[tuple[str, bool]] = set()
    names = caption_names(captions)
    for one in captions:
        label = names[one.name]
        # A player may choose by language unless two would be alike (RFC 8216
        # §4.3.4.1.1); the default is chosen anyway and has to say so.
        kind = (one.language or "", one.forced)
        automatic = one.default or (bool(one.language) and kind not in chosen)
        chosen |= {kind} if automatic else set()
        tags.append(
            f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{GROUP}",NAME="{label}",'
            f'LANGUAGE="{in_hls(one.language)}",DEFAULT={_yes(one.default)},'
            f"AUTOSELECT={_yes(automatic)},"
            f'FORCED={_yes(one.forced)},URI="{captions_playlist(one)}"'
        )
    return tags


def _adaptation_set(
    captions: CaptionRendition, *, number: int, label: str, bandwidth: int
) -> str:
    language = ""
    if captions.language:
        language = f' lang="{escape(shortest(captions.language))}"'
    roles = ["forced-subtitle" if captions.forced else "subtitle"]
    roles += ["main"] if captions.default else []
    said = "".join(
        f'      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="{role}"/>\n'
        for role in roles
    )
    return (
        f'    <AdaptationSet id="{number}" contentType="text" mimeType="text/vtt"'
        f"{language}>\n"
        f"{said}"
        f"      <Label>{escape(label)}</Label>\n"
        f'      <Representation id="{FOLDER}-{escape(captions.name)}"'
        f' bandwidth="{bandwidth}">\n'
        f"        <BaseURL>{escape(captions_file(captions))}</BaseURL>\n"
        "      </Representation>\n"
        "    </AdaptationSet>\n"
    )


def _yes(flag: bool) -> str:  # noqa: FBT001 - one flag is all there is to say
    return "YES" if flag else "NO"
