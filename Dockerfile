# The server as an image, for a CPU or for NVIDIA GPUs:
#
#   docker build --target cpu  -t patchserve:0.1.0-cpu  .
#   docker build --target cuda -t patchserve:0.1.0-cuda .
#
# The image has the server, the libraries that it loads and the bundled models; no compiler, no
# Python, no pip. It runs as user 10001 with a read-only root file system and needs no shell.
# Versions: LibTorch and OpenCV are pinned by tools/install_deps.sh, the rest by Debian 12. Pin
# Debian by its digest with --build-arg BASE=debian@sha256:...
ARG BASE=debian:bookworm-slim

# --- What the build needs: Debian packages, LibTorch for CPUs, OpenCV.
FROM ${BASE} AS deps
# For a mirror of PyPI, and for a certificate authority of one's own:
#   --build-arg PIP_INDEX_URL=https://mirror/simple
#   --secret id=ca,src=ca.crt --build-arg PIP_CERT=/run/secrets/ca
# Nothing of either is in the image.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_CERT=
WORKDIR /src
COPY tools/install_deps.sh tools/install_deps.sh
# hadolint ignore=DL3009
RUN --mount=type=secret,id=ca,mode=0444 \
    apt-get update -q && \
    PATCHSERVE_DEPS=/opt/patchserve PATCHSERVE_CUDA=0 tools/install_deps.sh

# --- The program, and a folder that becomes the image's: /image.
FROM deps AS build-cpu
COPY . .
RUN cmake -S . -B build -G Ninja -DPATCHSERVE_DEPS=/opt/patchserve >/dev/null && \
    cmake --build build --target patchserve && \
    deploy/collect_image.sh build/bin/patchserve /opt/patchserve cpu /image

FROM deps AS build-cuda
RUN --mount=type=secret,id=ca,mode=0444 \
    PATCHSERVE_DEPS=/opt/patchserve PATCHSERVE_CUDA=1 tools/install_deps.sh
COPY . .
RUN cmake -S . -B build -G Ninja -DPATCHSERVE_DEPS=/opt/patchserve >/dev/null && \
    cmake --build build --target patchserve && \
    deploy/collect_image.sh build/bin/patchserve /opt/patchserve cuda /image

# --- What both images share.
FROM ${BASE} AS runtime
# Not pinned by version: Debian keeps only the newest, with its security fixes; the names carry
# the ABI.
# hadolint ignore=DL3008
RUN apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      libabsl20220623 libcpp-httplib0.11 libgrpc++1.51 libjpeg62-turbo libpng16-16 \
      libprometheus-cpp-core1.0 libprotobuf32 libspdlog1.10 libssl3 libwebp7 libwebpdemux2 libwebpmux3 && \
    apt-get upgrade -y -q && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
LABEL org.opencontainers.image.title="patchserve" \
      org.opencontainers.image.description="gRPC image classification of timm's ConvMixer and ViT checkpoints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
EXPOSE 8001 8002 8003
USER 10001:10001
# Flags that are given to the container come after these, and win.
ENTRYPOINT ["/opt/patchserve/bin/patchserve", "--address=0.0.0.0:8001", "--metrics_address=0.0.0.0:8002", "--health_address=0.0.0.0:8003"]
CMD ["--models=/models"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["/opt/patchserve/bin/patchserve", "--probe=127.0.0.1:8003"]

# --- For NVIDIA GPUs: driver 580 or newer (CUDA 13.0), and the NVIDIA container runtime.
FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /image/libraries/ /opt/patchserve/
COPY --from=build-cuda /image/program/ /opt/patchserve/
COPY models/ /models/

# --- For CPUs; last, so that it is what a build without --target makes.
FROM runtime AS cpu
COPY --from=build-cpu /image/libraries/ /opt/patchserve/
COPY --from=build-cpu /image/program/ /opt/patchserve/
COPY models/ /models/
