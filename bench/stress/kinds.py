"""
Random files of many kinds, for `corpus.py`: what nobody thought of trying.

    python -m bench.stress.kinds FOLDER --count 90 --seed 2
    python -m bench.stress.corpus FOLDER --profiles mp4 hls

Each is a picture and mostly sound in a container and codecs drawn at random, with
what real files have drawn beside: rates, holes and dropped pictures, sound that is
late, short, long or has a gap, a start that is not 0, fields, pixels that are not
square, ten bits, a turned picture, more tracks, subtitles, a torn end, two recordings
in one file. The same seed makes the same files; the name of each says what it is. What
an encoder or a container does not take is named and left out.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness import parser_of
from transcode.settings import Settings
from transcode.work.toolchain import find_ffmpeg

_FAST = ("-deadline", "realtime", "-cpu-used", "8")
_PICTURES: dict[str, tuple[str, ...]] = {
    "libx264": ("-preset", "veryfast"),
    "libx265": ("-preset", "ultrafast", "-x265-params", "log-level=none"),
    "libsvtav1": ("-preset", "12"),
    "libvpx": _FAST,
    "libvpx-vp9": _FAST,
    "mjpeg": ("-q:v", "3"),
    "msmpeg4": (),
    "mpeg1video": (),
    "mpeg2video": (),
    "mpeg4": (),
    "libtheora": (),
    "wmv2": (),
    "flv1": (),
    "h263p": (),
    "prores_ks": (),
    "ffv1": (),
    "huffyuv": (),
    "qtrle": (),
    "gif": (),
    "rawvideo": (),
    "dvvideo": (),
    "dnxhd": ("-profile:v", "dnxhr_lb"),
    "cfhd": (),
}
_BY_RATE = set(_PICTURES) - {
    *("mjpeg", "prores_ks", "ffv1", "huffyuv", "qtrle", "gif", "rawvideo", "dvvideo"),
    *("dnxhd", "cfhd"),
}
_REORDERED = {"libx264", "libx265", "mpeg4", "mpeg2video"}
_TEN_BITS = {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"}
_BROADCAST = {"mpeg1video", "mpeg2video"}
_SIZES = ((176, 144), (352, 288), (320, 180), (240, 320), (322, 182), (720, 480))
_TURNS = ("90", "180", "-90")
_RATES = (
    *("25", "30000/1001", "24000/1001", "50", "60", "15", "12.5", "120"),
    *("10", "60000/1001", "5", "30"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """What it holds, and what can be asked of it."""

    extension: str
    video: tuple[str, ...]
    audio: tuple[str, ...]
    options: tuple[tuple[str, ...], ...] = ((),)
    subtitles: str = ""
    starts: bool = False
    """Whether its times may begin elsewhere than at 0."""
    variable: bool = True
    tracks: bool = True
    """Whether it holds more than one of a kind."""
    turned: bool = False
    torn: bool = False
    """Whether half of it, or two in a row, are something."""


_MODERN = ("libx264", "libx265", "mpeg4", "libsvtav1", "libvpx-vp9", "mpeg2video")
_FRAGMENTS = tuple(
    ("-movflags", f"+empty_moov+{how}")
    for how in ("frag_keyframe", "frag_every_frame", "frag_keyframe+default_base_moof")
)
_CONTAINERS: dict[str, Container] = {
    "mp4": Container(
        "mp4",
        (*_MODERN, "mjpeg"),
        ("aac", "libopus", "libmp3lame", "ac3", "eac3", "flac", "alac"),
        ((), ("-movflags", "+faststart"), ("-use_editlist", "0")),
        subtitles="mov_text",
        starts=True,
        turned=True,
    ),
    "mov": Container(
        "mov",
        (*("libx264", "libx265", "mjpeg", "prores_ks", "mpeg4", "qtrle", "h263p"),
         *("rawvideo", "dvvideo", "dnxhd", "cfhd")),
        ("aac", "pcm_s16le", "alac", "pcm_s24le", "pcm_f32le", "adpcm_ima_qt"),
        subtitles="mov_text",
        turned=True,
    ),
    "frag": Container("mp4", ("libx264", "libx265", "libsvtav1"), ("aac", "libopus"),
                      (*_FRAGMENTS, ("-movflags", "+cmaf"))),
    "ismv": Container("ismv", ("libx264",), ("aac",)),
    "3gp": Container("3gp", ("libx264", "mpeg4", "h263p"), ("aac",)),
    "mkv": Container(
        "mkv",
        (*_MODERN, "libvpx", "mjpeg", "ffv1", "huffyuv", "libtheora", "wmv2", "flv1",
         "prores_ks", "rawvideo"),
        (*("aac", "libopus", "libvorbis", "ac3", "flac", "libmp3lame", "pcm_s16le"),
         *("dca", "wavpack", "tta", "truehd", "eac3", "alac", "wmav2")),
        ((), ("-live", "1"), ("-cluster_time_limit", "500"), ("-cues_to_front", "1")),
        subtitles="ass",
        starts=True,
        torn=True,
    ),
    "webm": Container("webm", ("libvpx", "libvpx-vp9", "libsvtav1"),
                      ("libopus", "libvorbis"), ((), ("-live", "1")),
                      subtitles="webvtt", torn=True),
    "ts": Container("ts", ("libx264", "libx265", "mpeg2video", "mpeg1video", "mpeg4"),
                    ("aac", "mp2", "ac3", "libmp3lame", "eac3", "libopus", "s302m"),
                    ((), ("-muxrate", "20M"), ("-pcr_period", "200")),
                    starts=True, torn=True),
    "m2ts": Container("m2ts", ("libx264", "mpeg2video"), ("ac3", "aac", "pcm_bluray"),
                      torn=True),
    "mpg": Container("mpg", ("mpeg2video", "mpeg1video"), ("mp2", "ac3"), starts=True,
                     variable=False, torn=True),
    "vob": Container("vob", ("mpeg2video",), ("ac3", "mp2"), variable=False,
                     torn=True),
    "flv": Container("flv", ("libx264", "flv1", "libx265"), ("aac", "libmp3lame"),
                     ((), ("-flvflags", "no_duration_filesize")), starts=True,
                     tracks=False, torn=True),
    "avi": Container("avi", ("mpeg4", "mjpeg", "libx264", "huffyuv", "ffv1", "wmv2",
                             "msmpeg4", "rawvideo", "dvvideo"),
                     ("libmp3lame", "pcm_s16le", "ac3", "adpcm_ms", "pcm_u8")),
    "asf": Container("asf", ("wmv2", "mpeg4", "msmpeg4"), ("wmav2", "libmp3lame")),
    "nut": Container("nut", ("libx264", "mpeg4", "mpeg2video", "ffv1"),
                     ("aac", "pcm_s16le", "libmp3lame"), starts=True),
    "mxf": Container("mxf", ("mpeg2video", "libx264", "dnxhd", "prores_ks"),
                     ("pcm_s16le",), variable=False),
    "ogv": Container("ogv", ("libtheora",), ("libvorbis", "flac", "libopus"),
                     tracks=False),
    "gif": Container("gif", ("gif",), (), tracks=False),
    "y4m": Container("y4m", ("wrapped_avframe",), (), variable=False, tracks=False),
    "dv": Container("dv", ("dvvideo",), ("pcm_s16le",), variable=False, tracks=False),
    "h264": Container("h264", ("libx264",), (), variable=False, tracks=False,
                      torn=True),
    "hevc": Container("hevc", ("libx265",), (), variable=False, tracks=False,
                      torn=True),
    "m2v": Container("m2v", ("mpeg2video",), (), variable=False, tracks=False,
                     torn=True),
    "ivf": Container("ivf", ("libvpx", "libvpx-vp9", "libsvtav1"), (), tracks=False),
}  # fmt: skip


@dataclass(slots=True)
class Made:
    """One file's command: inputs, then what is done with them."""

    inputs: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    torn: str = ""


def drawn(dice: random.Random) -> tuple[Container, str, Made]:
    """One kind: its container, the name's beginning, the command."""
    name = dice.choice(list(_CONTAINERS))
    container = _CONTAINERS[name]
    video = dice.choice(container.video)
    audio = dice.choice(container.audio) if container.audio else ""
    if dice.random() < 0.25:
        audio = ""
    made = Made()
    rate, size = dice.choice(_RATES), dice.choice(_SIZES)
    if video in _BROADCAST:
        rate = dice.choice(("25", "30000/1001", "24000/1001", "50"))
    if video == "dvvideo":
        rate, size = dice.choice((("25", (720, 576)), ("30000/1001", (720, 480))))
    lasts = dice.choice((2, 3, 5, 7, 11, 16))
    if video in {"rawvideo", "wrapped_avframe", "dvvideo", "huffyuv"}:
        rate = rate if video == "dvvideo" else dice.choice(("25", "30000/1001", "50"))
        lasts = min(lasts, 3)
    made.traits += [rate.replace("/", "_"), f"{lasts}s", "x".join(map(str, size))]
    _picture(dice, made, container, video, (rate, size, lasts))
    if audio:
        _sound(dice, made, container, audio, lasts)
    if container.subtitles and dice.random() < 0.2:
        made.traits.append("subtitles")
        made.options += ["-c:s", container.subtitles]
    if container.starts and dice.random() < 0.4:
        start = dice.choice(("0.3", "1.7", "7", "-0.5", "95000"))
        made.traits.append(f"from{start}")
        made.options += ["-output_ts_offset", start]
        if start == "-0.5":
            made.options += ["-avoid_negative_ts", "disabled"]
    made.options += dice.choice(container.options)
    if container.torn and dice.random() < 0.2:
        made.torn = dice.choice(("half", "twice", "late"))
        made.traits.append(made.torn)
    return container, f"{name}-{video}-{audio or 'mute'}", made


def _picture(
    dice: random.Random,
    made: Made,
    container: Container,
    video: str,
    shape: tuple[str, tuple[int, int], int],
) -> None:
    rate, (width, height), lasts = shape
    pattern = dice.choice(("testsrc2", "testsrc2", "testsrc2", "gradients"))
    source = f"{pattern}=size={width}x{height}:rate={rate}"
    source += f":duration={lasts}"
    filters = []
    if amount := dice.choice((0, 15, 40, 60)):
        filters.append(f"noise=alls={amount}:allf=t")
        made.traits.append(f"noise{amount}")
    if container.variable and (how := _irregular(dice)):
        made.traits.append(how[0])
        filters.append(how[1])
        made.options += ["-fps_mode", "vfr"]
    ratio = dice.choice(("1", "1", "1", "1", "16/15", "4/3", "64/45"))
    if ratio != "1" and video != "dvvideo":
        filters.append(f"setsar={ratio}")
        made.traits.append(f"sar{ratio.replace('/', '_')}")
    made.inputs += ["-f", "lavfi"]
    if container.turned and dice.random() < 0.2:
        made.traits.append("turned")
        made.inputs += ["-noautorotate", "-display_rotation", dice.choice(_TURNS)]
    made.inputs += ["-i", ",".join([source, *filters])]
    made.options += ["-c:v", video, *_PICTURES.get(video, ())]
    pixels = _pixels(dice, made, video, height)
    if pixels:
        made.options += ["-pix_fmt", pixels]
    if video in _BY_RATE:
        bits = dice.choice(("300k", "2M", "8M"))
        made.traits.append(bits)
        made.options += ["-b:v", bits]
    if video in _REORDERED:
        made.options += ["-bf", dice.choice(("0", "2", "2"))]
        made.options += ["-g", dice.choice(("12", "50", "250"))]
    if video in {"libx264", "mpeg2video"} and dice.random() < 0.15:
        made.traits.append("fields")
        made.options += ["-flags", "+ildct+ilme"]


def _pixels(dice: random.Random, made: Made, video: str, height: int) -> str:
    """The pixel format; empty: what the encoder takes of itself."""
    fixed = {
        **dict.fromkeys(("qtrle", "gif", "huffyuv"), ""),
        **dict.fromkeys(("prores_ks", "cfhd"), "yuv422p10le"),
        "dnxhd": "yuv422p",
        "dvvideo": "yuv420p" if height == 576 else "yuv411p",
    }
    if video in fixed:
        return fixed[video]
    if video == "mjpeg":
        return dice.choice(("yuvj420p", "yuvj422p", "yuvj444p"))
    if video not in _TEN_BITS or dice.random() > 0.2:
        return "yuv420p"
    made.traits.append("10bit")
    if dice.random() < 0.5:
        transfer = dice.choice(("arib-std-b67", "smpte2084"))
        made.traits.append(transfer)
        made.options += ["-color_trc", transfer, "-color_primaries", "bt2020"]
        made.options += ["-colorspace", "bt2020nc"]
    return "yuv420p10le"


def _irregular(dice: random.Random) -> tuple[str, str] | None:
    number = dice.random()
    if number < 0.12:
        return "dropped", "select='gt(mod(n,7),1)'"
    if number < 0.24:
        return "holes", "select='not(between(mod(t,6),2,5))'"
    if number < 0.30:
        return "random", "select='lt(random(1),0.7)'"
    if number < 0.36:
        return "jitter", "settb=1/90000,setpts='PTS+900*random(2)'"
    if number < 0.42:
        return "stands", "select='lt(t,1)+eq(n,40)'"
    return None


def _sound(
    dice: random.Random, made: Made, container: Container, audio: str, lasts: int
) -> None:
    hertz = 48000
    free = {"aac", "libmp3lame", "flac", "pcm_s24le", "alac", "mp2", "adpcm_ms"}
    if audio in free:
        hertz = dice.choice((48000, 44100, 32000))
    heard = max(1, lasts + dice.choice((0, 0, 0, -1, 1.5, 4)))
    made.traits.append(f"heard{heard:g}")
    source = f"sine=f={dice.choice((220, 440))}:d={heard}:r={hertz}:b=4"
    how = dice.random()
    if how < 0.12:
        made.traits.append("gap")
        source += ",aselect='not(between(t,1,1.7))'"
    elif how < 0.22:
        made.traits.append("lateSound")
        source += ",asetpts=PTS+0.8/TB"
    channels = (
        "2"
        if container.extension == "dv"
        or audio in {"dca", "truehd", "s302m", "pcm_bluray"}
        else "12"
    )
    made.inputs += ["-f", "lavfi", "-i", source]
    count = dice.choice(channels)
    if audio in {"aac", "ac3", "flac", "libopus", "eac3"} and dice.random() < 0.15:
        count = "6"
        made.traits.append("surround")
    made.options += ["-map", "0:v", "-map", "1:a"]
    if container.tracks and dice.random() < 0.15:
        made.traits.append("twoTracks")
        made.options += ["-map", "1:a", "-metadata:s:a:0", "language=eng"]
        made.options += ["-metadata:s:a:1", "language=ger"]
    made.options += ["-c:a", audio, "-ac", count, "-strict", "-2"]


def make(folder: Path, seed: int, count: int) -> None:
    """*count* kinds of *seed* in *folder*; says of each why it is not there."""
    ffmpeg = find_ffmpeg(Settings())
    dice = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "lines.srt"
    lines.write_text("1\n00:00:00,500 --> 00:00:01,500\nA line\n", encoding="utf-8")
    for number in range(count):
        container, kind, made = drawn(dice)
        traits = "-".join(made.traits)
        path = folder / f"{seed}-{number:03d}-{kind}-{traits}.{container.extension}"
        inputs = list(made.inputs)
        if "subtitles" in made.traits:
            index = inputs.count("-i")
            inputs += ["-i", str(lines)]
            if "-map" not in made.options:
                made.options += ["-map", "0:v"]
            made.options += ["-map", f"{index}:s"]
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", *inputs, *made.options]
        run = subprocess.run(
            [*argv, str(path)], capture_output=True, text=True, check=False
        )
        if run.returncode or not path.exists():
            path.unlink(missing_ok=True)
            said = (run.stderr.strip().splitlines() or ["?"])[0]
            print(f"not made: {path.name}: {said}")
            continue
        _tear(path, made.torn)
    lines.unlink()


def _tear(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "half":
        path.write_bytes(content[: len(content) // 2])
    elif how == "twice":
        path.write_bytes(content + content)
    elif how == "late":
        path.write_bytes(content[len(content) // 3 :])


def main() -> None:
    """Read the arguments."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    make(options.folder, options.seed, options.count)


if __name__ == "__main__":
    main()
