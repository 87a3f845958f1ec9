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
# A copy elsewhere, as `srun --bcast` makes it, or a path from the current folder.
[[ $here = /* && -r $root/start.sh ]] || root=__ROOT__
# shellcheck source=/dev/null
source "$root/start.sh"
