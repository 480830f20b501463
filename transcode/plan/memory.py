"""
Memory of one task: the filter graph's own arithmetic, plus what was measured.

Pictures times bytes per picture, where pictures are what the decoder keeps for
reference, what its threads hold, and what waits in ffmpeg's queues. What an encoder
holds is measured per pixel, its input queue included.
"""

from __future__ import annotations

import math
from fractions import Fraction

from ..contract import (
    CmafPackaging,
    FilePackaging,
    Media,
    Recipe,
    VideoRendition,
    VideoStream,
)
from ..media.pixels import samples_per_pixel
from ..media.sampling import MOST_VMAF_THREADS
from ..media.timeline import lead_pictures, zero_seconds
from .coefficients import Coefficients, EncodeCosts
from .estimates import ASSUMED_RATE

MIB = 2**20
MACROBLOCK = 256
_ALIGNED = 1.1
"""Lines of pictures have room behind them: libavutil aligns them to 64 bytes."""

QUEUED_PACKETS = 8
"""Between demuxer and decoder; `DEFAULT_PACKET_THREAD_QUEUE_SIZE` in fftools."""
QUEUED_PICTURES = 8
"""Between decoder and filters; `DEFAULT_FRAME_THREAD_QUEUE_SIZE` in fftools."""

HELD_PICTURES = 16
HELD_OF_SOURCE = 4
"""More of the largest rendition's pictures and of the source's that are on their way
where a picture may be held and a poster or thumbnails leave beside it. Measured at
360p, 720p and 1080p, whatever is selected for them; without either of both none."""
_EVEN_STEPS = 1.5

H264_MAX_DPB_MACROBLOCKS = {
    10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100,
    31: 18000, 32: 20480, 40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320,
    52: 184320, 60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip
"""MaxDpbMbs of ITU-T H.264, table A-1, by level x 10."""
REFERENCE_PICTURES = {"hevc": 7, "av1": 9, "vp9": 9, "vp8": 4, "mpeg2video": 3}
"""HEVC: 6 at a level's full size and the current one; AV1 and VP9: 8 slots and the
current one."""
MOST_REFERENCES = 16

MOTION_BYTES_PER_PIXEL = 0.4
"""Motion vectors, modes and edges that a decoder keeps beside each picture."""

UNSEEN_MIB = 16
"""Allocator slack, page tables and thread stacks, which no measurement attributes."""
POOL_EXPONENT = 0.78
"""Of pixels, where an encoder keeps pools of pictures: the larger they are, the fewer
are in use. Measured of SVT-AV1 between 360 and 1080 lines."""
POOLED_PIXELS = 1920 * 1080
BEYOND_EXPONENT = 1.04
"""Of pixels beyond these, as met at 2160 lines (the whole of
bbb_2160p60_15s_fmp4.mp4 in six threads, 2026-12-01)."""
AUDIO_TRACK_MIB = 3
PACKAGER_STREAM_MIB = 6
"""Each further stream the packager writes; measured with a 4 MiB I/O cache."""
JPEG_BYTES_PER_PIXEL = 4.5
READER_MIB = 32
"""PyAV, which reads back what was made; measured over the worker without it."""
KEPT_PACKET_BYTES = 8
"""Of each packet of each rendition: when it is shown."""
COMPARED_PICTURE_BYTES = 24
MOST_RATE = 240
"""Pictures a second that are believed: beyond, a header lies, and would buy memory."""
INDEX_PACKET_BYTES = 56
"""libavformat's index of the rendition being read; measured with 675,000 packets,
four hours of AAC: 41 MiB with what is kept."""
SOUND_PACKETS_A_SECOND = 50
SOURCE_INDEX_BYTES = {"mov": 48, "avi": 32}
"""Of each packet of the source, its unused streams included, as long as it is open:
what libavformat keeps of the index, by demuxer. Measured with 1,107,000 packets, four
hours of 30 pictures a second and AAC, against one hour; Matroska, transport streams and
FLV keep less than a byte. Fragmented MP4 comes to 40."""
OPENED_INDEX_BYTES = {"mov": 88, "avi": 32}
"""The same while its tables are read, before there is a picture: 84 where PyAV opens
it, 78 where FFmpeg does, AVI 25."""
WRITTEN_INDEX_BYTES = 100
"""Of each packet of an MP4 that is written: its entry, and, as the index is moved to
the front, its tables a second time. Measured likewise: 74 without the moving. WebM has
its keyframes alone."""
VMAF_BYTES_PER_PIXEL = 60
"""Of each of its threads; measured at 1080p and 2160p with one and two."""
TEN_BIT = 1.7
"""Pictures double, analysis does not."""


def picture_bytes(video: VideoStream) -> float:
    """One decoded picture; 4:2:0 with 8 bits where the format is unknown."""
    per_pixel = samples_per_pixel(video.pixel_format)
    deep = (video.bit_depth or 8) > 8  # noqa: PLR2004 - more than one byte a sample
    return video.width * video.height * per_pixel * (2 if deep else 1)


def reference_pictures(video: VideoStream) -> int:
    """How many pictures the decoder keeps, at most, by codec, level and size."""
    if video.codec != "h264":
        return REFERENCE_PICTURES.get(video.codec, 3)
    blocks = max(video.width * video.height // MACROBLOCK, 1)
    held = H264_MAX_DPB_MACROBLOCKS.get(video.level or 41, 32768) // blocks
    return min(max(held, 1), MOST_REFERENCES) + 1


def packet_bytes(media: Media, video: VideoStream) -> float:
    """
    One picture as it is stored. Nothing where pictures depend on each other, but of
    what is edited (HuffYUV, DNxHD) as large as the picture itself.
    """
    bit_rate = video.bit_rate or media.bit_rate or 0
    return min(bit_rate / 8 / _rate(video.frame_rate), picture_bytes(video))


def decoder_bytes(media: Media, video: VideoStream, threads: int) -> float:
    """
    References, one picture per frame thread, the queue to the filters, and the one to
    the output that tells when pictures are shown: on a busy machine it is full, too.
    As is the one that the pictures come from, and each thread has its own of that.
    """
    stored = (QUEUED_PACKETS + threads + 1) * packet_bytes(media, video)
    pictures = reference_pictures(video) + threads + 2 * QUEUED_PICTURES + 1
    motion = video.width * video.height * MOTION_BYTES_PER_PIXEL
    kept = reference_pictures(video) + threads
    return pictures * picture_bytes(video) + kept * motion + stored


def rendition_bytes(
    rendition: VideoRendition, costs: EncodeCosts, *, threads: int
) -> float:
    """One encoder: what it needs at any size, and what it holds per pixel."""
    pixels = rendition.width * rendition.height
    deep = TEN_BIT if "10" in rendition.pixel_format else 1.0
    if pools := costs.mib_at_megapixel:
        most = pools[min(threads, len(pools)) - 1]
        within = math.pow(min(pixels, POOLED_PIXELS) / 1e6, POOL_EXPONENT)
        beyond = math.pow(max(pixels / POOLED_PIXELS, 1.0), BEYOND_EXPONENT)
        held = most * within * beyond
        return (costs.base_mib + held * deep) * MIB
    per_pixel = costs.bytes_per_pixel + costs.bytes_per_pixel_per_thread * (threads - 1)
    return costs.base_mib * MIB + pixels * per_pixel * deep


def source_packets(media: Media) -> float:
    """Of all streams, whatever is made of them: an index is read as a whole."""
    seconds = media.duration_seconds or 0.0
    pictures = [
        float(it.frames or seconds * _rate(it.frame_rate)) for it in media.video
    ]
    return sum(pictures) + seconds * SOUND_PACKETS_A_SECOND * len(media.audio)


def written_index_bytes(media: Media, recipe: Recipe) -> float:
    """What is kept of the packets of all MP4 files until the last one is written."""
    if not isinstance(recipe.packaging, FilePackaging):
        return 0.0
    rates = _rates(media, recipe)
    a_second = sum(
        sum(rates.get(name, 0.0) for name in (file.video or "", *file.audio))
        for file in recipe.packaging.files
        if file.container == "mp4"
    )
    return _seconds(media, recipe) * a_second * WRITTEN_INDEX_BYTES


def read_back_bytes(media: Media, recipe: Recipe) -> float:
    """What grows with the length: the packets of what is read back once it is made."""
    video = _used(media, recipe)
    rates = _rates(media, recipe).values()
    kept = sum(rates) * KEPT_PACKET_BYTES
    if video is not None and recipe.video:
        # When the source's are shown, in its own clock and in the results', and when
        # those of the rendition are that is compared with them.
        kept += _rate(video.frame_rate) * COMPARED_PICTURE_BYTES
    indexed = max(rates, default=0.0) * INDEX_PACKET_BYTES
    return _seconds(media, recipe) * (kept + indexed)


def _used(media: Media, recipe: Recipe) -> VideoStream | None:
    return next((v for v in media.video if v.index == recipe.video_index), None)


def _rate(known: Fraction | None) -> float:
    return min(float(known or ASSUMED_RATE), MOST_RATE)


def _rates(media: Media, recipe: Recipe) -> dict[str, float]:
    """Packets a second, by rendition."""
    video = _used(media, recipe)
    source = None if video is None else video.frame_rate
    pictures = {it.name: _rate(it.frame_rate or source) for it in recipe.video}
    return pictures | dict.fromkeys(
        (it.name for it in recipe.audio), float(SOUND_PACKETS_A_SECOND)
    )


def _seconds(media: Media, recipe: Recipe) -> float:
    """Of what is made."""
    seconds = media.duration_seconds or 0.0
    if recipe.clip is None:
        return seconds
    end = recipe.clip.end_seconds
    return (seconds if end is None else end) - recipe.clip.start_seconds


def held_bytes(video: VideoStream, recipe: Recipe) -> float:
    """What waits where pictures that stand still may be shown again, beside stills."""
    rate, longest = video.frame_rate, video.longest_still_seconds
    if not (recipe.poster or recipe.sprites):
        return 0.0
    if rate and longest is not None and video.variable_frame_rate is False:
        steps = longest * float(rate)
        if steps < _EVEN_STEPS:
            return 0.0
    encoded = [it for it in recipe.video if it.made_by == "encoded"]
    if len(encoded) < len(recipe.video) or not encoded:
        return 0.0  # beside a copy nothing is held
    top = max(it.width * it.height for it in encoded)
    held = HELD_PICTURES * top * samples_per_pixel(None)
    return held + HELD_OF_SOURCE * picture_bytes(video)


def waiting_bytes(media: Media, video: VideoStream, recipe: Recipe) -> float:
    """
    Pictures that are kept until sound begins that is filtered beside them: ffmpeg sets
    up one graph for both, and not before all of its inputs have begun. Then all go
    through it at once, and wait for the encoders. Nothing where nobody knows when that
    is.
    """
    if recipe.sound_apart:
        return 0.0  # it comes as it is, and no filter waits for it
    used = {it.source_index for it in recipe.audio if it.made_by == "encoded"}
    used |= {n for it in recipe.audio for n in it.channel_indices}
    starts = [it.start_seconds for it in media.audio if it.index in used]
    known = [it for it in starts if it is not None]
    if not known or video.start_seconds is None:
        return 0.0
    clip = recipe.clip
    begins = max(
        video.start_seconds,
        zero_seconds(media) + (0.0 if clip is None else clip.seek_seconds or 0.0),
    )
    late = max(0.0, max(known) - begins)
    if clip is not None and clip.end_seconds is not None:
        late = min(late, max(0.0, zero_seconds(media) + clip.end_seconds - begins))
    made = [it for it in recipe.video if it.made_by == "encoded"]
    scaled = sum(it.width * it.height for it in made) * samples_per_pixel(None)
    return late * _rate(video.frame_rate) * (picture_bytes(video) + scaled)


def leading_bytes(media: Media, video: VideoStream, recipe: Recipe) -> float:
    """
    Pictures that fill a late beginning: they come all at once, and sheets of thumbnails
    are asked for before what is made of them. 60 s at 360p took 790 MiB.
    """
    if recipe.sprites is None:
        return 0.0
    made = [it for it in recipe.video if it.made_by == "encoded"]
    scaled = sum(it.width * it.height for it in made) * samples_per_pixel(None)
    return lead_pictures(media, video, recipe) * scaled * _ALIGNED


def compared_bytes(recipe: Recipe, threads: int) -> float:
    """Of what decodes and scores all finished renditions with a target at once."""
    pixels = sum(it.width * it.height for it in recipe.video if it.target)
    used = min(threads, MOST_VMAF_THREADS)
    waiting = (MOST_REFERENCES + QUEUED_PICTURES) * samples_per_pixel(None)
    return pixels * (used * VMAF_BYTES_PER_PIXEL + waiting)


def peak_bytes(  # noqa: PLR0913 - memory is the sum of just these
    media: Media,
    recipe: Recipe,
    *,
    threads: int,
    costs: tuple[tuple[VideoRendition, EncodeCosts], ...],
    coefficients: Coefficients,
    decodes: bool,
) -> int:
    """Anonymous memory of worker, ffmpeg and packager together at their highest."""
    start = coefficients.start
    total = (start.worker_mib + start.ffmpeg_mib + UNSEEN_MIB) * MIB
    packets = source_packets(media)
    # Before there is a picture: encoders hold nothing yet, and the packager itself.
    opening = total + packets * OPENED_INDEX_BYTES.get(media.format_name, 0)
    total += len(recipe.audio) * AUDIO_TRACK_MIB * MIB
    if isinstance(recipe.packaging, CmafPackaging):
        streams = len(recipe.video) + len(recipe.audio)
        more = max(streams - 1, 0) * PACKAGER_STREAM_MIB
        opening += coefficients.packager.peak_mib * MIB
        total += (coefficients.packager.peak_mib + more) * MIB
    total += packets * SOURCE_INDEX_BYTES.get(media.format_name, 0)
    total += written_index_bytes(media, recipe)
    video = _used(media, recipe)
    reading = (start.worker_mib + READER_MIB + UNSEEN_MIB) * MIB
    reading += read_back_bytes(media, recipe)
    if video is not None and (recipe.parts or recipe.looks):
        comparing = total + decoder_bytes(media, video, threads)
        reading = max(reading, comparing + compared_bytes(recipe, threads))
    reading = max(reading, opening)
    if video is None or not decodes:
        return round(max(total, reading))
    total += decoder_bytes(media, video, threads) + held_bytes(video, recipe)
    total += waiting_bytes(media, video, recipe) + leading_bytes(media, video, recipe)
    total += sum(rendition_bytes(r, c, threads=threads) for r, c in costs)
    if recipe.deinterlace:
        total += 4 * picture_bytes(video)
    if recipe.tone_map:
        # Linear light is computed in 32-bit planes: two pictures in flight.
        total += 2 * video.width * video.height * 12
    if recipe.poster:
        # Candidates leave one by one, as files: one is filtered, some wait.
        pixels = recipe.poster.width * recipe.poster.height
        total += QUEUED_PICTURES * pixels * samples_per_pixel(None)
    if recipe.sprites:
        it = recipe.sprites
        sheet = it.tile_width * it.columns * it.tile_height * it.rows
        total += 2 * sheet * JPEG_BYTES_PER_PIXEL
    return round(max(total, reading))
