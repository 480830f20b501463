"""
What another tool has against outputs that were verified.

Each complaint names the output, what was measured and what was wanted. Where nothing
can be told (a still picture has no rhythm, silence no offset) nothing is said.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tomllib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul, sub
from pathlib import Path
from typing import Any

from bench.stress.second_tool import (
    STEP_SECONDS,
    Frame,
    Seen,
    Unreadable,
    loudness,
    perceive,
    probe,
    shape,
)

MOST_APART_SECONDS = 0.020
MOST_COLOUR = 5.0
"""Mean difference of a colour, of 255; what x264 at crf 28 leaves is about 2."""
MOST_TONE_MAPPED = 28.0
"""Two ways of tone mapping differ by taste in brightness, not by hue."""
MOST_LOUDNESS_LU = 1.0
PROFILES = Path(__file__).resolve().parents[2] / "profiles"
_USUAL_GOP_SECONDS = 2.0
_WINDOW_SECONDS = 4.0
_SEARCH_SECONDS = 0.6
_PROBES = 20


@dataclass(frozen=True, slots=True)
class Original:
    """The source by the second tool: the streams that the job used."""

    video: dict[str, Any] | None
    audio: dict[str, Any] | None
    seen: Seen


def original(path: Path, manifest: dict[str, Any], *, seconds: float) -> Original:
    """The source, decoded; raises Unreadable or TimeoutExpired."""
    left_out = {
        int(index)
        for warning in manifest["warnings"]
        for index in re.findall(r"(?:Video|Audio) track (\d+)", str(warning))
    }
    probed = probe(str(path))
    # A picture without size is one that the second tool met before its keyframe.
    used = [
        s
        for s in probed["streams"]
        if s["index"] not in left_out and s.get("height") != 0
    ]
    told = manifest["media"]

    def first(kind: str) -> dict[str, Any] | None:
        known = {one["index"] for one in told[kind]}
        return next((s for s in used if s["index"] in known), None)

    outputs = manifest["outputs"]
    wants_video = any(one.get("video") for one in outputs)
    wants_audio = any(one.get("audio") for one in outputs)
    video = first("video") if wants_video else None
    audio = first("audio") if wants_audio else None
    seen = perceive(
        [str(path)],
        video=video,
        audio=f"0:{audio['index']}" if audio else None,
        seconds=seconds,
    )
    return Original(video, audio, seen)


def look(manifest: dict[str, Any], source: Original, *, seconds: float) -> list[str]:
    """Everything the second tool has against the outputs of *manifest*."""
    outputs = manifest["outputs"]
    complaints = [
        f"{Path(one['uri']).name}: {wrong}"
        for one in outputs
        for wrong in _present(one)
    ]
    pictures = [one for one in outputs if one["kind"] == "rendition" and one["video"]]
    sounds = [one for one in outputs if one["audio"]]
    for one in [*pictures, *(s for s in sounds if s not in pictures)]:
        complaints += [f"{_name(one)}: {wrong}" for wrong in _as_told(one)]
    if not pictures and not sounds:
        return complaints
    top = max(pictures, key=lambda one: one["video"]["width"], default=None)
    sound = top if top is not None and top["audio"] else (sounds or [None])[0]
    try:
        seen, video = _perceived(top, sound, seconds=seconds)
    except Unreadable as error:
        return [*complaints, f"the second tool decodes nothing: {error}"]
    complaints += _listings(outputs, seen)
    profile = _profile(manifest)
    if top is not None and source.video is not None and source.seen.frames:
        # Of AVI only the decoder knows when the first picture is shown: none is filled.
        avi = manifest["media"]["container"] == "avi"
        lead = 0.0 if avi else _lead(source.seen)
        steady = any(
            it["variable_frame_rate"] is False
            for it in manifest["media"]["video"]
            if it["index"] == source.video["index"]
        )
        complaints += _picture(source, seen, video, profile, lead=lead, steady=steady)
    known = {one["index"]: one for one in manifest["media"]["audio"]}
    counted = source.audio and known[source.audio["index"]].get("retimed")
    shifted = any(it.get("retimed") == "start" for it in manifest["media"]["video"])
    # Where the header crams sound into a moment, the second tool believes it; and it
    # moves a track by what it takes from before an edit without a keyframe.
    counted = counted or (shifted and manifest["media"]["container"] in {"mp4", "mov"})
    if sound is not None and source.audio is not None and not counted:
        complaints += _sound(source, seen)
    if top is not None and sound is not None:
        complaints += _sync(source, seen)
    wanted = next(
        (one["loudness"] for one in profile.get("audio", []) if one.get("loudness")),
        None,
    )
    if wanted is not None and sound is not None:
        complaints += _levelled(sound["uri"], wanted["integrated_lufs"])
    return complaints


def _name(output: dict[str, Any]) -> str:
    path = Path(output["uri"])
    return f"{path.parent.name}/{path.name}"


def _profile(manifest: dict[str, Any]) -> dict[str, Any]:
    path = PROFILES / f"{manifest['profile']['name']}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def _present(output: dict[str, Any]) -> Iterator[str]:
    path = Path(output["uri"])
    if not path.is_file():
        yield "does not exist"
    elif path.stat().st_size != output["bytes"]:
        yield f"{path.stat().st_size} bytes, the manifest says {output['bytes']}"


def _as_told(output: dict[str, Any]) -> Iterator[str]:
    """Does ffprobe read what the manifest says?"""
    try:
        probed = probe(output["uri"])
    except Unreadable as error:
        yield f"ffprobe cannot read it: {error}"
        return
    kinds = {s.get("codec_type"): s for s in reversed(probed["streams"])}
    told = output.get("video")
    step = 0.025
    if told:
        video = kinds.get("video")
        if video is None:
            yield "no video"
            return
        rate = Fraction(told["frame_rate"]) if told.get("frame_rate") else Fraction(25)
        step = max(step, float(1 / rate) * 1.05)
        for what, mine, theirs in (
            ("codec", told["codec"], video["codec_name"]),
            ("width", told["width"], video["width"]),
            ("height", told["height"], video["height"]),
            ("frames", told["frames"], int(video.get("nb_read_packets", -1))),
        ):
            if mine != theirs:
                yield f"{what} {mine}, ffprobe says {theirs}"
        if shape(video) != Fraction(video["width"], video["height"]):
            yield "pixels are not square, or are to be turned"
    lasts = float(probed["format"].get("duration") or 0)
    mine = output.get("duration_seconds")
    if mine is not None and abs(lasts - mine) > step:
        yield f"duration {mine:.3f} s, ffprobe says {lasts:.3f} s"


def _listings(outputs: Sequence[dict[str, Any]], seen: Seen) -> Iterator[str]:
    """Do playlists and the MPD last as long as what they list?"""
    ends = [seen.picture_end] if seen.frames else []
    ends += [seen.sound_end] if seen.sound_end is not None else []
    longest = max(ends, default=0.0)
    allowed = max(seen.longest_step if seen.frames else 0.0, 0.025)
    for one in outputs:
        path = Path(one["uri"])
        if one["kind"] in {"rendition", "audio"} and path.suffix == ".m3u8":
            text = path.read_text("utf-8")
            lasts = sum(map(float, re.findall(r"#EXTINF:([\d.]+)", text)))
            if abs(lasts - (one["duration_seconds"] or 0.0)) > allowed:
                yield (
                    f"{_name(one)}: its segments last {lasts:.3f} s, the manifest"
                    f" says {one['duration_seconds']:.3f} s"
                )
    for one in outputs:
        if one["kind"] == "manifest":
            text = Path(one["uri"]).read_text("utf-8")
            found = re.search(r'mediaPresentationDuration="PT([\d.]+)S"', text)
            lasts = float(found[1]) if found else 0.0
            if abs(lasts - longest) > allowed + 0.022:  # a packet of sound
                yield f"the MPD lasts {lasts:.3f} s, its renditions {longest:.3f} s"


def _perceived(
    top: dict[str, Any] | None, sound: dict[str, Any] | None, *, seconds: float
) -> tuple[Seen, dict[str, Any] | None]:
    inputs = [one["uri"] for one in (top, sound) if one is not None]
    inputs = list(dict.fromkeys(inputs))
    video = None
    if top is not None:
        video = next(
            s for s in probe(top["uri"])["streams"] if s.get("codec_type") == "video"
        )
    audio = None if sound is None else f"{len(inputs) - 1}:a:0"
    seen = perceive(inputs, video=video, audio=audio, keep_clock=True, seconds=seconds)
    return seen, video


def _picture(  # noqa: PLR0913  what is compared, and how it was made
    source: Original,
    seen: Seen,
    video: dict[str, Any] | None,
    profile: dict[str, Any],
    *,
    lead: float,
    steady: bool,
) -> Iterator[str]:
    before, made = source.video, source.seen
    if before is None or video is None:
        return
    if not seen.frames:
        yield "the second tool decodes no picture"
        return
    yield from _counted(made, seen, lead, profile, steady=steady)
    step = max(made.longest_step, seen.longest_step) + 0.002
    lasted = seen.picture_end - seen.picture_start
    wanted = made.picture_end - made.picture_start + lead
    # An index may give all frames one time: then it says nothing of how long.
    timed = made.frames[-1].at > made.frames[0].at or len(made.frames) == 1
    # Segments hold the last picture until the sound has ended.
    longest = wanted
    streamed = profile.get("packaging", {}).get("type") == "cmaf"
    if streamed and made.sound_end is not None:
        longest += max(0.0, made.sound_end - made.picture_end)
    if timed and not wanted - step <= lasted <= longest + step:
        yield f"the picture lasts {lasted:.3f} s, the source's {wanted:.3f} s"
    asked, got = float(shape(before)), float(shape(video))
    # Even numbers of pixels: either side may be one off.
    allowed = 1.2 / min(video["width"], video["height"]) + 0.002
    if abs(got / asked - 1) > allowed:
        yield f"shown {got:.3f} : 1, the source {asked:.3f} : 1"
    pairs = list(_pairs(made, seen))
    yield from _upright(pairs)
    yield from _coloured(pairs, before)


def _lead(made: Seen) -> float:
    """What the picture's first frame fills, because sound begins before it."""
    if made.sound_start is None:
        return 0.0
    return max(0.0, made.picture_start - made.sound_start)


def _counted(
    made: Seen, seen: Seen, lead: float, profile: dict[str, Any], *, steady: bool
) -> Iterator[str]:
    """
    Every frame at its own time; of a rate above the limit every second, third …

    At a variable rate it is shown again where a keyframe is due, and above the limit
    there is one at each of its steps.
    """
    limit = profile.get("video", {}).get("max_frame_rate")
    shown = len(made.frames)
    steps = sorted(
        after.at - before.at
        for before, after in zip(made.frames, made.frames[1:], strict=False)
    )
    usual = steps[len(steps) // 2] if steps else 0.0
    wanted, allowed = float(shown), 0.0
    if usual > 0 and lead:
        wanted += int(lead / usual + 0.001)
        allowed = 1.0
    again = 0.0
    # Times of Matroska and FLV are whole milliseconds.
    if limit is not None and usual > 0 and usual + 0.0006 < 1 / (limit * 1.002):
        if not steady:
            wanted = limit * (made.picture_end - made.picture_start + lead)
        parts = max(1, round(wanted / max(1, len(seen.frames))))
        wanted = wanted / parts
        allowed = 2 + 0.005 * wanted
    elif not steady:
        gop = profile.get("video", {}).get("gop_seconds", _USUAL_GOP_SECONDS)
        again = 2 + (seen.picture_end - seen.picture_start) / gop
    if not -allowed <= len(seen.frames) - wanted <= allowed + again:
        yield f"{len(seen.frames)} frames, {wanted:g} were wanted of {shown}"


def _pairs(made: Seen, seen: Seen) -> Iterator[tuple[Frame, Frame]]:
    """Frames of the source and of the output shown at the same time."""
    begins = _zero(made)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        frame = seen.frames[int(share * len(seen.frames))]
        then = min(made.frames, key=lambda f: abs(f.at - begins - frame.at))
        yield then, frame


def _zero(made: Seen) -> float:
    starts = [made.frames[0].at] if made.frames else []
    starts += [made.sound_start] if made.sound_start is not None else []
    return min(starts)


_TURNS: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "upright": lambda x, y: (x, y),
    "turned right": lambda x, y: (y, 31 - x),
    "upside down": lambda x, y: (31 - x, 31 - y),
    "turned left": lambda x, y: (31 - y, x),
    "mirrored": lambda x, y: (31 - x, y),
    "flipped": lambda x, y: (x, 31 - y),
    "transposed": lambda x, y: (y, x),
    "transversed": lambda x, y: (31 - y, 31 - x),
}


def _upright(pairs: Sequence[tuple[Frame, Frame]]) -> Iterator[str]:
    votes: dict[str, float] = {}
    for name, turn in _TURNS.items():
        places = [turn(x, y) for y in range(32) for x in range(32)]
        order = [32 * y + x for x, y in places]
        for before, after in pairs:
            turned = [before.grey[place] for place in order]
            votes[name] = votes.get(name, 0.0) + _apart(turned, after.grey)
    best = min(votes, key=votes.__getitem__)
    if votes[best] < 0.8 * votes["upright"] - 1:
        yield f"the picture is {best}"


def _apart(one: Sequence[int], other: Sequence[int]) -> float:
    return float(sum(map(abs, map(sub, one, other)))) / len(one)


def _coloured(
    pairs: Sequence[tuple[Frame, Frame]], before: dict[str, Any]
) -> Iterator[str]:
    hdr = before.get("color_transfer") in {"smpte2084", "arib-std-b67"}
    allowed = MOST_TONE_MAPPED if hdr else MOST_COLOUR
    means = [
        statistics.fmean(b.rgb[c::3]) - statistics.fmean(a.rgb[c::3])
        for a, b in pairs
        for c in range(3)
    ]
    red, green, blue = (statistics.median(means[c::3]) for c in range(3))
    light = max(map(abs, (red, green, blue)))
    hue = max(abs(red - green), abs(blue - green))
    if light > allowed or hue > (allowed / 2 if hdr else allowed):
        yield f"colours differ by red {red:+.1f}, green {green:+.1f}, blue {blue:+.1f}"


def _sound(source: Original, seen: Seen) -> Iterator[str]:
    made = source.seen
    if made.sound_end is None or made.sound_start is None:
        return
    if seen.sound_end is None or seen.sound_start is None:
        yield "the second tool decodes no sound"
        return
    lasted = seen.sound_end
    wanted = made.sound_end - _zero(made)
    if abs(lasted - wanted) > 0.06:
        yield f"the sound ends at {lasted:.3f} s, the source's at {wanted:.3f} s"


def _sync(source: Original, seen: Seen) -> Iterator[str]:
    made = source.seen
    if not made.frames or not seen.frames or made.sound_end is None:
        return
    if seen.sound_end is None:
        return
    zero = _zero(made)
    last = min(made.picture_end, made.sound_end) - zero
    windows = {"start": 0.0, "end": max(0.0, last - _WINDOW_SECONDS)}
    for where, start in windows.items():
        picture = picture_shift(made, seen, zero=zero, start=start)
        sound = sound_shift(made.envelope, seen.envelope, zero=zero, start=start)
        if picture is None or sound is None:
            continue
        if abs(sound - picture) > MOST_APART_SECONDS:
            yield (
                f"at the {where} sound is {1000 * (sound - picture):+.0f} ms off the"
                f" picture (picture {1000 * picture:+.0f}, sound {1000 * sound:+.0f})"
            )


def picture_shift(made: Seen, seen: Seen, *, zero: float, start: float) -> float | None:
    """How much later the output shows what the source shows; None where unclear."""
    inside = [f for f in seen.frames if start <= f.at <= start + _WINDOW_SECONDS]
    inside = inside[:: max(1, len(inside) // _PROBES)]
    shifts = []
    for frame in inside:
        near = [
            (_apart(other.grey, frame.grey), frame.at - (other.at - zero))
            for other in made.frames
            if abs(other.at - zero - frame.at) <= _SEARCH_SECONDS
        ]
        near.sort()
        if len(near) > 1 and near[1][0] > 1.25 * near[0][0] + 0.15:
            shifts.append(near[0][1])
    return statistics.median(shifts) if len(shifts) >= 3 else None


def sound_shift(
    made: array[float], seen: array[float], *, zero: float, start: float
) -> float | None:
    """How much later the output sounds; None where it has no rhythm."""
    first = round((start + zero) / STEP_SECONDS)
    long = round(_WINDOW_SECONDS / STEP_SECONDS)
    reach = round(_SEARCH_SECONDS / STEP_SECONDS)
    theirs = [max(0.0, v) for v in made[first : first + long]]
    if len(theirs) < 2 * reach // 3:
        return None
    theirs = _centred(theirs)
    power = sum(map(mul, theirs, theirs))
    if power <= 0:
        return None
    ours = [0.0] * reach + [max(0.0, v) for v in seen] + [0.0] * (reach + long)
    begin = round(start / STEP_SECONDS)
    best = (0.0, 0)
    for lag in range(-reach, reach + 1):
        part = ours[begin + lag + reach : begin + lag + reach + len(theirs)]
        part = _centred(part)
        size = sum(map(mul, part, part))
        if size > 0:
            alike = sum(map(mul, theirs, part)) / (power * size) ** 0.5
            best = max(best, (alike, lag))
    return best[1] * STEP_SECONDS if best[0] >= 0.7 else None


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def _levelled(path: str, wanted: float) -> Iterator[str]:
    try:
        found = loudness(path, "0:a:0")
    except subprocess.TimeoutExpired:
        return
    if found is not None and abs(found - wanted) > MOST_LOUDNESS_LU:
        yield f"{found:.1f} LUFS, {wanted:.1f} were asked for"
