#!/usr/bin/env bash
# Installs what the build needs, once a machine; with --tests, also what the tests run;
# with --fuzz, also the compiler of the fuzzers; with --lint, what checks the protocol and the C++; with --cuda, also that of the GPU's kernels:
#   Debian packages               (apt, as root; skipped where all are there)
#   LibTorch from its PyPI wheel  -> $PATCHSERVE_DEPS/libtorch-VERSION-{cpu,cuda}
#   a minimal OpenCV from the source in opencv-python-headless
#                                 -> $PATCHSERVE_DEPS/opencv-VERSION
#   nvcc and the headers of CUTLASS from their PyPI wheels
#                                 -> $PATCHSERVE_DEPS/cuda-compiler-VERSION
# tools/pins says which versions, and what their downloads hash to.
# PATCHSERVE_DEPS is ~/.cache/patchserve unless set: it lies outside the checkout,
# so that a second checkout doesn't repeat any of this.
#
# The CUDA libraries (2 GB) and nvcc (0.3 GB) are fetched only where an NVIDIA driver is
# present, or with PATCHSERVE_CUDA=1. Without them LibTorch still needs two small CUDA
# libraries merely to load.
set -euo pipefail

tools="$(cd "$(dirname "$0")" && pwd)"
readonly tools pins="$tools/pins"
# The version of a package that is pinned in a file.
pinned_version() { sed -n "s/^$2==\([^ ]*\) .*/\1/p" "$pins/$1.txt"; }
torch_version=$(pinned_version libtorch-cpu torch)
opencv_version=$(pinned_version opencv opencv-python-headless)
cuda_compiler_version=$(pinned_version cuda-compiler nvidia-cuda-nvcc)
readonly torch_version opencv_version cuda_compiler_version
readonly deps="${PATCHSERVE_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchserve}"
packages=(
  g++ make cmake ninja-build ccache pkg-config clang-format git python3 python3-pip python3-venv
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev prometheus-cpp-dev libcpp-httplib-dev nlohmann-json3-dev libspdlog-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  libssl-dev libcurl4-openssl-dev ca-certificates libjpeg62-turbo-dev libpng-dev libwebp-dev
)

say() { printf 'deps: %s\n' "$*" >&2; }

# apt as root.
sudo=()
((EUID == 0)) || sudo=(sudo)

[[ "${1:-}" == --tests ]] && packages+=(curl)
[[ "${1:-}" == --fuzz ]] && packages+=(clang-14 libclang-rt-14-dev)
if [[ "${1:-}" == --lint ]]; then
  packages+=(clang-14 clang-tidy-14)
  command -v npx >/dev/null || packages+=(npm)
fi

install_packages() {
  local missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  say "installing Debian packages: ${missing[*]}"
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# Debian's own Python 3.11, whatever else is first in PATH: it picks the cp311 wheels.
# pip_download PINS FOLDER FLAGS...: what that file pins, or nothing.
pip_download() {
  /usr/bin/python3 -m pip --disable-pip-version-check download -q --no-deps --require-hashes \
    -r "$pins/$1.txt" -d "$2" "${@:3}"
}

wants_cuda() {
  [[ "${PATCHSERVE_CUDA:-}" == 1 ]] && return 0
  [[ "${PATCHSERVE_CUDA:-}" == 0 ]] && return 1
  [[ -e /proc/driver/nvidia/version || -e /dev/nvidiactl ]]
}

# The wheels are unpacked side by side as pip would: libtorch_cpu.so finds its
# CUDA libraries by a relative path between them.
install_libtorch() {
  local flavour=$1
  local home="$deps/libtorch-$torch_version-$flavour"
  [[ -e "$home/complete" ]] && return
  say "fetching LibTorch $torch_version ($flavour) into $home"
  # work is global: the trap removes it when a step fails
  work=$(mktemp -d -p "$deps")
  pip_download "libtorch-$flavour" "$work/wheels" --only-binary=:all:
  for file in "$work"/wheels/*.whl; do
    /usr/bin/python3 -m zipfile -e "$file" "$work/site"
    rm "$file"
  done
  # Of torch only the libraries and the headers are kept: the rest is Python's.
  find "$work/site/torch" -mindepth 1 -maxdepth 1 ! -name lib ! -name include -exec rm -rf {} +
  rm -rf "$work"/site/{torchgen,functorch} "$work/site/torch/lib/libtorch_python.so"
  [[ $flavour == cuda ]] || rm -f "$work"/site/torch/lib/{libtorch_cuda*,libc10_cuda*,libtorch_nvshmem*,libtorch.so}
  # The wheel's include/ also holds protobuf, fmt and others that would shadow
  # Debian's: the build sees only these four.
  mkdir "$work/site/include"
  local folder
  for folder in ATen c10 caffe2 torch; do ln -s "../torch/include/$folder" "$work/site/include/$folder"; done
  touch "$work/site/complete"
  rm -rf "$home"
  mv "$work/site" "$home"
  rm -rf "$work"
}

# The wheels are parts of one folder, as NVIDIA's own installer makes it; they are merged there.
install_cuda_compiler() {
  local home="$deps/cuda-compiler-$cuda_compiler_version"
  [[ -e "$home/complete" ]] && return
  say "fetching nvcc $cuda_compiler_version and CUTLASS into $home"
  # work is global: the trap removes it when a step fails
  work=$(mktemp -d -p "$deps")
  pip_download cuda-compiler "$work/wheels" --only-binary=:all:
  for file in "$work"/wheels/*.whl; do /usr/bin/python3 -m zipfile -e "$file" "$work/site"; done
  mv "$work/site/nvidia/cu13" "$work/home"
  mv "$work/site/cutlass_library/source/include" "$work/home/cutlass"
  mkdir "$work/home/licences"
  for file in "$work"/site/*.dist-info; do mv "$file/licenses" "$work/home/licences/$(basename "$file" .dist-info)"; done
  # A wheel's files aren't executable once unzipped, and nvcc looks for libraries in lib64.
  chmod +x "$work"/home/bin/* "$work"/home/bin/crt/* "$work"/home/nvvm/bin/*
  ln -s lib "$work/home/lib64"
  touch "$work/home/complete"
  rm -rf "$home"
  mv "$work/home" "$home"
  rm -rf "$work"
}

install_opencv() {
  local home="$deps/opencv-$opencv_version"
  [[ -e "$home/complete" ]] && return
  local archive
  say "building OpenCV $opencv_version (core, imgproc, imgcodecs) into $home: about 5 minutes"
  # work is global: the trap removes it when a step fails
  work=$(mktemp -d -p "$deps")
  archive=$("$tools/fetch_sdist.py" "$pins/opencv.txt" "$work")
  tar -xzf "$archive" -C "$work" --strip-components=1
  local off=(
    -DBUILD_TESTS -DBUILD_PERF_TESTS -DBUILD_EXAMPLES -DBUILD_DOCS -DBUILD_JAVA -DBUILD_opencv_apps
    -DBUILD_opencv_python3 -DBUILD_opencv_js -DBUILD_JPEG -DBUILD_PNG -DBUILD_WEBP -DBUILD_ZLIB -DWITH_IPP
    -DWITH_ITT -DWITH_OPENCL -DWITH_LAPACK -DWITH_EIGEN -DWITH_PROTOBUF -DWITH_ADE -DWITH_QUIRC -DWITH_GTK
    -DWITH_FFMPEG -DWITH_GSTREAMER -DWITH_V4L -DWITH_1394 -DWITH_VA -DWITH_TIFF -DWITH_OPENEXR -DWITH_JASPER
    -DWITH_OPENJPEG -DWITH_GDAL -DWITH_GDCM -DWITH_AVIF -DWITH_JPEGXL -DWITH_SPNG -DWITH_FLATBUFFERS
    -DWITH_IMGCODEC_HDR -DWITH_IMGCODEC_SUNRASTER -DWITH_IMGCODEC_PXM -DWITH_IMGCODEC_PFM -DWITH_IMGCODEC_GIF
  )
  cmake -S "$work/opencv" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$home" \
    -DBUILD_LIST=core,imgproc,imgcodecs -DBUILD_SHARED_LIBS=ON -DWITH_JPEG=ON -DWITH_PNG=ON -DWITH_WEBP=ON \
    "${off[@]/%/=OFF}" >"$work/configure.log" 2>&1 || { tail -20 "$work/configure.log" >&2; return 1; }
  cmake --build "$work/build" --target install >"$work/build.log" 2>&1 || { tail -20 "$work/build.log" >&2; return 1; }
  touch "$home/complete"
  rm -rf "$work"
}

# Debian's prometheus package, of which only promtool is wanted: installed, it would
# start a server.
install_promtool() {
  local home="$deps/promtool"
  [[ -e "$home/usr/bin/promtool" ]] && return
  say "fetching promtool into $home"
  work=$(mktemp -d -p "$deps")
  (cd "$work" && { apt-get download -q prometheus || { "${sudo[@]}" apt-get update -q && apt-get download -q prometheus; }; }) >&2
  dpkg -x "$work"/prometheus_*.deb "$work/root"
  mkdir -p "$home/usr/bin"
  mv "$work/root/usr/bin/promtool" "$home/usr/bin/"
  rm -rf "$work"
}

mkdir -p "$deps"
work=""
trap 'rm -rf "$work"' EXIT
install_packages
if wants_cuda; then install_libtorch cuda; else install_libtorch cpu; fi
if wants_cuda || [[ "${1:-}" == --cuda ]]; then install_cuda_compiler; fi
install_opencv
if [[ "${1:-}" == --tests ]]; then install_promtool; fi
