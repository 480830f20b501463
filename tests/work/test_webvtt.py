"""What ffmpeg writes, read; what players read, written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.work.webvtt import BrokenCaptions, Cue, read, read_written, within, write


def test_what_ffmpeg_writes_is_read() -> None:
    """
    Text after an empty line belongs to its cue, times before 0 are negative, and
    drawings are no text.
    """
    text = (
        "WEBVTT\n\n00:-2.-800 --> 00:-1.000\nearly\n\n"
        "00:00.500 --> 01:00:01.020\n<i>One</i>\n\nSTYLE\n::cue{}\n\n"
        "00:02.000 --> 00:03.000\nm 0 0 l 100 0 b 1 2 3.5 -4 5 6\n"
    )

    assert (
        Cue(-2800, -1000, "early"),
        Cue(500, 3_601_020, "<i>One</i>\nSTYLE\n::cue{}"),
    ) == read_written(text)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (r"two\h\hwords", "two\u00a0\u00a0words"),
        ("m 348 49 l 367 49 367 78 348 78EXIT", "EXIT"),
        ("EXIT m 0 0 b 1 2 3.5 -4 5 6 l 7 8 c", "EXIT"),
        ("m 5 5 l 6 6betweenm 7 7 l 8 8end", "betweenend"),
        ("m 0 0 s 1 2 3 4 5 6 c and m 0 0 l 1 1 cut", "and  cut"),
        ("seen {by nobody}here", "seen here"),
        ("I am 5 6 years", "I am 5 6 years"),
        ("m 5 6 metres", "m 5 6 metres"),
    ],
)
def test_ass_is_shown_as_its_text(line: str, shown: str) -> None:
    """
    Hard spaces are spaces, drawings beside text are gone, and text looks like none; of
    other formats nothing is changed.
    """
    written = f"WEBVTT\n\n00:00.000 --> 00:01.000\n{line}\n"

    assert [shown] == [it.text for it in read_written(written, scripted=True)]
    assert [line] == [it.text for it in read_written(written)]


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("AT&T &amp; <b>you</b>", "AT&amp;T &amp; <b>you</b>"),
        ("a --> b", "a --&gt; b"),
        ("<script>x</script> <v Eve>", "&lt;script&gt;x&lt;/script&gt; &lt;v Eve&gt;"),
        ("nul\x00 bell\x07", "nul bell"),
    ],
)
def test_text_is_escaped(line: str, escaped: str) -> None:
    """
    Only the tags that ffmpeg itself writes stay tags.
    """
    cues = read_written(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{line}\n")

    assert [escaped] == [it.text for it in cues]


def test_cues_are_put_in_order_and_cut() -> None:
    """
    What lies outside the presentation is gone, and what is there twice is there once.
    """
    cues = (
        Cue(5000, 90_000, "long"),
        Cue(-500, 1000, "early"),
        Cue(-2000, -1000, "before"),
        Cue(1000, 1000, "nothing"),
        Cue(10_000, 12_000, "after"),
        Cue(-500, 1000, "early"),
    )

    assert (Cue(0, 1000, "early"), Cue(5000, 10_000, "long")) == within(cues, 10_000)
    assert Cue(5000, 90_000, "long") in within(cues, None)


@given(
    cues=st.lists(
        st.tuples(
            st.integers(0, 10**8),
            st.integers(1, 10**6),
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        )
    ),
    mapped=st.booleans(),
)
def test_whatever_the_text_the_file_can_be_read(
    *, cues: list[tuple[int, int, str]], mapped: bool
) -> None:
    """
    No text makes a cue of its own, ends one or breaks the file.
    """
    written = "WEBVTT\n" + "".join(
        f"\n{_written(start)} --> {_written(start + length)}\n{text}\n"
        for start, length, text in cues
        if " --> " not in text
    )
    made = within(read_written(written), None)

    assert made == read(write(made, mapped=mapped))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WEBVT\n",
        "WEBVTT\n\nNOTE x\n",
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n",
        "WEBVTT\n\n00:00:01,000 --> 00:00:02,000\nx\n",
        "WEBVTT\n\n00:00:61.000 --> 00:00:02.000\nx\n",
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nx\n00:00:03.000 --> 00:00:04.000\n",
    ],
)
def test_what_is_no_webvtt_of_ours_is_refused(text: str) -> None:
    """
    Verification reads with this.
    """
    with pytest.raises(BrokenCaptions):
        read(text)


def _written(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest / 1000:06.3f}"
