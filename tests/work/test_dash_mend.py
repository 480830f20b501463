"""What the MPD says after mending, of segments whose lengths the packager got wrong."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from transcode.contract import VideoRendition
from transcode.work.dash_mend import mended_manifest
from transcode.work.served import Resource, Served

MPD = """<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT5.1S"><Period>
<AdaptationSet contentType="video"><Representation id="0" bandwidth="1">
<SegmentTemplate timescale="1000" initialization="video/init.mp4"><SegmentTimeline>
<S t="0" d="3000"/><S t="3000" d="2100"/></SegmentTimeline></SegmentTemplate>
</Representation></AdaptationSet></Period></MPD>
"""


def test_the_presentation_lasts_as_long_as_its_mended_segments(
    video: Callable[..., VideoRendition],
) -> None:
    """The last picture is shown longer than the packager thinks: no second is lost."""
    lengths = (Fraction(3), Fraction(2228, 1000))
    served = Served(
        plan=video(320, 180),
        segments=tuple(Resource(f"{n}.m4s", 1000, it) for n, it in enumerate(lengths)),
        keyframes=(),
        frame_rate=Fraction(8797, 1000),
        access_point=1,
        target_seconds=3,
        end=sum(lengths, Fraction(0)),
    )

    text = mended_manifest(MPD, {"video/init.mp4": served}, labels={})

    assert 'd="2228"' in text
    assert 'mediaPresentationDuration="PT5.228S"' in text
