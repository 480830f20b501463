"""Channels: what each one is taken for, and how many become few."""

from __future__ import annotations

from ...contract import AudioRendition, AudioStream
from .stream import Stream

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""What is made. 5.1 in ffmpeg's word has its surrounds at the back, as AAC and Opus."""

# What a number of channels means where nothing says: the order of WAVE and FLAC
# (RFC 9639 §9.1.3), except that three are not two and a bass, which would be dropped.
_MEANT = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

# A stream that brings levels of its own (AC-3, E-AC-3) is mixed by those.
_MATRIX = {
    # In floats coefficients stay as they are: centre and surrounds at -3 dB, no bass
    # channel (ITU-R BS.775-4); whole numbers would be turned down by 8 dB, and
    # dialogue with them.
    "internal_sample_fmt": "fltp",
    "center_mix_level": 0.7071,
    "surround_mix_level": 0.7071,
    "lfe_mix_level": 0,
}
LIMITER: dict[str, object] = {
    # What all channels together would clip is held below -1 dBFS instead; what does
    # not come near passes unchanged to the bit, and no later.
    "limit": 0.891,
    "attack": 5,
    "release": 50,
    "level": "disabled",
    "latency": 1,
}


def named(stream: Stream, audio: AudioStream | None) -> Stream:
    """*stream* with a layout that can be mixed, where the source's own cannot be."""
    if audio is None or audio.channels is None:
        return stream
    layout, count = audio.layout, audio.channels
    if layout is not None and layout.startswith("ambisonic"):
        # W and Y (AmbiX order): two cardioids to the left and to the right.
        return _stereo(stream, "0.7071*(val(0)+val(1))", "0.7071*(val(0)-val(1))")
    if layout == "binaural":
        return stream.filter("channelmap", "0|1", "stereo")
    if layout is not None or count <= 2:  # noqa: PLR2004  mono and stereo
        return stream
    if count in _MEANT:
        every = "|".join(str(n) for n in range(count))
        return stream.filter("channelmap", every, _MEANT[count])
    # Nobody knows: every other one to either side, so that none is lost.
    gain = (2 / count) ** 0.5
    sides = [range(side, count, 2) for side in (0, 1)]
    left, right = ("+".join(f"val({n})" for n in side) for side in sides)
    return _stereo(stream, f"{gain:.4f}*({left})", f"{gain:.4f}*({right})")


def falls(rendition: AudioRendition, audio: AudioStream | None) -> bool:
    """Whether channels are added up."""
    known = audio.channels if audio is not None else None
    return known is not None and known > rendition.channels


def matrix(rendition: AudioRendition, audio: AudioStream | None) -> dict[str, object]:
    """Options of the resampler, which is also what mixes."""
    return dict(_MATRIX) if falls(rendition, audio) else {}


def settled(
    stream: Stream, rendition: AudioRendition, audio: AudioStream | None
) -> Stream:
    """*stream* in the layout of *rendition*, behind the resampler."""
    layout = LAYOUTS.get(rendition.channels, f"{rendition.channels}c")
    if not falls(rendition, audio):
        return stream.filter("aformat", channel_layouts=layout)
    stream = stream.filter("aformat", sample_fmts="fltp", channel_layouts=layout)
    return stream.filter("alimiter", **LIMITER)


def _stereo(stream: Stream, left: str, right: str) -> Stream:
    return stream.filter("aeval", exprs=f"{left}|{right}", channel_layout="stereo")
