#!/bin/bash
# The work that no layer can do without: a venv, pip's unpacking, compiling, packing. No EasyBuild, no copy of the
# image, no check of anything.
# usage: least.sh RUNTIME IMAGE FOLDER PIP JOBS WHEELS REQUIREMENTS MKSQUASHFS...; FOLDER is new
set -euo pipefail
runtime=$1 image=$2 folder=$3 pip=$4 jobs=$5 wheels=$6 requirements=$7
shift 7

mkdir "$folder"
# shellcheck disable=SC2016  # This bash is the container's.
"$runtime" exec --bind "$folder:/user-software" --bind "$wheels:/wheels:ro" \
    --bind "$requirements:/requirements.txt:ro" "$image" bash -c '
    set -e
    eval "${WITH_CONDA-}"
    python -m venv --system-site-packages --without-pip /user-software/venv/pytorch
    python=/user-software/venv/pytorch/bin/python
    "$python" "/wheels/$1/pip" install --quiet --no-index --no-deps --ignore-installed --no-compile --no-cache-dir \
        --find-links=/wheels --requirement /requirements.txt
    "$python" -m compileall -q -j "$2" --invalidation-mode unchecked-hash /user-software/venv ||
        [[ $? = 1 ]] # Packages carry files that are no Python for this version.
' bash "$pip" "$jobs"
"$@"
