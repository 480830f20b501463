"""Real encodes of short clips, checked with a second tool; and children that die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    FilePackaging,
    Loudness,
    OutcomeKind,
    OutputFile,
    Poster,
    Produced,
    Progress,
    Sprites,
)
from transcode.sandbox.fence import Permissions
from transcode.settings import Settings
from transcode.work.children import Children, Program
from transcode.work.perform import perform

POSTER = Poster(width=320, height=240, candidates=4)
SPRITES = Sprites(
    interval_seconds=2, columns=2, rows=2, tile_width=80, tile_height=60, count=1
)
MP4 = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="240p", audio=("aac",)),)
)
SYNC_SECONDS = 0.020


@pytest.fixture(scope="session")
def times(ffprobe: str) -> Callable[[Path, str], list[float]]:
    """Presentation times of a stream's packets, sorted, as another tool has them."""

    def read(path: Path, stream: str) -> list[float]:
        argv = [ffprobe, "-v", "error", "-select_streams", stream, "-of", "csv=p=0"]
        argv += ["-show_entries", "packet=pts_time", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return sorted(float(line.strip(",")) for line in done.stdout.split())

    return read


@pytest.fixture(scope="session")
def remuxed(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Another file with the same packets: input options and maps as given."""

    def make(name: str, *arguments: object) -> Path:
        path = tmp_path_factory.mktemp("remuxed") / name
        argv = [ffmpeg, "-nostdin", "-v", "error", *map(str, arguments)]
        subprocess.run([*argv, "-c", "copy", str(path)], check=True)
        return path

    return make


def succeeded(produced: Produced) -> bool:
    """Shows why where it did not."""
    failed = [check for check in produced.checks if not check.passed]
    assert (OutcomeKind.SUCCEEDED, None, []) == (
        produced.outcome,
        produced.failure,
        failed,
    )
    return True


def test_streaming(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, times: Any
) -> None:
    """
    A ladder comes out complete, and a second tool finds sound and picture together.
    """
    clip = make_clip("stream", 3, rate="30000/1001")
    recipe = make_recipe(
        video=[v.model_copy(update={"preset": "veryfast"}) for v in make_recipe().video]
    )

    produced, staging = performed(make_task(clip, recipe))

    assert succeeded(produced)
    master = staging / "master.m3u8"
    picture, sound = times(master, "v:0"), times(master, "a:0")
    assert abs(picture[0] - sound[0]) <= SYNC_SECONDS
    assert abs(picture[-1] - times(clip, "v:0")[-1]) <= SYNC_SECONDS
    assert abs(sound[-1] - times(clip, "a:0")[-1]) <= SYNC_SECONDS + 0.022
    assert "DEFAULT=YES" in master.read_text()
    assert "FRAME-RATE=29.970" in master.read_text()


def test_everything_is_listed(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any
) -> None:
    """
    Every file is an artifact, and every artifact a file of that size.
    """
    clip = make_clip("listed", 2)
    recipe = make_recipe(poster=POSTER, sprites=SPRITES)

    produced, staging = performed(make_task(clip, recipe))

    assert succeeded(produced)
    files = {
        str(path.relative_to(staging)): path.stat().st_size
        for path in staging.rglob("*")
        if path.is_file()
    }
    assert files == {it.path: it.bytes for it in produced.artifacts}
    assert sum(files.values()) == produced.written_bytes
    assert clip.stat().st_size <= (produced.read_bytes or 0)
    top = next(it for it in produced.artifacts if it.kind == "rendition")
    segments = [it for it in produced.artifacts if it.path.startswith("video/240p/")]
    media = sum(it.bytes for it in segments if it.kind == "segment")
    assert ("video/240p/index.m3u8", media) == (top.path, top.media_bytes)
    assert top.video is not None
    assert (50, 320, 240) == (top.video.frames, top.video.width, top.video.height)


def test_mp4(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, times: Any
) -> None:
    """
    One file with its index first, in step at both ends.
    """
    clip = make_clip("file", 2)
    task = make_task(clip, make_recipe(video=make_recipe().video[:1], packaging=MP4))

    produced, staging = performed(task)

    assert succeeded(produced)
    data = (staging / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    picture, sound = (times(staging / "video.mp4", it) for it in ("v:0", "a:0"))
    # AAC's priming is before 0, and the edit list says so.
    assert abs(picture[0] - next(t for t in sound if t >= 0)) <= SYNC_SECONDS
    assert abs(picture[-1] - times(clip, "v:0")[-1]) <= SYNC_SECONDS


def test_audio_is_levelled(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    audio: Any,
    ffmpeg: str,
) -> None:
    """
    Both codecs end up at the loudness that was asked for.
    """
    target = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
    files = (
        OutputFile(name="audio.m4a", container="mp4", video=None, audio=("aac",)),
        OutputFile(name="audio.ogg", container="ogg", video=None, audio=("opus",)),
    )
    recipe = make_recipe(
        video_index=None,
        video=(),
        audio=(
            audio(loudness=target),
            audio(name="opus", codec="opus", encoder="libopus", loudness=target),
        ),
        packaging=FilePackaging(files=files),
    )

    produced, staging = performed(make_task(make_clip("loud", 4), recipe))

    assert succeeded(produced)
    for file in files:
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-i", str(staging / file.name)]
        argv += ["-af", "ebur128", "-f", "null", "-"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        said = done.stderr.rpartition("I:")[2].split()[0]
        assert abs(-16 - float(said)) <= 0.5


def test_silence_is_left_alone(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, audio: Any
) -> None:
    """
    No gain makes silence loud; a note says that none was tried.
    """
    target = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
    clip = make_clip("silent", 2, extra=("-af", "volume=0"))
    task = make_task(clip, make_recipe(audio=(audio(loudness=target),)))

    produced, _ = performed(task)

    assert succeeded(produced)
    assert ("Audio aac is silent; its loudness is left alone.",) == produced.notes


def test_copied_top(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    video: Any,
    audio: Any,
) -> None:
    """
    The top rendition holds the source's packets, and the other is cut with it.
    """
    clip = make_clip("conforms", 4, extra=("-g", "40", "-bf", "2"))
    top = video(320, 240, made_by="copied", encoder=None)
    recipe = make_recipe(
        video=(top, video(160, 120)),
        audio=(audio(made_by="copied", encoder=None, channels=1),),
        keyframes="source",
    )

    produced, _ = performed(make_task(clip, recipe))

    assert succeeded(produced)
    made = {it.path: it.made_by for it in produced.artifacts}
    assert "copied" == made["video/240p/index.m3u8"]
    assert "encoded" == made["video/120p/index.m3u8"]


def test_remux(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    video: Any,
    audio: Any,
) -> None:
    """
    Copying every stream into another container takes the same path.
    """
    clip = make_clip("remux.mkv", 2)
    recipe = make_recipe(
        video=(video(320, 240, made_by="copied", encoder=None),),
        audio=(audio(made_by="copied", encoder=None, channels=1),),
        keyframes="source",
        packaging=MP4,
    )

    produced, _ = performed(make_task(clip, recipe))

    assert succeeded(produced)
    assert ["remuxed"] == [it.made_by for it in produced.artifacts]


def test_variable_frame_rate(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, times: Any
) -> None:
    """
    Every frame keeps its own time: none is made up, none is lost.
    """
    drop = ("-vf", "select='not(mod(n,3))+gt(t,1.5)'", "-fps_mode", "vfr")
    clip = make_clip("vfr", 3, extra=drop)

    produced, staging = performed(make_task(clip, make_recipe()))

    assert succeeded(produced)
    source = times(clip, "v:0")
    assert source == pytest.approx(times(staging / "master.m3u8", "v:0"), abs=1e-4)


def test_matroska_clock(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, times: Any
) -> None:
    """
    Times that Matroska rounded to milliseconds are put back on the grid of 29.97.
    """
    clip = make_clip("clock.mkv", 2, rate="30000/1001")

    produced, staging = performed(make_task(clip, make_recipe()))

    assert succeeded(produced)
    found = times(staging / "master.m3u8", "v:0")
    grid = [float(n * Fraction(1001, 30000)) for n in range(len(found))]
    assert grid == pytest.approx([t - found[0] for t in found], abs=1e-5)


@pytest.mark.parametrize("kind", ["cmaf", "file"])
def test_late_sound(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    remuxed: Any,
    times: Any,
    kind: str,
) -> None:
    """
    Sound that begins late gets silence before it, and ends when it did.
    """
    clip = make_clip("late", 2)
    late = remuxed(
        "late.mp4",
        *("-i", clip, "-itsoffset", "0.5", "-i", clip, "-map", "0:v", "-map", "1:a"),
    )
    changes = {"video": make_recipe().video[:1]}
    if kind == "file":
        changes["packaging"] = MP4
    produced, staging = performed(make_task(late, make_recipe(**changes)))

    assert succeeded(produced)
    made = staging / ("video.mp4" if kind == "file" else "master.m3u8")
    sound = [t for t in times(made, "a:0") if t >= 0]
    assert abs(sound[0]) <= SYNC_SECONDS
    assert abs(sound[-1] - times(late, "a:0")[-1]) <= SYNC_SECONDS + 0.022


@pytest.mark.parametrize("kind", ["cmaf", "file"])
def test_late_picture(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    remuxed: Any,
    times: Any,
    kind: str,
) -> None:
    """
    A picture that begins late is filled from 0 on, and stays where it was itself.
    """
    clip = make_clip("late", 2)
    late = remuxed(
        "late.mp4",
        *("-itsoffset", "0.5", "-i", clip, "-i", clip, "-map", "0:v", "-map", "1:a"),
    )
    changes = {"video": make_recipe().video[:1]}
    if kind == "file":
        changes["packaging"] = MP4

    produced, staging = performed(make_task(late, make_recipe(**changes)))

    assert succeeded(produced)
    made = staging / ("video.mp4" if kind == "file" else "video/240p/init.mp4")
    if kind == "cmaf":
        whole = staging / "whole.mp4"
        parts = [made, *sorted(made.parent.glob("*.m4s"))]
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        made = whole
    shown, source = times(made, "v:0"), times(late, "v:0")
    assert 0 == shown[0]
    assert abs(0.5 - shown[-len(source)]) <= SYNC_SECONDS


@pytest.mark.parametrize("seconds", [0.04, 0.2])
@pytest.mark.parametrize("kind", ["cmaf", "file"])
def test_shortest_clips(
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    *,
    seconds: float,
    kind: str,
) -> None:
    """
    One frame is a video: with a poster, and one tile.
    """
    clip = make_clip("short", seconds, audio=False)
    recipe = make_recipe(audio=(), poster=POSTER, sprites=SPRITES)
    if kind == "file":
        file = OutputFile(name="video.mp4", container="mp4", video="240p")
        recipe = recipe.model_copy(
            update={
                "video": recipe.video[:1],
                "packaging": FilePackaging(files=(file,)),
            }
        )

    produced, staging = performed(make_task(clip, recipe))

    assert succeeded(produced)
    assert 1 == (staging / "thumbnails.vtt").read_text().count("-->")


def test_odd_sizes(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, video: Any
) -> None:
    """
    Sizes that no macroblock fits are cropped by the codec, not by us.
    """
    clip = make_clip("odd", 1, size="322x242")
    recipe = make_recipe(video=(video(322, 242), video(182, 136)))

    produced, _ = performed(make_task(clip, recipe))

    assert succeeded(produced)


def test_rotation(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    remuxed: Any,
    video: Any,
) -> None:
    """
    A phone held upright gives an upright video, stored as such.
    """
    clip = make_clip("turned", 1)
    turned = remuxed("turned.mp4", "-display_rotation", "90", "-i", clip)
    task = make_task(turned, make_recipe(video=(video(240, 320), video(120, 160))))

    produced, staging = performed(task)

    assert (240, 320) == (
        task.media.video[0].display_width,
        task.media.video[0].display_height,
    )
    assert succeeded(produced)
    assert "RESOLUTION=240x320" in (staging / "master.m3u8").read_text()


@pytest.mark.parametrize(
    ("codec", "changes"),
    [
        ("hevc", {"encoder": "libx265", "preset": "ultrafast", "crf": 30}),
        ("av1", {"encoder": "libsvtav1", "preset": "12", "crf": 45}),
        ("vp9", {"encoder": "libvpx-vp9", "preset": "8", "crf": 45}),
    ],
)
def test_newer_codecs(
    *,
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    performed: Any,
    video: Any,
    audio: Any,
    codec: str,
    changes: dict[str, Any],
) -> None:
    """
    The packager takes them from fragmented MP4, with Opus, and all cuts align.
    """
    changes = changes | {"codec": codec, "codec_profile": None}
    recipe = make_recipe(
        video=(video(160, 120, **changes), video(80, 60, **changes)),
        audio=(audio(name="opus", codec="opus", encoder="libopus"),),
        packaging={"type": "cmaf", "segment_seconds": 1},
        gop_seconds=1,
    )

    produced, _ = performed(make_task(make_clip("codec", 2, size="160x120"), recipe))

    assert succeeded(produced)


def test_unproven_hardware(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, video: Any
) -> None:
    """
    An encoder that is listed and makes no picture is replaced, and it is said so.
    """
    recipe = make_recipe(video=(video(320, 240, encoder="h264_nvenc"),))

    produced, _ = performed(make_task(make_clip("gpu", 1), recipe))

    assert succeeded(produced)
    assert (
        "h264_nvenc made no test picture here: encoded in software.",
    ) == produced.notes


def test_missing_encoder(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, audio: Any
) -> None:
    """
    An encoder that this ffmpeg lacks is named as the cause.
    """
    recipe = make_recipe(audio=(audio(encoder="libfdk_aac"),))

    produced, _ = performed(make_task(make_clip("none", 1), recipe))

    assert produced.failure is not None
    assert "EncoderMissing" == produced.failure.type
    assert "libfdk_aac" in produced.failure.evidence["stderr_tail"]


def test_source_has_gone(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, tmp_path: Path
) -> None:
    """
    A source that vanished after probing is the source's failure, with evidence.
    """
    clip = tmp_path / "gone.mp4"
    clip.write_bytes(make_clip("gone", 1).read_bytes())
    task = make_task(clip, make_recipe())
    clip.unlink()

    produced, _ = performed(task)

    assert produced.failure is not None
    assert (OutcomeKind.ENCODER_FAILED, "SourceUnreadable") == (
        produced.outcome,
        produced.failure.type,
    )
    assert clip.name in f"{produced.failure.message} {produced.failure.evidence}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    root = os.geteuid() == 0
    if not root or subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kind", ["cmaf", "file"])
def test_full_disk(
    make_task: Any,
    make_recipe: Any,
    make_clip: Any,
    small_disk: Path,
    tmp_path: Path,
    *,
    kind: str,
) -> None:
    """
    A full disk is called by its name, whoever of the two hits it first.
    """
    changes = {} if kind == "cmaf" else {"packaging": MP4}
    recipe = make_recipe(video=make_recipe().video[:1], **changes)
    task = make_task(make_clip("full", 8), recipe)

    produced = perform(
        task,
        staging=small_disk / "staging",
        scratch=tmp_path / "scratch",
        settings=Settings(),
        report=lambda progress: None,
    )

    assert (OutcomeKind.OUT_OF_DISK, "OutOfDisk") == (
        produced.outcome,
        produced.failure and produced.failure.type,
    )


def test_progress(
    make_task: Any, make_recipe: Any, make_clip: Any, tmp_path: Path
) -> None:
    """
    Progress rises to the whole duration and names what is going on.
    """
    said: list[Progress] = []

    perform(
        make_task(make_clip("progress", 2), make_recipe()),
        staging=tmp_path / "staging",
        scratch=tmp_path / "scratch",
        settings=Settings(),
        report=said.append,
    )

    done = [it.done_seconds for it in said]
    assert sorted(done) == done
    assert (2.0, "verify") == (done[-1], said[-1].phase)
    assert {2.0} == {it.total_seconds for it in said}


@pytest.mark.parametrize("victim", ["ffmpeg", "packager"])
def test_either_child_killed(
    make_task: Any, make_recipe: Any, make_clip: Any, tmp_path: Path, *, victim: str
) -> None:
    """
    When one of the two is killed, the other does not wait for it at the pipe; and what
    it worked on is not to blame.
    """
    scratch, killed = tmp_path / "scratch", threading.Event()

    def kill(progress: Progress) -> None:
        if killed.is_set():
            return
        for process in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for child in process.read_text().split():
                name = Path(f"/proc/{child}/comm").read_text()
                if name.startswith(victim):
                    os.kill(int(child), signal.SIGKILL)
                    killed.set()

    # Slow enough that the first report comes in the middle.
    slow = {"preset": "veryslow"}
    recipe = make_recipe(video=[v.model_copy(update=slow) for v in make_recipe().video])
    produced = perform(
        make_task(make_clip("killed", 30), recipe),
        staging=tmp_path / "staging",
        scratch=scratch,
        settings=Settings(),
        report=kill,
    )

    assert killed.is_set()
    assert OutcomeKind.LOST == produced.outcome
    assert produced.failure is not None
    assert "WorkerLost" == produced.failure.type
    assert produced.failure.retryable
    assert victim == produced.failure.evidence["program"]
    assert -signal.SIGKILL == produced.failure.evidence["status"]
    assert [] == list(scratch.iterdir())


def test_reader_never_opens(tmp_path: Path) -> None:
    """
    A program that waits for the other end of a pipe is ended when that end fails.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with Children(tmp_path) as children:
        children.start(_program("waits", "cat", str(pipe)))
        children.start(_program("fails", "false"))

        ended = children.wait()

    assert ("fails", {"waits": -signal.SIGKILL, "fails": 1}) == (
        ended.first_to_fail,
        dict(ended.statuses),
    )


def _program(name: str, *argv: str) -> Program:
    def ignore(data: bytes) -> None:
        pass

    program = shutil.which(argv[0])
    return Program(name, argv, ignore, ignore, Permissions(reads=("/",), runs=program))
