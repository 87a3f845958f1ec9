"""The parser of the command line."""

import argparse
import importlib
from types import ModuleType
from typing import Any

from ebsif import __version__
from ebsif.commands import COMMANDS

EXIT_STATUSES = """\
exit status:
  0  done; or the answer is yes
  1  the answer is no: out of date, different, something is missing
  2  it cannot be done: the message says why
  130  interrupted
"""


class _Intermixed(argparse.ArgumentParser):
    """Accepts positional arguments before and after options; ArgumentParser does so only without subcommands.

    What stands after ``--`` belongs, as it is, to a last positional argument that takes any number of them.
    """

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; the method that is called here calls this one."""
        # The argparse that takes both in any order knows no subcommands: each of these is such a parser itself.
        if self._inside or any(action.nargs == argparse.PARSER for action in self._actions):
            return super().parse_known_args(args, namespace)
        words, rest, last = list(args), [], self._last_positional()
        if last and "--" in words:
            # ArgumentParser would remove another -- from the words after it.
            at = words.index("--")
            words, rest = words[:at], words[at + 1 :]
        self._inside = True
        try:
            namespace, unknown = self.parse_known_intermixed_args(words, namespace)
        finally:
            self._inside = False
        if rest:
            setattr(namespace, str(last), [*getattr(namespace, str(last)), *rest])
        return namespace, unknown

    def _last_positional(self) -> str | None:
        """Return the name of the last positional argument, if it takes any number of words."""
        positionals = self._get_positional_actions()
        return positionals[-1].dest if positionals and positionals[-1].nargs == "*" else None


def make_parser(*complete: str) -> argparse.ArgumentParser:
    """Return the parser.

    Parameters
    ----------
    complete
        The commands whose arguments it should know; the others are imported only when they are asked for.
    """
    parser = argparse.ArgumentParser(
        prog="ebsif",
        description="Python environments on frozen HPC containers, as EasyBuild modules.",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ebsif {__version__}")
    parser.add_argument("--quiet", "-q", action="store_true", help="only results, warnings and errors")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Intermixed)
    for name, purpose in COMMANDS.items():
        module = command_module(name) if name in complete else None
        command = commands.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example: {module.EXAMPLE}" if module else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module:
            module.add_arguments(command)
    return parser


def command_module(name: str) -> ModuleType:
    """Return the module of a command."""
    return importlib.import_module(f"ebsif.commands.{name}")
