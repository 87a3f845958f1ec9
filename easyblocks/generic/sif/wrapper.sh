#!/bin/bash -p
# Runs a program in the container of this installation; what is the same for all of them is in start.sh.
# shellcheck disable=SC2034  # start.sh uses these.
name=__COMMAND__ program=(__PROGRAM__)
here=${BASH_SOURCE[0]}
if [[ $here != "$0" ]]; then
    echo "$name: this is a program: run it, instead of sourcing it" >&2
    return 1
fi
if [[ -L $here ]]; then here=$(readlink -f -- "$here"); fi
root=${here%/*/*}
# A copy elsewhere, as in a venv or as `srun --bcast` makes it, or a path from the current folder.
[[ $here = /* && -r $root/runscripts/start.sh ]] || root=__ROOT__
start=$root/runscripts/start.sh
# In its container, which need not see the installation.
[[ -r $start ]] || start=/runscripts/start.sh
# shellcheck source=/dev/null
[[ ! -r $start ]] || source "$start"
echo "$name: the installation $root is not there" >&2
exit 127
