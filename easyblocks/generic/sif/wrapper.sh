#!/bin/bash
# Runs __COMMAND__ in the container of the module __MODULE__, or, called inside a container, the one that is there.
if [[ -e /.singularity.d ]]; then
    mapfile -t found < <(type -aP __COMMAND__)
    for real in "${found[@]}"; do
        [[ $real -ef ${BASH_SOURCE[0]} ]] || exec "$real" "$@"
    done
    echo "__COMMAND__: there is no such command in this container" >&2
    exit 127
fi
if [[ ! -e ${SIF__NAME__-} ]]; then
    echo "__COMMAND__: ${SIF__NAME__:-the container image} is not there: load the module first (module load __MODULE__)," \
         "or load it again if it was moved" >&2
    exit 127
fi
if ! type -P "$SIFRUNTIME__NAME__" > /dev/null; then
    echo "__COMMAND__: neither apptainer nor singularity is on PATH here" >&2
    exit 127
fi
exec "$SIFRUNTIME__NAME__" __VERB__ "$SIF__NAME__" __COMMAND__ "$@"
