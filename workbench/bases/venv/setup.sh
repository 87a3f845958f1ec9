#!/bin/sh
# Makes /opt/venv from Debian's Python, as LUMI's current images have it. Runs inside the image's tree.
set -eu
wheels=$1
requirements=$2

python3 -m venv /opt/venv
/opt/venv/bin/python -m pip install --quiet --no-index --no-deps --no-cache-dir --find-links "$wheels" \
    --requirement "$requirements"
/opt/venv/bin/python -m pip check
