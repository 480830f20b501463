"""Lost, shifted and unaligned frames and sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_lost_frames_are_found(finished: Any) -> None:
    """
    Fewer frames in the files than came out of the decoder.
    """
    more = finished.with_report(decoded_frames=103)

    assert {"frame_count"} == more.failed()
    assert "big holds 100 frames, 103 were decoded" in more.detail("frame_count")


def test_frames_that_the_muxer_took_and_the_file_lacks_are_found(
    finished: Any,
) -> None:
    """
    The packager lost a packet.
    """
    made = finished.with_report(encoded_frames={"big": 100, "small": 101})

    assert {"frame_count"} == made.failed()


def test_many_dropped_frames_are_found(finished: Any) -> None:
    """
    Frames that the encoder admits to have dropped do not excuse their absence.
    """
    dropped = finished.with_report(decoded_frames=105, dropped_frames=5)

    assert {"frame_count"} == dropped.failed()


def test_a_rendition_with_other_frame_times_is_found(
    other: Callable[..., Any],
) -> None:
    """
    One rendition shows the second half of its frames 80 ms late.
    """
    late = other(small_filter="setpts='PTS+if(gte(N,50),0.08/TB,0)'")

    assert "timestamps" in late.failed()
    assert "0.080 s apart" in late.detail("timestamps")


def test_a_shorter_output_is_found(other: Callable[..., Any]) -> None:
    """
    An encoder that stopped early and calls it a success.
    """
    short = other(seconds=3.8).with_report(
        decoded_frames=95,
        encoded_frames={"big": 95, "small": 95},
        audio_packets={},
    )

    assert {"duration"} == short.failed()


def test_a_truncated_source_is_found(other: Callable[..., Any]) -> None:
    """
    What decodes is 1 s short of the 4 s that were promised.
    """
    cut = other(seconds=3).with_report(
        decoded_frames=75,
        encoded_frames={"big": 75, "small": 75},
        audio_packets={},
    )

    assert "source_complete" in cut.failed()
    assert "only 3.000 s of 4.000 s promised" in cut.detail("source_complete")


def test_a_part_that_is_shorter_than_was_decoded_is_found(
    other: Callable[..., Any],
) -> None:
    """
    Of a cut source that is accepted, nothing that could be decoded is left out.
    """
    cut = other(seconds=3).with_recipe(accept_partial=True)
    made = {"encoded_frames": {"big": 75, "small": 75}, "audio_packets": {}}

    whole = cut.with_report(decoded_frames=75, **made)
    short = cut.with_report(decoded_frames=100, **made)

    assert whole.verify().partial is not None
    assert "decodable_part" not in whole.failed()
    assert "decodable_part" in short.failed()
    assert "4.000 s were decoded" in short.detail("decodable_part")


def test_a_source_with_many_decoding_errors_is_found(finished: Any) -> None:
    """
    Two errors in a hundred packets are more than the budget of one.
    """
    assert set() == finished.with_report(decode_errors=1).failed()
    assert {"source_complete"} == finished.with_report(decode_errors=2).failed()


def test_damaged_pictures_are_few_by_their_share(finished: Any) -> None:
    """Two as where a broadcast was cut; of a dozen one is too many."""

    def failed(damaged: int, of: int, **more: int) -> set[str]:
        counts = {"damaged_frames": damaged, "packets_read": of} | more
        failed: set[str] = finished.with_report(**counts).failed()
        return failed

    assert set() == failed(2, of=40) == failed(1, of=20) == failed(5, of=500)
    assert {"source_complete"} == failed(2, of=39) == failed(1, of=12)
    assert {"source_complete"} == failed(3, of=100) == failed(6, of=500)
    assert set() == failed(0, of=100, torn=2)
    assert {"source_complete"} == failed(0, of=100, torn=3)


def test_no_copy_hands_a_hole_on(finished: Any) -> None:
    """Its decoder may tell of none."""
    holed = finished.with_report(holes=1, damaged_frames=1)
    copied = [
        it.model_copy(update={"made_by": "copied", "encoder": None})
        for it in finished.task.recipe.video
    ]

    assert "decodable" not in holed.failed()
    assert "decodable" in holed.with_recipe(video=tuple(copied)).failed()


def test_sound_that_comes_late_is_found(other: Callable[..., Any]) -> None:
    """
    Sound starts 200 ms after the picture; in the source they start together.
    """
    late = other(audio_filter="asetpts=PTS+0.2/TB").with_report(audio_packets={})

    # Players that need all tracks to begin would jump over the hole, too.
    assert {"av_offset"} <= late.failed() <= {"av_offset", "duration", "playlists"}
    assert "main starts 0.1" in late.detail("av_offset")


def test_sound_that_ends_early_is_found(other: Callable[..., Any]) -> None:
    """
    The last 300 ms of sound are missing.
    """
    short = other(audio_filter="atrim=end=3.7").with_report(audio_packets={})

    assert {"av_offset"} == short.failed()
    assert "main ends -0.3" in short.detail("av_offset")


def test_an_offset_that_the_source_has_is_right(
    other: Callable[..., Any],
) -> None:
    """
    Sound that begins 200 ms late in the source, too, is no offset of ours; that its
    segments leave a hole where silence belongs is told by itself.
    """
    made = other(audio_filter="asetpts=PTS+0.2/TB,atrim=end=4")
    sound = made.task.media.audio[0].model_copy(
        update={"start_seconds": 0.2, "duration_seconds": 3.8}
    )

    late = made.with_media(audio=(sound,)).with_report(audio_packets={})

    assert {"playlists"} == late.failed()
    assert "a hole before it" in late.detail("playlists")


def test_a_hole_in_the_sound_is_found(other: Callable[..., Any]) -> None:
    """
    200 ms without a packet, where the encoder should have made silence.
    """
    holed = other(audio_filter="aselect='not(between(t,1,1.2))'")

    assert "timestamps" in holed.with_report(audio_packets={}).failed()


def test_times_that_players_read_in_two_ways_are_found(
    other: Callable[..., Any],
) -> None:
    """
    Negative composition offsets: libavformat plays the picture two frames late.
    """
    flags = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"
    shifted = other(movflags=flags)

    assert {"av_offset"} == shifted.failed()
    assert "0.080 s early" in shifted.detail("av_offset")


def test_unaligned_keyframes_are_found(other: Callable[..., Any]) -> None:
    """
    One rendition is cut half a second after the other.
    """
    apart = other(keyframes=("expr:gte(t,n_forced)", "0,0.5,1.5,2.5,3.5"))

    assert "keyframes_aligned" in apart.failed()
    assert {"keyframes_aligned", "playlists"} >= apart.failed()
