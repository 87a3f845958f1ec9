# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # settings.sh has read the lists; who sources this uses what it sets.
# Sourced by settings.sh: the folder of caches that EBSIF_CACHE_TOP names, one for a user, an image and a job on a node. In it,
# .ebsif-job/<job> has a file for each task that uses it, with the number of its process. task-epilog removes the folder behind
# the last task; what was left over, the next start of the user on this node does. Only folders that have such a mark are ever
# removed, that belong to the user, and are no links. A folder that the user has chosen by EBSIF_CACHE_TOP is not touched.

# Caches where neither the user nor the settings say where they are: on a local disk, not on Lustre.
add_default_caches() {
    # shellcheck disable=SC2016  # For expand.
    start_values+=('EBSIF_CACHE_TOP /tmp/${USER}-ebsif-${EBSIF_IMAGE}-${SLURM_JOB_ID:-none}'
        'MIOPEN_USER_DB_PATH ${EBSIF_CACHE_TOP}/miopen' 'MIOPEN_CUSTOM_CACHE_DIR ${EBSIF_CACHE_TOP}/miopen')
    start_folders+=(EBSIF_CACHE_TOP MIOPEN_USER_DB_PATH MIOPEN_CUSTOM_CACHE_DIR)
}

is_own_folder() { [[ -d $1 && ! -L $1 && -O $1 ]]; }

# Tells whether a folder has caches of a job.
is_marked() { is_own_folder "$1" && is_own_folder "$1/.ebsif-job" && is_own_folder "$1/.ebsif-job/$2"; }

# Tells whether a process of the user with the number in a file is there.
is_alive() {
    local process=''
    read -r process 2> /dev/null < "$1"
    [[ $process =~ ^[0-9]+$ && -O /proc/$process ]]
}

# Tells whether there is any file in a folder.
has_files() {
    local files=("$1"/*)
    [[ -e ${files[0]} ]]
}

# Tells whether Slurm has a control group for a job here.
has_group() {
    local group
    for group in /sys/fs/cgroup/*/slurm*/uid_*/job_"$1" /sys/fs/cgroup/system.slice/*slurmstepd.scope/job_"$1"; do
        [[ ! -e $group ]] || return 0
    done
    return 1
}

# Marks the caches as used by this task, which may be the first one; fails where a task that has ended just now has removed them.
mark_cache() {
    local mark=$1/.ebsif-job/$SLURM_JOB_ID
    first=
    # Not the folder itself, which is to be whole. Another task may make these at the same time.
    if [[ ! -d $mark ]] && mkdir -- "$1/.ebsif-job" "$mark" 2> /dev/null; then first=yes; fi
    { echo $$ > "$mark/${SLURM_STEP_ID:-none}.${SLURM_LOCALID:-$$}"; } 2> /dev/null
}

# Removes caches of jobs that are over, from folders whose names begin so: none of their tasks is alive here, nor does Slurm have
# a control group for them. A container in which this cannot be seen leaves them to another one. A long /tmp takes a while to
# read: once is enough.
sweep_caches() {
    local mark job file top
    has_group "$SLURM_JOB_ID" || [[ ! -e /.singularity.d ]] || return 0
    for top in "$1"*; do
        is_own_folder "$top" || continue
        if is_gone "$top"; then
            rm -rf -- "$top"
            continue
        fi
        for mark in "$top"/.ebsif-job/[0-9]*; do
            job=${mark##*/}
            if [[ ! $job =~ ^[0-9]+$ || $job = "$SLURM_JOB_ID" ]] || ! is_marked "$top" "$job" || has_group "$job"; then continue; fi
            for file in "$mark"/*; do
                ! is_alive "$file" || continue 2
            done
            remove_cache "$top"
        done
    done
}

# Finds what the folders with caches for the jobs of this user begin with, given one of them.
find_prefix() {
    prefix=${1##*/}
    prefix=${prefix%%"${image_name%.sif}"*}
    prefix=${1%/*}/${prefix%%"$SLURM_JOB_ID"*}
}

# Finds the folder with caches for this job.
find_cache() {
    local entry expanded EBSIF_IMAGE=${image_name%.sif} USER=${USER:-$(id -un)}
    for entry in "${start_values[@]}"; do
        [[ $entry = "EBSIF_CACHE_TOP "* ]] || continue
        expand "${entry#* }" && cache=${expanded%/}
        return
    done
}

# Takes the mark of a task that has ended from the caches of its job, in folders whose names begin so, and, where they are
# wanted until the end of the step, removes them behind the last one.
leave_caches() {
    local mark file top
    for mark in "$1"*/.ebsif-job/"$SLURM_JOB_ID"; do
        top=${mark%/*/*}
        if is_gone "$top" || ! is_marked "$top" "$SLURM_JOB_ID"; then continue; fi
        rm -f -- "$mark/$SLURM_STEP_ID.$SLURM_LOCALID"
        [[ $2 = step ]] || continue
        # Those outside steps have no epilog.
        for file in "$mark"/none.*; do
            is_alive "$file" || rm -f -- "$file"
        done
        has_files "$mark" || remove_cache "$top"
    done
}

# Tells whether a folder has the name of one that is being removed.
is_gone() { [[ $1 = *.ebsif-gone.* ]]; }

# Removes a folder, under another name, so that whoever starts meanwhile has a whole one; not if a task has come to use it.
remove_cache() {
    local gone=$1.ebsif-gone.$$
    mv -T -- "$1" "$gone" 2> /dev/null || return 0
    if has_files "$gone/.ebsif-job/$SLURM_JOB_ID" && mv -T -- "$gone" "$1" 2> /dev/null; then return; fi
    rm -rf -- "$gone"
}
