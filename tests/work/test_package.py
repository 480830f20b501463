"""The packager's command, and where its cuts fall."""

from __future__ import annotations

from typing import Any

import pytest

from transcode.work import package

FIFO = "/scratch/media.fifo"


def test_several_soundtracks(make_recipe: Any, audio: Any, golden: Any) -> None:
    """
    Each codec is a group of its own, each track has a name, one is the default.
    """
    recipe = make_recipe(
        video=make_recipe().video[:1],
        audio=(
            audio(language="eng", title="Director's cut, 5.1=surround"),
            audio(name="aac-fra", language="fra", default=False),
            audio(name="opus", codec="opus", encoder="libopus", default=False),
        ),
    )

    argv = package.build(recipe, program="packager", fifo=FIFO)

    golden("packager-languages.txt", "".join(f"{argument}\n" for argument in argv))


def test_only_what_is_asked_for(make_recipe: Any, golden: Any) -> None:
    """
    Without HLS there are no playlists, without I-frame playlists none of these.
    """
    packaging = {"type": "cmaf", "segment_seconds": 6, "hls": False}
    recipe = make_recipe(audio=(), packaging=packaging)

    argv = package.build(recipe, program="packager", fifo=FIFO)

    golden("packager-dash.txt", "".join(f"{argument}\n" for argument in argv))


def test_commas(make_recipe: Any) -> None:
    """
    A path that would end a field is refused before anything is started.
    """
    with pytest.raises(ValueError, match="commas separate"):
        package.build(make_recipe(), program="packager", fifo="/a,b/media.fifo")


def test_segments_align(
    make_task: Any, make_recipe: Any, make_clip: Any, performed: Any, video: Any
) -> None:
    """
    Cuts fall at the same times everywhere, at a fractional rate and irregular GOPs.
    """
    clip = make_clip("cuts", 6, rate="24000/1001", extra=("-g", "37", "-bf", "2"))
    top = video(320, 240, made_by="copied", encoder=None)
    recipe = make_recipe(
        video=(top, video(160, 120)),
        keyframes="source",
        packaging={"type": "cmaf", "segment_seconds": 2},
    )

    produced, staging = performed(make_task(clip, recipe))

    lengths = [
        [line for line in playlist.read_text().splitlines() if "EXTINF" in line]
        for playlist in sorted(staging.glob("video/*/index.m3u8"))
    ]
    assert None is produced.failure
    assert lengths[0] == lengths[1]
    assert 3 <= len(lengths[0])
