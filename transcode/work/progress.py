"""What ffmpeg prints, understood as it comes: progress, its summary, its last words."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable

from ..contract import Progress
from .command.pace import MADE, TAKEN

TAIL_BYTES = 32_768
"""Most of standard error that is kept as evidence."""

_PACE_SECONDS = 0.25
"""Between two reports; nobody reads faster."""
_LEAST_SECONDS = 0.5
"""Shorter than this, a speed is that of filling and emptying queues."""
_LONGEST_LINE = 8_192
_INPUT = re.compile(
    r"Input stream #0:(\d+) \((video|audio|subtitle)\): (\d+) packets read"
    r" \(\d+ bytes\);"
    r"(?: (\d+) frames decoded;(?: (\d+) decode errors)?(?: \((\d+) samples\))?)?"
)
_NUMBERED = re.compile(r"(Input stream #|\[[avs]ist#|\[in#)(\d+)([:/])")
_OUTPUT = re.compile(
    r"Output stream #(\d+):(\d+) \((?:video|audio)\):.*? (\d+) packets muxed"
)
_READ = re.compile(r"Statistics: (\d+) bytes read")
# One line per audio packet, from the bitstream filter that drops the priming.
_NOISE = re.compile(r"\[verbose\] Stream #\d+ packet \d+ pts")
_DAMAGED = re.compile(r"\[vist#0:\d+.*\] corrupt decoded frame")
# Error concealment that found nothing to conceal; the picture is called corrupt for it
# all the same. MPEG-1 and 2 on one thread alone: on several there is no concealment.
_WHOLE = re.compile(r" concealing 0 DC, 0 AC, 0 MV errors in . frame")
# A picture of HEVC whose references were lost: it never comes out, and is no error.
_UNREFERRED = re.compile(r"\[hevc @ [^\]]*\] .*Error constructing the frame RPS")
# FFV1 checks each part of a picture, and shows the picture before in its place.
_CHECKED = re.compile(r"\[ffv1 @ [^\]]*\] .*slice CRC mismatch \w+!(?:at (\S+) )?")
# Where a demuxer lost its way, and what lay there with it. Others say such things of
# whole files, too (WAV of a size that was left open).
_TORN = re.compile(
    r"\[in#0/(?:matroska|ogg)[^\]]*\] .*"
    r"(?:invalid as first byte of an EBML number|CRC mismatch!)"
)
_PART = re.compile(r"\[in#0/mpegts[^\]]*\] .*corrupt input packet in stream (\d+)")
_AGAIN = re.compile(r" Last message repeated (\d+) times")
_ERROR = re.compile(r"\[(?:error|fatal|panic)\]")
_SECRET = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def without_secrets(text: str) -> str:
    """*text* with the query of every URL removed: signatures stand there."""
    return _SECRET.sub(r"\1?…", text)


class Lines:
    """Bytes as they come → lines, ended by a newline or a carriage return."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        # A line without an end must not fill the memory.
        if len(rest) > _LONGEST_LINE:
            whole, rest = [*whole, rest[:_LONGEST_LINE]], b""
        self._rest = rest
        for line in whole:
            if line:
                self._take(line[:_LONGEST_LINE].decode("utf-8", "replace"))

    def close(self) -> None:
        self.feed(b"\n")


class Tail:
    """The last lines of a stream, at most `TAIL_BYTES`, and its last errors."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._errors: deque[str] = deque(maxlen=8)

    def take(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > TAIL_BYTES:
            self._size -= len(self._lines.popleft()) + 1
        if _ERROR.search(line):
            self._errors.append(line)

    @property
    def text(self) -> str:
        return without_secrets("\n".join(self._lines))

    @property
    def error(self) -> str | None:
        """The earliest of the last few errors: later ones follow from it."""
        return without_secrets(self._errors[0]) if self._errors else None


class _Counted:
    """How often a message was printed, repeats that ffmpeg only counts among them."""

    def __init__(self, message: re.Pattern[str]) -> None:
        self._message = message
        self._before = False
        self.times = 0

    def take(self, line: str) -> None:
        if self._before and (again := _AGAIN.search(line)):
            self.times += int(again[1])
        self._before = self._message.search(line) is not None
        self.times += self._before


class Summary:
    """ffmpeg's standard error: the tail, and the counts it prints when it ends."""

    def __init__(self, *, source: int = 0) -> None:
        """*source* is the number of the input that is the upload."""
        self._source = str(source)
        self.tail = Tail()
        self.packets: dict[int, int] = {}
        """Input stream → packets read."""
        self.decoded: dict[int, int] = {}
        self.samples: dict[int, int] = {}
        self.decode_errors = 0
        """Of pictures and sound."""
        self._corrupt = _Counted(_DAMAGED)
        self._whole = _Counted(_WHOLE)
        self._unreferred = _Counted(_UNREFERRED)
        self._checked: set[str | None] = set()
        self._torn = _Counted(_TORN)
        self._parts: dict[int, int] = {}
        self.caption_errors: dict[int, int] = {}
        """Subtitle stream → packets that did not decode."""
        self.muxed: dict[tuple[int, int], int] = {}
        """(output, stream) → packets muxed."""
        self.read_bytes: int | None = None

    def take(self, line: str) -> None:
        if self._source != "0":
            line = _NUMBERED.sub(self._upload_first, line)
        if "[verbose]" in line:
            if _NOISE.search(line):
                return
            self._count(line)
        self._corrupt.take(line)
        self._whole.take(line)
        self._unreferred.take(line)
        self._torn.take(line)
        if found := _CHECKED.search(line):
            self._checked.add(found[1])
        if found := _PART.search(line):
            index = int(found[1])
            self._parts[index] = self._parts.get(index, 0) + 1
        self.tail.take(line)

    def _upload_first(self, found: re.Match[str]) -> str:
        """Beside other inputs the upload counts as number 0, and 0 in its place."""
        places = {self._source: "0", "0": self._source}
        return f"{found[1]}{places.get(found[2], found[2])}{found[3]}"

    @property
    def damaged_frames(self) -> int:
        """Pictures that came out with parts made up, or not at all."""
        made_up = max(0, self._corrupt.times - self._whole.times)
        return made_up + self._unreferred.times + len(self._checked)

    def torn(self, picture: int | None) -> int:
        """In how many places packets are missing, or a part of one of *picture*."""
        of_picture = 0 if picture is None else self._parts.get(picture, 0)
        return self._torn.times + of_picture

    def _count(self, line: str) -> None:
        if found := _INPUT.search(line):
            index = int(found[1])
            self.packets[index] = int(found[3])
            if found[4] is not None:
                self.decoded[index] = int(found[4])
            if found[6] is not None:
                self.samples[index] = int(found[6])
            if found[2] == "subtitle":
                self.caption_errors[index] = int(found[5] or 0)
            else:
                self.decode_errors += int(found[5] or 0)
        elif found := _OUTPUT.search(line):
            self.muxed[int(found[1]), int(found[2])] = int(found[3])
        elif found := _READ.search(line):
            self.read_bytes = (self.read_bytes or 0) + int(found[1])


class ProgressLines:
    """
    What ffmpeg says of its progress on standard output → `Progress`.

    Two at once: `-progress` blocks, whose counts are right at the end, and the lines
    that `pace` asks for, which tell from the first picture on how far an encoder is.
    Where there are such lines, they alone are gone by. What an encoder has taken and
    not given yet is half done: else a short video that fits into its lookahead would
    stand at 0 % to the end, or at 100 %.
    """

    def __init__(
        self,
        task_id: str,
        total: float | None,
        report: Callable[[Progress], None],
        *,
        now: Callable[[], float] = time.monotonic,
        phase: str = "encode",
    ) -> None:
        self._task_id = task_id
        self._total = total
        self._report = report
        self._now = now
        self._phase = phase
        self._block: dict[str, str] = {}
        self._at = {TAKEN: 0.0, MADE: 0.0}
        self._paced = False
        self._due = now()
        self._first: tuple[float, float] | None = None
        """When something was made for the first time, and how much it was."""
        self._last = (0.0, 0.0)
        """The same of the last time."""
        self.repeated_frames = 0
        self.dropped_frames = 0
        self.seconds: float | None = None

    def take(self, line: str) -> None:
        name, _, value = line.partition("=")
        name = name.strip()
        if name in self._at:
            self._paced = True
            # Packets come in the order they are decoded in; and a picture before the
            # beginning (of a copy) is none that is waited for.
            self._at[name] = max(self._at[name], _number(value) or 0.0)
            self._say()
            return
        self._block[name] = value.strip()
        if name != "progress":
            return
        block, self._block = self._block, {}
        self.repeated_frames = int(_number(block.get("dup_frames")) or 0)
        self.dropped_frames = int(_number(block.get("drop_frames")) or 0)
        self.seconds = max(0.0, (_number(block.get("out_time_us")) or 0.0) / 1e6)
        if not self._paced:
            self._at = dict.fromkeys(self._at, self.seconds)
        self._say(at_once=value.strip() == "end")

    def _say(self, *, at_once: bool = False) -> None:
        now, made = self._now(), self._at[MADE]
        if made > self._last[1]:
            # Not the time of the report: packets come in bursts.
            self._last = (now, made)
            self._first = self._first or self._last
        if now < self._due and not at_once:
            return
        self._due = now + _PACE_SECONDS
        done = (max(self._at[TAKEN], made) + made) / 2
        if self._total is not None:
            # Frames end after the last one's time; a bar must not pass its end.
            done = min(done, self._total)
        self._report(
            Progress(
                task_id=self._task_id,
                done_seconds=done,
                total_seconds=self._total,
                speed=self._speed(),
                phase=self._phase,
            )
        )

    def _speed(self) -> float | None:
        """
        Since the first packet came: what starting took is no part of what is left.

        None before that says anything.
        """
        if self._first is None:
            return None
        took, made = (b - a for a, b in zip(self._first, self._last, strict=True))
        return made / took if took >= _LEAST_SECONDS else None


def _number(text: str | None) -> float | None:
    found = _NUMBER.match(text or "")
    return float(found[0]) if found else None
