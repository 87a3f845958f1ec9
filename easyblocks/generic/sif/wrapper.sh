#!/bin/bash -p
# Runs a command in the container of a module, or, called inside a container, the command that is there.
name=__COMMAND__ program=(__PROGRAM__) module=__MODULE__

fail() {
    echo "$name: $1" >&2
    exit 127
}

if [[ -e /.singularity.d ]]; then
    mapfile -t found < <(type -aP -- "${program[0]}")
    for real in "${found[@]}"; do
        [[ $real -ef ${BASH_SOURCE[0]} ]] || exec "$real" "${program[@]:1}" "$@"
    done
    fail "there is no such command in this container"
fi
[[ -e ${SIF__NAME__-} ]] ||
    fail "${SIF__NAME__:-the container image} is not there: load the module first (module load $module), or load it again if it was moved"
type -P -- "$SIFRUNTIME__NAME__" > /dev/null || fail "neither apptainer nor singularity is on PATH here"

# The module has left out binds whose source does not exist where it was loaded; that may have been another host.
if [[ -n ${__EBSIF_BINDPATH-} && -r $EBROOT__NAME__/binds ]]; then
    specs=,${!__EBSIF_BINDPATH-},
    others=,${APPTAINER_BIND-},${SINGULARITY_BIND-},
    here=
    while IFS= read -r bind; do
        specs=${specs//",$bind,"/,}
        if [[ -e ${bind%%:*} && $others != *",$bind,"* ]]; then here+=$bind,; fi
    done < "$EBROOT__NAME__/binds"
    specs=$here${specs#,}
    export "$__EBSIF_BINDPATH=${specs%,}"
fi
exec "$SIFRUNTIME__NAME__" __VERB__ "$SIF__NAME__" "${program[@]}" "$@"
