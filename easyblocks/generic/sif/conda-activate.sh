# shellcheck shell=bash
# Activates a conda environment of this layer: source /user-software/conda/bin/activate [NAME]
# It does to the environment what conda's own activation does, and, a second time, nothing.

__ebsif_activate() {
    local name=${1:-__CONDA_NAME__} hook
    local prefix=/user-software/conda/envs/$name
    if [[ ! -d $prefix/conda-meta ]]; then
        echo "activate: there is no environment '$name' in /user-software/conda/envs" >&2
        return 1
    fi
    if [[ ${CONDA_PREFIX-} = "$prefix" ]]; then
        return 0
    fi
    if [[ -n ${CONDA_PREFIX-} ]]; then
        export "CONDA_PREFIX_${CONDA_SHLVL:-1}=$CONDA_PREFIX"
    fi
    export CONDA_SHLVL=$((${CONDA_SHLVL:-0} + 1))
    export CONDA_PREFIX=$prefix
    export CONDA_DEFAULT_ENV=$name
    export CONDA_PROMPT_MODIFIER="($name) "
    export PATH=$prefix/bin:$PATH
    PS1="$CONDA_PROMPT_MODIFIER${PS1-}"
    for hook in "$prefix"/etc/conda/activate.d/*.sh; do
        if [[ -f $hook ]]; then
            # shellcheck source=/dev/null
            source "$hook"
        fi
    done
    return 0
}
__ebsif_activate "$@"
