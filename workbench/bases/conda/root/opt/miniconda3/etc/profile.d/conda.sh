# shellcheck shell=bash
# Does to the environment what conda's own activation does, for bash and for the runtime's shell interpreter.

export CONDA_EXE=/opt/miniconda3/bin/conda
export _CE_M=''
export _CE_CONDA=''
export CONDA_PYTHON_EXE=/opt/miniconda3/bin/python

conda() {
    case "${1-}" in
        activate) demo_conda_activate "${2:-base}" ;;
        deactivate) demo_conda_deactivate ;;
        *) "$CONDA_EXE" "$@" ;;
    esac
}

demo_conda_activate() {
    local prefix name
    case "$1" in
        base) prefix=/opt/miniconda3 name=base ;;
        */*) prefix=${1%/} name=${1%/} ;;
        *) prefix=/opt/miniconda3/envs/$1 name=$1 ;;
    esac
    if [ ! -d "$prefix/conda-meta" ]; then
        echo "conda: there is no environment '$1' in $prefix" >&2
        return 1
    fi
    if [ "$CONDA_SHLVL" -gt 0 ]; then
        demo_conda_run_hooks deactivate
    fi
    if [ "${CONDA_PREFIX-}" != "$prefix" ]; then
        if [ "$CONDA_SHLVL" -gt 0 ]; then
            export "CONDA_PREFIX_$CONDA_SHLVL=$CONDA_PREFIX"
        fi
        export CONDA_SHLVL=$((CONDA_SHLVL + 1))
    fi
    demo_conda_switch "$prefix" "$name"
}

demo_conda_deactivate() {
    local level name variable
    if [ "$CONDA_SHLVL" -eq 0 ]; then
        return 0
    fi
    demo_conda_run_hooks deactivate
    level=$((CONDA_SHLVL - 1))
    export CONDA_SHLVL=$level
    if [ "$level" -gt 0 ]; then
        variable=CONDA_PREFIX_$level
        name=${!variable##*/envs/}
        if [ "$name" = /opt/miniconda3 ]; then
            name=base
        fi
        demo_conda_switch "${!variable}" "$name"
        unset "$variable"
    else
        demo_conda_path_replace "$CONDA_PREFIX/bin" ''
        PS1=${PS1#"$CONDA_PROMPT_MODIFIER"}
        unset CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
    fi
}

# Puts environment $1, called $2, in the place of the active one.
demo_conda_switch() {
    demo_conda_path_replace "${CONDA_PREFIX:-/}/bin" "$1/bin"
    PS1="($2) ${PS1#"${CONDA_PROMPT_MODIFIER-}"}"
    export CONDA_PREFIX=$1
    export CONDA_DEFAULT_ENV=$2
    export CONDA_PROMPT_MODIFIER="($2) "
    demo_conda_run_hooks activate
}

demo_conda_run_hooks() {
    local hook
    for hook in "$CONDA_PREFIX/etc/conda/$1.d"/*.sh; do
        if [ -f "$hook" ]; then
            # shellcheck source=/dev/null
            . "$hook"
        fi
    done
}

# Puts folder $2 where $1 stands in PATH, or in front; an empty $2 only removes $1.
demo_conda_path_replace() {
    local path=":$PATH:"
    case "$path" in
        *":$1:"*) path=${path/":$1:"/":${2:+$2:}"} ;;
        *) path=":${2:+$2:}${path#:}" ;;
    esac
    path=${path#:}
    export PATH=${path%:}
}

if [ -z "${CONDA_SHLVL+set}" ]; then
    export CONDA_SHLVL=0
    export PATH="/opt/miniconda3/condabin:$PATH"
    PS1=${PS1-}
fi
