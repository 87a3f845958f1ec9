# shellcheck shell=bash
unset DEMO_HOOK_VALUE DEMO_HOOK_PREFIX
