#!/bin/sh
# Copies a Python, the folder $1, with the libraries that it needs into the folder $2, without its site-packages.
# Runs in the container that has it.
set -eu
prefix=$1
target=$2
version=$("$prefix/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

mkdir -p "$target/bin" "$target/lib"
cp -L "$prefix/bin/python$version" "$target/bin/"
tar -C "$prefix" -c -h --exclude=__pycache__ --exclude=site-packages "lib/python$version" | tar -C "$target" -x
# All but those of the C library, which a conda environment takes from the system.
ldd "$prefix/bin/python$version" "$prefix/lib/python$version/lib-dynload"/*.so |
    sed -n -e 's/.* => \(\/.*\) (.*/\1/p' | sort -u |
    grep -v -E '/(ld-linux[^/]*|lib(anl|c|dl|m|mvec|pthread|resolv|rt|util))\.so\.[0-9]+$' |
    while read -r library; do
        cp -L "$library" "$target/lib/"
    done
"$prefix/bin/python" -c 'import platform; print(platform.python_version())' >"$target/version"
getconf GNU_LIBC_VERSION | sed 's/.* //' >"$target/glibc"
