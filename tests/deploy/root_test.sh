#!/usr/bin/env bash
# The image without Docker: what collect_image.sh collects is a root file system in which the server
# serves a photo, as another user and read-only, and in which there is nothing else.
#
# usage: tests/deploy/root_test.sh BUILD/bin DEPS
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=$(realpath "$1") deps=$(realpath "$2")
readonly programs deps limit=450000000 program=/opt/patchserve/bin/patchserve
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# From a checkout that only its owner can read; the image's build has the usual umask.
mkdir "$work/checkout"
cp -r --parents CMakeLists.txt LICENSE NOTICE deploy models tools/pins "$work/checkout"
chmod -R go= "$work/checkout"
umask 022
"$work/checkout/deploy/collect_image.sh" "$programs" "$deps" cpu "$work/image"
# As the Dockerfile puts it together, but for the folder of the libraries, which is built in.
readonly root="$work/image/system"
mkdir -p "$root$deps" "$root/opt" "$root"/{proc,dev}
mv "$work"/image/libraries/* "$root$deps"
mv "$work/image/program" "$root/opt/patchserve"
mv "$work/image/models" "$root/models"
# The way there, which mktemp and a user's own folder may bar.
chmod a+rx "$work" "$root$deps"

size=$(du -sb --apparent-size "$root" | cut -f1)
printf '%s bytes, %s Debian packages\n' "$size" "$(find "$root/var/lib/dpkg/status.d" -type f | wc -l)"
((size < limit)) || fail "more than $limit bytes"

[[ -z $(find "$root" -perm /6000) ]] || fail "setuid or setgid: $(find "$root" -perm /6000)"
mapfile -t executables < <(find "$root" -type f -perm /111 ! -name '*.so*' -printf '/%P\n')
mapfile -t executables < <(printf '%s\n' "${executables[@]}" | sort)
[[ ${executables[*]} == "$program ${program}_probe" ]] || fail "other programs than the server and its probe: ${executables[*]}"
[[ -z $(find "$root" -name 'libgrpc*unsecure*.so*' -o -name 'libprotoc.so*') ]] || fail "libraries that the server doesn't load"

# What comes from PyPI is what tools/pins says, and Debian what the Dockerfile does.
grep -qE '^ARG BASE=debian:[a-z0-9-]+@sha256:[0-9a-f]{64}$' Dockerfile || fail "Dockerfile: Debian isn't pinned by its digest"
[[ -z $(grep -hvE '^(#.*|[a-z0-9-]+==[^ ]+ --hash=sha256:[0-9a-f]{64})$' tools/pins/*.txt) ]] || fail "tools/pins: a download without its hash"
[[ -z $(grep -nE 'pip["a-z0-9 .-]* (install|download)' Dockerfile tools/install_deps.sh | grep -v -e --require-hashes) ]] || fail "pip without --require-hashes"
# pip builds the metadata of a source archive, with what nothing pins.
[[ -z $(grep -nE 'no-binary' Dockerfile tools/install_deps.sh) ]] || fail "pip with a source archive"

# What `make image` would label it with, of a remote with a login and of one without.
git init -q --bare "$work/git"
for address in https://someone:to-ken@example.com/patchserve.git https://example.com/patchserve.git; do
  git --git-dir="$work/git" config remote.origin.url "$address"
  [[ $(env -u MAKEFLAGS -u SOURCE GIT_DIR="$work/git" make -n image) == *"SOURCE='https://example.com/patchserve.git'"* ]] ||
    fail "make image: another source than https://example.com/patchserve.git for $address"
done

grep -qx 'ENV OMP_WAIT_POLICY=ACTIVE GOMP_SPINCOUNT=1000' Dockerfile || fail "Dockerfile: a lone request would have one core"

for text in patchserve/LICENSE patchserve/NOTICE opencv/LICENSE libgomp/copyright libgrpc++1.51/copyright \
  torch-*/LICENSE torch-*/NOTICE nvidia_cuda_runtime-*/License.txt nvidia_cuda_cupti-*/License.txt; do
  compgen -G "$root/usr/share/doc/$text" >/dev/null || fail "no licence $text"
done
[[ -s $root/etc/ssl/certs/ca-certificates.crt ]] || fail "no authorities: no hub could be believed"
[[ -n $(find "$root/usr/lib" -name 'libcurl.so.4*') ]] || fail "no libcurl"
python3 tests/deploy/check_sbom.py "$root" cpu

# The cuda image's, without its 2 GB: of the wheels nothing but a licence, and one library, which wants another of Debian's than
# the programs do, here none of ours.
readonly cuda="$work/cuda" wheels="$work/cuda/deps/libtorch-x-cuda" debian=/usr/lib/x86_64-linux-gnu
mkdir -p "$cuda/programs" "$wheels"/{torch/lib,nvidia} "$cuda/deps/cuda-compiler-x/licences/nvidia_cutlass-x"
for file in patchserve patchserve_probe libpatchserve_cuda.so; do cp /bin/true "$cuda/programs/$file"; done
cp -L "$debian/libgrpc++_unsecure.so.1.51" "$wheels/torch/lib/libtorch_cuda.so"
ln -s "$deps"/opencv-* "$cuda/deps"
sed -n 's/^\([^#=]*\)==\([^ ]*\) .*/\1 \2/p' tools/pins/libtorch-cuda.txt |
  while read -r name version; do install -D -m 644 LICENSE "$wheels/${name//-/_}-$version.dist-info/licenses/LICENSE"; done
deploy/collect_image.sh "$cuda/programs" "$cuda/deps" cuda "$cuda/image"
[[ -e $cuda/image/system$debian/libgrpc_unsecure.so.29 ]] || fail "cuda: a library that LibTorch's wants isn't there"

# Its SBOM, with what the server loads.
mkdir -p "$cuda/root/usr/share/sbom"
(cd "$root" && cp -r --parents var/lib/dpkg/status.d usr/share/doc/patchserve "$cuda/root")
ls "$root/var/lib/dpkg/status.d" >"$cuda/packages"
python3 deploy/sbom.py "$cuda/packages" "$cuda/deps" cuda tools/pins >"$cuda/root/usr/share/sbom/patchserve.spdx.json"
python3 tests/deploy/check_sbom.py "$cuda/root" cuda

# A port that is free is the kernel's choice, which the log tells.
unshare -m --fork --kill-child bash -c '
  set -e
  mount --bind "$0" "$0"
  mount -o remount,ro,bind "$0"
  mount -t proc proc "$0/proc"
  mount -t tmpfs -o size=16m tmpfs "$0/tmp"
  exec chroot --userspec=10001:10001 "$0" "$@"' "$root" "$program" \
  --models=/models --address=127.0.0.1:0 --metrics_address= --health_address=127.0.0.1:0 --lame_duck=0s >"$work/log" 2>&1 &
server=$!
for _ in $(seq 600); do
  health=$(sed -n 's/.*health on port \([0-9]*\).*/\1/p' "$work/log")
  port=$(sed -n 's/.*gRPC on port \([0-9]*\).*/\1/p' "$work/log")
  if grep -q ' serving$' "$work/log" || ! kill -0 "$server" 2>/dev/null; then break; fi
  sleep 0.1
done
[[ -n $port ]] || fail "no port: $(cat "$work/log")"
"$programs/classify" --server="127.0.0.1:$port" tests/data/images/chelsea.jpg || fail "no answer: $(cat "$work/log")"
chroot --userspec=10001:10001 "$root" "${program}_probe" "127.0.0.1:$health" || fail "the probe says that it isn't healthy"
python3 -c '
import resource, subprocess, sys
for _ in range(20):
    subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
each = (used.ru_utime + used.ru_stime) / 20
print(f"{1000 * each:.1f} ms of CPU time a probe")
sys.exit(each > 0.010)' chroot --userspec=10001:10001 "$root" "${program}_probe" "127.0.0.1:$health" || fail "a probe takes more than 10 ms of CPU time"
kill "$(pgrep -P "$server")"
wait "$server" || fail "it ended with $?: $(cat "$work/log")"
