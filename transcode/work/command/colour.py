"""Tags of colours for streams that are copied, in ffmpeg's options."""

from __future__ import annotations

from ...contract import VideoStream
from ...media.colours import output_colour


def tagging(video: VideoStream, codec: str, index: int) -> dict[str, str]:
    """
    Options that write `output_colour` into the *index*-th stream, which is copied.

    Into the container, and into the bit stream of a codec whose players look there.
    """
    colour = output_colour(video, tone_map=False)
    options = {
        f"color_primaries:v:{index}": colour.primaries,
        f"color_trc:v:{index}": colour.transfer,
        f"colorspace:v:{index}": colour.matrix,
        f"color_range:v:{index}": "tv",
    }
    words = _METADATA_FILTERS.get(codec)
    if words is not None:
        spelling, limited = words
        primaries, transfer, matrix = colour.codes
        fields = {
            f"{spelling}_primaries": primaries,
            "transfer_characteristics": transfer,
            "matrix_coefficients": matrix,
            limited: 0,
        }
        said = ":".join(f"{name}={value}" for name, value in fields.items())
        options[f"bsf:v:{index}"] = f"{codec}_metadata={said}"
    return options


_METADATA_FILTERS = {
    "h264": ("colour", "video_full_range_flag"),
    "hevc": ("colour", "video_full_range_flag"),
    "av1": ("color", "color_range"),
}
