#!/bin/sh
# Runs in a container of a base, which may have little else: prints facts, a line `name=value` for each that it finds.

fact() {
    # The first line only: a value is a word or a version.
    value=$(printf '%s\n' "$2" | head -n 1)
    if [ -n "$value" ]; then
        printf '%s=%s\n' "$1" "$value"
    fi
}

if [ -r /etc/os-release ]; then
    # shellcheck source=/dev/null
    fact os_id "$(. /etc/os-release && echo "$ID")"
    # shellcheck source=/dev/null
    fact os_version "$(. /etc/os-release && echo "$VERSION_ID")"
    # shellcheck source=/dev/null
    fact os_name "$(. /etc/os-release && echo "$PRETTY_NAME")"
fi

fact machine "$(uname -m)"

if command -v getconf > /dev/null; then
    fact glibc "$(getconf GNU_LIBC_VERSION 2> /dev/null | cut -d ' ' -f 2)"
fi

# The C library that this very program uses; it is a program too, and tells about itself.
libc=$(sed -n 's|.* \(/.*/libc\(-[0-9.]*\)\{0,1\}\.so[.0-9]*\)$|\1|p' /proc/self/maps | head -n 1)
if [ -x "$libc" ]; then
    fact kernel "$("$libc" 2> /dev/null | sed -n 's/^Minimum supported kernel: //p')"
fi

for folder in "${ROCM_PATH:-/opt/rocm}" /opt/rocm /opt/rocm-*; do
    if [ -r "$folder/.info/version" ]; then
        fact rocm "$(cut -d - -f 1 "$folder/.info/version")"
        break
    fi
done

if command -v mpichversion > /dev/null; then
    fact mpi "MPICH $(mpichversion 2> /dev/null | sed -n 's/^MPICH Version:[[:space:]]*//p')"
elif command -v ompi_info > /dev/null; then
    fact mpi "Open MPI $(ompi_info --version 2> /dev/null | sed -n 's/^Open MPI v//p')"
fi

if command -v fi_info > /dev/null; then
    fact libfabric "$(fi_info --version 2> /dev/null | sed -n 's/^libfabric: //p')"
fi

exit 0
