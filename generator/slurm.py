"""What Slurm takes: values that can stand in a line of ``#SBATCH``, and the jobs that a site takes."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ebsif.values import Count, StrictModel, matching

_TIME = re.compile(
    r"(?P<minutes>\d+)(?::(?P<seconds>\d+))?"
    r"|(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)"
    r"|(?P<days>\d+)-(?P<hours>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?"
)


def seconds(time: str) -> int:
    """Return how long a time is that Slurm understands: ``30``, ``30:00``, ``1:30:00``, ``2-12`` or ``2-12:00:00``.

    Raises
    ------
    ValueError
        For a text that is none, and for nothing, which Slurm takes for no limit.
    """
    found = _TIME.fullmatch(time)
    parts = {name: int(value) for name, value in found.groupdict("0").items()} if found else {}
    minutes = sum(parts.get(name, 0) for name in ("minutes", "m", "dm"))
    hours = parts.get("h", 0) + parts.get("hours", 0) + 24 * parts.get("days", 0)
    total = sum(parts.get(name, 0) for name in ("seconds", "s", "ds")) + 60 * minutes + 3600 * hours
    if not total:
        raise ValueError(f"{time!r} is not a time: write minutes, hours:minutes:seconds or days-hours:minutes:seconds")
    return total


def _time(value: str) -> str:
    seconds(value)
    return value


# Slurm takes them as they are: nothing quotes a value in a line of #SBATCH.
Time = Annotated[str, AfterValidator(_time)]
Account = Annotated[str, matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "an account: letters, digits, and any of _.-")]
Partition = Annotated[str, matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "a partition: letters, digits, and any of _.-")]
Memory = Annotated[str, matching(r"[1-9]\d*[KMGT]", "an amount of memory, such as 60G")]
Mail = Annotated[str, matching(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*@[A-Za-z0-9][A-Za-z0-9.-]*", "an address for mail")]
Array = Annotated[
    str,
    matching(r"(\d+(-\d+(:\d+)?)?)(,\d+(-\d+(:\d+)?)?)*(%\d+)?", "the numbers of an array, such as 0-9, 1,3 or 0-99%4"),
]
MpiType = Annotated[str, matching(r"[a-z0-9_]+", "a word for srun --mpi=, such as pmi2")]


class Limits(StrictModel):
    """What a job can have, so far as it is known."""

    gpus_per_node: Count | None = None
    """GPUs of a node."""
    cpus_per_node: Count | None = None
    """Processors of a node that jobs can have."""
    nodes: Count | None = None
    """Nodes of a job, at most."""
    time: Time | None = None
    """Time of a job, at most."""

    def objections(self, wanted: "Limits") -> Iterator[str]:
        """Yield what a job wants and cannot have."""
        for name, what in (("gpus_per_node", "GPUs"), ("cpus_per_node", "processors")):
            has, wants = getattr(self, name), getattr(wanted, name)
            if has is not None and wants is not None and wants > has:
                yield f"has {has} {what} a node, not {wants}"
        if self.nodes is not None and wanted.nodes is not None and wanted.nodes > self.nodes:
            yield f"gives a job {self.nodes} nodes, not {wanted.nodes}"
        if self.time is not None and wanted.time is not None and seconds(wanted.time) > seconds(self.time):
            yield f"ends jobs after {self.time}, before {wanted.time}"


class JobSettings(Limits):
    """Jobs of a site: what they ask for, and what they can have at most."""

    cpus_per_gpu: Count | None = None
    """Processors for each GPU."""
    memory_per_gpu: Memory | None = None
    """Memory for each GPU."""
    gpu_bind: Literal["masks", "map"] | None = None
    """How each task of a whole node gets processors near its GPU: ``masks`` gives task 0 those of GPU 0, by
    ``cpu_masks`` of the site; ``map`` gives it the GPU of the first processors, by `srun --gpu-bind=map:` of Slurm
    24.05 or newer."""
    mpi: MpiType | None = None
    """How MPI of images learns of its ranks: what `srun --mpi=` takes. A feature that brings an MPI says so itself."""
    partitions: dict[Partition, Limits] = Field(default_factory=dict)
    """The partitions, each with what is different in it."""

    def limits(self, partition: str | None) -> Limits:
        """Return what a job can have in a partition; without one, what is true of all that do not say otherwise."""
        own = self.partitions[partition].model_dump(exclude_none=True) if partition in self.partitions else {}
        return Limits.model_validate(self.model_dump(include=set(Limits.model_fields)) | own)
