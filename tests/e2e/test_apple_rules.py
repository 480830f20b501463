"""
What Apple asks of HLS, of real results, by tools that did not make them.

"HTTP Live Streaming (HLS) authoring specification for Apple devices", revision of
2025-06-26; each test names the rules that it holds by their numbers there. Left out are
those that are no result's: of servers, live streams, keys and spatial video. What is
not kept stands in docs/profiles.md.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import m3u8
import pytest

SECONDS = 14
RATE = 25
CAPTIONS = """1
00:00:01,000 --> 00:00:03,000
God morgon.
"""
COPIED = (
    *("-preset", "medium", "-profile:v", "high", "-bf", "2", "-sc_threshold", "0"),
    *("-g", "75", "-keyint_min", "75"),
    *("-b:v", "1500k", "-maxrate", "2500k", "-bufsize", "2500k"),
)
"""As a camera writes it, with a keyframe every three seconds."""
ENCODED = ("-g", "600", "-sc_threshold", "0")
AAC_FRAME_SECONDS = 1024 / 48_000
_IDR = {"avc1": {5}, "hvc1": {19, 20}}
"""NAL unit types: ITU-T H.264 table 7-1, H.265 table 7-1."""


@dataclass(frozen=True)
class Result:
    """One result, and the second tool that looks at it."""

    folder: Path
    ffprobe: str
    copies: bool

    @property
    def master(self) -> Any:
        return m3u8.load(str(self.folder / "master.m3u8"))

    @property
    def lines(self) -> list[str]:
        return (self.folder / "master.m3u8").read_text().splitlines()

    def media(self) -> dict[str, Any]:
        """Every media playlist of pictures and sound, by its address."""
        master = self.master
        uris = [it.uri for it in master.playlists]
        uris += [it.uri for it in master.media if it.type == "AUDIO"]
        return {uri: m3u8.load(str(self.folder / uri)) for uri in uris}

    def videos(self) -> dict[str, Any]:
        return {k: v for k, v in self.media().items() if k.startswith("video/")}

    def file(self, playlist: str, name: str) -> Path:
        return (self.folder / playlist).parent / name

    def packets(self, playlist: str) -> list[dict[str, str]]:
        """Of a whole rendition, as the second tool reads it."""
        read = m3u8.load(str(self.folder / playlist))
        names = [read.segment_map[0].uri, *(it.uri for it in read.segments)]
        whole = b"".join(self.file(playlist, name).read_bytes() for name in names)
        argv = [self.ffprobe, "-v", "error", "-show_packets", "-show_streams"]
        done = subprocess.run(
            [*argv, "-of", "json", "-"], input=whole, capture_output=True, check=True
        )
        packets: list[dict[str, str]] = json.loads(done.stdout)["packets"]
        return packets


@pytest.fixture(
    scope="session",
    params=[
        ("hls", ENCODED, "1280x720"),
        ("hls", COPIED, "1280x720"),
        # In two codecs, one of them slow.
        ("hls-multi", ENCODED, "640x360"),
    ],
    ids=["hls", "hls-copied", "hls-multi"],
)
def result(
    request: pytest.FixtureRequest,
    make_clip: Callable[..., Path],
    ffmpeg: str,
    ffprobe: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Result:
    """Of 720 or 360 lines, with sound of no known language, and Swedish captions."""
    profile, extra, size = request.param
    to = tmp_path_factory.mktemp("apple")
    made = make_clip("apple", SECONDS, size, extra=extra)
    text, clip = to / "text.srt", to / "clip.mp4"
    text.write_text(CAPTIONS, encoding="utf-8")
    argv = [ffmpeg, "-nostdin", "-v", "error", "-i", str(made), "-i", str(text)]
    argv += ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"]
    argv += ["-metadata:s:s:0", "language=swe", str(clip)]
    subprocess.run(argv, check=True)
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--json", "--quiet"]
    argv += ["--to", str(to / "out"), "--profile", profile]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads(done.stdout)
    copies = "copied" in {it["made_by"] for it in manifest["outputs"] if it["video"]}
    assert copies == (extra is COPIED)
    return Result(Path(manifest["location"]), ffprobe, copies)


def boxes(
    data: bytes, within: tuple[str, ...] = ()
) -> Iterator[tuple[str, int, bytes]]:
    """Type, offset and content of each, inside those that are named."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        name = kind.decode("latin-1")
        yield name, at, data[at + 8 : at + size]
        if name in within:
            yield from boxes(data[at + 8 : at + size], within)
        at += size


def decode_time(segment: bytes) -> int:
    """`baseMediaDecodeTime` of the first fragment."""
    for name, _, body in boxes(segment, ("moof", "traf")):
        if name == "tfdt":
            wide = body[0] == 1
            return int(struct.unpack_from(">Q" if wide else ">I", body, 4)[0])
    raise AssertionError("no tfdt")


def timescale(header: bytes) -> int:
    for name, _, body in boxes(header, ("moov", "trak", "mdia")):
        if name == "mdhd":
            return int(struct.unpack_from(">I", body, 20 if body[0] == 1 else 12)[0])
    raise AssertionError("no mdhd")


def first_picture(segment: bytes, codec: str) -> int:
    """NAL unit type of the first slice of the first sample."""
    (body,) = [body for name, _, body in boxes(segment) if name == "mdat"][:1]
    at = 0
    while True:
        (size,) = struct.unpack_from(">I", body, at)
        kind = body[at + 4] & 31 if codec == "avc1" else body[at + 4] >> 1 & 63
        if kind in {1, 5} if codec == "avc1" else kind < 32:
            return kind
        at += 4 + size


def peak(sizes: Sequence[int], seconds: Sequence[float], target: float) -> float:
    """
    Bits per second: of each run of segments of half to one and a half target durations
    (RFC 8216bis, 4.1), the most.
    """
    found = []
    for first in range(len(sizes)):
        for last in range(first + 1, len(sizes) + 1):
            took = sum(seconds[first:last])
            if target / 2 <= took <= target * 1.5:
                found.append(8 * sum(sizes[first:last]) / took)
    return max(found)


def codec_of(playlist: Any) -> str:
    """Of the picture: the part before the first dot."""
    codecs: str = playlist.stream_info.codecs
    return codecs.partition(".")[0]


def test_codecs_containers_and_rates_are_those_that_play(result: Result) -> None:
    """1.1, 1.2, 1.3b, 1.5, 1.6b, 1.10, 1.19, 2.3, 2.17: all in fragmented MP4."""
    master = result.master
    kinds = {codec_of(it) for it in master.playlists}
    assert kinds in ({"avc1"}, {"avc1", "hvc1"})
    for one in master.playlists:
        video, audio = one.stream_info.codecs.split(",")
        if video.startswith("avc1."):
            profile, level = int(video[5:7], 16), int(video[9:11], 16)
            assert profile in {66, 77, 100}
            assert level <= 52
        else:
            _, profile, _, tier, *_ = video.split(".")
            assert profile in {"1", "2"}
            assert int(tier[1:]) <= 153
        assert "mp4a.40.2" == audio
        assert one.stream_info.frame_rate <= 60
    for uri, playlist in result.media().items():
        assert "init.mp4" == playlist.segment_map[0].uri
        streams = {it["stream_index"] for it in result.packets(uri)}
        assert 1 == len(streams)
    (sound,) = [it for it in master.media if it.type == "AUDIO"]
    assert sound.channels in {"1", "2"}


def test_bandwidths_are_those_that_are_measured(result: Result) -> None:
    """1.26, 1.27, 9.13, 9.14: within a tenth, of the picture and its sound together."""
    media = result.media()
    sizes = {
        uri: [result.file(uri, it.uri).stat().st_size for it in one.segments]
        for uri, one in media.items()
    }
    lasts = {uri: [it.duration for it in one.segments] for uri, one in media.items()}
    target = {uri: one.target_duration for uri, one in media.items()}
    (sound,) = [uri for uri in media if uri.startswith("audio/")]
    for one in result.master.playlists:
        both = (one.uri, sound)
        mean = sum(8 * sum(sizes[it]) / sum(lasts[it]) for it in both)
        most = sum(peak(sizes[it], lasts[it], target[it]) for it in both)
        assert one.stream_info.average_bandwidth == pytest.approx(mean, rel=0.1)
        assert one.stream_info.bandwidth == pytest.approx(most, rel=0.1)


def test_segments_begin_with_an_idr_and_go_on_where_the_last_ended(
    result: Result,
) -> None:
    """
    7.1, 7.3, 7.4, 8.1, and 1.13 which is a SHOULD: one every two seconds, where what
    is copied does not say otherwise.
    """
    by_codec = {it.uri: codec_of(it) for it in result.master.playlists}
    for uri, playlist in result.videos().items():
        scale = timescale(result.file(uri, "init.mp4").read_bytes())
        began = []
        for segment in playlist.segments:
            body = result.file(uri, segment.uri).read_bytes()
            assert first_picture(body, by_codec[uri]) in _IDR[by_codec[uri]]
            began.append(decode_time(body) / scale)
        told = [0.0, *accumulate(it.duration for it in playlist.segments)]
        for at, said in zip(began, told, strict=False):
            assert abs(at - began[0] - said) <= 1 / RATE
        packets = result.packets(uri)
        assert len(packets) == SECONDS * RATE
        times = [float(it["dts_time"]) for it in packets]
        assert all(abs(b - a - 1 / RATE) < 1e-3 for a, b in pairwise(times))
        assert abs(told[-1] - SECONDS) <= 1 / RATE
        keys = [float(it["pts_time"]) for it in packets if "K" in it["flags"]]
        most = 3 if result.copies else 2
        assert all(b - a <= most + 1e-3 for a, b in pairwise([*keys, SECONDS]))


def test_media_playlists_are_of_one_length_and_one_target(result: Result) -> None:
    """7.7, 8.2, 8.3, 8.6, 8.7, 8.20, and 8.22 for pictures, which televisions need."""
    media = result.media()
    (target,) = {one.target_duration for one in media.values()}
    for one in media.values():
        assert "vod" == one.playlist_type
        assert one.is_endlist
        assert one.segment_map
        assert all(it.duration <= target + 0.5 for it in one.segments)
        whole = sum(it.duration for it in one.segments)
        assert abs(whole - SECONDS) <= max(1 / RATE, 2 * AAC_FRAME_SECONDS)
    cuts = {
        tuple(it.duration for it in one.segments) for one in result.videos().values()
    }
    assert 1 == len(cuts)


def test_the_multivariant_playlist_says_what_a_player_chooses_by(
    result: Result,
) -> None:
    """8.9, 8.10, 9.1 to 9.5, 9.9, 9.11, 9.14 to 9.16, 9.19; none is sound alone."""
    master = result.master
    assert master.is_independent_segments
    assert len({it.stream_info.bandwidth for it in master.playlists}) > 1
    said = [line for line in result.lines if line.startswith("#EXT-X-STREAM-INF:")]
    wanted = ("BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION", "FRAME-RATE")
    for line in said:
        names = re.findall(r'[:,]([A-Z-]+)=(?:"[^"]*"|[^,]*)', line)
        assert {*wanted, "VIDEO-RANGE", "AUDIO"} <= {*names}
    scored = ["SCORE=" in line for line in said]
    assert all(scored) or not any(scored)
    for one in master.media:
        assert one.language, one
        assert one.name


def test_playlists_of_keyframes_let_a_player_scrub(result: Result) -> None:
    """6.1, 6.6, 6.8, 6.10, 6.13 (a television's), 6.16, 9.3, 9.4."""
    master = result.master
    frames = master.iframe_playlists
    codecs = {it.iframe_stream_info.codecs.partition(".")[0] for it in frames}
    assert {codec_of(it) for it in master.playlists} == codecs
    assert len(frames) > 1
    for one in frames:
        assert one.iframe_stream_info.resolution
        text = (result.folder / one.uri).read_text()
        assert "#EXT-X-I-FRAMES-ONLY" in text
        for segment in m3u8.loads(text).segments:
            size, _, begin = segment.byterange.partition("@")
            body = result.file(one.uri, segment.uri).read_bytes()[int(begin) :]
            names = [name for name, _, _ in boxes(body)]
            assert "moof" == names[0]
            assert int(size) <= len(body)


def test_captions_are_there_from_beginning_to_end(result: Result) -> None:
    """4.7, 5.2, 5.3, 5.5: WebVTT with a map of its times, and a language."""
    (one,) = [it for it in result.master.media if it.type == "SUBTITLES"]
    assert one.language
    playlist = m3u8.load(str(result.folder / one.uri))
    assert "vod" == playlist.playlist_type
    assert sum(it.duration for it in playlist.segments) >= SECONDS - 1 / RATE
    for segment in playlist.segments:
        text = result.file(one.uri, segment.uri).read_text(encoding="utf-8")
        assert text.startswith("WEBVTT")
        assert "X-TIMESTAMP-MAP=" in text
