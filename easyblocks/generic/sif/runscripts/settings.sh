# shellcheck shell=bash
# shellcheck disable=SC2034  # Who sources this uses what it sets.
# Sourced by the commands in bin/ on the host, and by scripts in the container: reads container.conf beside it, and sets
# the variables whose values depend on who starts what where. Who sources this has a function `fail`.

# shellcheck source=easyblocks/generic/sif/runscripts/caches.sh
source "${BASH_SOURCE[0]%/*}/caches.sh"

# Reads what an installation sets: its image, lists of other images, binds, folders and variables, and what is true of nodes.
read_settings() {
    local line rest
    image_name='' installed_runtime='' gpu='' frozen=() binds=() path=() names=() values=() host=()
    start_values=() start_folders=() ports='' masks=() libraries=''
    while IFS= read -r line; do
        rest=${line#* }
        case ${line%% *} in
            image) image_name=$rest ;;
            frozen) frozen+=("$rest") ;;
            runtime) installed_runtime=$rest ;;
            gpu) gpu=$rest ;;
            bind) binds+=("$rest") ;;
            path) path+=("$rest") ;;
            library) libraries+=${libraries:+:}$rest ;;
            env) names+=("${rest%% *}") values+=("${rest#* }") ;;
            host) host+=("$rest") ;;
            start) start_values+=("$rest") ;;
            folder) start_folders+=("$rest") ;;
            ports) ports=$rest ;;
            mask) masks+=("$rest") ;;
        esac
    done < "$1/container.conf"
}

# Replaces $NAME, ${NAME}, ${NAME:-text} and ${NAME:+text} in a text by what the variables are here; fails where one is not
# set. What a variable holds is never looked into.
expand() {
    local rest=$1 text='' match variable
    # shellcheck disable=SC2016
    local pattern='^([^$]*)\$(([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:[-+]([^}]*))?\})(.*)$'
    while [[ $rest =~ $pattern ]]; do
        match=("${BASH_REMATCH[@]}")
        variable=${match[3]}${match[4]} rest=${match[7]}
        text+=${match[1]}
        case ${match[5]} in
            :+*)
                if [[ -n ${!variable-} ]]; then
                    expand "${match[6]}" || return
                    text+=$expanded
                fi
                ;;
            *)
                [[ -n ${!variable-} || -n ${match[5]} ]] || return
                text+=${!variable:-${match[6]}}
                ;;
        esac
    done
    [[ $rest != *\$* ]] && expanded=$text$rest
}

# Sets the variables, each as `NAME text`, and makes the folders that they name. A variable that is set already stays as it
# is, and its folder is the affair of whoever has set it. Where nothing comes out, nothing is set.
set_start_values() {
    # A user without $USER, as cron and `env -i` start things, has a name all the same.
    local entry variable expanded prefix first made=() cache='' EBSIF_IMAGE=${image_name%.sif} USER=${USER:-$(id -un)}
    for entry in "${start_values[@]}"; do
        variable=${entry%% *}
        [[ -z ${!variable+set} ]] || continue
        expand "${entry#* }" || fail "$variable is to be '${entry#* }', which names a variable that is not set here: set" \
            "that one, or $variable itself"
        [[ -n $expanded ]] || continue
        export "$variable=$expanded"
        [[ " ${start_folders[*]} " = *" $variable "* ]] || continue
        made+=("$variable")
        [[ $variable != EBSIF_CACHE_TOP ]] || cache=${expanded%/}
    done
    make_private_folders "${made[@]}"
    # Caches of this job, not for all.
    [[ ${SLURM_JOB_ID-} =~ ^[0-9]+$ && ${cache##*/} = *"$SLURM_JOB_ID"* ]] || return 0
    for entry in 1 2 3; do
        ! mark_cache "$cache" || break
        [[ $entry != 3 ]] || fail "nothing can be written in $cache: choose another folder by setting EBSIF_CACHE_TOP"
        make_private_folders "${made[@]}"
    done
    # Once for a job.
    [[ -n $first ]] || return 0
    find_prefix "$cache"
    sweep_caches "$prefix"
}

# Makes the folders that variables name, for this user alone: those that are not there by one program, which costs as much as
# all the rest. All are judged before: nothing is made behind a link of somebody else.
make_private_folders() {
    local variable missing=()
    for variable; do
        check_private_folder "$variable"
        [[ -d ${!variable} ]] || missing+=("${!variable}")
    done
    [[ ${#missing[@]} != 0 ]] || return 0
    # shellcheck disable=SC2174  # Folders above them are as the umask wants them.
    mkdir -p -m 700 -- "${missing[@]}" 2> /dev/null
    for variable; do
        # shellcheck disable=SC2174
        [[ -d ${!variable} ]] || mkdir -p -m 700 -- "${!variable}" || fail "the folder ${!variable} cannot be made: choose another one by setting $variable"
        check_private_folder "$variable"
    done
}

# Refuses the folder that a variable names, as far as it is there, if it is not the user's own. In a folder in which everybody
# may write, such as /tmp, somebody else may have made one of its name before, or one of the folders above it.
check_private_folder() {
    local folder=${!1%/} part
    [[ $folder = /* ]] || folder=$PWD/$folder
    part=$folder
    while [[ -n $part ]]; do
        if [[ ($part = "$folder" || -k ${part%/*}) && (-e $part || -L $part) ]]; then
            # A folder for everybody that the system has may lie in another one.
            [[ ! -L $part && (-O $part || $part != "$folder" && -k $part && $(stat -c %u -- "$part") = 0) ]] ||
                fail "the folder $part belongs to somebody else, or is a link: remove it, or choose another one by setting $1"
        fi
        part=${part%/*}
    done
}
