"""The probing child: opens one upload behind one choke point and says what it saw."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import Any

import av
import av.error
import av.filter
import av.logging

from ...media.codecs import NEVER_INTERLACED
from ...media.demuxers import short
from ...media.margins import WOVEN_RATIO
from ...media.side_data import display_matrices, light, mastering
from ...sandbox.allowlist import DEMUXERS, OLDEST_LIBAVCODEC
from ...sandbox.fence import Fence, Permissions, ports_of, shortfall
from .apart import apart
from .begins import find_beginnings, unheard
from .boxes import looks_like
from .first_picture import ALL, FEW, begins_once, first_of
from .interlace import count_fields, may_lie
from .listen import silent
from .reader import CountingReader, Opened, Refused, open_local, open_remote
from .scan import Demuxed, Gathered, gather
from .streams import pixels
from .tail_riff import RF64, le, open_ended

_MOST_PIXELS = 8192 * 8192
_LARGEST_PICTURE = 16384 * 8704
"""Pixels; what codecs' highest levels allow, and `facts` refuses more of."""
_OPTIONS = {
    "format_whitelist": DEMUXERS,
    # No protocol has this name: whatever a demuxer would open besides, it may not.
    "protocol_whitelist": "none",
    # Would read megabytes at the tail; `gather` asks for the last times itself.
    "skip_estimate_duration_from_pts": "1",
    "formatprobesize": "262144",
    "max_streams": "100",
    # Opening decodes a picture where the headers leave its format open; what is larger
    # gets no size then, and no memory.
    "max_pixels": str(_LARGEST_PICTURE),
}
_MOST_FRAMES = 24
_MOST_DECODED = 50_000_000
"""Pixels of them all, to find out whether they are reordered: half a second's work."""
_NO_FIELDS = NEVER_INTERLACED | {"hevc"}
"""Codecs without fields, or too heavy to decode for their sake alone."""
_UNSPECIFIED = 2
"""In each table of ITU-T H.273."""
_MOST_TRACKS = 16
"""Soundtracks that are listened to."""
_QUIET = 8
"""Of 32768, -72 dBFS: what dither and coding make of silence is below."""
_STILLS = {"heic", "heix", "mif1", "avif"}
_SEQUENCES = {"hevc", "hevx", "msf1", "avis"}
"""Brands of ISO/IEC 23008-12, and AVIF's."""
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
"""How long the second one may be, by version of the format."""
_WEBP_MOVES = 2
"""A flag (developers.google.com/speed/webp/docs/riff_container)."""
_NO_MEDIA = {"hls", "dash", "concat", "sdp", "imf", "ffmetadata", "tty", "txd"}
"""Demuxers of what only names media, and of text."""
_MESSAGES: Mapping[type[BaseException], tuple[str, str]] = {
    MemoryError: (
        "rejected",
        "its headers ask for more memory than any honest file needs",
    ),
    av.error.DecoderNotFoundError: ("unsupported", "there is no decoder for it here"),
    av.error.DemuxerNotFoundError: ("rejected", "it is no media format known here"),
    av.error.PatchWelcomeError: ("unsupported", "its kind of stream is not supported"),
    av.error.EOFError: ("rejected", "it ends before its first sample"),
    av.error.InvalidDataError: ("rejected", "it is damaged, or no media file at all"),
}
"""Most specific first: what an exception means for the one who uploaded the file."""


def main() -> None:
    """Answers one request from standard input on standard output, then is gone."""
    request = json.load(sys.stdin)
    try:
        answer = {"ok": True, "facts": _examine(request)}
    except Refused as exc:
        answer = {"ok": False, "verdict": exc.verdict, "message": exc.message}
    except Exception as exc:  # noqa: BLE001  the outermost edge; the cause is kept
        answer = _explain(exc)
    sys.stdout.buffer.write(json.dumps(answer).encode())
    sys.stdout.buffer.flush()
    # Not sys.exit: libav's teardown can wait for its own threads for ever.
    os._exit(0)


def _explain(exc: Exception) -> dict[str, Any]:
    verdict, message = next(
        (said for kind, said in _MESSAGES.items() if isinstance(exc, kind)),
        ("rejected", "it cannot be read as media"),
    )
    cause = f"{type(exc).__name__}: {exc}"[:500]
    return {"ok": False, "verdict": verdict, "message": message, "cause": cause}


def _examine(request: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_old(av.library_versions["libavcodec"])
    location: str = request["location"]
    remote = location.startswith(("http://", "https://"))
    # What is open stays so: a local upload's own path need not be within reach.
    opener: Callable[[], Opened] = partial(open_local, location)
    if remote:
        patience = request["patience_seconds"]
        opener = apart(
            partial(
                open_remote,
                location,
                patience_seconds=patience,
                public_only=request["public_only"],
            ),
            partial(_give_up, request, network=True),
        )
    opened = None if remote else opener()
    refused = _give_up(request, network=False)
    said = shortfall(refused, "the process that looks at uploads")
    if said and request["fence_required"]:
        raise Refused(
            "unfenced",
            f"it was not opened. {' '.join(said)} TRANSCODE_FENCE=required forbids to"
            " open it like that: `transcode doctor` tells what this machine lacks",
        )
    if opened is None:
        opened = opener()
    if opened.size == 0:
        raise Refused("rejected", "the file is empty (0 bytes)")
    budget = request["budget_bytes"]
    if opened.size > request["large_bytes"]:
        budget = min(budget, max(opened.size // 100, request["least_bytes"]))
    reader = CountingReader(opened, budget=budget)
    try:
        head = reader.at(0, 64)
        _refuse_by_name(head)
        errors = (av.error.FFmpegError, UnicodeError)
        found = gather(reader, _open, packet_errors=errors)
        more = _comes_late(found.answer) or _ends_early(found.answer)
        if more and reader.budget < request["late_bytes"]:
            # What was read is kept, and not paid for again.
            reader.budget = request["late_bytes"]
            reader.seek(0)
            found = gather(reader, _open, packet_errors=errors)
        if unheard(found.answer):
            reader.budget = max(reader.budget, request["late_bytes"])
            reader.ceiling, reader.spent = reader.budget, False
            find_beginnings(reader, found.container, found.answer, errors)
            reader.spent = False
        _look_at_pictures(found, reader)
        _listen(found, reader)
    finally:
        if reader.refused is not None:
            # Whatever else came of it: what was not there to be read is not at fault.
            raise reader.refused
    return found.answer | {"not_confined": refused, "bytes_read": reader.bytes_read}


def _comes_late(answer: Mapping[str, Any]) -> bool:
    """
    Whether sound is named whose first packet was not reached.

    A transport stream gathers it for a third of a second, in which there may be
    megabytes of picture.
    """
    return answer["index"] is None and any(
        it["type"] == "audio" and it["decodable"] and not it.get("sample_rate")
        for it in answer["streams"]
    )


def _ends_early(answer: Mapping[str, Any]) -> bool:
    """
    Whether a picture in Ogg, whose pages alone say where it ends, has none near the
    file's end: sound goes on without it.
    """
    return answer["format"] == "ogg" and any(
        it["type"] == "video" and it["duration"] is None and it.get("tail_end") is None
        for it in ([] if answer["whole"] else answer["streams"])
    )


def _refuse_old(version: tuple[int, ...]) -> None:
    if version < OLDEST_LIBAVCODEC:
        needed, present = (
            ".".join(map(str, it)) for it in (OLDEST_LIBAVCODEC, version)
        )
        raise Refused(
            "outdated",
            f"it was not opened: PyAV here was built with libavcodec {present}, and"
            f" {needed} (FFmpeg 8.1.2) or newer is needed; install PyAV's own wheel",
        )


def _give_up(request: Mapping[str, Any], *, network: bool) -> Mapping[str, str]:
    """Keep what reading takes; codecs and encodings may still be imported."""
    # A write beyond its limit shall be an error we can report, not a death.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    standard_library = os.path.dirname(os.__file__)  # noqa: PTH120  no pathlib here
    may = Permissions(
        reads=(standard_library, *sys.modules["transcode"].__path__, *av.__path__),
        network=network,
        ports=ports_of(request["location"]) if network else (),
        open_files=request["open_files"],
        memory_bytes=request["memory_bytes"],
        cpu_seconds=request["cpu_seconds"],
        file_bytes=0,
    )
    with Fence(may) as fence:
        return dict(fence.enter())


def _open(reader: CountingReader, probe_bytes: int) -> Demuxed:
    """The choke point: nothing else in this package hands an upload to libav."""
    # What is not on the list is named in the log alone.
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as log:
        try:
            container = av.open(
                reader,
                "r",
                options=_OPTIONS | {"probesize": str(max(probe_bytes, 32))},
                metadata_errors="replace",
                buffer_size=16 * 1024,
            )
        except av.error.ArgumentError:
            _refuse_unlisted(log)
            raise
        finally:
            av.logging.set_level(None)
    for stream in container.streams:
        if stream.codec_context is not None:
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "NONE"
    return Demuxed(container, lambda: _dump(container), av.VideoFormat)


def _refuse_unlisted(log: Iterable[tuple[int, str, str]]) -> None:
    """Says what libav took the file for, where nothing here reads that."""
    for _, name, text in log:
        if not text.startswith("Format not on whitelist"):
            continue
        known = av.ContainerFormat(name, "r").long_name or name
        if name in _NO_MEDIA or "subtitle" in known.lower():
            raise Refused(
                "rejected", f"it looks like {known} ({name}), not like video or sound"
            )
        raise Refused(
            "unsupported",
            f"it looks like {known} ({name}), which is not read here; upload it as MP4,"
            " Matroska, WebM, WAV or FLAC",
        )


def _dump(container: Any) -> str:
    # libav prints to its log: heard for this call only, it is noisy otherwise.
    av.logging.set_level(av.logging.INFO)
    dump: str = container.dumps_format()
    av.logging.set_level(None)
    return dump


def _refuse_by_name(head: bytes) -> None:
    """Names what is often taken for a video; libav would not be asked anyway."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, name in (
        (b"#extm3u", "an HLS playlist"),
        (b"ffconcat", "a concat script"),
        (b"v=0", "a session description (SDP)"),
        (b"<?xml", "an XML document"),
        (b"<mpd", "a DASH manifest"),
        (b"<!doctype", "a web page"),
        (b"<html", "a web page"),
        (b"\x89png\r\n\x1a\n", "a still picture (PNG)"),
        (b"\xff\xd8\xff", "a still picture (JPEG)"),
        (b"ii*\0", "a still picture (TIFF)"),
        (b"mm\0*", "a still picture (TIFF)"),
        (b"pk\3\4", "a ZIP archive"),
        (b"%pdf", "a PDF document"),
    ):
        # An animated PNG begins like a still one and has its own chunk right after.
        if text.startswith(magic) and b"actl" not in text:
            raise Refused("rejected", f"it is {name}, not a video")
    if head[:4] in RF64 and head[12:16] == b"ds64" and open_ended(le(head[28:36])):
        raise Refused(
            "unsupported",
            "its header (ds64) leaves the size of its sound open, which no player here"
            " reads; have it written again as WAV or FLAC",
        )
    _refuse_picture(head)


def _refuse_picture(head: bytes) -> None:
    still, animated = _picture_of(head)
    if animated is not None:
        raise Refused(
            "unsupported",
            f"it is an animated picture ({animated}), which is not read here; upload it"
            " as MP4, WebM or GIF",
        )
    if still is not None:
        raise Refused("rejected", f"it is a still picture ({still}), not a video")


def _picture_of(head: bytes) -> tuple[str | None, str | None]:
    """What kind of still or animated picture it is, as libav would not say here."""
    if head[:2] == b"BM" and head[6:10] == bytes(4) and le(head[14:18]) in _BMP_HEADERS:
        return "BMP", None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        moves = head[12:16] == b"VP8X" and le(head[20:21]) & _WEBP_MOVES
        return (None, "WebP") if moves else ("WebP", None)
    brand = head[8:12].decode("latin-1") if looks_like(head) else ""
    if brand in _SEQUENCES:
        return None, "a sequence in HEIF or AVIF"
    return ("HEIF or AVIF" if brand in _STILLS else None), None


def _look_at_pictures(found: Gathered, reader: CountingReader) -> None:
    """
    Decodes one frame of each video: whoever encodes it gets it as the decoder says.

    Messages between the pictures tell colours, orientation and HDR otherwise than
    headers do.
    """
    for facts in found.answer["streams"]:
        if facts["type"] != "video" or not facts["decodable"] or facts.get("encrypted"):
            continue
        if 0 < facts["width"] * facts["height"] <= _MOST_PIXELS:
            _look_at_one(reader, facts)
        if facts["has_b_frames"] and facts.get("timeline", {}).get("unordered"):
            _look_for_order(reader, facts)
        if may_lie(facts) and facts["codec"] not in _NO_FIELDS:
            _look_for_fields(reader, facts)


def _look_for_order(reader: CountingReader, facts: dict[str, Any]) -> None:
    """Whether pictures are shown in another order than their times say."""
    reader.seek(0)
    reader.spent = False
    most = min(_MOST_FRAMES, _MOST_DECODED // max(1, facts["width"] * facts["height"]))
    with suppress(av.error.FFmpegError, UnicodeError):
        container = _open(reader, reader.budget).container
        frames = container.decode(container.streams[facts["index"]])
        times = [it.pts for it in islice(frames, most) if it.pts is not None]
        facts["disordered"] = times != sorted(times)
    reader.spent = False


def _look_for_fields(reader: CountingReader, facts: dict[str, Any]) -> None:
    reader.seek(0)
    reader.spent = False
    errors = (av.error.FFmpegError, UnicodeError)
    with suppress(*errors):
        container = _open(reader, reader.budget).container
        facts["fields"] = count_fields(container, facts, _field_teller, errors=errors)
    # What was not read for this is missed by nobody.
    reader.spent = False


def _field_teller(frame: Any) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    chain = (
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        ),
        graph.add("idet", f"intl_thres={WOVEN_RATIO}"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*chain).configure()
    return graph


def _listen(found: Gathered, reader: CountingReader) -> None:
    """Of several soundtracks, which are silent: one of the others is then meant."""
    tracks = {
        facts["index"]: facts
        for facts in found.answer["streams"]
        if facts["type"] == "audio"
        and facts["decodable"]
        and not facts.get("encrypted")
    }
    if not 1 < len(tracks) <= _MOST_TRACKS:
        return
    reader.seek(0)
    reader.spent = False
    errors = (av.error.FFmpegError, UnicodeError)
    with suppress(*errors):
        container = _open(reader, reader.budget).container
        for index, quiet in silent(
            container, list(tracks), _is_quiet, errors=errors
        ).items():
            tracks[index]["silent"] = quiet
    reader.spent = False


def _is_quiet(frame: Any) -> bool:
    plain = av.AudioResampler(format="s16", layout=frame.layout).resample(frame)
    return all(
        abs(sample) <= _QUIET
        for one in plain
        for sample in memoryview(bytes(one.planes[0]))[
            : one.samples * len(one.layout.channels) * 2
        ].cast("h")
    )


def _look_at_one(reader: CountingReader, facts: dict[str, Any]) -> None:
    # Opened again, from memory: not every damaged file lets itself be rewound.
    reader.seek(0)
    reader.spent = False
    reason = "none of its first packets holds a picture"
    try:
        container = _open(reader, reader.budget).container
        stream = container.streams[facts["index"]]
        indexed = short(container.format.name) == "mov"
        most = FEW if indexed else ALL
        first = first_of(container.demux(stream), most_refused=most)
        if first.frame is not None:
            _add_frame(facts, first.frame)
            if facts["has_b_frames"] and container.format.name == "avi":
                # What it waited for has the only time there is.
                late = first.packet.dts
                facts["emerged"] = late and float(late * first.packet.time_base)
            return
        reason = first.refused or reason
        nothing = first.ended
        if not nothing and first.refused and indexed:
            nothing = begins_once(container, stream)
        # To its very end, or what all of it is made from.
        facts["pictureless"] = nothing and not reader.spent
    except (av.error.FFmpegError, UnicodeError) as exc:
        reason = str(exc.args[1] if len(exc.args) > 1 else exc)[:200]
    # What was not read may not be called damaged.
    if not reader.spent:
        facts["decode_error"] = reason


def _add_frame(facts: dict[str, Any], frame: Any) -> None:
    facts.update(pixels(frame.format.name, av.VideoFormat))
    if facts["codec"] == "hevc":
        # Interlaced frames are not flagged as such there: only single fields are.
        facts["field_pictures"] = bool(frame.interlaced_frame)
    elif facts["codec"] not in _NO_FIELDS:
        facts["interlaced_frame"] = bool(frame.interlaced_frame)
    facts["mastering"] = mastering(frame)
    facts["content_light"] = light(frame)
    facts["matrices"] = display_matrices(frame)
    facts["header_transfer"] = facts["color_transfer"]
    for name, value, unknown in (
        ("color_range", frame.color_range, 0),
        ("color_primaries", frame.color_primaries, _UNSPECIFIED),
        ("color_transfer", frame.color_trc, _UNSPECIFIED),
        ("color_space", frame.colorspace, _UNSPECIFIED),
    ):
        if value != unknown:
            facts[name] = int(value)


if __name__ == "__main__":
    main()
