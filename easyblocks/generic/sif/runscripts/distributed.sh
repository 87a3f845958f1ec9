# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # Who sources this uses what it sets; settings.sh sets lists.
# Sourced by the scripts that run a program as one task of a Slurm step. What the step says of the task are facts, which
# count whatever was exported before; for all else, what the user has set comes first, then what Slurm says of the step,
# then the settings of the installation, then what is written here.
# Nothing but the shell's own, but for the look-up of one name: each task of a job runs this.
name=${0##*/} near=() allowed=''
here=${BASH_SOURCE[0]%/*}

fail() {
    echo "$name: $*" >&2
    exit 2
}

# Says something once for all tasks.
note() {
    [[ $rank != 0 ]] || echo "$name: $*" >&2
}

# shellcheck source=easyblocks/generic/sif/runscripts/settings.sh
source "$here/settings.sh" || fail "the installation is not complete: install it again with eb --rebuild"

# Finds the first host of a list such as nid[001-003,007],gpu1: each bracket's first number belongs to it.
first_host() {
    local list=$1 text
    address=
    while [[ -n $list && $list != ,* ]]; do
        if [[ $list = \[* ]]; then
            [[ $list = *\]* ]] || fail "'[' without ']' in the list of nodes $1"
            text=${list#\[}
            address+=${text%%[],-]*}
            list=${list#*\]}
        else
            text=${list%%[\[,]*}
            address+=$text
            list=${list#"$text"}
        fi
    done
}

# Finds the host of task 0 of the step, which is the first one of its nodes, unless `srun -m arbitrary` has put it elsewhere.
find_first_host() {
    local line
    if [[ ${SLURM_DISTRIBUTION-} != arbitrary* || -z ${SLURM_STEP_NODELIST-} ]]; then
        first_host "${SLURM_STEP_NODELIST:-${SLURM_JOB_NODELIST-}}"
        return
    fi
    [[ -n ${SLURM_HOSTFILE-} ]] || fail "with -m arbitrary, Slurm tells only in a host file where task 0 runs: give the" \
        "nodes in SLURM_HOSTFILE instead of -w, or set MASTER_ADDR"
    [[ -f $SLURM_HOSTFILE && -r $SLURM_HOSTFILE ]] || fail "the host file $SLURM_HOSTFILE, which tells where task 0 runs," \
        "cannot be read in the container: put it where the container sees it, or set MASTER_ADDR"
    address=
    while [[ -z $address ]] && IFS=$' \t\r' read -r line || [[ -n $line ]]; do
        line=${line%%[#* ]*}
        first_host "$line"
        line=
    done < "$SLURM_HOSTFILE"
    [[ -n $address ]] || fail "the host file $SLURM_HOSTFILE names no host"
}

# Finds what Slurm says of this task. Outside a step there is one task, alone.
find_task() {
    local cgroups='' place='' variable tasks node groups group
    # The kernel's word for where this runs: batch scripts and shells may have inherited the variables of a step.
    [[ ! -r /proc/self/cgroup ]] || IFS= read -r -d '' cgroups < /proc/self/cgroup
    [[ ! $cgroups =~ /job_[0-9]+/step_([a-z0-9]+) ]] || place=${BASH_REMATCH[1]}
    alone='' rank=0 local_rank=0 world=1 local_world=1 node_rank=0 nodes=1
    if [[ -z ${SLURM_JOB_ID-} && $place =~ ^[0-9]+$ ]]; then
        fail "this is a task of a Slurm step, of which nothing is known in the container: --cleanenv, --containall and" \
            "the like hide it; start the container without them"
    fi
    if [[ -z ${SLURM_JOB_ID-} || -z ${SLURM_STEP_NODELIST-} || $place = [a-z]* ]]; then
        tasks=${SLURM_NTASKS:-${SLURM_NNODES:-1}}
        [[ -z ${SLURM_JOB_ID-} || $tasks = 1 ]] ||
            fail "this is none of the $tasks tasks of the job: start it with srun"
        alone=yes
        note "no step of Slurm: one process by itself"
        return
    fi
    for variable in SLURM_JOB_ID SLURM_STEP_ID SLURM_PROCID SLURM_LOCALID SLURM_NTASKS SLURM_NODEID SLURM_STEP_NUM_NODES; do
        [[ ${!variable-} =~ ^[0-9]+$ ]] || fail "$variable, which srun sets to a number, is '${!variable-}': start it with srun"
    done
    rank=$SLURM_PROCID local_rank=$SLURM_LOCALID world=$SLURM_NTASKS node_rank=$SLURM_NODEID nodes=$SLURM_STEP_NUM_NODES
    node=$node_rank
    IFS=, read -r -a groups <<< "${SLURM_STEP_TASKS_PER_NODE-}"
    for group in "${groups[@]}"; do # such as 2(x3)
        [[ $group =~ ^([0-9]+)(\(x([0-9]+)\))?$ ]] ||
            fail "SLURM_STEP_TASKS_PER_NODE, which srun sets, is '$SLURM_STEP_TASKS_PER_NODE': start it with srun"
        local_world=${BASH_REMATCH[1]} node=$((node - ${BASH_REMATCH[3]:-1}))
        ((node >= 0)) || break
    done
}

# Sets a fact, and tells where something else was exported. `export RANK=$SLURM_PROCID` in a batch script makes it 0 for all
# tasks, which rank 0 cannot see, but rank 1 can.
set_fact() {
    if [[ -n ${!1+set} && ${!1} != "$2" ]] && [[ $rank = 0 || ($rank = 1 && ${!1} = 0) ]]; then wrong+=" $1=${!1}"; fi
    export "$1=$2"
}

set_ranks() {
    local wrong=''
    set_fact RANK "$rank"
    set_fact LOCAL_RANK "$local_rank"
    set_fact WORLD_SIZE "$world"
    set_fact LOCAL_WORLD_SIZE "$local_world"
    set_fact GROUP_RANK "$node_rank"
    set_fact NODE_RANK "$node_rank"
    [[ -z $wrong ]] || echo "$name: this was exported, is not so in this step, and is set anew for each task:$wrong" >&2
}

# Tells whether a name is in the beginning of /etc/hosts: then no program needs to look it up.
is_in_hosts() {
    local lines
    mapfile -t -n 256 lines 2> /dev/null < /etc/hosts
    printf -v lines ' %s ' "${lines[@]%%#*}"
    [[ ${lines//$'\t'/ } = *" $1 "* ]]
}

# Sets where the tasks meet.
set_master() {
    local first=20000 last=29999
    if [[ -z ${MASTER_ADDR-} ]]; then
        address=127.0.0.1
        [[ -n $alone ]] || find_first_host
        MASTER_ADDR=$address
    fi
    # Else the tasks would try for minutes without a word.
    if [[ -z $alone ]] && ! is_in_hosts "$MASTER_ADDR" && hash getent 2> /dev/null &&
        ! getent ahosts "$MASTER_ADDR" > /dev/null; then
        fail "the host of rank 0, $MASTER_ADDR, has no address in the container: set MASTER_ADDR to a name or address that it" \
            "knows, or let it see the host's /etc/hosts"
    fi
    if [[ -z ${MASTER_PORT-} ]]; then
        [[ $ports != *-* ]] || first=${ports%-*} last=${ports#*-}
        if [[ -n $alone ]]; then
            MASTER_PORT=$((first + RANDOM % (last - first + 1)))
        elif [[ $ports = reserved && -n ${SLURM_STEP_RESV_PORTS-} ]]; then
            # The first ones are for MPI.
            MASTER_PORT=${SLURM_STEP_RESV_PORTS##*[-,]}
        else
            # From the numbers of job and step, so that jobs share a node, and steps a job. As 37 and 10000 have no common
            # factor, the first 37 steps of 270 jobs in a row have ports of their own.
            MASTER_PORT=$((first + (SLURM_JOB_ID * 37 + SLURM_STEP_ID) % (last - first + 1)))
        fi
    fi
    export MASTER_ADDR MASTER_PORT
    # JAX would read the list of hosts itself, and has other ideas of it.
    export JAX_COORDINATOR_ADDRESS=${JAX_COORDINATOR_ADDRESS:-$MASTER_ADDR:$MASTER_PORT}
}

# Finds the processors that the program may use, as hexadecimal digits.
find_allowed() {
    [[ -z $allowed ]] || return 0
    local status='' pattern='Cpus_allowed:[[:space:]]*([0-9a-f,]+)'
    IFS= read -r -d '' status < /proc/self/status
    [[ ! $status =~ $pattern ]] || allowed=${BASH_REMATCH[1]//,/}
}

# Sets the threads of each of the processes in this task: its processors, which srun says, and which it may really use.
set_threads() {
    local cpus=0 index bits=0112122312232334
    [[ -z ${OMP_NUM_THREADS-} ]] || return 0
    find_allowed
    for ((index = 0; index < ${#allowed}; index++)); do cpus=$((cpus + ${bits:16#${allowed:index:1}:1})); done
    if [[ ${SLURM_CPUS_PER_TASK-} =~ ^[1-9][0-9]*$ ]] && ((SLURM_CPUS_PER_TASK < cpus)); then cpus=$SLURM_CPUS_PER_TASK; fi
    cpus=$((cpus / $1))
    export OMP_NUM_THREADS=$((cpus > 0 ? cpus : 1))
}

# Sets which GPUs the task sees: all of the node, of which LOCAL_RANK is its own, or only its own, as device 0.
set_gpus() {
    local variable=ROCR_VISIBLE_DEVICES other gpus
    [[ $gpu != NV ]] || variable=CUDA_VISIBLE_DEVICES
    for other in HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES; do
        [[ -z ${!other-} ]] || variable=$other
    done
    IFS=, read -r -a gpus <<< "${!variable-}"
    case ${EBSIF_VISIBLE_GPUS:-all} in
        all)
            [[ ${#gpus[@]} = 1 && ${gpus[0]} = *[0-9]* && ${gpus[0]} != -* ]] && ((local_world > 1)) || return 0
            note "each of the $local_world tasks on a node sees only one GPU, as device 0, which LOCAL_RANK does not fit: leave" \
                "out --gpus-per-task and --gpu-bind, or set EBSIF_VISIBLE_GPUS=own for LOCAL_RANK=0"
            ;;
        own)
            if [[ ${#gpus[@]} = 0 ]]; then export "$variable=$local_rank"; fi
            if ((${#gpus[@]} > 1)); then export "$variable=${gpus[local_rank % ${#gpus[@]}]}"; fi
            export LOCAL_RANK=0
            ;;
        *) fail "EBSIF_VISIBLE_GPUS is '$EBSIF_VISIBLE_GPUS': set it to all or own, or not at all" ;;
    esac
    export JAX_LOCAL_DEVICE_IDS=${JAX_LOCAL_DEVICE_IDS:-0}
}

# Finds the numbers of GPUs in a list such as 0,2-3.
find_gpus() {
    local ranges range index
    gpus=()
    IFS=, read -r -a ranges <<< "$1"
    for range in "${ranges[@]}"; do
        [[ $range =~ ^([0-9]+)(-([0-9]+))?$ ]] || fail "Slurm's list of GPUs, $1, cannot be read"
        for ((index = BASH_REMATCH[1]; index <= ${BASH_REMATCH[3]:-${BASH_REMATCH[1]}}; index++)); do gpus+=("$index"); done
    done
}

# Finds the processors that are in both of two masks, as digits; empty if there is none.
find_common() {
    local one=${1#0x} other=${2#0x} digit
    common=
    while [[ -n $one && -n $other ]]; do
        printf -v digit %x $((16#${one: -1} & 16#${other: -1}))
        common=$digit$common one=${one%?} other=${other%?}
    done
    common=${common#"${common%%[!0]*}"}
}

# Finds what starts a program on the processors near the GPU of this task, as far as the task has them.
bind_to_gpu() {
    local gpus own mask common
    # With --gpus-per-task, the list has only the GPU of the task.
    find_gpus "${SLURM_STEP_GPUS:-${SLURM_JOB_GPUS-}}"
    if [[ ${#gpus[@]} = 0 ]]; then
        note "the step has no GPUs: processors stay as they are"
        return
    fi
    own=${gpus[${SLURM_LOCALID:-0} % ${#gpus[@]}]}
    mask=${masks[own]-}
    if [[ -z $mask ]]; then
        note "the site does not say which processors are near GPU $own: they stay as they are"
        return
    fi
    find_allowed
    find_common "$mask" "$allowed"
    if [[ -z $common ]]; then
        echo "$name: task $rank has none of the processors near GPU $own (mask $mask): they stay as they are" >&2
        return
    fi
    allowed=$common
    if hash taskset 2> /dev/null; then
        near=(taskset "0x$common")
    else
        near=(python -c 'import os, sys
mask = int(sys.argv[1], 16)
os.sched_setaffinity(0, [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1])
os.execvp(sys.argv[2], sys.argv[2:])' "$common")
    fi
}

# Finds what starts a program on other processors than this task has, where that is asked for.
find_processors() {
    case ${EBSIF_CPU_BIND-} in
        '') ;;
        gpu) bind_to_gpu ;;
        *) fail "EBSIF_CPU_BIND is '$EBSIF_CPU_BIND': set it to gpu, or not at all" ;;
    esac
}

# What the settings say, and caches for the job.
set_variables() {
    add_default_caches
    set_start_values
    export PYTHONUNBUFFERED=${PYTHONUNBUFFERED-1}
}

read_settings "$here" || fail "the settings of the module cannot be read"
