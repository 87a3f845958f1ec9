"""The command ``feature``."""

import argparse
from pathlib import Path

from ebsif.console import Console
from ebsif.files import write_new
from ebsif.hostmpi import common, look, render

EXAMPLE = "ebsif feature /opt/cray/pe/mpich/8.1.29/ofi/gnu/12.3/lib-abi-mpich/libmpi.so.12 -o cray-mpich.yml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("library", type=Path, metavar="LIBRARY", help="the MPI library of this machine")
    add("more", type=Path, nargs="*", metavar="MORE", help="libraries that it loads only when it runs")
    add("--mpi", default="pmi2", metavar="WORD", help="what `srun --mpi=` takes for it (default: %(default)s)")
    add("--output", "-o", type=Path, metavar="FILE", help="where to write the feature; by default it is printed")


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the feature, or write it to a new file; say what it cannot know."""
    feature = look(options.library, options.more, options.mpi)
    text = render(feature)
    if options.output is None:
        console.write(text)
    else:
        write_new(options.output, text.encode(), 0o644)
        glibc = f", for images with glibc {feature.glibc} or newer" if feature.glibc else ""
        console.say(f"{options.output}: written, {len(feature.binds)} binds{glibc}")
    if both := common(feature):
        console.warn(f"images have {', '.join(both)}, too, perhaps newer: then leave out the lines of these")
    console.note("not known: what these libraries load only when they run (give that, too), devices, and whether")
    console.note(f"Slurm can do --mpi={feature.srun.mpi} (`srun --mpi=list`). With a module that has it, try:")
    console.note(feature.proof)
    return 0
