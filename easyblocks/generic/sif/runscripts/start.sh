# shellcheck shell=bash
# shellcheck disable=SC2154  # Who sources this has set name, program, here and root.
# Sourced by each command in bin/: starts its program in the container.
# It works out what it needs on the host where it runs, from container.conf: the module may be loaded here, may have
# been loaded on another host (and Slurm brought its variables), may be another one, or none.
# Nothing but the shell's own: a program started here would cost as much as all the rest.
module=__MODULE__ suffix=__NAME__ verb=__VERB__
own_root=EBROOT$suffix own_image=SIF$suffix own_runtime=SIFRUNTIME$suffix

fail() {
    echo "$name: $*" >&2
    exit 127
}

# The Python of a venv that somebody has made with ours is a copy of our command, here and in the container.
[[ $here = /* ]] || here=$PWD/$here
venv=${here%/*/*}
[[ -e $venv/pyvenv.cfg ]] || venv=

if [[ -e /.singularity.d ]]; then
    [[ ${CONTAINERROOT:-$root} = "$root" || $CONTAINERROOT -ef $root ]] ||
        fail "this is the container of $CONTAINERROOT, and no other one can be started in it: leave it first"
    mapfile -t found < <(type -aP -- "${program[0]}")
    for real in "${found[@]}"; do
        if [[ ! $real -ef $0 && ! ${real%/*} -ef ${here%/*} ]]; then
            # Python takes the venv in whose bin/ its name is for its own.
            [[ -n $venv ]] || here=$real
            exec -a "$here" "$real" "${program[@]:1}" "$@"
        fi
    done
    fail "there is no such command in this container"
fi

# Tells whether the user has set one of the runtime's switches.
is_on() {
    local value=APPTAINER_$1 other=SINGULARITY_$1
    value=${!value:-${!other-}}
    [[ -n $value && $value != 0 && $value != false ]]
}

# Sets a variable for the runtime, which evaluates values unless the user has told it not to.
inject() {
    local value=$2
    if [[ -z $as_they_are ]]; then
        value=${value//\\/\\\\} value=${value//\$/\\\$} value=${value//\`/\\\`}
    fi
    export "$1=$value"
}

# The name of the variable, of Apptainer or Singularity, whose list the runtime takes and the user may have begun.
used_variable() {
    local apptainer=APPTAINER$1 singularity=SINGULARITY$1
    used=$prefix$1
    if [[ $prefix = APPTAINER && -z ${!apptainer+set} && -n ${!singularity+set} ]]; then used=$singularity; fi
}

# shellcheck source=easyblocks/generic/sif/runscripts/settings.sh
source "$root/runscripts/settings.sh" || fail "the installation of $module is not complete: install it again with eb --rebuild"

loaded=
if [[ -n ${!own_root-} && ${!own_root} -ef $root ]]; then loaded=yes; fi

# Another module of ours that is loaded: what it has set for its container is not for this one.
others=: # Folders that are before PATH in its container.
if [[ -z $loaded && -r ${CONTAINERROOT-}/runscripts/container.conf ]]; then
    read_settings "$CONTAINERROOT/runscripts"
    for variable in "${names[@]}" ${libraries:+LD_LIBRARY_PATH}; do
        unset "APPTAINERENV_$variable" "SINGULARITYENV_$variable"
    done
    for entry in "${host[@]}"; do
        variable=${entry%% *}
        if [[ ${!variable-} = "${entry#* }" ]]; then unset "$variable"; fi
    done
    for variable in "APPTAINER_$gpu" "SINGULARITY_$gpu"; do
        if [[ -n $gpu && ${!variable-} = 1 ]]; then unset "$variable"; fi
    done
    for folder in "${path[@]}"; do others+=$folder:; done
fi

read_settings "$root/runscripts" || fail "the installation of $module is not complete: install it again with eb --rebuild"
as_they_are=
if is_on NO_EVAL || is_on COMPAT; then as_they_are=yes; fi

runtime=
for candidate in "${!own_runtime-}" apptainer singularity "$installed_runtime"; do
    case $candidate in
        '') continue ;;
        /*) [[ -x $candidate ]] || continue ;;
        *)
            hash -- "$candidate" 2> /dev/null || continue
            candidate=${BASH_CMDS[$candidate]}
            ;;
    esac
    runtime=$candidate
    break
done
[[ -n $runtime ]] || fail "neither apptainer nor singularity is on PATH here, and the one of the installation," \
    "${installed_runtime:-unknown}, is not there"
prefix=${runtime##*/}
prefix=${prefix^^}

image=
if [[ -n $loaded && ${!own_image-} && ${!own_image##*/} != "$image_name" ]]; then
    # The user's own copy.
    image=${!own_image}
    [[ -e $image ]] || fail "$image is not there: unset $own_image, or load the module again (module load $module)"
elif [[ -e $root/$image_name ]]; then
    image=$root/$image_name
else
    for candidate in "${frozen[@]}"; do
        if expand "$candidate" && [[ -e $expanded ]]; then
            image=$expanded
            break
        fi
    done
fi
[[ -n $image ]] || fail "the container image is not there. It was looked for at: $root/$image_name ${frozen[*]}"

if [[ -n $venv ]]; then program=("$here") binds+=("$venv:$venv"); fi

# Where a bind is seen in the container.
destination() {
    place=${1#*:} place=${place%%:*}
    [[ $1 = *:* && -n $place ]] || place=${1%%:*}
    place=${place%/}
}

# Ours before those of the user, and no other layer.
binds_set=${APPTAINER_BIND-},${SINGULARITY_BIND-}
own=("$root/runscripts:/runscripts:ro" "$root/user-software:/user-software")
[[ ! -e $root/user-software.squashfs ]] || own[1]=$root/user-software.squashfs:/user-software:image-src=/,ro
bindpath='' taken=:/runscripts:/user-software:
for spec in "${own[@]}"; do
    if [[ -e ${spec%%:*} && ,$binds_set, != *",$spec,"* ]]; then bindpath+=$spec,; fi
done
# What the user or another module has bound to a place wins: the runtime takes the first, and complains of another.
IFS=, read -r -a specs <<< "$binds_set"
for spec in "${specs[@]}"; do
    destination "$spec"
    taken+=$place:
done
# Those whose source exists here.
for spec in "${binds[@]}"; do
    destination "$spec"
    if [[ $taken != *":$place:"* && -e ${spec%%:*} ]]; then bindpath+=$spec,; fi
    taken+=$place:
done
used_variable _BINDPATH
# The module may have been loaded for the other runtime, whose list this one does not read.
given=${__EBSIF_BINDPATH:-$used}
IFS=, read -r -a specs <<< "${!given-},${!used-}"
added=
for spec in "${specs[@]}"; do
    case $spec in
        '') continue ;;
        ro | rw | id=* | image-src=*) # Options of the one before it.
            [[ -z $added ]] || bindpath+=$spec,
            continue
            ;;
    esac
    destination "$spec"
    added=
    if [[ $taken != *":$place:"* ]]; then added=yes bindpath+=$spec,; fi
    taken+=$place:
done
export "$used=${bindpath%,}"

if [[ -z $loaded || ${!own_runtime##*/} != "${runtime##*/}" ]]; then
    for index in "${!names[@]}"; do
        variable=${prefix}ENV_${names[index]}
        apptainer=APPTAINERENV_${names[index]} singularity=SINGULARITYENV_${names[index]}
        # What the user has set is kept; what the module has set for another runtime, too.
        if [[ -n ${!variable+set} ]]; then
            continue
        elif [[ -n ${!singularity+set} ]]; then
            export "$variable=${!singularity}"
        elif [[ -n ${!apptainer+set} ]]; then
            export "$variable=${!apptainer}"
        else
            inject "$variable" "${values[index]}"
        fi
    done
    # Before all those, or else before the image's own, which the runtime looks up in the container.
    if [[ -n $libraries ]]; then
        variable=${prefix}ENV_LD_LIBRARY_PATH
        behind=${!variable-${SINGULARITYENV_LD_LIBRARY_PATH-${APPTAINERENV_LD_LIBRARY_PATH-}}}
        # shellcheck disable=SC2016
        case $behind: in
            "$libraries":*) libraries=$behind ;;
            :) [[ -n $as_they_are ]] || libraries+='${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}' ;;
            *) libraries+=:$behind ;;
        esac
        export "$variable=$libraries"
    fi
    used_variable ENV_PREPEND_PATH
    given=${!used-}
    if [[ -n $loaded ]]; then given=${APPTAINERENV_PREPEND_PATH-}:${SINGULARITYENV_PREPEND_PATH-}; fi
    IFS=: read -r -a folders <<< "$given"
    prepended=''
    for folder in "${path[@]}"; do prepended+=$folder: others+=$folder:; done
    for folder in "${folders[@]}"; do
        if [[ -n $folder && $others != *":$folder:"* ]]; then prepended+=$folder:; fi
    done
    export "$used=${prepended%:}"
fi

if [[ -z $loaded ]]; then
    for entry in "${host[@]}"; do
        variable=${entry%% *}
        [[ -n ${!variable+set} ]] || export "$variable=${entry#* }"
    done
    export "$own_root=$root" CONTAINERROOT="$root" "SIF=$image" "$own_image=$image" "$own_runtime=${runtime##*/}"
    export RUNSCRIPTS="$root/runscripts" "RUNSCRIPTS$suffix=$root/runscripts"
    export SLURM_TASK_EPILOG="${SLURM_TASK_EPILOG:-$root/runscripts/task-epilog}"
fi

if [[ -n $gpu ]]; then
    apptainer=APPTAINER_$gpu singularity=SINGULARITY_$gpu
    export "$apptainer=${!apptainer:-${!singularity:-1}}"
    export "$singularity=${!singularity:-${!apptainer}}"
fi

# What is started from a venv is in it.
if [[ -n $venv ]]; then
    inject "${prefix}ENV_VIRTUAL_ENV" "$venv"
    used_variable ENV_PREPEND_PATH
    export "$used=$venv/bin:${!used}"
fi

set_start_values
for entry in "${start_values[@]}"; do
    variable=${entry%% *} inside=${prefix}ENV_$variable
    [[ -z ${!variable+set} || -n ${!inside+set} ]] || inject "$inside" "${!variable}"
done
# A folder that a link leads to: the runtime binds it by its own name only.
# shellcheck disable=SC2164  # Where it is gone, the runtime says so.
cd -P . 2> /dev/null
exec "$runtime" "$verb" "$image" "${program[@]}" "$@"
