"""Small inputs beside the checkout, of which the right result is known."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import Eyes, Ran

Run = Callable[..., Ran]
Judge = Callable[[Run, Eyes, Path], None]

FOLDER = ROOT.parent / "shared" / "cases"
NEAR_SECONDS = 0.05
CLOCK_SECONDS = 0.002
"""Of playlists, which count in milliseconds."""
NEAR_PAINT = 8
"""Of 255, of a patch that the source's own encoder has changed by 3."""


@pytest.fixture(scope="module")
def cases() -> Path:
    """The folder beside the repository; absent on a laptop."""
    if not FOLDER.is_dir():
        message = f"no cases: {FOLDER} does not exist"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return FOLDER


def lasts(seconds: float) -> Judge:
    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        made = ran(path).path
        assert seconds == pytest.approx(eyes.lasts(made), abs=NEAR_SECONDS)

    return judge


def streamed(seconds: float) -> Judge:
    """Playlists say how long segments are, and keyframes when they begin."""

    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        told = list(playlists(ran(path, "hls")))
        assert told
        for playlist, lengths in told:
            assert seconds == pytest.approx(sum(lengths), abs=NEAR_SECONDS)
            keys = eyes.keyframes(playlist)
            assert keys[0] < NEAR_SECONDS
            for begins in accumulate(lengths[:-1], initial=keys[0]):
                assert any(abs(begins - key) < CLOCK_SECONDS for key in keys), begins

    return judge


def playlists(run: Ran) -> Iterator[tuple[Path, list[float]]]:
    """Those of pictures, each with how long its segments are said to last."""
    for one in run.outputs:
        path = Path(one["uri"])
        if path.name == "index.m3u8" and path.parent.parent.name == "video":
            found = re.findall(r"#EXTINF:([\d.]+)", path.read_text("utf-8"))
            yield path, [float(it) for it in found]


def shaped(wide: int, high: int) -> Judge:
    """Every rendition has that shape, and so has the poster."""

    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        made = [ran(path).path, str(ran(path).one("poster")["uri"])]
        made += [str(playlist) for playlist, _ in playlists(ran(path, "hls"))]
        for one in made:
            video = eyes.video(one)
            assert wide / high == pytest.approx(
                video["width"] / video["height"], rel=0.01
            )
            assert video.get("sample_aspect_ratio", "1:1") in {"1:1", "0:1", "N/A"}

    return judge


def painted(*paints: tuple[int, int, int], profile: str = "preview") -> Judge:
    """The picture's patches, from left to right."""

    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        run = ran(path, profile)
        streamed = next((playlist for playlist, _ in playlists(run)), None)
        picture = eyes.picture(streamed or run.path)
        for number, paint in enumerate(paints):
            column = int(32 * (number + 0.5) / len(paints))
            at = 3 * (16 * 32 + column)
            assert list(paint) == pytest.approx(
                list(picture[at : at + 3]), abs=NEAR_PAINT
            )

    return judge


def refused(*words: str, profile: str = "preview") -> Judge:
    """By name, before anything is billed."""

    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        run = ran(path, profile)
        assert (3, "rejected") == (run.code, run.document["status"])
        for word in words:
            assert word in run.document["error"]["message"]

    return judge


def one_pair(profile: str = "preview") -> Judge:
    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        streams = eyes.streams(ran(path, profile).path)
        assert [2] == [it["channels"] for it in streams if it["codec_type"] == "audio"]

    return judge


def captions(ran: Run, eyes: Eyes, path: Path) -> None:
    text = ran(path, "hls").text("eng.vtt")
    assert re.search(r"two[ \N{NO-BREAK SPACE}]+words", text)
    assert "EXIT" in text
    assert not re.search(r"\\[Nhp]|\bm -?\d+ -?\d+", text)


def counted(frames: int, seconds: float) -> Judge:
    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        lasts(seconds)(ran, eyes, path)
        assert frames == len(eyes.times(ran(path).path))

    return judge


def held(seconds: float, rate: int) -> Judge:
    """Streamed to its end; the indexes say how fast it is while it moves."""

    def judge(ran: Run, eyes: Eyes, path: Path) -> None:
        streamed(seconds)(ran, eyes, path)
        run = ran(path, "hls")
        variants = re.findall(r"FRAME-RATE=([\d.]+)", run.text("master.m3u8"))
        sets = re.findall(r'rameRate="([^"]+)"', run.text("manifest.mpd"))
        assert {f"{rate}.000"} == {*variants}
        assert {str(rate)} == {*sets}

    return judge


HLG = ((228, 228, 228), (123, 123, 123), (215, 0, 0))
RIGHT: dict[str, Judge] = {
    "static.mp4": streamed(26),
    "hole1.mp4": streamed(20),
    "tab.webm": streamed(18),
    "short_video.mp4": held(40, 25),
    "crop.mkv": shaped(640, 360),
    "rotsei.mp4": shaped(3, 4),
    "hlg_atc.mp4": painted(*HLG),
    "hlg_true.mp4": painted(*HLG),
    "p3mid.mp4": painted((218, 24, 40)),
    "dualmono.mov": one_pair(),
    "hevc_field.ts": refused("hevc", "single fields"),
    "wav_elevenlabs.wav": lasts(5),
    "cat2.webm": refused("joined byte by byte"),
    "cat2.mp4": refused("joined byte by byte"),
    "tiny8x8.mkv": refused("8x8", profile="av1"),
    "ass2.mkv": captions,
    "CAPAMA3_Sand_F.264": counted(50, 2),
    "sample_iamf.mp4": refused("IAMF"),
    "transfer_bt470bg.mp4": lasts(2),
}

ELSEWHERE: dict[tuple[str, str], Judge] = {
    ("hlg_atc.mp4", "hevc"): painted(*HLG, profile="hevc"),
    ("dualmono.mov", "audio"): one_pair("audio"),
    ("tiny8x8.mkv", "preview"): shaped(1, 1),
}
"""In profiles that encode with something else."""


def test_each_case_has_a_right_result(cases: Path) -> None:
    """What is listed is judged below."""
    rows = (cases / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]

    assert {row.split("\t")[0] for row in rows} == set(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_comes_out_right(ran: Run, eyes: Eyes, cases: Path, name: str) -> None:
    """As the manifest beside it says, by tools that neither made nor verified it."""
    RIGHT[name](ran, eyes, cases / name)


@pytest.mark.parametrize(("name", "profile"), ELSEWHERE)
def test_a_case_comes_out_right_elsewhere(
    ran: Run, eyes: Eyes, cases: Path, name: str, profile: str
) -> None:
    """The same where others encode it."""
    ELSEWHERE[name, profile](ran, eyes, cases / name)
