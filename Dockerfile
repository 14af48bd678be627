# The server as an image, for a CPU or for NVIDIA GPUs:
#
#   docker build --target cpu  -t patchserve:0.2.0-cpu  .
#   docker build --target cuda -t patchserve:0.2.0-cuda .
#
# The image has the server, the libraries that it loads, their licences and the bundled models, and
# nothing else: no shell, no package manager. It runs as user 10001 with a read-only root file system.
# Versions: LibTorch, OpenCV and nvcc are pinned by tools/pins, by hash, Debian 12 by digest; its updates
# are installed. A newer Debian: put here the tag of its day and the digest that
# `docker buildx imagetools inspect debian:bookworm-DAY-slim` prints, build, run tests/deploy/image.sh.
ARG BASE=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

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
COPY tools/install_deps.sh tools/fetch_sdist.py tools/
COPY tools/pins/ tools/pins/
# hadolint ignore=DL3009
RUN --mount=type=secret,id=ca,mode=0444 \
    apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive apt-get upgrade -y -q && \
    PATCHSERVE_DEPS=/opt/patchserve PATCHSERVE_CUDA=0 tools/install_deps.sh

# --- The program, and a folder that becomes the image's: /image.
FROM deps AS build-cpu
COPY . .
RUN cmake -S . -B build -G Ninja -DPATCHSERVE_DEPS=/opt/patchserve >/dev/null && \
    cmake --build build --target patchserve patchserve_probe && \
    deploy/collect_image.sh build/bin /opt/patchserve cpu /image

FROM deps AS build-cuda
RUN --mount=type=secret,id=ca,mode=0444 \
    PATCHSERVE_DEPS=/opt/patchserve PATCHSERVE_CUDA=1 tools/install_deps.sh
COPY . .
RUN cmake -S . -B build -G Ninja -DPATCHSERVE_DEPS=/opt/patchserve >/dev/null && \
    cmake --build build --target patchserve patchserve_probe && \
    deploy/collect_image.sh build/bin /opt/patchserve cuda /image

# --- What both images share. `make image` says what it is built from, and when.
FROM scratch AS runtime
ARG REVISION=
ARG SOURCE=
ARG CREATED=
LABEL org.opencontainers.image.title="patchserve" \
      org.opencontainers.image.description="gRPC image classification of timm's ConvMixer and ViT checkpoints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}"
EXPOSE 8001 8002 8003
# Models of a hub are kept there: mount a volume, or each container fetches its own.
ENV HF_HOME=/huggingface
# A request that is alone on a CPU has a core for each 2 ms of its work: docs/flags.md, "From the environment".
ENV OMP_WAIT_POLICY=ACTIVE GOMP_SPINCOUNT=1000
USER 10001:10001
# Flags that are given to the container win over these, and so do its own variables.
ENV PATCHSERVE_MODELS=/models \
    PATCHSERVE_ADDRESS=0.0.0.0:8001 \
    PATCHSERVE_METRICS_ADDRESS=0.0.0.0:8002 \
    PATCHSERVE_HEALTH_ADDRESS=0.0.0.0:8003
ENTRYPOINT ["/opt/patchserve/bin/patchserve"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["/opt/patchserve/bin/patchserve_probe", "127.0.0.1:8003"]

# --- For NVIDIA GPUs: driver 580 or newer (CUDA 13.0), and the NVIDIA container runtime.
FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /image/system/ /
COPY --from=build-cuda /image/libraries/ /opt/patchserve/
COPY --from=build-cuda /image/program/ /opt/patchserve/
COPY --from=build-cuda /image/models/ /models/

# --- For CPUs; last, so that it is what a build without --target makes.
FROM runtime AS cpu
COPY --from=build-cpu /image/system/ /
COPY --from=build-cpu /image/libraries/ /opt/patchserve/
COPY --from=build-cpu /image/program/ /opt/patchserve/
COPY --from=build-cpu /image/models/ /models/
