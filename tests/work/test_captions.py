"""Subtitle tracks of real files as captions: in time with the picture, or left out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import CaptionRendition, FilePackaging, OutcomeKind, OutputFile
from transcode.probe.probe import probe
from transcode.work.verify.playlists import read_master_playlist, read_mpd
from transcode.work.webvtt import Cue, read

FRAME = 0.04
FLASH = 1.0
"""When the picture of `make_subtitled` turns white, and its first cue begins."""
SRT = """1
00:00:{flash},000 --> 00:00:{flash},500
At the flash

2
00:00:{flash},600 --> 00:01:00,000
Longer than the film
"""
HOSTILE = 'Say "hi"\n#EXT-X-ENDLIST\r<b>&]]></Label>'
MakeSubtitled = Callable[..., Path]


@pytest.fixture(scope="session")
def make_subtitled(
    tmp_path_factory: pytest.TempPathFactory, ffmpeg: str
) -> MakeSubtitled:
    """Two seconds of black that turns white after one, B-frames, and text tracks."""

    def make(
        name: str,
        *texts: str | bytes,
        late: int = 0,
        codec: str = "srt",
        extra: Sequence[str] = (),
    ) -> Path:
        folder = tmp_path_factory.mktemp("subtitled")
        graph = (
            "color=black:size=320x240:rate=25:duration=2,drawbox=t=fill:color=white:"
            f"enable='gte(t,{FLASH - 0.001})'"
        )
        argv = [ffmpeg, "-nostdin", "-v", "error", "-itsoffset", str(late)]
        argv += ["-f", "lavfi", "-i", graph]
        argv += ["-itsoffset", str(late), "-f", "lavfi", "-i", "sine=duration=2"]
        maps = ["-map", "0", "-map", "1"]
        for number, text in enumerate(texts):
            path = folder / f"{number}.srt"
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            argv += ["-sub_charenc", "UTF-8"] * (codec != "copy")
            argv += ["-f", "srt", "-i", str(path)]
            maps += ["-map", str(number + 2)]
        argv += [*maps, "-c:v", "libx264", "-preset", "veryfast", "-bf", "3"]
        argv += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-c:s", codec]
        argv += [*extra, str(folder / name)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr)
        return folder / name

    return make


def captions(index: int, **changes: Any) -> CaptionRendition:
    given = {"name": f"track-{index}", "source_index": index} | changes
    return CaptionRendition.model_validate(given)


def cues(path: Path) -> tuple[Cue, ...]:
    return read(path.read_text(encoding="utf-8"))


def flash_seconds(ffmpeg: str, staging: Path, joined: Path) -> float:
    """When the picture turns white, as a player that honours edit lists shows it."""
    folder = staging / "video/240p"
    path = staging / "video.mp4"
    if folder.exists():
        parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        path = joined
    argv = [ffmpeg, "-nostdin", "-copyts", "-i", str(path), "-an"]
    argv += ["-vf", "blackdetect=d=0.1:pix_th=0.1", "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = re.search(r"black_end:([\d.]+)", done.stderr)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("packaging", ["cmaf", "file"])
@pytest.mark.parametrize(
    ("name", "codec", "late", "flash", "extra"),
    [
        ("edit-list.mp4", "mov_text", 0, 1, ()),
        ("plain.mkv", "srt", 0, 1, ()),
        ("ass.mkv", "ass", 0, 1, ()),
        ("offset.mkv", "srt", 0, 1, ("-output_ts_offset", "7")),
        # The text begins 3 s before picture and sound, which is where time 0 is.
        ("text-first.mkv", "srt", 3, 4, ()),
        ("empty-edit.mp4", "mov_text", 3, 4, ()),
    ],
)
def test_cues_stay_with_the_picture(  # noqa: PLR0917 - fixtures
    make_subtitled: MakeSubtitled,
    make_task: Any,
    make_recipe: Any,
    performed: Any,
    ffmpeg: str,
    tmp_path: Path,
    video: Any,
    packaging: str,
    *,
    name: str,
    codec: str,
    late: int,
    flash: int,
    extra: Sequence[str],
) -> None:
    """
    The cue begins with the frame it belongs to, wherever the source's clock begins.
    """
    text = SRT.format(flash=f"{flash:02d}")
    if late:
        text = "1\n00:00:00,100 --> 00:00:01,000\nBefore it all\n\n" + text
    source = make_subtitled(name, text, late=late, codec=codec, extra=extra)
    changes: dict[str, Any] = {"captions": (captions(2),), "video": (video(320, 240),)}
    if packaging == "file":
        one = OutputFile(
            name="video.mp4", container="mp4", video="240p", audio=("aac",)
        )
        changes["packaging"] = FilePackaging(files=(one,))

    produced, staging = performed(make_task(source, make_recipe(**changes)))

    assert None is produced.failure
    found = cues(staging / "captions/track-2.vtt")
    turned = flash_seconds(ffmpeg, staging, tmp_path / "joined.mp4")
    at = next(it for it in found if "flash" in it.text)
    assert abs(at.start / 1000 - turned) <= FRAME
    assert 500 == pytest.approx(at.end - at.start, abs=2)
    assert (produced.artifacts[0].duration_seconds or 0) + 0.1 > found[-1].end / 1000


def test_tracks_are_listed_with_language_and_flags(
    make_subtitled: MakeSubtitled, make_task: Any, make_recipe: Any, performed: Any
) -> None:
    """
    Two languages, one of them forced, with a title that means harm.
    """
    text = SRT.format(flash="01")
    extra = ["-metadata:s:s:0", "language=eng", "-metadata:s:s:0", f"title={HOSTILE}"]
    extra += ["-metadata:s:s:1", "language=ger", "-disposition:s:1", "forced"]
    source = make_subtitled("two.mkv", text, text, extra=extra)
    recipe = make_recipe(
        captions=(
            captions(2, name="eng", language="eng", title=HOSTILE, default=True),
            captions(3, name="ger-forced", language="ger", forced=True),
        )
    )

    produced, staging = performed(make_task(source, recipe))

    assert None is produced.failure
    assert [
        ("captions/eng.vtt", "captions"),
        ("captions/eng.m3u8", "playlist"),
        ("captions/ger-forced.vtt", "captions"),
        ("captions/ger-forced.m3u8", "playlist"),
    ] == [(it.path, it.kind) for it in produced.artifacts if it.path.startswith("capt")]
    assert "captions" in {check.name for check in produced.checks}
    master = read_master_playlist((staging / "master.m3u8").read_text())
    texts = [it for it in master.groups if it.attributes["TYPE"] == "SUBTITLES"]
    assert [("en", "YES", "NO"), ("de", "NO", "YES")] == [
        (it.attributes["LANGUAGE"], it.attributes["DEFAULT"], it.attributes["FORCED"])
        for it in texts
    ]
    assert ["subtitles"] * 2 == [it.attributes["SUBTITLES"] for it in master.variants]
    mpd = read_mpd((staging / "manifest.mpd").read_text())
    assert [
        ("captions/eng.vtt", "en", {"main", "subtitle"}),
        ("captions/ger-forced.vtt", "de", {"forced-subtitle"}),
    ] == [(it.uri, it.language, it.roles) for it in mpd.texts]
    head = (staging / "captions/eng.vtt").read_text().split("\n")[:2]
    assert ["WEBVTT", "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0"] == head


def test_a_track_that_cannot_be_decoded_costs_only_itself(
    make_subtitled: MakeSubtitled, make_task: Any, make_recipe: Any, performed: Any
) -> None:
    """
    Latin-1 where UTF-8 is due makes ffmpeg give up; it is asked again without it.
    """
    bad = "1\n00:00:00,200 --> 00:00:01,000\nd\xe9j\xe0 vu\n".encode("latin-1")
    good = SRT.format(flash="01")
    source = make_subtitled("latin.mkv", good, bad, codec="copy")
    recipe = make_recipe(captions=(captions(2), captions(3, language="fra")))

    produced, staging = performed(make_task(source, recipe))

    assert OutcomeKind.SUCCEEDED is produced.outcome
    assert (
        "Subtitle track 3 (fra) cannot be decoded and is left out.",
    ) == produced.notes
    assert ["track-2.m3u8", "track-2.vtt"] == sorted(
        path.name for path in (staging / "captions").iterdir()
    )


def test_some_packets_that_do_not_decode_are_told_of(
    make_subtitled: MakeSubtitled, make_task: Any, make_recipe: Any, performed: Any
) -> None:
    """
    One line in three is lost, and a viewer may know.
    """
    text = SRT.format(flash="01").encode()
    text += b"\n3\n00:00:01,800 --> 00:00:01,900\nd\xe9j\xe0\n"
    source = make_subtitled("some.mkv", text, codec="copy")

    produced, staging = performed(
        make_task(source, make_recipe(captions=(captions(2),)))
    )

    assert None is produced.failure
    assert ("Subtitle track 2: 1 of its packets could not be decoded.",) == (
        produced.notes
    )
    assert 2 == len(cues(staging / "captions/track-2.vtt"))


def test_an_empty_track_is_left_out(
    make_subtitled: MakeSubtitled, make_task: Any, make_recipe: Any, performed: Any
) -> None:
    """
    Players would offer a language that says nothing.
    """
    late = "1\n00:30:00,000 --> 00:30:01,000\nAfter the end\n"
    source = make_subtitled("empty.mkv", late)
    media = anyio.run(probe, make_task(source, make_recipe()).source)
    media = media.model_copy(update={"duration_seconds": 2.0})
    recipe = make_recipe(captions=(captions(2, language="eng"),))

    produced, staging = performed(make_task(source, recipe, media=media))

    assert None is produced.failure
    assert ("Subtitle track 2 (eng) has no text and is left out.",) == produced.notes
    assert not (staging / "captions").exists()
    assert "SUBTITLES" not in (staging / "master.m3u8").read_text()
    assert "captions" not in {check.name for check in produced.checks}


@pytest.mark.parametrize(
    ("name", "index", "first"),
    [
        ("edge/sample_with_ass_subtitles.mkv", 2, (0, "This is the first subtitle.")),
        ("formats/nasa_13013.mp4", 5, (210, "NAR: This is the optical and science")),
    ],
)
def test_real_files(
    media_dir: Path,
    make_task: Any,
    make_recipe: Any,
    performed: Any,
    video: Any,
    *,
    name: str,
    index: int,
    first: tuple[int, str],
) -> None:
    """
    ASS in Matroska, and timed text in MP4.
    """
    task = make_task(media_dir / name, make_recipe())
    picture = task.media.video[0]
    recipe = make_recipe(
        video=(video(picture.display_width // 4 * 2, picture.display_height // 4 * 2),),
        captions=(captions(index),),
    )

    produced, staging = performed(make_task(media_dir / name, recipe))

    assert None is produced.failure
    cue = cues(staging / f"captions/track-{index}.vtt")[0]
    assert first[0] == cue.start
    assert cue.text.startswith(first[1])
