#!/bin/bash
# Starts the Apptainer that lies beside this file's folder.
# Root in a machine that withholds CAP_SYS_RESOURCE (bit 24) cannot ask for all capabilities in the container, as
# Apptainer does by default; without any of them root can still mount and run everything.
if (( EUID == 0 )); then
    while read -r name value; do
        if [[ $name == CapPrm: ]] && (( !(16#$value >> 24 & 1) )); then
            export APPTAINER_NO_PRIVS=1
        fi
    done < /proc/self/status
fi
exec "${BASH_SOURCE[0]%/*}/../apptainer/bin/apptainer" "$@"
