"""Captions that are no WebVTT, run past the video, or are listed as something else."""

from __future__ import annotations

from typing import Any

import pytest

from transcode.contract import CaptionRendition
from transcode.work.captions import finish_captions

MASTER, MPD = "master.m3u8", "manifest.mpd"
VTT, LIST = "captions/eng.vtt", "captions/eng.m3u8"
WRITTEN = """WEBVTT

00:00.500 --> 00:01.000
One

00:02.000 --> 00:03.500
Two
"""
CAPTIONS = (
    CaptionRendition(name="eng", source_index=2, language="eng", default=True),
    CaptionRendition(name="fra", source_index=3, language="fra", forced=True),
)


@pytest.fixture
def captioned(finished: Any) -> Any:
    """The ladder with two tracks of captions, with nothing wrong."""
    (finished.staging / "captions").mkdir()
    for one in CAPTIONS:
        (finished.staging / f"captions/{one.name}.vtt").write_text(WRITTEN)
    planned = finished.with_recipe(captions=CAPTIONS)
    task, notes = finish_captions(planned.task, planned.report, planned.staging)
    assert () == notes
    return planned._replace(task=task)


def test_captions_with_nothing_wrong_pass(captioned: Any) -> None:
    """
    All that is broken below is in order here.
    """
    assert set() == captioned.failed()
    assert "4 cues in 2 tracks, within the video" == captioned.detail("captions")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (VTT, "WEBVTT", "WEBVT", "does not begin with WEBVTT"),
        (VTT, "00:00:02.000 -->", "00:00:02,000 -->", "cue 2 has no times"),
        (VTT, "\nOne", "", "cue 1 has no text"),
        (VTT, r"(?s)\n\n.*", "\n", "it has no cue"),
        (VTT, "00:00:02.000", "00:00:00.100", "cue 2 begins before the one above"),
        (VTT, "00:00:01.000", "00:00:00.500", "cue 1 ends before it begins"),
        (VTT, "00:00:03.500", "00:00:09.000", "ends at 9.000 s, the video at 4.0"),
        (LIST, "eng.vtt", "fra.vtt", f"{LIST} does not list {VTT} alone"),
        (LIST, "#EXT-X-ENDLIST", "", f"{LIST}: it has no EXT-X-ENDLIST"),
        (MASTER, 'LANGUAGE="en"', 'LANGUAGE="fr"', "eng has LANGUAGE fr, not en"),
        (MASTER, "FORCED=YES", "FORCED=NO", "fra has FORCED NO, not YES"),
        (
            MASTER,
            r"(English.*)DEFAULT=YES",
            r"\1DEFAULT=NO",
            "eng has DEFAULT NO, not YES",
        ),
        (MASTER, r"(French.*)DEFAULT=NO", r"\1DEFAULT=YES", "more than one default"),
        (MASTER, 'NAME="French[^"]*"', 'NAME="English"', "gives two tracks one name"),
        (MASTER, ',SUBTITLES="subtitles"', "", "does not name the subtitles"),
        (MASTER, "#EXT-X-MEDIA:TYPE=SUB.*eng.*\n", "", f"does not list {LIST}"),
        (MPD, "captions/eng.vtt", "captions/x.vtt", f"does not list {VTT}"),
        (MPD, "captions/eng.vtt", "captions/x.vtt", "lists captions/x.vtt, which was"),
        (MPD, "text/vtt", "text/html", "eng is said to be text/html"),
        (MPD, 'lang="en"', 'lang="de"', "eng is de, not en"),
        (MPD, "forced-subtitle", "subtitle", "fra has the roles subtitle"),
        (MPD, 'value="main"', 'value="alternate"', "the roles alternate, subtitle"),
    ],
)
def test_captions_that_are_wrong_are_found(
    captioned: Any, name: str, old: str, new: str, said: str
) -> None:
    """
    One word is wrong, and the detail says which.
    """
    captioned.edit(name, old, new)

    assert "captions" in captioned.failed()
    assert said in captioned.detail("captions")


@pytest.mark.parametrize("name", [VTT, LIST])
def test_a_missing_file_is_found(captioned: Any, name: str) -> None:
    """
    A promise without a file.
    """
    (captioned.staging / name).unlink()

    assert {"captions"} == captioned.failed()
    assert f"{name}: missing" in captioned.detail("captions")


def test_bytes_that_are_no_text_are_found(captioned: Any) -> None:
    """
    WebVTT is UTF-8.
    """
    captioned.flip(VTT, 60, 30)

    assert {"captions"} == captioned.failed()


def test_a_stray_file_is_found(captioned: Any) -> None:
    """
    What nobody planned would be uploaded.
    """
    (captioned.staging / "captions/x.vtt").write_text("WEBVTT\n")

    assert {"captions"} == captioned.failed()
    assert "captions/x.vtt was not planned" == captioned.detail("captions")


def test_a_manifest_with_a_track_nobody_planned_is_found(captioned: Any) -> None:
    """
    HLS's is found by `playlists`.
    """
    (captioned.staging / "captions/fra.vtt").unlink()
    (captioned.staging / "captions/fra.m3u8").unlink()

    broken = captioned.with_recipe(captions=CAPTIONS[:1])

    assert {"captions", "playlists"} == broken.failed()
    assert "captions/fra.vtt, which was not planned" in broken.detail("captions")
    assert "captions/fra.m3u8, which was not planned" in broken.detail("playlists")
