#!/bin/bash
# Run in a container with the names of commands: prints the numbers of what `env -0` prints, and then a record for each
# command that cannot start, which begins with its name.
command -p env -0 | command -p od -An -v -tx1
printf '\0'
LC_ALL=C
for name; do
    if ! path=$(type -P -- "$name"); then
        printf '%s is neither in the image nor in the layer\0' "$name"
        continue
    fi
    IFS= read -r -n 2 magic < "$path"
    [[ $magic = '#!' ]] || continue
    read -r line < "$path"
    read -r -a words <<< "${line#'#!'}"
    if [[ ${words[0]} = */env ]]; then
        words=("${words[@]:1}")
        while [[ ${words[0]-} = -* || ${words[0]-} = *=* ]]; do
            words=("${words[@]:1}")
        done
    fi
    type -P -- "${words[0]-}" > /dev/null ||
        printf '%s does not start: its interpreter %s is not there\0' "$name" "${words[0]-}"
done
