"""Every file of the media corpus gives facts that hold, or an error of its kind."""

from __future__ import annotations

import csv
from pathlib import Path

import anyio
import pytest

from transcode.contract import Media
from transcode.errors import MediaError, MediaRejected, MediaTruncated, MediaUnsupported
from transcode.probe.probe import ProbeLimits, probe

from .conftest import PATIENT, source_at

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media"
AT_ONCE = 3

REFUSED: dict[str, type[MediaError]] = {
    "edge/annex-b.mp4": MediaTruncated,
    "edge/bbb_init_only.mp4": MediaRejected,
    "edge/bug1539686.webm": MediaRejected,
    "edge/no-aud.ts": MediaTruncated,
    "malformed/BA_MW_D_P_LOST.264": MediaTruncated,
    "edge/dashif_init_3900s.mp4": MediaRejected,
    "edge/video_dovi_3840x2160_30fps_dav1_10.mp4": MediaUnsupported,
    "malformed/FFV1-HEADER-QuantizationTable-len_MS_v3.mkv": MediaRejected,
    "malformed/WrongFile.mp4": MediaRejected,
    "malformed/block_ends_beyond_cluster.mkv": MediaTruncated,
    "malformed/blockgroup_block_ends_beyond_blockgroup.mkv": MediaTruncated,
    "malformed/broken.mp4": MediaRejected,
    "malformed/bug1200148.webm": MediaRejected,
    "malformed/bug2020502.webm": MediaRejected,
    "malformed/chapters_truncated_chapter_string.mkv": MediaRejected,
    "malformed/chapters_truncated_chapter_string_2.mkv": MediaRejected,
    "malformed/chunk_out_of_range.mp4": MediaRejected,
    "malformed/encrypted_as_avc1.mp4": MediaUnsupported,
    "malformed/example-sans-amf0.mp4": MediaRejected,
    "malformed/ffmp3_bad_rate_detection.avi": MediaTruncated,
    "malformed/fixed_lacing_bad_lace_size.mkv": MediaRejected,
    "malformed/fixture-corrupt.mkv": MediaRejected,
    "malformed/invalid_userdata.mp4": MediaTruncated,
    "malformed/invalid_vp9_bitstream-bug_1416.webm": MediaRejected,
    "malformed/invalid_vp9_bitstream-bug_1417.webm": MediaRejected,
    "malformed/issue76.webm": MediaRejected,
    "malformed/primarychromaticity_fieldtoolarge.webm": MediaRejected,
    "malformed/projection_float_overflow.webm": MediaRejected,
    "malformed/sample_fragmented_uuid.mp4": MediaRejected,
    "malformed/sample_qt.mp4": MediaTruncated,
    "malformed/test_case_1185230.mp4": MediaUnsupported,
    "malformed/test_dv1_head.avi": MediaTruncated,
    "malformed/video.mp4": MediaRejected,
    "attack/read_passwd.avi": MediaRejected,
    "attack/read_passwd_bypass.mp4": MediaRejected,
    "attack/read_shadow_bypass.mp4": MediaRejected,
    "attack/ssrf_ffmpeg.avi": MediaRejected,
}
DURATIONS = {
    # Where the header lies, an edit list begins late, or the manifest has none.
    "edge/0.ts": 4.988,
    "edge/iibbibb_editlist_videoonly.mp4": 12.0,
    "edge/sample_edit_list_no_sync_frame_before_edit.mp4": 2.384,
    "edge/sample-with-large-length.avi": 2.038,
    "edge/sample_scte35.ts": 0.111,
    "formats/example.f4v": 34.868,
    "formats/fixture.apng": 1.5,
    "workload/VID_1920x1080_cabac_temporal_direct.264": 54 / 25,
    "workload/bbb_2160p60_15s_fmp4.mp4": 15.867,
}
SLACK = {"workload/VID_1920x1080_cabac_temporal_direct.264": 0.3}


def rows() -> list[dict[str, str]]:
    if not MEDIA.is_dir():
        return []
    with (MEDIA / "MANIFEST.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = rows()
EVERY_FILE = pytest.mark.parametrize("row", ROWS, ids=[row["path"] for row in ROWS])
Found = dict[str, Media | MediaError]


@pytest.fixture(scope="module")
def found(media_dir: Path) -> Found:
    """Every file of the corpus, probed once."""
    answers: Found = {}

    async def ask(name: str, turn: anyio.CapacityLimiter, limits: ProbeLimits) -> None:
        async with turn:
            try:
                answers[name] = await probe(source_at(media_dir / name), limits=limits)
            except MediaError as exc:
                answers[name] = exc

    async def ask_all() -> None:
        turn = anyio.CapacityLimiter(AT_ONCE)
        async with anyio.create_task_group() as group:
            for row in ROWS:
                group.start_soon(ask, row["path"], turn, PATIENT)

    anyio.run(ask_all)
    return answers


@EVERY_FILE
def test_every_file_gets_its_verdict(row: dict[str, str], found: Found) -> None:
    """
    What can be played gives facts, and what cannot gives the error of its kind.
    """
    answer = found[row["path"]]
    verdict = Media if isinstance(answer, Media) else type(answer)

    assert REFUSED.get(row["path"], Media) is verdict


@EVERY_FILE
def test_facts_agree_with_a_decoder(row: dict[str, str], found: Found) -> None:
    """
    Codec, size and sound are those that a decoder saw, the duration within 2 %.
    """
    media = found[row["path"]]
    if not isinstance(media, Media) or row["path"].startswith("malformed/"):
        return

    video = media.video[0] if media.video else None
    assert row["video_codec"].split(" ")[0] in {v.codec for v in media.video}
    # As stored: what the container hides (clean aperture) has been taken off.
    hidden = [it.cropped or (0, 0, 0, 0) for it in media.video]
    assert row["WxH"] in {
        f"{v.width + left + right}x{v.height + top + bottom}"
        for v, (left, right, top, bottom) in zip(media.video, hidden, strict=True)
    }
    if row["audio_codec"]:
        assert row["audio_codec"].split(",") == [a.codec for a in media.audio]
    if not (told := DURATIONS.get(row["path"]) or float(row["duration_s"] or 0)):
        return
    assert video is not None
    assert media.duration_seconds == pytest.approx(
        told, rel=0.02, abs=SLACK.get(row["path"], 0.07)
    )


@EVERY_FILE
def test_frames_are_counted_as_a_decoder_counts_them(
    row: dict[str, str], found: Found
) -> None:
    """
    Where a container counts its frames, that many come out of the decoder.
    """
    media = found[row["path"]]
    decoded = row["decode_outcome"].removeprefix("PyAV: ").partition(" video frames")
    if (
        not isinstance(media, Media)
        or row["path"].startswith("malformed/")
        or not decoded[1]
        or len(media.video) != 1
        or media.video[0].frames is None
    ):
        return

    assert int(decoded[0]) == pytest.approx(media.video[0].frames, abs=2)


@EVERY_FILE
def test_no_file_costs_more_than_the_budget(row: dict[str, str], found: Found) -> None:
    """
    At most 2 MiB are read, and what is unknown says why.
    """
    media = found[row["path"]]
    if not isinstance(media, Media):
        assert media.message.endswith(".")
        return

    assert media.probe_bytes is not None
    assert media.probe_bytes <= 2 * 1024 * 1024
    for stream in media.video:
        for field in ("frame_rate", "frames", "keyframe_seconds", "closed_gops"):
            assert (getattr(stream, field) is None) == (field in stream.unknown)
