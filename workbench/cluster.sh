#!/bin/bash
# A real Slurm on this machine, for as long as a command runs:
#
#     workbench/cluster.sh NODE… -- COMMAND…          for example: workbench/cluster.sh n1 n2 -- bash
#
# The command runs on a login node, and the compute nodes are beside it. Each node has namespaces of its own: processes, mounts,
# network, host name, /dev/shm, and the compute nodes a /tmp. A wrong address, or a file that is on another node, fails here
# as it does on a cluster. When the command ends, all of it goes; if this script is killed, empty control groups stay.
# It needs root and Debian's slurmctld, slurmd, slurm-client, munge and iproute2. Two clusters at once need names of nodes of
# their own, after which Slurm calls control groups. $CLUSTER is the folder with all files; tmp/NODE in it is a node's /tmp.
# Set before: CPUS of a node (2), the size of its /dev/shm in SHM (1g), in SHARED folders below /tmp that all nodes see (a:b).
set -euo pipefail
umask 022
SELF=$(readlink -f "$0")
NET=198.51.100 # For documentation, so nobody's: RFC 5737.

# --- files ---

configure() {
    local cpus=${CPUS:-2} i hosts="127.0.0.1 localhost"$'\n'"$NET.1 head"$'\n' nodes='' groups=linuxproc tasks=task/affinity
    for i in "${!names[@]}"; do
        hosts+="$NET.$((i + 2)) ${names[i]}"$'\n'
        nodes+="NodeName=${names[i]} NodeAddr=$NET.$((i + 2)) CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus"
        nodes+=$' ThreadsPerCore=1 RealMemory=20000 Gres=gpu:2 State=UNKNOWN\n'
    done
    # Control groups of version 2 would need systemd. Without any, what a task leaves behind ends with the cluster.
    if [[ -w /sys/fs/cgroup/freezer && -w /sys/fs/cgroup/cpuset ]]; then groups=cgroup tasks+=,task/cgroup; fi
    mkdir -p etc/slurm run log state spool tmp
    (umask 077; head -c 1024 /dev/urandom > etc/munge.key)
    printf %s "$hosts" > etc/hosts
    cat > etc/slurm/slurm.conf <<CONF
ClusterName=ebsif
SlurmctldHost=head($NET.1)
SlurmUser=root
SlurmctldPidFile=$CLUSTER/run/slurmctld.pid
SlurmdPidFile=$CLUSTER/run/slurmd-%n.pid
SlurmdSpoolDir=$CLUSTER/spool/%n
StateSaveLocation=$CLUSTER/state
AuthType=auth/munge
AuthInfo=socket=$CLUSTER/run/munge.socket
CredType=cred/munge
ProctrackType=proctrack/$groups
TaskPlugin=$tasks
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
MpiParams=ports=12000-12999
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
KillWait=5
OverTimeLimit=0
InactiveLimit=0
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
${nodes}PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE OverSubscribe=FORCE:4 State=UP
CONF
    cat > etc/slurm/cgroup.conf <<CONF
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainCores=yes
ConstrainRAMSpace=no
CONF
    # They only look like GPUs, so that Slurm hands them out and sets ROCR_VISIBLE_DEVICES, as for AMD's.
    mknod run/gpu0 c 1 3
    mknod run/gpu1 c 1 3
    echo "Name=gpu File=$CLUSTER/run/gpu[0-1] Flags=amd_gpu_env" > etc/slurm/gres.conf
}

# --- nodes ---

# Runs a function of this script as the first process of namespaces, which end with it.
namespaces() { exec setpriv --pdeathsig KILL unshare --fork --pid --kill-child --mount-proc --mount --net --uts --ipc -- "$SELF" "$@"; }

# Waits until a command succeeds, for what takes a fraction of a second.
await() {
    local i
    for ((i = 0; i < 750; i++)); do
        if "$@"; then return; fi
        sleep 0.02
    done
    echo "cluster.sh: this was awaited in vain: $*; the last lines of what Slurm says:" >&2
    tail -n 8 "$CLUSTER"/log/* >&2
    exit 1
}

# Tells whether a process has a network of its own.
# shellcheck disable=SC2317  # By await.
is_apart() { [[ ! /proc/$1/ns/net -ef /proc/self/ns/net ]]; }

# Tells whether all nodes wait for jobs.
# shellcheck disable=SC2317  # By await.
is_ready() { scontrol ping && ! sinfo --noheader --format=%T | grep -qvx idle; } > "$CLUSTER/log/state" 2>&1

# What each node has of its own.
private() {
    hostname "$1"
    mount --bind "$CLUSTER/etc/hosts" /etc/hosts
    mount --bind "$CLUSTER/etc/slurm" /etc/slurm
    # A /sys that shows this network, in which MPI looks for interfaces.
    mkdir -p "$CLUSTER/run/cgroup"
    mount --rbind /sys/fs/cgroup "$CLUSTER/run/cgroup"
    mount -t sysfs sysfs /sys
    mount --rbind "$CLUSTER/run/cgroup" /sys/fs/cgroup
    mount -t tmpfs -o "mode=1777,size=${SHM:-1g}" tmpfs /dev/shm
    ip link set lo up
}

node() {
    local name=$1 address=$2 tmp=$CLUSTER/tmp/$1 folder
    private "$name"
    IFS=: read -r -a shared <<< "${SHARED-}"
    mkdir -m 1777 "$tmp"
    for folder in "$CLUSTER" "${shared[@]}"; do
        [[ $folder = /tmp/* ]] || continue
        mkdir -p "$tmp/${folder#/tmp/}"
        mount --rbind "$folder" "$tmp/${folder#/tmp/}"
    done
    mount --rbind "$tmp" /tmp
    await test -e /sys/class/net/hsn0
    ip addr add "$address/24" dev hsn0
    ip link set hsn0 up
    await test -S "$CLUSTER/run/munge.socket"
    cd / # The folder that it was started in need not be here.
    # Not by exec: the shell buries the processes that have lost their parent.
    slurmd -D
}

login() {
    local i
    private head
    munged --foreground --socket="$CLUSTER/run/munge.socket" --key-file="$CLUSTER/etc/munge.key" \
        --pid-file="$CLUSTER/run/munged.pid" --seed-file="$CLUSTER/run/munged.seed" > "$CLUSTER/log/munged" 2>&1 < /dev/null &
    ip link add br0 type bridge
    ip addr add "$NET.1/24" dev br0
    ip link set br0 up
    for i in "${!names[@]}"; do
        namespaces _node "${names[i]}" "$NET.$((i + 2))" > "$CLUSTER/log/${names[i]}" 2>&1 < /dev/null &
        await is_apart $!
        ip link add "v$i" type veth peer name hsn0 netns $!
        ip link set "v$i" master br0 up
    done
    await test -S "$CLUSTER/run/munge.socket"
    slurmctld -D > "$CLUSTER/log/slurmctld" 2>&1 < /dev/null &
    await is_ready
    "$@"
}

# --- all ---

fail() {
    echo "cluster.sh: $*" >&2
    exit 2
}

read -r -a names <<< "${NAMES-}"
case ${1-} in
    _login) login "${@:2}"; exit ;;
    _node) node "${@:2}"; exit ;;
esac

names=()
while (($#)) && [[ $1 != -- ]]; do
    names+=("$1")
    shift
done
((${#names[@]} && $# > 1)) || fail "usage: cluster.sh NODE… -- COMMAND…"
shift
((EUID == 0)) || fail "only root can start a Slurm with nodes in namespaces"
for program in slurmctld slurmd srun munged ip; do
    type -P "$program" > /dev/null || fail "$program is not there: run \`python3 -m workbench prepare\`"
done

CLUSTER=$(mktemp -d "${TMPDIR:-/tmp}/cluster-XXXXXX")
export CLUSTER NAMES="${names[*]}"
trap 'rm -rf --one-file-system "$CLUSTER"' EXIT
chmod 755 "$CLUSTER"
(cd "$CLUSTER" && configure)
status=0
(namespaces _login "$@") || status=$?
for name in "${names[@]}"; do
    find /sys/fs/cgroup -depth -type d \( -path "*/slurm_$name" -o -path "*/slurm_$name/*" \) -exec rmdir {} +
done
exit "$status"
