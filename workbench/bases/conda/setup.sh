#!/bin/sh
# Makes a Python in /opt/miniconda3/envs/pytorch that behaves as upstream's, out of Debian's.
# Runs inside the image's tree. Debian's own Python stays: outside of the activated environment it is what
# `python3` finds, and it has none of the packages.
set -eu
wheels=$1
requirements=$2
here=$(dirname "$0")
prefix=/opt/miniconda3/envs/pytorch
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
library=$prefix/lib/python$version

mkdir -p "$prefix/bin" "$prefix/lib"
cp -L "/usr/bin/python$version" "$prefix/bin/python$version"
ln -s "python$version" "$prefix/bin/python3"
ln -s "python$version" "$prefix/bin/python"
ln -s "$prefix/bin/python$version" /opt/miniconda3/bin/python
cp -a "/usr/lib/python$version" "$library"
mkdir "$library/site-packages"

# What Debian changed in the standard library: dist-packages, /usr/local, and no pip for the system's Python.
rm "$library/EXTERNALLY-MANAGED" "$library/sitecustomize.py"
cp "$here/sitecustomize.py" "$library/sitecustomize.py"
sed -i -e "s/prefix_scheme = 'posix_local'/prefix_scheme = 'posix_prefix'/" "$library/sysconfig.py"
sed -i -e '/^    _ensurepip_is_disabled_in_debian_for_system()$/d' "$library/ensurepip/__init__.py"
find "$library" -name __pycache__ -prune -exec rm -r {} +
"$prefix/bin/python" "$here/check_vanilla.py" "$prefix"
"$prefix/bin/python" -m compileall -q "$library"

pip=$(find /usr/share/python-wheels -name 'pip-*.whl')
"$prefix/bin/python" "$pip/pip" install --quiet --no-index --no-deps --no-cache-dir --root-user-action=ignore \
    --find-links "$wheels" --requirement "$requirements"
"$prefix/bin/python" -m pip check
