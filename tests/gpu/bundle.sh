#!/usr/bin/env bash
# Puts what check.sh needs into one folder of about 50 MB, to be carried to a machine with a GPU:
#
#   tests/gpu/bundle.sh FOLDER [BUILD]
#
# The programs, the libraries that such a machine lacks (all but LibTorch, glibc and GCC's, of which the machine's own Python
# and PyTorch need the machine's), the bundled models and a few photos. Prints what is wanted of glibc and libstdc++.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=$1 build=${2:-build}

mkdir -p "$to"/{bin,lib,photos,tests/gpu,bench/overload}
for program in patchserve loadgen classify engine_bench kernel_check; do
  [ -e "$build/bin/$program" ] || continue
  strip -o "$to/bin/$program" "$build/bin/$program"
done
# Beside the server, where it looks for them.
for library in "$build"/bin/libpatchserve_cuda*.so; do
  [ ! -e "$library" ] || strip -o "$to/bin/$(basename "$library")" "$library"
done
ldd "$to"/bin/* | awk '$3 ~ /^\// { print $3 }' | sort -u |
  grep -vE '/(libtorch|libc10|libgomp|libstdc\+\+|libgcc_s|(libc|libm|libdl|libpthread|librt|libresolv|libutil)\.|ld-linux)' |
  xargs cp -Lt "$to/lib"
for version in GLIBC GLIBCXX; do
  objdump -T "$to"/{bin,lib}/* | grep -oE "\b${version}_[0-9.]+" | sort -uV | tail -1
done
cp -r models "$to"
cp tests/data/images/{500x375,420,astronaut,chelsea,coffee,rocket}.jpg tests/data/images/rgb.png "$to/photos"
git ls-files -z tests/gpu | xargs -0 cp -t "$to/tests/gpu"
cp bench/server.py "$to/bench"
cp bench/overload/live_server.py "$to/bench/overload"
# mosec, for the Python that the machine has. Without pip, PyPI or a wheel for that Python, check.sh leaves it out.
for python in 3.10 3.11 3.12 3.13; do
  pip download --quiet --retries=1 --disable-pip-version-check --dest "$to/wheels" --only-binary=:all: --python-version "$python" \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 mosec==0.9.8 ||
    echo "no wheels of mosec for Python $python" >&2
done
du -sh "$to"
