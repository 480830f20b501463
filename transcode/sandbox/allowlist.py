"""What of libav an upload may meet, in probing and in encoding alike."""

from __future__ import annotations

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,ogg,"
    "mxf,gif,apng,h264,hevc,vvc,av1,obu,ivf,m4v,h263,vc1,dv,rm,swf,wtv,nut,gxf,"
    "yuv4mpegpipe,wav,w64,mp3,aac,flac,caf,aiff,amr,ac3,eac3,dts,truehd,au,tta,wv"
)
"""
As `format_whitelist` takes them.

None of them opens a second file or an address: playlists (hls, dash, concat), session
descriptions (sdp, rtsp), picture patterns (image2) and text art (tty, ansi, xbin) read
what the upload tells them to and are left out.
"""

OLDEST_LIBAVCODEC = (62, 28, 102)
"""FFmpeg 8.1.2. Older builds have published memory-safety holes in decoders that an
upload can reach; an upload is hostile until proven otherwise."""
