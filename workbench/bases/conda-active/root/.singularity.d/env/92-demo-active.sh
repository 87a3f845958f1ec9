# shellcheck shell=bash
# Sourced by the runtime's own shell interpreter, at each start of the container.
# shellcheck source=/dev/null
source /opt/miniconda3/bin/activate pytorch
