"""The command ``completion``."""

import argparse

import shtab

from ebsif.commands import COMMANDS
from ebsif.console import Console
from ebsif.parser import make_parser

EXAMPLE = "ebsif completion bash > ~/.local/share/bash-completion/completions/ebsif"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="which shell")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    console.write(shtab.complete(make_parser(*COMMANDS), options.shell) + "\n")
    return 0
