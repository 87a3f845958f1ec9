"""The command ``completion``."""

import argparse

import shtab

from ebsif.arguments import INSTALLED
from ebsif.commands import COMMANDS
from ebsif.console import Console
from ebsif.parser import make_parser

EXAMPLE = "ebsif completion bash > ~/.local/share/bash-completion/completions/ebsif"

# Names of modules are never evaluated, as `compgen -W` would.
_FUNCTIONS = {
    "bash": f"""
{INSTALLED}() {{
  local name
  while IFS= read -r name; do
    if [[ $name = "$1"* ]]; then printf '%s\\n' "$name"; fi
  done < <(ebsif list --installations --names 2> /dev/null)
  compgen -d -- "$1"
  compgen -f -X '!*.eb' -- "$1"
}}
""",
    "zsh": f"""
{INSTALLED}() {{
  local -a names
  names=("${{(@f)$(ebsif list --installations --names 2> /dev/null)}}")
  compadd -a names
  _files -g '*.eb'
}}
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="which shell")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    functions = _FUNCTIONS.get(options.shell, "")
    console.write(shtab.complete(make_parser(*COMMANDS), options.shell, preamble=functions) + "\n")
    return 0
