"""Job scripts: a module's program on GPUs and nodes, as Slurm and the site want it."""

import os
import re
import shlex
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, model_validator

from ebsif import __version__
from ebsif.errors import EbsifError
from ebsif.feature import mpi_of
from ebsif.jinja import templates
from ebsif.site import Site
from ebsif.slurm import Account, Array, Limits, Mail, Partition, Time, seconds
from ebsif.values import Count, ModuleName, StrictModel

# Seconds before the end at which a program is told to save what it has.
WARNING = 300

# What would start the program a second time in each task.
_LAUNCHERS = {
    "torchrun": "write --torchrun -- python train.py",
    "accelerate": "write -- python train.py: accelerate finds its ranks there",
    "deepspeed": "write -- python train.py: deepspeed finds its ranks there",
    "srun": "leave it out: the script has its own",
    "mpirun": "write --mpi -- and the program",
    "mpiexec": "write --mpi -- and the program",
}

# Bash's reserved words (Reserved Words in its manual): as arguments they are words, but readers stumble over them.
_RESERVED = (
    *("case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then"),
    *("time", "until", "while"),
)


class Job(StrictModel):
    """What a person asks for."""

    module: ModuleName
    """The module that has the program."""
    program: list[str] = Field(min_length=1)
    """The program, and its arguments: any texts."""
    nodes: Count = 1
    """Nodes."""
    gpus: Count | None = None
    """GPUs of each node; without a number all that a node has."""
    tasks: Count | None = None
    """Tasks of each node; without a number one for each GPU, or one."""
    cpus: Count | None = None
    """Processors of each task; without a number what belongs to its GPUs, or its part of the node."""
    style: Literal["python", "torchrun", "mpi"] = "python"
    """How the tasks find each other."""
    time: Time | None = None
    """When Slurm ends the job."""
    account: Account | None = None
    """Who pays."""
    partition: Partition | None = None
    """Which nodes."""
    mail: Mail | None = None
    """Who gets a mail at the end."""
    array: Array | None = None
    """Numbers of independent jobs."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Job":
        name, *arguments = self.program
        if self.module.startswith("-"):
            raise ValueError(f"module: {self.module!r} is an option")
        if 0 in (self.nodes, self.tasks, self.cpus):
            raise ValueError("nodes, tasks and cpus: 0 of them cannot run anything")
        if name in _LAUNCHERS:
            raise ValueError(f"{name} would start the program once more in each task: {_LAUNCHERS[name]}")
        if self.style == "torchrun" and self.tasks:
            raise ValueError("--torchrun starts a process for each GPU by itself: leave out --tasks")
        if self.style == "torchrun" and not self.is_python:
            raise ValueError("--torchrun runs programs in Python: write -- python train.py")
        if self.style == "torchrun" and arguments and re.match(r"-(?!m$)[^-]", arguments[0]):
            raise ValueError(f"torchrun does not take python's option {arguments[0]!r}: name the program first, or -m")
        return self

    @property
    def is_python(self) -> bool:
        """Whether the program is Python."""
        return re.fullmatch(r"python(3(\.\d+)?)?", self.program[0]) is not None


class _Quoted(str):
    """Text that is part of the script as it stands."""

    __slots__ = ()


def render(job: Job, site: Site) -> str:
    """Return the text of a job script.

    Raises
    ------
    EbsifError
        When the site cannot have such a job.
    """
    settings = site.jobscript
    if settings.partitions and job.partition and job.partition not in settings.partitions:
        known = ", ".join(settings.partitions)
        raise EbsifError(f"the site {site.name} has no partition {job.partition}: known are {known}")
    mpi = mpi_of(site) if job.style == "mpi" else None
    if job.style == "mpi" and mpi is None:
        raise EbsifError(
            f"the site {site.name} does not say what `srun --mpi=` takes there: `srun --mpi=list` does; write "
            "`jobscript: {mpi: …}` into the file of the site, or make a feature of the host's MPI (`ebsif feature`)"
        )
    limits = settings.limits(job.partition)
    gpus = limits.gpus_per_node or 0 if job.gpus is None else job.gpus
    tasks = job.tasks or (1 if job.style == "torchrun" else gpus or 1)
    cpus = job.cpus or _share(gpus * (settings.cpus_per_gpu or 0) or (0 if gpus else limits.cpus_per_node), tasks)
    wanted = Limits(gpus_per_node=gpus, cpus_per_node=tasks * (cpus or 1), nodes=job.nodes, time=job.time)
    whole = gpus > 0 and gpus == limits.gpus_per_node
    filters = {"words": _words, "directive": _directive, "listed": _listed}
    text: str = (
        templates("ebsif", filters, finalize=_only_quoted)
        .get_template("job.sh.j2")
        .render(
            version=_Quoted(__version__),
            site=site,
            job=job,
            mpi=mpi,
            partitions=_partitions(site, job, wanted),
            gpus=gpus,
            tasks=tasks,
            cpus=cpus,
            whole=whole,
            bind=settings.gpu_bind if whole and gpus == tasks == len(site.cpu_masks) else None,
            # A program that does not handle the signal is ended by it: nothing else is known to handle it.
            warning=WARNING if job.is_python and job.style != "torchrun" and _is_long(job.time) else None,
            command=_command(job),
        )
    )
    return text


def _share(cpus: int | None, tasks: int) -> int | None:
    return max(cpus // tasks, 1) if cpus else None


def _is_long(time: str | None) -> bool:
    return time is None or seconds(time) >= 2 * WARNING


def _partitions(site: Site, job: Job, wanted: Limits) -> list[str]:
    """Return the partitions that can have a job: the one that it names, or all of them that can.

    Raises
    ------
    EbsifError
        When there is none; with what each has and the job wants.
    """
    settings = site.jobscript
    names: list[str | None] = [job.partition] if job.partition else [*settings.partitions] or [None]
    objections = {name: next(settings.limits(name).objections(wanted), None) for name in names}
    if all(objections.values()):
        raise EbsifError(
            "\n".join(
                f"the partition {name} of the site {site.name} {objection}"
                if name
                else f"the site {site.name} {objection}"
                for name, objection in objections.items()
            )
        )
    return [name for name in names if name and not objections[name]]


def _command(job: Job) -> list[str]:
    """Return what srun starts."""
    if not job.is_python or job.style == "mpi":
        return job.program
    return ["torchrun-distributed" if job.style == "torchrun" else "python-distributed", *job.program[1:]]


def word(value: str) -> _Quoted:
    r"""Return a word for bash that arrives as it is, on one line, in characters that can be read.

    What cannot be read, such as a byte that is no UTF-8, is written as ``\xff``, and ``$`` never looks like a variable.
    """
    if value in _RESERVED:
        return _Quoted(f"'{value}'")
    if re.fullmatch(r"[^'$`\\~]*", value) and value.isprintable():
        return _Quoted(shlex.quote(value))
    return _Quoted("$'" + "".join(map(_character, value)) + "'")


def _character(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return {"\n": r"\n", "\t": r"\t"}.get(character) or "".join(rf"\x{byte:02x}" for byte in os.fsencode(character))


def _words(values: Iterable[str]) -> _Quoted:
    return _Quoted(" ".join(map(word, values)))


def _directive(value: str | int) -> _Quoted:
    """Return a value for a line of ``#SBATCH``, where nothing can be quoted."""
    if not re.fullmatch(r"[A-Za-z0-9_.,:@%+-]+", str(value)):
        raise ValueError(f"{value!r} cannot be a value for Slurm")
    return _Quoted(value)


def _listed(values: Iterable[Any], separator: str = ",") -> _Quoted:
    return _Quoted(separator.join(map(_directive, values)))


def _only_quoted(value: Any) -> _Quoted:
    if not isinstance(value, _Quoted):
        raise TypeError(f"the template of job scripts must quote {value!r}")
    return value
