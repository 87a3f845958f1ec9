#!/bin/sh
# Leaves no Python in the image. Runs inside the image's tree.
set -eu
rm -rf /usr/bin/python3* /usr/bin/pydoc3* /usr/bin/pygettext3* /usr/bin/py3* /usr/lib/python3* /usr/share/python3 /usr/share/python-wheels
