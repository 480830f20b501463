"""What calibration measures: encoders with presets, decoders, filters and contents."""

from __future__ import annotations

from collections.abc import Mapping

X264 = ("-x264-params", "keyint=infinite:scenecut=0:open-gop=0", "-crf", "23")
X265 = ("-x265-params", "log-level=none:keyint=250:open-gop=0", "-crf", "25")
SVT = ("-crf", "32", "-g", "250")
VP9_GOOD = ("-deadline", "good", "-row-mt", "1", "-crf", "32", "-b:v", "0")
VP9_REALTIME = ("-deadline", "realtime", "-row-mt", "1", "-crf", "32", "-b:v", "0")

# Encoder, preset as a profile names it, arguments, and the heights to measure.
ENCODERS: tuple[tuple[str, str, tuple[str, ...], tuple[int, ...]], ...] = (
    ("libx264", "ultrafast", (*X264, "-preset", "ultrafast"), (240, 1080)),
    ("libx264", "veryfast", (*X264, "-preset", "veryfast"), (240, 480, 720, 1080)),
    ("libx264", "fast", (*X264, "-preset", "fast"), (240, 480, 720, 1080)),
    ("libx264", "medium", (*X264, "-preset", "medium"), (240, 480, 720, 1080)),
    ("libx264", "slow", (*X264, "-preset", "slow"), (240, 1080)),
    ("libx265", "ultrafast", (*X265, "-preset", "ultrafast"), (240, 480, 1080)),
    ("libx265", "veryfast", (*X265, "-preset", "veryfast"), (240, 480, 1080)),
    ("libx265", "fast", (*X265, "-preset", "fast"), (240, 480, 1080)),
    ("libsvtav1", "8", (*SVT, "-preset", "8"), (240, 480, 1080)),
    ("libsvtav1", "9", (*SVT, "-preset", "9"), (240, 480, 1080)),
    ("libsvtav1", "10", (*SVT, "-preset", "10"), (240, 480, 1080)),
    ("libsvtav1", "12", (*SVT, "-preset", "12"), (240, 480, 1080)),
    ("libvpx-vp9", "4", (*VP9_GOOD, "-cpu-used", "4"), (240, 480, 1080)),
    ("libvpx-vp9", "5", (*VP9_GOOD, "-cpu-used", "5"), (240, 1080)),
    ("libvpx-vp9", "8", (*VP9_REALTIME, "-cpu-used", "8"), (240, 480, 1080)),
)
CONTENT_WITH = (
    ("libx264", "veryfast"),
    ("libx265", "veryfast"),
    ("libsvtav1", "10"),
    ("libvpx-vp9", "5"),
)
"""One preset of each encoder, by which contents are compared."""
QUICK = {*CONTENT_WITH, ("libx264", "medium"), ("libx265", "fast")}
"""Every encoder at least once: a prediction needs all of them."""
FLAT_BELOW = 0.004
"""Megabits per megapixel under which a source is as good as still: among real files
the cost follows the density above, and no longer below."""

DECODERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "h264": (
        ("-c:v", "libx264", "-preset", "medium", "-crf", "17"),
        ("-c:v", "libx264", "-preset", "medium", "-crf", "33"),
    ),
    "hevc": tuple(
        ("-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none", *crf)
        for crf in (("-crf", "19"), ("-crf", "35"))
    ),
    "av1": tuple(
        ("-c:v", "libsvtav1", "-preset", "10", *crf)
        for crf in (("-crf", "22"), ("-crf", "50"))
    ),
    "vp9": tuple(
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "7", "-b:v", rate)
        for rate in ("6M", "800k")
    ),
    "vp8": tuple(
        ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "7", "-b:v", rate)
        for rate in ("6M", "800k")
    ),
    "mpeg2video": tuple(("-c:v", "mpeg2video", "-q:v", q) for q in ("3", "16")),
    "mpeg4": tuple(("-c:v", "mpeg4", "-q:v", q) for q in ("3", "16")),
    "prores": tuple(("-c:v", "prores_ks", "-profile:v", p) for p in ("3", "0")),
    "mjpeg": tuple(("-c:v", "mjpeg", "-q:v", q) for q in ("2", "12")),
}  # fmt: skip
FILTERS: Mapping[str, str] = {
    "deinterlace": "bwdif",
    "tone_map": (
        "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,"
        "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,"
        "tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
    ),
    "depth": "format=yuv420p10le,format=yuv420p",
    "thumbnail": "thumbnail=20",
}
FRAMES = {240: 150, 480: 96, 720: 72}
"""Of each height; longer than any look-ahead."""
CONTENTS = (
    "bbb_1080p30_13s.ts",
    "Butterfly-209.mp4",
    "video-h265.mp4",
    "solidWhiteRight.mp4",
    "example.mp4",
    "man-on-green-screen.mp4",
    "bottle-detection.mp4",
    "long_1080p_lowbitrate.mp4",
    "chrome.webm",
    "big-buck-bunny_trailer.webm",
)
SYNTHETIC = {
    "mandelbrot": "mandelbrot=size=1280x720:rate=25",
    "noise": "testsrc2=size=1280x720:rate=25,noise=alls=20:allf=t",
    "testsrc2": "testsrc2=size=1280x720:rate=25",
    "still": "color=gray:size=1280x720:rate=25",
}
