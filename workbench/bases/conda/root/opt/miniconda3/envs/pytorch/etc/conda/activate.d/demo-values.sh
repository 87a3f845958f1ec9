# shellcheck shell=bash
# Values that only careful quoting carries through.
export DEMO_HOOK_VALUE="two words, 'single' and \"double\" quotes, \$HOME, \$(id), \`id\`, a \\ backslash, [brackets] and *"
export DEMO_HOOK_PREFIX="$CONDA_PREFIX/share/demo data"
