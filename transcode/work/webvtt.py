"""WebVTT: what ffmpeg writes → cues, and cues → a file that every player reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_WRITTEN_TIME = r"-?(?:\d+:)?-?\d+:-?\d+\.-?\d+"
_WRITTEN = re.compile(rf"({_WRITTEN_TIME}) --> ({_WRITTEN_TIME})")
_TIMING = re.compile(
    r"((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}) --> ((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3})"
)
# What ffmpeg's encoder writes itself, and references that text has where it came from.
_KEPT = re.compile(r"(</?[biu]>|&(?:amp|lt|gt|nbsp|lrm|rlm);)")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# A vector drawing of ASS, which ffmpeg takes for text: `m 0 0 l 100 0 100 50`.
_DRAWING = re.compile(
    r"m(?: -?\d+(?:\.\d+)?){2}(?: (?:[mnlbspc]|-?\d+(?:\.\d+)?))*", re.ASCII
)
# One that stands in a line with text, which may touch it on both sides: at least one
# line or curve in it, and no command without its numbers but the last.
_NUMBERS = r"(?: +-?\d+(?:\.\d+)?)"
_DRAWN = re.compile(
    rf"m{_NUMBERS}{{2}}(?: *[nlbsp]{_NUMBERS}{{2,}})+"
    rf"(?: *(?:[mnlbsp]{_NUMBERS}{{2,}}|c(?![a-z])))*",
    re.ASCII,
)
# Braces without a command in them.
_COMMENT = re.compile(r"(?<!\\)\{[^{}]*\}")
_NO_BREAK_SPACE = "\u00a0"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class BrokenCaptions(ValueError):
    """The text is not WebVTT as we write it; says where."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Text on the screen from *start* to *end*, in milliseconds."""

    start: int
    end: int
    text: str
    """As WebVTT has it: escaped, no empty line in it."""


def read_written(text: str, *, scripted: bool = False) -> tuple[Cue, ...]:
    """
    The cues in what ffmpeg wrote, which escapes nothing.

    With *scripted* it was ASS or SSA, whose hard spaces (`\\h`), comments and drawings
    within text ffmpeg passes on as they are.

    Text after an empty line goes on with its cue. Times may be negative; drawings
    are left out.
    """
    cues: list[Cue] = []
    times: tuple[int, int] | None = None
    lines: list[str] = []
    # Only these end a line in WebVTT, unlike str.splitlines.
    for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")):
        timing = _WRITTEN.fullmatch(line)
        if timing is None:
            lines.append(_unscripted(line) if scripted else line)
            continue
        cues += _cue(times, lines)
        times, lines = (_milliseconds(timing[1]), _milliseconds(timing[2])), []
    return (*cues, *_cue(times, lines))


def shifted(cues: Iterable[Cue], by: int) -> tuple[Cue, ...]:
    """*cues* so many milliseconds later."""
    return tuple(Cue(it.start + by, it.end + by, it.text) for it in cues)


def within(cues: Iterable[Cue], end: int | None) -> tuple[Cue, ...]:
    """*cues* in order, each once, cut to what lies between 0 and *end*."""
    cut = (
        Cue(max(0, it.start), it.end if end is None else min(it.end, end), it.text)
        for it in cues
    )
    kept = dict.fromkeys(it for it in cut if it.start < it.end)
    return tuple(sorted(kept, key=lambda it: it.start))


def write(cues: Iterable[Cue], *, mapped: bool) -> str:
    """
    A whole file.

    With *mapped* its header says that time 0 is the media's 0, in the words of HLS
    (RFC 8216 §3.5); it is what a player has to assume without them.
    """
    head = "WEBVTT\n"
    if mapped:
        head += "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"
    blocks = (f"\n{_clock(it.start)} --> {_clock(it.end)}\n{it.text}\n" for it in cues)
    return head + "".join(blocks)


def read(text: str) -> tuple[Cue, ...]:
    """The cues of a file as `write` makes it. Raises BrokenCaptions."""
    head, *blocks = text.removesuffix("\n").split("\n\n")
    if head.split("\n")[0] != "WEBVTT":
        raise BrokenCaptions("it does not begin with WEBVTT")
    cues: list[Cue] = []
    for number, block in enumerate(blocks, 1):
        timing, _, words = block.partition("\n")
        found = _TIMING.fullmatch(timing)
        if found is None:
            raise BrokenCaptions(f"cue {number} has no times")
        if not words.strip() or "-->" in words:
            raise BrokenCaptions(f"cue {number} has no text or an arrow in it")
        start, end = _milliseconds(found[1]), _milliseconds(found[2])
        cues.append(Cue(start, end, words))
    return tuple(cues)


def _unscripted(line: str) -> str:
    return _DRAWN.sub("", _COMMENT.sub("", line)).replace("\\h", _NO_BREAK_SPACE)


def _cue(times: tuple[int, int] | None, lines: list[str]) -> Iterator[Cue]:
    plain = (_CONTROLS.sub("", line).strip() for line in lines)
    words = [line for line in plain if line and not _DRAWING.fullmatch(line)]
    if times is not None and words:
        yield Cue(*times, "\n".join(_escaped(line) for line in words))


def _escaped(line: str) -> str:
    return "".join(
        part if _KEPT.fullmatch(part) else part.translate(_ESCAPES)
        for part in _KEPT.split(line)
    )


def _milliseconds(text: str) -> int:
    # ffmpeg writes a time before 0 with a sign at each of its parts.
    sign = -1 if "-" in text else 1
    clock, _, thousandths = text.replace("-", "").partition(".")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return sign * (seconds * 1000 + int(thousandths))


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
