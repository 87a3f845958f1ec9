"""The command ``jobscript``."""

import argparse
from pathlib import Path

from ebsif import document
from ebsif.console import Console
from ebsif.document import Document
from ebsif.files import write_new
from ebsif.inside.text import shell_words
from ebsif.jobscript import Job, render
from ebsif.site import read_site

EXAMPLE = "ebsif jobscript PyTorch/… --site lumi --nodes 2 --time 12:00:00 -o train.sh -- python train.py --epochs 10"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("module", metavar="MODULE", help="the module that has the program")
    add("program", nargs="*", metavar="PROGRAM", help="the program and its arguments, after --")
    add("--nodes", "-N", type=int, default=1, metavar="N", help="nodes (default: %(default)s)")
    add("--gpus", type=int, metavar="G", help="GPUs of each node; by default all that a node of the site has")
    add("--tasks", type=int, metavar="T", help="tasks of each node; by default one for each GPU, or one")
    add("--cpus", type=int, metavar="C", help="processors of each task; by default those that belong to its GPUs")
    style = parser.add_mutually_exclusive_group()
    style.add_argument("--torchrun", action="store_true", help="start the processes of each node with torchrun")
    style.add_argument("--mpi", action="store_true", help="the program finds its ranks by MPI")
    add("--time", "-t", metavar="T", help="how long the job may take: minutes, hours:minutes:seconds, days-hours")
    add("--account", "-A", metavar="NAME", help="the project; by default a line to fill in")
    add("--partition", metavar="NAME", help="the partition; by default a line to fill in")
    add("--mail", metavar="ADDRESS", help="who gets a mail when the job has ended or failed")
    add("--array", metavar="NUMBERS", help="an independent job for each number, as in 0-9")
    add("--site", default="local", help="the site, or a file with one (default: %(default)s)")
    add("--output", "-o", type=Path, metavar="FILE", help="where to write it; by default it is printed")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the script, or write it to a new file."""
    asked = {name: getattr(options, name) for name in Job.model_fields if getattr(options, name, None) is not None}
    asked["style"] = "torchrun" if options.torchrun else "mpi" if options.mpi else "python"
    script = render(document.validate(Job, Document(Path("the command line"), asked, {})), read_site(options.site))
    if options.output is None:
        console.write(script)
        return 0
    write_new(options.output, script.encode(), 0o644)
    console.say(f"{options.output}: written")
    console.note("next: look through it, fill in what begins with ##SBATCH, and")
    console.note(f"sbatch {shell_words(str(options.output))}")
    return 0
