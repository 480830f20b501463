"""Playlists and MPD of real renditions, judged by the files that they name."""

from __future__ import annotations

import io
import re
import shutil
import struct
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from transcode.contract import Media, Task
from transcode.settings import Settings
from transcode.work.indexes import mend
from transcode.work.package import MANIFEST, MASTER
from transcode.work.perform import perform
from transcode.work.single_file import fold
from transcode.work.verify.cmaf import moving_rate

DASH = {"": "urn:mpeg:dash:schema:mpd:2011"}
MEDIA = Media(container="mp4", format_name="mov", duration_seconds=2.0)


class Made(NamedTuple):
    """A copied rendition and an encoded one, with sound; a keyframe a second."""

    folder: Path
    task: Task

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()

    def mpd(self) -> ET.Element:
        return ET.fromstring((self.folder / MANIFEST).read_text())  # noqa: S314  ours

    def attributes(self, uri: str) -> dict[str, str]:
        """Of the line of the master that names *uri*, before it or in it."""
        lines = self.lines(MASTER)
        [at] = [n for n, it in enumerate(lines) if it == uri or f'URI="{uri}"' in it]
        line = lines[at] if lines[at].startswith("#") else lines[at - 1]
        return dict(re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line))

    def fetched(self, name: str) -> list[tuple[int, float]]:
        """Bytes and seconds of what a media playlist lists, as a player has it."""
        found, size, seconds = [], None, 0.0
        for line in self.lines(name):
            if line.startswith("#EXTINF:"):
                seconds = float(line[8:].rstrip(","))
            elif line.startswith("#EXT-X-BYTERANGE:"):
                size = int(line[17:].partition("@")[0])
            elif not line.startswith("#"):
                path = (self.folder / name).parent / line
                found.append((size or path.stat().st_size, seconds))
        return found

    def peak(self, name: str) -> float:
        """RFC 8216 §4.1, every run of segments by itself."""
        found = self.fetched(name)
        [target] = [it for it in self.lines(name) if "TARGETDURATION" in it]
        longest = 1.5 * int(target.partition(":")[2])
        rates = []
        for first in range(len(found)):
            for last in range(first + 1, len(found) + 1):
                size = sum(it[0] for it in found[first:last])
                seconds = sum(it[1] for it in found[first:last])
                if longest / 3 <= seconds <= longest:
                    rates.append(8 * size / seconds)
        return max(rates)

    def mean(self, name: str) -> float:
        found = self.fetched(name)
        return 8 * sum(it[0] for it in found) / sum(it[1] for it in found)


@pytest.fixture(scope="module")
def made(
    make_clip: Any,
    make_task: Any,
    make_recipe: Any,
    video: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """30000/1001 by a clock of 16000: pictures' lengths are not all alike."""
    keys = ("-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-bf", "2")
    extra = ("-preset", "veryfast", *keys, "-video_track_timescale", "16000")
    clip = make_clip("ntsc", 7, rate="30000/1001", extra=extra)
    top = video(320, 240, made_by="copied", encoder=None)
    recipe = make_recipe(video=(top, video(160, 120)), keyframes="source")
    folder = tmp_path_factory.mktemp("ntsc")
    task = make_task(clip, recipe)
    produced = perform(
        task,
        staging=folder / "staging",
        scratch=folder / "scratch",
        settings=Settings(),
        report=lambda _: None,
    )
    assert None is produced.failure
    return Made(folder / "staging", task)


def seconds_of(packet: av.Packet[Any]) -> float:
    assert packet.pts is not None
    assert packet.time_base is not None
    return float(packet.pts * packet.time_base)


@pytest.mark.parametrize("height", [240, 120])
def test_every_keyframe_can_be_fetched(made: Made, height: int) -> None:
    """Header and range of each entry are one picture that libavcodec decodes."""
    place = made.folder / "video" / f"{height}p"
    header = (place / "init.mp4").read_bytes()
    shown = []
    for _, size, at, name in entries(made.lines(f"video/{height}p/iframes.m3u8")):
        with (place / name).open("rb") as file:
            file.seek(at)
            fetched = file.read(size)
        with av.open(io.BytesIO(header + fetched), format="mov") as container:
            stream = container.streams.video[0]
            assert isinstance(container, av.container.InputContainer)
            packet = next(container.demux(stream))
            assert packet.is_keyframe
            decoder = stream.codec_context
            [picture] = [*decoder.decode(packet), *decoder.decode(None)]
            assert height == picture.height
            shown.append(seconds_of(packet))

    with av.open(io.BytesIO(whole(place)), format="mov") as container:
        assert isinstance(container, av.container.InputContainer)
        keys = [seconds_of(it) for it in container.demux() if it.is_keyframe]
    assert 7 == len(keys)
    assert pytest.approx(keys, abs=0.001) == shown


def test_keyframes_last_until_the_next(made: Made) -> None:
    """Their lengths add up to the rendition's."""
    listed = made.fetched("video/240p/iframes.m3u8")
    media = made.fetched("video/240p/index.m3u8")

    total = sum(seconds for _, seconds in media)
    assert pytest.approx(total, abs=0.005) == sum(seconds for _, seconds in listed)
    assert pytest.approx([1.001] * 6, abs=0.001) == [it for _, it in listed[:-1]]


def test_bit_rates_are_those_of_what_is_fetched(made: Made) -> None:
    """RFC 8216 §4.3.4.2: peak and average, a variant's with its sound."""
    sound = "audio/aac/index.m3u8"
    for height in (240, 120):
        media, keys = (f"video/{height}p/{it}.m3u8" for it in ("index", "iframes"))
        for uri, beside in ((media, sound), (keys, None)):
            said = made.attributes(uri)
            peak = made.peak(uri) + (made.peak(beside) if beside else 0)
            mean = made.mean(uri) + (made.mean(beside) if beside else 0)

            assert pytest.approx(peak, rel=0.002) == int(said["BANDWIDTH"])
            assert pytest.approx(mean, rel=0.002) == int(said["AVERAGE-BANDWIDTH"])
            assert mean <= peak

    mpd = made.mpd()
    rates = {
        template.get("initialization"): int(one.get("bandwidth", 0))
        for one in mpd.iterfind(".//Representation", DASH)
        for template in one.iterfind("SegmentTemplate", DASH)
    }
    for place in ("video/240p", "video/120p", "audio/aac"):
        peak = made.peak(f"{place}/index.m3u8")
        assert pytest.approx(peak, rel=0.002) == rates[f"{place}/init.mp4"]


def test_the_frame_rate_is_the_true_one(made: Made) -> None:
    """Not that of the first picture's length, which the clock has rounded."""
    assert "29.970" == made.attributes("video/240p/index.m3u8")["FRAME-RATE"]
    mpd = made.mpd()
    pictures = [*mpd.iterfind(".//Representation[@width]", DASH)]
    assert ["30000/1001"] * 2 == [it.get("frameRate") for it in pictures]


@pytest.mark.parametrize(
    ("steps", "rate"),
    [
        ([40] * 75 + [1000], 25),
        ([33, 33, 34] * 30, 30),
        ([33, 50] * 30, Fraction(1000 * 2, 83)),
        ([40] * 20 + [80] + [40] * 20, 25),
        ([4000], Fraction(1, 4)),
        ([10, 10, 3980], None),
        ([], None),
    ],
    ids=["held", "rounded", "3:2", "dropped", "slides", "a few", "none"],
)
def test_a_rate_is_that_of_pictures_that_move(
    steps: list[int], rate: Fraction | None
) -> None:
    """In milliseconds: a picture that is held does not slow it, nor do two make it."""
    found = moving_rate([*accumulate(steps, initial=0)], Fraction(500))

    assert rate == (None if found is None else found * 1000)


def test_players_may_begin_with_any_segment(made: Made) -> None:
    """The MPD says so of pictures and sound."""
    mpd = made.mpd()

    sets = [*mpd.iterfind(".//AdaptationSet", DASH)]
    assert ["1", "1"] == [it.get("startWithSAP") for it in sets]


def test_default_is_said(
    make_recipe: Any, make_task: Any, audio: Any, tmp_path: Path
) -> None:
    """
    The default soundtrack is marked, also where no language tells them apart, and
    each has a name.
    """
    master = tmp_path / MASTER
    line = '#EXT-X-MEDIA:TYPE=AUDIO,URI="audio/{}/index.m3u8",NAME="{}",DEFAULT={}\n'
    master.write_text(line.format("aac", "?", "NO") + line.format("two", "?", "YES"))
    recipe = make_recipe(audio=(audio(), audio(name="two", default=False)))

    mend(make_task(tmp_path / "clip.mov", recipe, media=MEDIA), tmp_path)

    line = line.replace("\n", ',LANGUAGE="und"\n')
    expected = line.format("aac", "Audio", "YES") + line.format("two", "Audio 2", "NO")
    assert expected == master.read_text()


def test_presentation_lasts_as_long_as_sound(
    make_recipe: Any, make_task: Any, tmp_path: Path
) -> None:
    """
    The manifest's duration is where the last segment of any track ends.
    """
    manifest = tmp_path / MANIFEST
    manifest.write_text(
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT2S">'
        '<SegmentTemplate timescale="1000"><S t="0" d="1000" r="1"/></SegmentTemplate>'
        '<SegmentTemplate timescale="100"><S t="50" d="150"/><S d="75"/>'
        "</SegmentTemplate></MPD>"
    )

    mend(make_task(tmp_path / "clip.mov", make_recipe(), media=MEDIA), tmp_path)

    assert 'mediaPresentationDuration="PT2.750S"' in manifest.read_text()


def entries(lines: list[str]) -> list[tuple[float, int, int, str]]:
    """Seconds, bytes, offset and file of each entry of a playlist of ranges."""
    text = "\n".join(lines)
    found = re.findall(r"#EXTINF:(.*),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(.*)", text)
    return [(float(a), int(b), int(c), name) for a, b, c, name in found]


def whole(place: Path) -> bytes:
    paths = [place / "init.mp4", *sorted(place.glob("*.m4s"))]
    return b"".join(it.read_bytes() for it in paths)


@pytest.fixture(scope="module")
def single(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same as single files."""
    folder = tmp_path_factory.mktemp("single") / "staging"
    shutil.copytree(made.folder, folder)
    asked = {"segments": "single_file"}
    packaging = made.task.recipe.packaging.model_copy(update=asked)
    recipe = made.task.recipe.model_copy(update={"packaging": packaging})
    task = made.task.model_copy(update={"recipe": recipe})
    check = fold(task, folder)
    assert check is not None
    assert check.passed, check.detail
    return Made(folder, task)


PLACES = pytest.mark.parametrize("place", ["video/240p", "video/120p", "audio/aac"])


def packets(file: str | io.BytesIO) -> list[tuple[int | None, int, bytes]]:
    with av.open(file, "r") as container:
        return [
            (it.pts, it.dts or 0, bytes(it))
            for it in container.demux(container.streams[0])
            if it.size
        ]


@PLACES
def test_a_single_file_holds_every_segment(
    made: Made, single: Made, place: str
) -> None:
    """Packet by packet what the segments hold, and nothing lies beside it."""
    folder = made.folder / place
    parts = [folder / "init.mp4", *sorted(folder.glob("0*.m4s"))]
    whole = io.BytesIO(b"".join(part.read_bytes() for part in parts))

    assert packets(whole) == packets(str(single.folder / place / "media.mp4"))
    kept = {it.name for it in (single.folder / place).iterdir()}
    assert kept - {"index.m3u8", "iframes.m3u8"} == {"media.mp4"}


def ranges(path: Path) -> list[tuple[int, int]]:
    """Of each entry of a playlist: where it begins, and where it ends."""
    found = re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\nmedia.mp4", path.read_text())
    return [(int(at), int(at) + int(long)) for long, at in found]


@PLACES
def test_ranges_of_a_single_file_play_by_themselves(
    made: Made, single: Made, place: str
) -> None:
    """Header and range of each entry are what its segment was."""
    listed = single.folder / place / "index.m3u8"
    data = (single.folder / place / "media.mp4").read_bytes()
    header = (made.folder / place / "init.mp4").read_bytes()
    parts = sorted((made.folder / place).glob("0*.m4s"))

    [tag] = [it for it in listed.read_text().splitlines() if "EXT-X-MAP" in it]
    assert f'#EXT-X-MAP:URI="media.mp4",BYTERANGE="{len(header)}@0"' == tag
    assert data.startswith(header)
    for (at, end), part in zip(ranges(listed), parts, strict=True):
        assert packets(io.BytesIO(header + part.read_bytes())) == packets(
            io.BytesIO(header + data[at:end])
        )
    iframes = single.folder / place / "iframes.m3u8"
    if iframes.exists():
        known = {it[2] for it in packets(io.BytesIO(data))}
        keys = [packets(io.BytesIO(header + data[a:e])) for a, e in ranges(iframes)]
        assert len(keys) > len(parts)
        assert all(key[2] in known for [key] in keys)


@PLACES
def test_the_mpd_leads_to_the_index_of_a_single_file(single: Made, place: str) -> None:
    """A reference for each range of the playlist, as long as its entry."""
    data = (single.folder / place / "media.mp4").read_bytes()
    [shown] = [
        it
        for it in single.mpd().iterfind(".//Representation", DASH)
        if it.findtext("BaseURL", None, DASH) == f"{place}/media.mp4"
    ]
    base = shown.find("SegmentBase", DASH)
    assert base is not None
    first, last = map(int, base.attrib["indexRange"].split("-"))
    size, kind, _, _, scale, _, skipped, _, count = struct.unpack_from(
        ">I4sIIIQQHH", data, first
    )
    found = list(struct.iter_unpack(">III", data[first + 40 : last + 1]))
    playlist = single.folder / place / "index.m3u8"
    lasts = [it[1] for it in single.fetched(f"{place}/index.m3u8")]

    assert (last + 1 - first, b"sidx", 0) == (size, kind, skipped)
    assert str(scale) == base.attrib["timescale"]
    header = base.find("Initialization", DASH)
    assert header is not None
    assert header.attrib["range"] == f"0-{first - 1}"
    assert count == len(found)
    at = last + 1
    for (long, span, point), between, seconds in zip(
        found, ranges(playlist), lasts, strict=True
    ):
        assert between == (at, at + long)
        assert abs(span / scale - seconds) < 0.001
        assert point >> 28 in {0x9, 0xA}
        at += long
    assert at == len(data)
