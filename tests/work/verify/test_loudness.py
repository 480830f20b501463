"""Sound that is not as loud as was asked for is found; what cannot be so is told."""

from __future__ import annotations

from typing import Any

import pytest

from transcode.contract import Loudness, LoudnessFacts


def asked(finished: Any, lufs: float, peak: float = -1.5) -> Any:
    """The ladder, as if this loudness had been asked for."""
    target = Loudness(integrated_lufs=lufs, true_peak_dbtp=peak)
    main = finished.task.recipe.audio[0].model_copy(update={"loudness": target})
    return finished.with_recipe(audio=(main,))


def test_the_level_of_a_file_is_read_from_it(finished: Any) -> None:
    """
    A sine at 1/8, mixed to both channels at -3 dB: a peak of -21.07 dB, and in two
    channels 0.69 LU less (ITU-R BS.1770-5) but for the weighting at 440 Hz. The
    codec moves the peak.
    """
    found = finished.verify().facts["main"].loudness

    assert isinstance(found, LoudnessFacts)
    assert abs(-21.07 - found.true_peak_dbtp) < 1.2
    assert abs(-21.76 - found.integrated_lufs) < 0.5


@pytest.mark.parametrize(
    ("off", "failed"),
    [(0.9, set()), (-0.9, set()), (5, {"loudness"}), (-5, {"loudness"})],
)
def test_a_level_that_was_not_reached_is_found(
    finished: Any, off: float, failed: set[str]
) -> None:
    """
    One unit either way is as asked for, five are not.
    """
    found = finished.verify().facts["main"].loudness
    assert isinstance(found, LoudnessFacts)

    assert failed == asked(finished, round(found.integrated_lufs + off, 2)).failed()


def test_peaks_that_nothing_held_are_found(other: Any) -> None:
    """
    A peak of -5 dBTP where -9 was asked for fails.
    """
    loud = other(audio_filter="volume=16dB")
    level = loud.verify().facts["main"].loudness.integrated_lufs

    assert {"loudness"} == asked(loud, level, -9).failed()


def test_a_peak_that_the_codec_raised_is_told(other: Any) -> None:
    """
    Up to 3 dB above the ceiling the job goes on, and its user hears of it.
    """
    loud = other(audio_filter="volume=14dB")
    level = loud.verify().facts["main"].loudness.integrated_lufs

    verified = asked(loud, level, -9).verify()

    assert verified.passed
    assert [True] == ["dBTP, not -9" in note for note in verified.notes]


def test_no_room_for_more_is_told(other: Any) -> None:
    """
    Quieter than asked for because the peaks touch the ceiling: a note.
    """
    clicks = "volume=0.01,volume=eval=frame:volume='if(lt(mod(t,2),0.03),700,1)'"
    loud = other(audio_filter=clicks)
    found = loud.verify().facts["main"].loudness
    peak = min(0.0, found.true_peak_dbtp)

    verified = asked(loud, round(found.integrated_lufs + 3, 2), peak).verify()

    assert verified.passed
    assert [True] == ["no room for more" in note for note in verified.notes]


def test_a_copy_cannot_be_levelled(finished: Any) -> None:
    """
    A plan that copies what it was to level contradicts itself.
    """
    main = asked(finished, -16).task.recipe.audio[0]
    copied = main.model_copy(update={"made_by": "copied", "encoder": None})

    assert "loudness" in finished.with_recipe(audio=(copied,)).failed()
