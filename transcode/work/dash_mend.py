"""What Shaka Packager's MPD lacks or gets wrong, from the segments."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from ..contract import VideoRendition
from .served import Served, differs, peak, target_seconds
from .verify.playlists import SWITCHING

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def mended_manifest(
    text: str,
    served: Mapping[str, Served],
    *,
    labels: Mapping[str, str],
    codecs: Sequence[str] = (),
) -> str:
    """
    *text* with true bit rates, frame rates, access points, lengths and names.

    *served* and *labels* are keyed by initialisation segment; *codecs* are those of the
    picture, first what all players can: of several each has a set of its own. That a
    track begins late is said, too: the packager moves it to 0, away from the others.
    ISO/IEC 23009-1.
    Raises ET.ParseError.
    """
    ET.register_namespace("", _MPD)
    ET.register_namespace("xsi", _XSI)
    root = ET.fromstring(text)  # noqa: S314  our packager's
    for template in _all(root, "SegmentTemplate"):
        template.attrib.pop("presentationTimeOffset", None)
    for group in _all(root, "AdaptationSet"):
        inside = []
        for one in _all(group, "Representation"):
            header = next(_all(one, "SegmentTemplate"), one).get("initialization", "")
            found = served.get(header)
            if found is None:
                continue
            inside.append(found)
            target = target_seconds(found.segments)
            one.set("bandwidth", str(peak(found.segments, target)))
            if found.frame_rate is not None:
                one.set("frameRate", _ratio(found.frame_rate))
            if isinstance(found.plan, VideoRendition):
                _time(one, [it.seconds for it in found.segments])
            if header in labels:
                _name(group, labels[header])
        _mend_group(group, inside)
    # The packager takes the picture's end: sound that goes on would be cut off.
    root.set("mediaPresentationDuration", f"PT{_end_seconds(root):.3f}S")
    if len(codecs) > 1:
        _link_pictures(root)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_written(root)}\n'


def _time(shown: ET.Element, lengths: Sequence[Fraction]) -> None:
    """
    When each segment is seen, and how long (ISO/IEC 23009-1 §5.3.9.6), where it is said
    otherwise: the packager adds up times until the next picture is decoded.
    """
    for template in _all(shown, "SegmentTemplate"):
        timeline = template.find(f"{{{_MPD}}}SegmentTimeline")
        tick = Fraction(1, int(template.get("timescale", 1)))
        if timeline is None:
            continue
        said = [
            int(it.get("d", 0))
            for it in timeline
            for _ in range(int(it.get("r", 0)) + 1)
        ]
        right = len(said) == len(lengths) and not any(
            differs(one * tick, length)
            for one, length in zip(said, lengths, strict=True)
        )
        if right or len(said) != len(lengths):
            continue  # verification says what is wrong with its count
        at = Fraction(int(timeline[0].get("t", 0))) * tick
        for it in list(timeline):
            timeline.remove(it)
        for length in lengths:
            begins, ends = round(at / tick), round((at + length) / tick)
            what = {"t": str(begins), "d": str(ends - begins)}
            ET.SubElement(timeline, f"{{{_MPD}}}S", what)
            at += length


def _link_pictures(root: ET.Element) -> None:
    """
    Sets of one picture: players may switch between them, and take the last if they can.

    ISO/IEC 23009-1 §5.3.3.5; of `selectionPriority` (§5.3.7.2) the highest counts.
    """
    sets = [
        group
        for group in _all(root, "AdaptationSet")
        if group.get("contentType") == "video"
    ]
    names = [group.get("id", "") for group in sets]
    for number, group in enumerate(sets):
        others = ",".join(name for name in names if name != names[number])
        said = {"schemeIdUri": SWITCHING, "value": others}
        group.insert(0, ET.Element(f"{{{_MPD}}}SupplementalProperty", said))
        group.set("selectionPriority", str(number + 1))


def _mend_group(group: ET.Element, inside: list[Served]) -> None:
    points = [it.access_point for it in inside]
    if points and None not in points:
        # Each segment may be begun with: nothing before it is needed.
        group.set("startWithSAP", str(max(it for it in points if it is not None)))
    rates = {it.frame_rate for it in inside if it.frame_rate is not None}
    for name in ("frameRate", "maxFrameRate"):
        group.attrib.pop(name, None)
    if rates:
        name = "frameRate" if len(rates) == 1 else "maxFrameRate"
        group.set(name, _ratio(max(rates)))


def _name(group: ET.Element, name: str) -> None:
    label = group.find(f"{{{_MPD}}}Label")
    if label is None:
        label = ET.Element(f"{{{_MPD}}}Label")
        # The schema's order: behind roles, before what is played.
        group.insert(sum(1 for _ in _all(group, "Role")), label)
    label.text = name


def _all(inside: ET.Element, name: str) -> Iterator[ET.Element]:
    return inside.iter(f"{{{_MPD}}}{name}")


def _end_seconds(root: ET.Element) -> float:
    """When the last segment of any timeline ends."""
    ends = [Fraction(0)]
    for template in _all(root, "SegmentTemplate"):
        at = 0
        for entry in _all(template, "S"):
            at = int(entry.get("t", at))
            at += int(entry.get("d", 0)) * (int(entry.get("r", 0)) + 1)
        ends.append(Fraction(at, int(template.get("timescale", 1))))
    return float(max(ends))


def _ratio(rate: Fraction) -> str:
    return str(rate)  # 25 or 30000/1001, as the schema wants it


def _written(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")
