"""Task → the complete ffmpeg command, through ffmpeg-python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import ffmpeg

from ...contract import (
    AudioRendition,
    CmafPackaging,
    FilePackaging,
    OutputFile,
    Recipe,
    Task,
    VideoRendition,
)
from ...media.demuxers import CLOCKED
from ...media.sampling import (
    weighed_window,
)
from ...media.timeline import (
    KEYFRAME_EARLY_SECONDS,
    between_keyframes,
    clipped,
    end_seconds,
    ends_open,
    joined_rendition,
    looks_at_joined,
    sprites_rendition,
)
from ..captions_listing import captions_file
from ..reshaped import Reshaped
from ..shown import PACKET_OPTIONS
from .audio import mix, soundtrack
from .codecs import Surroundings, audio_options, last_picture, video_options
from .colour import tagging
from .filters import BACK, poster_due
from .gain import Gain
from .inputs import (
    APART,
    address,
    burned_lines,
    joined_file,
    joined_sound,
    mark_image,
    upload,
)
from .muxers import JPEG, MUXERS, POSTERS, SPRITES, labels, metadata
from .pace import pace
from .seek import keeps_clock
from .source_told import headers_told, packets_told, pictures_told, used, watched_of
from .subtitles import CLOCK, CLOCK_OPTIONS
from .video import Pictures, finished, headers_of, lay

GLOBAL = (
    # Errors and the closing summary need no banner.
    "-hide_banner",
    # Nobody types here; reading standard input would also stop a background job.
    "-nostdin",
    # A retry overwrites what its predecessor left in the same folder.
    "-y",
    # The summary of packets read and frames decoded is printed at this level only.
    "-loglevel",
    "level+verbose",
    # Progress for programs, on standard output, four times a second.
    "-progress",
    "pipe:1",
    "-stats_period",
    "0.25",
    # Not the same a second time for people.
    "-nostats",
)
_Rendition = TypeVar("_Rendition", VideoRendition, AudioRendition)
_SPARE_SECONDS = 10.0
_HAIR = 0.005
_LEAP_SECONDS = 9
"""From 10 s on ffmpeg takes a step in a stream of these demuxers for a new clock."""
_LONGEST_STILL_SECONDS = 60
"""A clock that leaps further has been set anew: recordings were joined."""
_HEARD_RATE = 36_000
"""Twice 18 kHz: between the 17 kHz at which ffmpeg's AAC ends at 80 kbit/s per channel
(`AAC_CUTOFF_FROM_BITRATE` in libavcodec) and Opus's 20 kHz (RFC 6716 §2)."""


@dataclass(frozen=True, slots=True)
class OutputStream:
    """Which rendition an output stream of the command is."""

    output: int
    index: int
    kind: Literal["video", "audio"]
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """A complete argv, and what its output streams are."""

    argv: tuple[str, ...]
    streams: tuple[OutputStream, ...] = field(default=())
    source_input: int = 0
    """Which of the inputs the upload is: ffmpeg-python orders them as it likes."""
    shown: str | None = None
    """The file that tells when the source's pictures are shown; see `shown`."""
    headers: str | None = None
    """The codec of the headers that lie beside it; see `reshaped`."""
    watched: str | None = None
    """The codec of the packets that come through a pipe beside it; see `holes`."""
    reshaped: tuple[Reshaped, ...] = ()
    """What the filters go by."""


def build(  # noqa: PLR0913  each is one fact about this machine
    task: Task,
    *,
    program: str,
    fifo: str,
    gains: Mapping[str, Gain] = MappingProxyType({}),
    lines: str | None = None,
    joined: Mapping[str, str] = MappingProxyType({}),
    hardware_decode: bool = False,
    shown: str | None = None,
    reshaped: Sequence[Reshaped] = (),
) -> Command:
    """
    The one ffmpeg process that does *task*: decode once, make everything.

    It is to be started in the folder that the outputs go to: only *fifo*, which the
    packager reads while it is written (CMAF alone), is a full path.

    *gains* holds what levels each audio rendition; one without is left at its level.
    *lines* is what `extract` made of the subtitles that are drawn into the picture.
    *shown* is where to write when the source's pictures are shown. *reshaped*: where
    its pixels are known to change their shape.
    *joined* has a file for each rendition that others have encoded: in chunks, or a
    soundtrack. Raises
    KeyError for an encoder that has no mapping in `codecs`, ValueError where the
    recipe contradicts itself.
    """
    recipe = task.recipe
    clocked = keeps_clock(task)
    source = upload(task, hardware_decode=hardware_decode, clocked=clocked)
    picture = None
    if recipe.video_index is not None and task.kind != "sound":
        picture = source[str(recipe.video_index)]
    burned = None if lines is None else burned_lines(task, lines)
    if looks_at_joined(recipe):
        pictures = _stills_of_joined(task, picture, joined)
    else:
        pictures = lay(
            task,
            picture,
            image=mark_image(recipe),
            lines=burned["s"] if burned else None,
            pair=pair,
            tell=shown is not None,
            reshaped=reshaped,
        )
    sounds = mix(task, source, gains)
    outputs: list[Any] = []
    streams: list[OutputStream] = []

    for group in _groups(recipe, fifo):
        options = dict(group.muxer)
        mapped: list[Any] = []
        for index, rendition in enumerate(group.video):
            mapped.append(_picture(task, rendition, pictures, picture, joined))
            options |= _video(task, rendition, index, pictures=pictures)
        for index, sound in enumerate(group.audio):
            options |= labels(sound, index, position=len(mapped))
            taken = as_copied(sound) if sound.name in joined else sound
            options |= audio_options(taken, index)
            mapped.append(_soundtrack(sound, source, sounds, joined))
        options |= _clock(task, group, pictures, options)
        options |= metadata(recipe, group.muxer)
        if not any(it.kind == "video" for it in streams):
            options |= pace(group.video, alone=not _more(recipe))
        streams += _listed(len(outputs), group)
        outputs.append(ffmpeg.output(*mapped, group.url, **options))

    outputs += _stills(task, pictures)
    outputs += _captions(recipe, source)
    if burned is not None:
        outputs.append(ffmpeg.output(burned["a"], "-", f="null", c="copy"))
    if shown is not None:
        outputs += pictures_told(pictures, picture, shown)
        outputs += packets_told(task, picture, shown, clocked=clocked)
    # The spec's share of cores for the filters, too.
    shared = ("-filter_complex_threads", str(task.spec.threads))
    arguments = ffmpeg.merge_outputs(*outputs).get_args()
    kept = ("-copyts",) if clocked else ()
    argv = (program, *GLOBAL, *shared, *_patience(task), *kept, *arguments)
    number = _decoded_input(argv, address(task))
    headers = None if shown is None else headers_of(task)
    watched = None if shown is None else watched_of(task)
    return Command(
        argv, tuple(streams), number, shown, headers, watched, tuple(reshaped)
    )


def _picture(
    task: Task,
    rendition: VideoRendition,
    pictures: Pictures,
    source: Any,
    joined: Mapping[str, str],
) -> Any:
    """The stream that *rendition* is encoded from or copied."""
    if rendition.name in joined:
        return joined_file(task, joined[rendition.name])
    if rendition.made_by == "copied":
        return source
    return pictures.renditions[rendition.name].pop()


def _soundtrack(
    sound: AudioRendition,
    source: Any,
    mixed: Mapping[str, list[Any]],
    joined: Mapping[str, str],
) -> Any:
    """The stream that *sound* is encoded from or copied."""
    if sound.name in joined:
        return joined_sound(joined[sound.name])
    if sound.made_by == "copied":
        return source[str(sound.source_index)]
    return mixed[sound.name].pop()


def _patience(task: Task) -> tuple[str, ...]:
    """Where a picture stands still for long, that ffmpeg takes no leap of the clock."""
    stills = [it.longest_still_seconds or 0.0 for it in task.media.video]
    longest = max(stills, default=0.0)
    still = _LEAP_SECONDS <= longest <= _LONGEST_STILL_SECONDS
    if task.media.format_name not in CLOCKED or not still:
        return ()
    return ("-dts_delta_threshold", f"{ceil(longest) + _LEAP_SECONDS}")


def measure(
    task: Task, rendition: AudioRendition, gain: Gain | None = None, *, program: str
) -> tuple[str, ...]:
    """Hears one soundtrack as it is, or as *gain* makes it; writes nothing."""
    stream = soundtrack(upload(task), rendition, task, gain)
    # As much of the treble as codecs keep: hiss and applause would else come out 1 to
    # 2 LU quieter than they were heard.
    stream = stream.filter("aresample", min(rendition.sample_rate, _HEARD_RATE))
    # The meter speaks every 0.1 s: so much silence makes it finish its sentence.
    stream = stream.filter("apad", pad_dur=0.1)
    stream = stream.filter("ebur128", peak="true", framelog="quiet")
    output = ffmpeg.output(stream, "-", f="null")
    # The findings are printed at the level of information, what was read below it.
    return (program, *GLOBAL, *output.get_args())


def extract(task: Task, *, program: str, path: str) -> tuple[str, ...]:
    """Writes the subtitles that are drawn into the picture, with a clock, to *path*."""
    recipe = task.recipe.model_copy(update={"clip": None})
    source = upload(task.model_copy(update={"recipe": recipe}))
    clip = task.recipe.clip
    end = None if clip is None else clip.end_seconds
    # Somewhat longer, in case that the index promises too little.
    lasts = (end or task.media.duration_seconds or 0.0) + _SPARE_SECONDS
    # Of a clip, what comes after it is not read.
    until = {} if end is None else {"t": f"{lasts:.3f}"}
    clock = ffmpeg.input(CLOCK, f="lavfi", t=f"{lasts:.3f}")["a"]
    options = {
        "f": "matroska",
        "c:s": "copy",
        "bsf:s": "noise=drop='lt(pts,0)'",
        "map_metadata": "-1",
        **CLOCK_OPTIONS,
        **until,
    }
    line = source[str(recipe.burned_index)]
    taken = ffmpeg.output(line, clock, f"file:{path}", **options)
    both = ffmpeg.merge_outputs(taken, used(recipe, source, **until))
    quiet = ("-loglevel", "level+verbose", "-nostats")
    return (program, *GLOBAL[:3], *quiet, *both.get_args())


@dataclass(frozen=True, slots=True)
class _Group:
    """The streams of one output URL."""

    url: str
    muxer: Mapping[str, str]
    video: tuple[VideoRendition, ...]
    audio: tuple[AudioRendition, ...]


def _stills_of_joined(task: Task, picture: Any, joined: Mapping[str, str]) -> Pictures:
    """The clock of the whole, and stills from what was joined, by its keyframes."""
    recipe = task.recipe
    none = {"poster": None, "sprites": None}

    def laid(source: Any, rendition: VideoRendition, **of: object) -> Pictures:
        alone = recipe.model_copy(update=none | of)
        made = task.model_copy(update={"recipe": alone})
        return lay(finished(made, rendition), source)

    bare = recipe.model_copy(update=none)
    pictures = lay(task.model_copy(update={"recipe": bare}), picture)
    threads = {"threads": str(task.spec.threads)}
    if (poster := recipe.poster) is not None:
        top = joined_rendition(recipe)
        duration = clipped(task.media, recipe.clip).duration_seconds
        due = f"{poster_due(poster, duration, 'ld(0)')}+{_HAIR}*gt(ld(0),0)"
        # A candidate's keyframe and nothing else is decoded.
        kept = f"if(key*gte(pts*tb,{due}),st(0,ld(0)+1)*0,1)"
        options = threads | {"bsf:v": f"noise=drop='{kept}'"}
        source = joined_file(task, joined[top.name], **options)
        made = laid(source, top, poster=poster)
        pictures = replace(pictures, poster=made.poster)
    if (sprites := recipe.sprites) is not None:
        # Tiles are small: those of the largest picture would look no better.
        small = sprites_rendition(recipe, sprites)
        keyframes = {} if between_keyframes(recipe) else {"skip_frame": "nokey"}
        source = joined_file(task, joined[small.name], **threads, **keyframes)
        made = laid(source, small, sprites=sprites)
        pictures = replace(pictures, sprites=made.sprites)
    return pictures


def _groups(recipe: Recipe, fifo: str) -> tuple[_Group, ...]:
    if isinstance(recipe.packaging, CmafPackaging):
        muxer = {
            "f": "mp4",
            # Fragments, and no seeking back, because a pipe cannot. The header waits
            # for the first packets: its edit lists say by how much pictures are
            # reordered. (Negative composition offsets say so, too, but libavformat
            # then shows the picture late.) A track that begins late does so in its
            # fragments' times: the packager forgets empty edits.
            "movflags": "+frag_keyframe+delay_moov+default_base_moof+frag_discont",
            "min_frag_duration": "1000000",
            # Where no keyframe comes, as of sound alone or behind the picture, all the
            # rest would be one: above 32 KiB the packager takes its index for one
            # without an end.
            "frag_duration": "15000000" if recipe.video else "1000000",
        }
        for index, sound in enumerate(recipe.audio):
            muxer[f"bsf:a:{index}"] = _sound_filters(sound)
        group = _Group(f"file:{fifo}", muxer, recipe.video, recipe.audio)
        return (group,) if recipe.video or recipe.audio else ()
    return tuple(_file(recipe, file) for file in _files(recipe.packaging))


def _sound_filters(sound: AudioRendition) -> str:
    # AAC's 21 ms of priming lie before 0, and a packet of Opus (see `audio`): left out,
    # sound starts at exactly 0 in players that ignore edit lists.
    if sound.made_by == "encoded":
        return "noise=drop='lt(pts,0)'"
    # Of a copy the packet at 0 may begin before it: most of it after 0, it is kept, for
    # as long as it lasts after 0. Left out, sound would begin late, and players that
    # need all tracks to begin jump over the hole. (Opus says how much to skip of it.)
    kept = (
        "noise=drop='lt(pts+d/2,0)',setts=pts='max(PTS,0)':dts='max(DTS,0)'"
        ":duration='if(lt(PTS,0),DURATION+PTS,DURATION)'"
    )
    # Transport streams describe AAC in each packet, MP4 once in its header; what
    # comes from MP4 passes unchanged. Asked for, since the muxer looks too late.
    return f"aac_adtstoasc,{kept}" if sound.codec == "aac" else kept


def _files(packaging: FilePackaging) -> Iterable[OutputFile]:
    return packaging.files


def _file(recipe: Recipe, file: OutputFile) -> _Group:
    video = tuple(r for r in recipe.video if r.name == file.video)
    audio = tuple(a for name in file.audio for a in recipe.audio if a.name == name)
    if (file.video is not None and not video) or len(audio) != len(file.audio):
        raise ValueError(f"{file.name} names a rendition that the recipe does not make")
    return _Group(f"file:{file.name}", MUXERS[file.container], video, audio)


def _video(
    task: Task, rendition: VideoRendition, index: int, *, pictures: Pictures
) -> dict[str, str]:
    around = Surroundings(
        threads=task.spec.threads,
        gop_seconds=task.recipe.gop_seconds,
        keyframes=task.recipe.keyframes,
        frame_rate=rendition.frame_rate or pictures.frame_rate,
        hdr=pictures.hdr,
        late_seconds=_late(task),
        chunk=_which(task),
    )
    if task.recipe.chunks and rendition.made_by == "encoded":
        return video_options(as_copied(rendition), index, around=around)
    options = video_options(rendition, index, around=around)
    if rendition.made_by == "copied":
        return options | _tags(task, rendition, index)
    return options | {
        # Every frame at its own time: none made up, none lost; only two at one
        # time are pulled apart by a tick.
        f"fps_mode:v:{index}": "vfr",
        # The clock in which those times are exact, and not 1/frame rate.
        f"enc_time_base:v:{index}": f"1/{pictures.ticks}",
    }


def _which(task: Task) -> Literal["first", "later"] | None:
    clip = task.recipe.clip
    if task.kind != "chunk" or clip is None:
        return None
    return "later" if clip.start_seconds > clip.zero_seconds else "first"


def _late(task: Task) -> float:
    """
    Of a chunk, cut by `plan/chunks.py`: at the first picture after a due time. Of a
    part that rate factors are tried on: so that a keyframe begins what is scored.
    """
    if task.recipe.clip is None:
        return 0.0
    if task.kind == "sample" and any(it.target for it in task.recipe.video):
        window = weighed_window(task.recipe.clip, rate_of(task))
        return 0.0 if window is None else task.recipe.gop_seconds - window[0]
    if task.kind != "chunk":
        return 0.0
    early, gop = float(KEYFRAME_EARLY_SECONDS), task.recipe.gop_seconds
    # Keyframes of the whole are due so long after its first picture.
    first = task.recipe.clip.zero_seconds
    return (task.recipe.clip.start_seconds - first + early) % gop - early


def rate_of(task: Task) -> Fraction | None:
    """Of the picture in use, as the source says it."""
    index = task.recipe.video_index
    return next((it.frame_rate for it in task.media.video if it.index == index), None)


def as_copied(rendition: _Rendition) -> _Rendition:
    """How a join treats what others have encoded."""
    return rendition.model_copy(update={"made_by": "copied"})


def _tags(task: Task, rendition: VideoRendition, index: int) -> dict[str, str]:
    """What makes a copy say what the renditions beside it say."""
    recipe = task.recipe
    used = (it for it in task.media.video if it.index == recipe.video_index)
    video = next(used, None)
    streamed = isinstance(recipe.packaging, CmafPackaging)
    mixed = any(it.made_by == "encoded" for it in recipe.video)
    if video is None or not streamed or not mixed:
        return {}
    # A player switches only between renditions whose colours are said to be equal;
    # the packager would put the copy into a set of its own. Also where probing found
    # tags: they may stand in the container alone, and the packager reads the codec's.
    return tagging(video, rendition.codec, index)


def pair(main: Any, beat: Any, name: str, /, **options: object) -> Any:
    """The filter *name* over both."""
    return ffmpeg.filter([main, beat], name, **options)


def _clock(
    task: Task, group: _Group, pictures: Pictures, options: Mapping[str, str]
) -> dict[str, str]:
    if not group.video or group.muxer["f"] != "mp4":
        return {}
    # One clock for all tracks: cuts fall on the same tick in every rendition.
    clock = {"video_track_timescale": str(pictures.ticks)}
    end = end_seconds(clipped(task.media, task.recipe.clip), task.recipe)
    for index, rendition in enumerate(group.video):
        key = f"bsf:v:{index}"
        last = last_picture(end, rendition.frame_rate or pictures.frame_rate)
        clock[key] = ",".join([*filter(None, [options.get(key)]), last])
    return clock


def _more(recipe: Recipe) -> bool:
    """Whether anything is made beside renditions."""
    return bool(recipe.poster or recipe.sprites or recipe.captions)


def _stills(task: Task, pictures: Pictures) -> list[Any]:
    outputs, recipe = [], task.recipe
    if recipe.poster is not None and pictures.poster is not None:
        frames = {
            # Nearly transparent (2 is best, 31 worst).
            "q:v": "3",
            # The first frame, and one from each part.
            "frames:v": str(recipe.poster.candidates + 1),
        }
        url = f"file:{POSTERS}"
        outputs.append(ffmpeg.output(pictures.poster, url, **JPEG, **frames, **BACK))
    if recipe.sprites is not None and pictures.sprites is not None:
        per_sheet = recipe.sprites.columns * recipe.sprites.rows
        frames = {
            # Tiles are small and many: a little less.
            "q:v": "5",
        }
        if not ends_open(task.media, recipe):
            frames["frames:v"] = str(-(-recipe.sprites.count // per_sheet))
        url = f"file:{SPRITES}"
        outputs.append(ffmpeg.output(pictures.sprites, url, **JPEG, **frames, **BACK))
    return outputs


def _captions(recipe: Recipe, source: Any) -> list[Any]:
    options = {
        "f": "webvtt",
        "c:s": "webvtt",
        # A line from before the picture begins is cut later; shifting all of them
        # until none is negative would part them from it.
        "avoid_negative_ts": "disabled",
        "map_metadata": "-1",
    }
    if recipe.clip is not None and recipe.clip.end_seconds is not None:
        # Nothing has to be read for what is cut off later.
        options["to"] = f"{recipe.clip.end_seconds:.6f}"
    return [
        ffmpeg.output(
            source[str(one.source_index)], f"file:{captions_file(one)}", **options
        )
        for one in recipe.captions
    ]


def _decoded_input(argv: Sequence[str], upload: str) -> int:
    """Which of the inputs is the upload that is decoded."""
    inputs, options = [], set[tuple[str, str]]()
    for pair in pairwise(argv):
        options.add(pair)
        if pair[0] == "-i":
            inputs.append(pair[1] == upload and APART not in options)
            options.clear()
    return inputs.index(True) if True in inputs else 0


def list_packets(task: Task, *, program: str, path: str) -> Command:
    """Writes when the picture's packets are shown, by the source's own clock."""
    source = upload(task)[str(task.recipe.video_index)]
    # Packets before the first keyframe, too: whoever judges wants to know of them.
    options = PACKET_OPTIONS | {"copyinkf": None}
    told = ffmpeg.output(source, f"file:{path}", **options)
    argv = (program, *GLOBAL, *_patience(task), "-copyts", *told.get_args())
    return Command(argv)


def list_headers(task: Task, *, program: str, shown: str) -> tuple[str, ...]:
    """Writes where the source's pixels change their shape, and nothing else."""
    source = upload(task)
    told = headers_told(task, source[str(task.recipe.video_index)], shown)
    outputs = ffmpeg.merge_outputs(*told, used(task.recipe, source))
    return (program, *GLOBAL, *_patience(task), *outputs.get_args())


def _listed(output: int, group: _Group) -> list[OutputStream]:
    video = [
        OutputStream(output, n, "video", r.name) for n, r in enumerate(group.video)
    ]
    audio = [
        OutputStream(output, len(video) + n, "audio", a.name)
        for n, a in enumerate(group.audio)
    ]
    return video + audio
