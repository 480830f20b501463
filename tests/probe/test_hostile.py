"""What an upload, a server or a child may do, and what becomes of it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.contract import Media, OutcomeKind
from transcode.errors import (
    MachineBusy,
    MediaError,
    MediaRejected,
    MediaTruncated,
    ProbeTimeout,
    SourceNotFound,
    SourceUnreadable,
    StoreDown,
    WorkerLost,
)
from transcode.probe.probe import ProbeLimits, probe

from .conftest import PATIENT, Server, source_at

Look = Callable[..., Media]
SCRIPTS = {
    "master.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}/segment.ts\n",
    "live.mp4": "\n#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}/live.ts\n",
    "key.ts": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"\n'
    "#EXTINF:5,\n{url}/segment.ts\n",
    "list.mp4": "ffconcat version 1.0\nfile '{url}/one.mp4'\nfile 'two.mp4'\n",
    "list.txt": "# a comment first\nfile '{url}/one.mp4'\n",
    "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    # What begins like something else, and is found by the demuxers all the same.
    "sound.mp3": "ID3\4\0\0\0\0\0\x0a" + "\0" * 10 + "#EXTM3U\n"
    "#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}/segment.ts\n",
    "talk.mp4": "o=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "stream.mpd": '<?xml version="1.0"?><MPD type="static"><BaseURL>{url}/</BaseURL>'
    "<Period><AdaptationSet/></Period></MPD>",
    "page.mp4": "<!DOCTYPE html><video src='{url}/video.mp4'>",
    "text.mp4": "This is a text about {url}/video.mp4, and no video at all.",
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("remote", [False, True])
def test_what_only_names_media_is_refused_unread(
    name: str, *, remote: bool, tmp_path: Path, look: Look, server: Server
) -> None:
    """
    Playlists, scripts and pages are refused; nothing they name is asked for.
    """
    path = tmp_path / name
    path.write_text(SCRIPTS[name].format(url=server.url), encoding="utf-8")
    server.files[f"/{name}"] = path

    with pytest.raises(MediaRejected):
        look(f"{server.url}/{name}" if remote else path)

    own = {f"/{name}"} if remote else set()
    assert own == {asked for asked, _ in server.asked}


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_deadlocks_libav_is_survived(
    number: int, media_dir: Path, look: Look
) -> None:
    """
    Bit-flipped files on which a process with libav never ends by itself.
    """
    media = look(media_dir / f"malformed/vvc_bitflip_hang_{number}.mp4")

    assert ["vvc"] == [video.codec for video in media.video]


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_cut_upload_is_told(
    place: str, make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    Wherever an MP4 is cut, it is refused before anything is paid for it.
    """
    extra = ("-movflags", "+faststart") if place == "first" else ()
    data = make_clip(f"whole-{place}", 3, extra=extra).read_bytes()
    path = tmp_path / "cut.mp4"

    for percent in (2, 20, 50, 80):
        path.write_bytes(data[: len(data) * percent // 100])
        with pytest.raises((MediaTruncated, MediaRejected)) as caught:
            look(path)
        assert isinstance(caught.value, MediaError)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: None, SourceNotFound, "there is no such file"),
        (lambda p: p.mkdir(), SourceUnreadable, "it is no regular file"),
        (os.mkfifo, SourceUnreadable, "it is no regular file"),
        (lambda p: p.write_bytes(b""), MediaRejected, "the file is empty"),
        (lambda p: p.write_bytes(os.urandom(9999)), MediaRejected, "no media file"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" * 9), MediaRejected, "PNG"),
    ],
    ids=["missing", "folder", "fifo", "empty", "noise", "picture"],
)
def test_each_fault_of_a_source_has_its_sentence(
    make: Callable[[Path], object],
    error: type[Exception],
    words: str,
    tmp_path: Path,
    look: Look,
) -> None:
    """
    A source that cannot be read, and one that is no media, say so in one sentence.
    """
    path = tmp_path / "upload.mp4"
    make(path)

    with pytest.raises(error, match=words):
        look(path)


def test_an_object_behind_http_is_read_by_ranges(
    make_clip: MakeClip, look: Look, server: Server
) -> None:
    """
    The same facts as from a file, by range requests only, query and all.
    """
    clip = make_clip("plain")
    server.files["/clip.mp4"] = clip

    local, remote = look(clip), look(f"{server.url}/clip.mp4?signature=secret")

    assert local.video == remote.video
    assert local.audio == remote.audio
    assert {"/clip.mp4?signature=secret"} == {path for path, _ in server.asked}
    assert all(span is not None for _, span in server.asked)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (404, {}, SourceNotFound),
        (403, {}, SourceUnreadable),
        (501, {}, SourceUnreadable),
        (302, {"Location": "file:///etc/passwd"}, SourceUnreadable),
        (302, {"Location": "ftp://127.0.0.1/x"}, SourceUnreadable),
        (206, {}, SourceUnreadable),
    ],
)
def test_what_a_server_answers_is_mapped(
    status: int,
    headers: dict[str, str],
    error: type[Exception],
    look: Look,
    server: Server,
) -> None:
    """
    Missing, forbidden, broken, or leading elsewhere than to the web.
    """
    server.answers["/x"] = (status, headers)

    with pytest.raises(error):
        look(f"{server.url}/x")

    assert 1 == len(server.asked)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(
    status: int, look: Look, server: Server
) -> None:
    """
    It is down, which is no fault of the upload's, once it was asked four times.
    """
    server.answers["/x"] = (status, {})

    with pytest.raises(StoreDown, match=str(status)):
        look(f"{server.url}/x")

    assert 4 == len(server.asked)


def test_a_hiccup_is_not_noticed(
    make_clip: MakeClip, look: Look, server: Server
) -> None:
    """
    What passes at the third time of asking costs nothing but a moment.
    """
    server.files["/x"] = make_clip("plain")
    server.hiccups = 2

    assert 50 == look(f"{server.url}/x").video[0].frames


@pytest.mark.parametrize("answers", [0, 1])
@pytest.mark.parametrize("form", ["mp4", "mkv", "ts"])
def test_nobody_at_the_other_end_is_not_the_uploads_fault(
    answers: int, form: str, make_clip: MakeClip, look: Look, server: Server
) -> None:
    """
    From the first request or in the middle: never rejected, and never cut off.
    """
    raw = ("-c:v", "rawvideo", "-pix_fmt", "yuv420p") if form == "mkv" else ()
    server.files["/x"] = make_clip(f"dies.{form}", size="320x240", extra=raw)
    server.dies_after = answers

    with pytest.raises(StoreDown):
        look(f"{server.url}/x")


def test_a_name_that_is_nobodys_is_wrong(look: Look) -> None:
    """
    Trying again helps nobody who mistyped an address.
    """
    with pytest.raises(SourceUnreadable):
        look("http://no-such-host.invalid/x")


def test_a_large_object_costs_a_hundredth(
    make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    Above 50 MiB at most one percent is read, though the index lies at the end.
    """
    data = make_clip("plain").read_bytes()
    path = tmp_path / "large.mp4"
    size = 64 * 1024 * 1024
    with path.open("wb") as file:
        # A box that says "skip me", in front of everything but the file type.
        at = data.index(b"ftyp") - 4
        first = int.from_bytes(data[at : at + 4], "big")
        file.write(data[:first] + size.to_bytes(4, "big") + b"free")
        file.seek(size - 8, os.SEEK_CUR)
        file.write(_shifted(data[first:], size))

    media = look(path)

    assert media.probe_bytes is not None
    assert media.probe_bytes <= path.stat().st_size // 100
    assert (50, 2.0) == (media.video[0].frames, media.duration_seconds)


def _shifted(data: bytes, by: int) -> bytes:
    """The same MP4 with its chunk offsets moved."""
    moved = bytearray(data)
    at = moved.find(b"stco")
    while at >= 0:
        count = int.from_bytes(moved[at + 8 : at + 12], "big")
        for place in range(at + 12, at + 12 + 4 * count, 4):
            offset = int.from_bytes(moved[place : place + 4], "big") + by
            moved[place : place + 4] = offset.to_bytes(4, "big")
        at = moved.find(b"stco", at + 4)
    return bytes(moved)


@pytest.mark.parametrize("least", [2 * 1024 * 1024, 200_000])
def test_a_long_index_is_read_in_part_and_counted_in_full(
    least: int, make_clip: MakeClip, ffmpeg: str, tmp_path: Path, look: Look
) -> None:
    """
    Of an index larger than half a megabyte only what matters is read.
    """
    extra = ("-g", "240", "-bf", "2", "-preset", "veryfast")
    short = make_clip("quick", 5, "64x64", rate="240", audio=False, extra=extra)
    path = tmp_path / "long.mp4"
    argv = [ffmpeg, "-v", "error", "-stream_loop", "49", "-i", str(short)]
    subprocess.run([*argv, "-c", "copy", str(path)], check=True)

    media = look(path, ProbeLimits(wall_seconds=60, read_bytes=least))
    video = media.video[0]

    assert (60_000, 240, False) == (
        video.frames,
        video.frame_rate,
        video.variable_frame_rate,
    )
    assert video.keyframe_seconds is not None
    assert 250 == len(video.keyframe_seconds)
    assert ("yuv420p", True) == (video.pixel_format, video.closed_gops)
    assert media.probe_bytes is not None
    assert media.probe_bytes <= min(least, 500_000)


@pytest.mark.parametrize("size", ["160x120", "1280x720"])
def test_a_clock_that_jumps_is_not_believed(
    size: str, make_clip: MakeClip, tmp_path: Path, look: Look
) -> None:
    """
    Two recordings joined byte for byte, stamped hours apart, last seconds, not hours.
    """
    path = tmp_path / "joined.ts"
    later = ("-output_ts_offset", "20000")
    clips = [make_clip("x.ts", 3, size, extra=extra) for extra in ((), later)]
    path.write_bytes(b"".join(clip.read_bytes() for clip in clips))

    media = look(path)

    assert media.duration_seconds is not None
    assert 3 < media.duration_seconds < 12
    assert any("clock that jumps" in warning for warning in media.warnings)
    assert media.video[0].longest_gop_seconds is None


def _script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _dead(pid: int) -> bool:
    # Nobody here is the parent of a grandchild: it may wait for init to bury it.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or " Z " in state.read_text(encoding="ascii")


async def test_a_child_that_stands_still_is_killed(tmp_path: Path) -> None:
    """
    A stopped child uses no processor time: only the wall clock ends it. No upload
    can stop it, but a machine with too much to do can, and is what is blamed.
    """
    mark = tmp_path / "pid"
    python = _script(tmp_path / "still", f"echo $$ > {mark}\nkill -STOP $$")

    with pytest.raises(MachineBusy, match="says nothing about the file") as caught:
        await probe(source_at("/x"), limits=ProbeLimits(wall_seconds=1), python=python)

    assert _gone(int(mark.read_text(encoding="ascii")))
    assert caught.value.mendable
    assert OutcomeKind.REJECTED is not caught.value.outcome


async def test_an_upload_that_keeps_its_reader_busy_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its reader has computed until then; here for a little of the time already, however
    much else this machine has to do.
    """
    python = _script(tmp_path / "busy", "while :; do :; done")
    # By its function's name the module is hidden.
    monkeypatch.setattr(sys.modules[probe.__module__], "_BUSY_SHARE", 0.01)

    with pytest.raises(ProbeTimeout, match="no honest file needs"):
        await probe(source_at("/x"), limits=ProbeLimits(wall_seconds=2), python=python)


def test_a_source_that_drips_is_given_up(look: Look, server: Server) -> None:
    """
    A byte now and then keeps every connection alive; whose fault that is, is known.
    """
    server.drip.clear()
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text(encoding="ascii")
    try:
        with pytest.raises(StoreDown, match="too long"):
            look(f"{server.url}/drip", ProbeLimits(wall_seconds=60, server_seconds=1))
    finally:
        server.drip.set()

    assert before == children.read_text(encoding="ascii")


async def test_cancelling_ends_the_child_and_its_children(tmp_path: Path) -> None:
    """
    Whoever waits for a probe may stop waiting; the whole group is gone then.
    """
    mark = tmp_path / "pids"
    text = f"sleep 600 &\necho $$ $! > {mark}.part\nmv {mark}.part {mark}\nwait"
    python = _script(tmp_path / "slow", f"PATH=/usr/bin:/bin\n{text}")

    async with anyio.create_task_group() as group:

        async def ask() -> None:
            await probe(source_at("/x"), limits=PATIENT, python=python)

        group.start_soon(ask)
        while not mark.exists():  # noqa: ASYNC110  a shell script sets no event
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()

    leader, child = map(int, mark.read_text(encoding="ascii").split())
    assert _gone(leader)
    with anyio.fail_after(10):
        while not _dead(child):  # noqa: ASYNC110  it was killed, and is dying
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("exit 3", WorkerLost),
        ("kill -KILL $$", WorkerLost),
        ("kill -SEGV $$", MediaRejected),
        ("kill -XCPU $$", MediaRejected),
        ("echo 'no json'", MediaRejected),
        ("""echo '{"ok": true, "facts": {}}'""", MediaRejected),
        ("""echo '{"ok": false, "verdict": "?", "message": ""}'""", MediaRejected),
        (
            "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done",
            MediaRejected,
        ),
    ],
)
async def test_each_end_of_a_child_is_mapped(
    text: str, error: type[Exception], tmp_path: Path
) -> None:
    """
    Exit codes, signals and answers that make no sense end in the closed set of errors.
    """
    python = _script(tmp_path / "odd", text)
    limits = ProbeLimits(wall_seconds=60, answer_bytes=4096)

    with pytest.raises(error):
        await probe(source_at("/x"), limits=limits, python=python)


async def test_no_child_at_all_is_a_lost_worker(tmp_path: Path) -> None:
    """
    An interpreter that is not there is no fault of the upload.
    """
    with pytest.raises(WorkerLost, match="could not be started"):
        await probe(source_at("/x"), python=str(tmp_path / "missing"))


async def test_the_child_sees_no_credentials(tmp_path: Path) -> None:
    """
    Of the environment only what leads to certificates, proxies and libraries.
    """
    mark = tmp_path / "environment"
    python = _script(tmp_path / "nosy", f"/usr/bin/env > {mark}")
    environ = {"AWS_SECRET_ACCESS_KEY": "x", "SSL_CERT_FILE": "/y", "PATH": "/bin"}

    with pytest.raises(WorkerLost):
        await probe(source_at("/x"), python=python, environ=environ)

    names = {line.partition("=")[0] for line in mark.read_text("utf-8").splitlines()}
    assert {"PATH", "SSL_CERT_FILE"} == names - {"PWD", "SHLVL", "_", "OLDPWD"}
