"""Taking a layer elsewhere: a module for each kind of file that it can become.

A module has the same functions as one of `ebsif.commands`, and ``EXAMPLE``. What a kind is for, in a line, stands in
`KINDS`.
"""

KINDS = {
    "sif": "a SIF file with base, layer and activation, for a container runtime alone",
    "pylock": "a pylock.toml (PEP 751) of the Python packages of a locked easyconfig",
}
