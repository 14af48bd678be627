#!/usr/bin/env bash
# Collects what the image is made of, and nothing else: the server and its probe, stripped, the libraries that
# they load, their licences, and an SBOM. Wants a Debian with the packages of tools/install_deps.sh.
#
# usage: collect_image.sh BUILD/bin DEPS cpu|cuda INTO
#   INTO/system      the root file system: Debian's libraries, what scanners and lawyers read
#   INTO/libraries   LibTorch, CUDA and OpenCV, in the same folders as under DEPS
#   INTO/program     bin/patchserve, bin/patchserve_probe; for cuda also bin/libpatchserve_cuda.so
#   INTO/models      the bundled models, which every user can read
set -euo pipefail
readonly programs=$1 deps=$2 flavour=$3 into=$4
source=$(cd "$(dirname "$0")/.." && pwd)
readonly source
readonly system="$into/system" licences="$into/system/usr/share/doc"

# take PATH...: copies files of DEPS, without symbols that only a debugger reads.
take() {
  local path
  for path in "$@"; do
    install -D -m 755 "$deps/$path" "$into/libraries/$path"
    strip --strip-unneeded "$into/libraries/$path"
  done
}

collect_libraries() (
  cd "$deps"
  local torch libraries opencv
  torch=$(echo libtorch-*-"$flavour")
  if [[ $flavour == cpu ]]; then
    # The two CUDA libraries are there because libtorch_cpu.so doesn't load without them.
    take "$torch"/torch/lib/{libtorch_cpu.so,libc10.so,libgomp.so.1} \
      "$torch"/nvidia/cu13/lib/{libcudart.so.13,libcupti.so.13}
  else
    mapfile -t libraries < <(find "$torch"/{torch/lib,nvidia} -name '*.so*' -type f)
    take "${libraries[@]}"
  fi
  mapfile -t opencv < <(find opencv-*/lib -maxdepth 1 -name 'libopencv_*.so.*' -type f)
  take "${opencv[@]}"
  # The names that programs are linked to, such as libopencv_core.so.414.
  find opencv-*/lib -maxdepth 1 -name 'libopencv_*.so.*' -type l -exec cp -a --parents {} "$into/libraries/" \;
)

collect_programs() {
  install -D -m 755 -t "$into/program/bin" "$programs"/patchserve{,_probe}
  [[ $flavour == cpu ]] || install -m 755 -t "$into/program/bin" "$programs/libpatchserve_cuda.so"
  strip "$into"/program/bin/*
}

# A checkout's files are as readable as its owner's umask made them.
collect_models() {
  cp -r "$source/models" "$into"
  chmod -R a+rX "$into/models"
}

# What ldd finds, outside of DEPS, for the programs and every library that goes with them. A library that a
# GPU's driver brings isn't found; of any other the lack is an error.
debian_libraries() {
  local files
  mapfile -t files < <(cd "$deps" && find libtorch-*-"$flavour" -name '*.so*' -type f \
    -exec test -e "$into/libraries/{}" \; -printf "$deps/%p\n")
  ldd "$programs"/patchserve{,_probe} "${files[@]}" >"$into/ldd"
  if [[ $flavour == cpu ]] && grep 'not found' "$into/ldd" >&2; then return 1; fi
  sed -n -e 's/.* => \(\/[^ ]*\) (.*/\1/p' -e 's/^\s*\(\/[^ ]*ld-linux[^ ]*\) (.*/\1/p' "$into/ldd" |
    grep -v "^$deps/" | sort -u
  rm "$into/ldd"
}

# The package of a file, by the name that it had when it was packed: before /lib was a link to /usr/lib.
package_of() {
  { dpkg-query -S "$1" || dpkg-query -S "/usr$1" || dpkg-query -S "${1#/usr}"; } 2>/dev/null | sed 's/: .*//;q' | grep .
}

# Debian's part: the libraries, and of each package that one is from what is known of it, where
# scanners look in images without a package manager (var/lib/dpkg/status.d), and its licence.
collect_system() {
  local folder file package
  mkdir -p "$system"/{etc,huggingface,tmp,usr/{lib,lib64,share},var/lib/dpkg/status.d}
  chmod 1777 "$system"/{huggingface,tmp}
  for folder in lib lib64; do ln -s "usr/$folder" "$system/$folder"; done
  debian_libraries >"$into/files"
  while read -r file; do
    cp --parents "$file" "$system"
    package_of "$(realpath "$file")"
  done <"$into/files" | sort -u >"$into/packages"
  # The authorities whose certificates a hub's and its storage's are signed by.
  cp --parents /etc/ssl/certs/ca-certificates.crt "$system"
  # base-files has the texts of the licences that the others name, and says which Debian this is.
  printf 'ca-certificates\nbase-files\n' >>"$into/packages"
  while read -r package; do
    dpkg-query -s "$package" >"$system/var/lib/dpkg/status.d/${package%:*}"
    cp -L --parents "/usr/share/doc/${package%:*}/copyright" "$system"
  done <"$into/packages"
  cp --parents -r /usr/share/common-licenses "$system"
  cp --parents /etc/debian_version /usr/lib/os-release "$system"
  ln -s ../usr/lib/os-release "$system/etc/os-release"
  printf 'root:x:0:0::/:/nonexistent\npatchserve:x:10001:10001::/:/nonexistent\n' >"$system/etc/passwd"
  printf 'root:x:0:\npatchserve:x:10001:\n' >"$system/etc/group"
  printf 'hosts: files dns\n' >"$system/etc/nsswitch.conf"
  ldconfig -r "$system"
}

# The licences of a wheel: beside its metadata or, as cuSPARSELt's, among its files.
wheel_licences() {
  if [[ -d $1/licenses ]]; then
    printf '%s\n' "$1"/licenses/*
  else
    sed -n "s|^\([^,]*LICENSE[^,]*\),.*|$(dirname "$1")/\1|p" "$1/RECORD"
  fi
}

# Licences of what isn't Debian's; a wheel without one is an error.
collect_licences() {
  local wheel files
  install -D -m 644 -t "$licences/patchserve" "$source"/{LICENSE,NOTICE}
  for wheel in "$deps"/libtorch-*-"$flavour"/*.dist-info; do
    mapfile -t files < <(wheel_licences "$wheel")
    install -D -m 644 -t "$licences/$(basename "$wheel" .dist-info)" "${files[@]}"
  done
  # Of what compiles the kernels, CUTLASS alone is in them.
  [[ $flavour == cpu ]] || cp -r "$deps"/cuda-compiler-*/licences/nvidia_cutlass-* "$licences"
  # OpenCV's own is the Apache License, word for word; these are of what it has taken over.
  install -D -m 644 -t "$licences/opencv" "$source/LICENSE" "$deps"/opencv-*/share/licenses/opencv4/*
  # LibTorch's wheel brings GCC's libgomp, under the GPL with the runtime exception, without its text.
  install -D -m 644 /usr/share/doc/gcc-12-base/copyright "$licences/libgomp/copyright"
}

mkdir -p "$into"
collect_libraries
collect_programs
collect_models
collect_system
collect_licences
mkdir -p "$system/usr/share/sbom"
/usr/bin/python3 "$source/deploy/sbom.py" "$into/packages" "$deps" "$flavour" "$source/tools/pins" \
  >"$system/usr/share/sbom/patchserve.spdx.json"
rm "$into"/{files,packages}
