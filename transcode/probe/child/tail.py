"""Does a file end where its own structure says? Evidence of a cut, by bounded reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...media.demuxers import BARE
from .reader import CountingReader
from .tail_blocks import adaptive, core, indexed, sun, true, wavpack, wide
from .tail_flac import flac
from .tail_h264 import bare_h264
from .tail_matroska import matroska
from .tail_mpeg_audio import adts, dolby, layer3
from .tail_mpegts import program, stuffed, transport
from .tail_ogg import flv, ivf, ogg
from .tail_riff import apng, asf, avi, dv, gif, iff, mxf, real, swf, wave

_WITNESSES: Mapping[str, Callable[[CountingReader], str | None]] = {
    "h264": bare_h264,
    "matroska": matroska,
    "mpegts": transport,
    "mpeg": program,
    "avi": avi,
    "wav": wave,
    "aiff": iff,
    "flv": flv,
    "ogg": ogg,
    "asf": asf,
    "rm": real,
    "swf": swf,
    "mxf": mxf,
    "gif": gif,
    "apng": apng,
    "ivf": ivf,
    "dv": dv,
    "mp3": layer3,
    "flac": flac,
    "au": sun,
    "caf": core,
    "tta": true,
    "w64": wide,
    "wv": wavpack,
    "amr": adaptive,
    "aac": adts,
    "ac3": dolby,
    "eac3": dolby,
}
"""Demuxer → what looks at the end of its files. MP4 and MOV have their index; bare
pictures (h264, hevc, mpegvideo, obu, …) say nothing of where they end."""

_MARKS: Mapping[str, Callable[[CountingReader], bool]] = {
    "mpegts": stuffed,
    "nut": indexed,
}
"""Demuxer → what sees that the last picture is whole."""


def cut_off(reader: CountingReader, demuxer: str) -> str | None:
    """
    Why the file was certainly cut off, to follow "it was cut off: "; None where nothing
    in it says so, which is no proof of the contrary.

    A file cut exactly between two units of a container that announces neither its
    size, nor its duration, nor its end cannot be told from a whole one.
    """
    witness = _WITNESSES.get(demuxer.split(",", maxsplit=1)[0])
    said = None if witness is None else witness(reader)
    return None if reader.spent else said


def unmarked(reader: CountingReader, demuxer: str) -> bool:
    """True where only decoding tells whether the last picture is whole."""
    told = _MARKS.get(demuxer)
    if told is not None:
        return not told(reader) and not reader.spent
    return demuxer in BARE
