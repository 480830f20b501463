"""By how much sound is turned up or down, and when its peaks are held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import Loudness
from transcode.work.command.gain import (
    HEADROOM_DB,
    MOST_LIMITED_DB,
    Gain,
    Heard,
    corrected,
    levelled,
)

TARGET = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
PROGRAMMES = st.builds(Heard, st.floats(-69, 3), st.floats(-60, 6))
TARGETS = st.builds(
    Loudness, integrated_lufs=st.floats(-70, -5), true_peak_dbtp=st.floats(-9, 0)
)


def test_peaks_with_room_are_not_touched() -> None:
    """
    One gain, exactly what is missing, and no limiter.
    """
    assert Gain(7.0) == levelled(Heard(-23, -9), TARGET)
    assert Gain(-6.0) == levelled(Heard(-10, -0.1), TARGET)


def test_peaks_without_room_are_held_below_the_ceiling() -> None:
    """
    The gain stays what is missing, and the limiter leaves room for the codec.
    """
    assert Gain(7.0, -1.5 - HEADROOM_DB) == levelled(Heard(-23, -3), TARGET)


def test_what_limiting_took_away_is_given_back() -> None:
    """
    More gain where the second hearing was too quiet; none where it was not.
    """
    heard = Heard(-24.2, -3.2)
    first = levelled(heard, TARGET)

    more = corrected(first, heard, Heard(-17.9, -2.5), TARGET)
    same = corrected(first, heard, Heard(-16.0, -2.5), TARGET)

    assert 1.9 < more.gain_db - first.gain_db < 6
    assert first == same


@given(PROGRAMMES, TARGETS, st.floats(0, 30))
def test_no_gain_asks_for_more_limiting_than_is_allowed(
    heard: Heard, target: Loudness, lost: float
) -> None:
    """
    Before and after correction; and peaks pass the ceiling under a limiter alone.
    """
    first = levelled(heard, target)
    after = Heard(target.integrated_lufs - lost, target.true_peak_dbtp)
    for gain in (first, corrected(first, heard, after, target)):
        over = heard.true_peak_dbtp + gain.gain_db - target.true_peak_dbtp
        assert over <= MOST_LIMITED_DB + 0.01
        assert over <= 0.01 or gain.ceiling_dbtp is not None
