"""The commands that README and documentation show, and which of them no test runs as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"
PAGES = [README, *sorted((ROOT / "docs").glob("*.rst"))]

# What begins a line that is a command.
_COMMAND = re.compile(
    r"(?:apptainer|cat|cp|chmod|dd|eb|ebsif|echo|eval|export|gdalinfo|install-kernel|lfs|make|mkdir|module|pip|python3?"
    r"|python-distributed|rm|sbatch|scancel|singularity|source|srun|start-shell|(?:un)?make-squashfs|[\w./$]+/bin/\w+)"
    r"(?= |$)"
)

_SLURM = "needs nodes with GPUs; of two nodes without: tests/e2e/slurm/test_frameworks.py"
_DEMO = "the demo's easyconfig, with torch: tests/e2e/test_torch.py"
_FILLED = "needs another installation, one to fill: tests/e2e/test_commands.py"
_WORKBENCH = "sets a machine up, or measures it for long"

# By page and line, as regular expressions: why the line is not run by tests/e2e/test_documented_commands.py, and what
# runs the same.
NOT_RUN = {
    (r".*", r"make (demo|test|lint|docs|bench|dist|lock)"): _WORKBENCH,
    (r"benchmarks.rst", r"python -m benchmarks .*"): f"{_WORKBENCH}: tests/unit/test_benchmarks.py",
    (r"README.rst", r"eb PyTorch-2.13.0-.*|module load PyTorch/2.13.0-.*|(srun --ntasks=8 )?python train.py"): _DEMO,
    (r"README.rst", r"(python3 -m venv |)/tmp/\$USER/ebsif.*|export PATH=/tmp/\$USER/ebsif.*"): "needs a package index",
    (r".*", r"module load LUMI.*|export EBU_USER_PREFIX=.*; module load LUMI.*"): "modules of LUMI",
    (r".*", r"srun .*|sbatch .*|python-distributed .*|export HF_HOME=.*"): _SLURM,
    (r".*", r"scancel .*"): "needs a job that runs: tests/e2e/slurm/test_frameworks.py",
    (r"mpi.rst", r"module load Simulation.*|ebsif feature .*"): "Cray's MPI; with MPICH: tests/e2e/slurm/test_mpi.py",
    (r"images.rst", r".*lumi-multitorch.*|ebsif generate .*"): "an image of 14 GB: tests/e2e/test_generator.py",
    (r"share.rst", r"lfs .*|dd .*"): "needs Lustre",
    (r"change.rst", r"pip install …|.*make-squashfs|rm -r .*|module unload PyTorch"): _FILLED,
    (r"jupyter.rst", r"install-kernel|ebsif kernel .*"): "needs ipykernel in the layer: tests/e2e/test_kernel.py",
    (r"(README|install).rst", r"eb dist/.*|module load ebsif.*"): "needs `make dist`: tests/e2e/test_own_module.py",
    (r"install.rst", r"python3 -m venv .*|.*/pip install .*"): "tests/distribution/test_clean_install.py",
    (r"locks.rst", r"ebsif new .*"): "needs locks of other tools: tests/e2e/test_locks.py",
    (r"portable.rst", r"singularity exec .*"): "SingularityCE; with Apptainer: tests/e2e/test_portable.py",
    (r"portable.rst", r"apptainer (sif dump|sign|verify) .*|unsquashfs .*"): "a number, a key: e2e/test_portable.py",
    (r"portable.rst", r"eb --sourcepath=.*"): "names a folder elsewhere: tests/e2e/test_pack.py",
    (r"verify.rst", r".*/software/PyTorch/….*"): "the path of an installation: tests/e2e/test_verify.py",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A literal block that has a command."""

    page: str
    number: int
    """The line of the page that it begins at."""
    lines: tuple[str, ...]

    @property
    def commands(self) -> list[str]:
        return [line for line in self.lines if _COMMAND.match(line)]


def blocks(page: Path) -> list[Block]:
    """Return the literal blocks of a page that have commands."""
    lines = page.read_text().splitlines()
    found: list[Block] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.rstrip().endswith("::") or line.lstrip().startswith(".. "):
            continue
        start, outside = number, len(line) - len(line.lstrip())
        while number < len(lines) and (not lines[number].strip() or _indent(lines[number]) > outside):
            number += 1
        text = [one for one in lines[start:number] if one.strip()]
        # A list item's own text has the block's indentation less what sets the block off.
        inside = _indent(text[0]) if text else 0
        block = Block(page.name, start + 1, tuple(one[inside:] for one in text if _indent(one) >= inside))
        if block.commands:
            found.append(block)
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def reason(page: str, command: str) -> str | None:
    """Return why a command of a page is not run as it stands there; None if it is run."""
    for (pages, pattern), why in NOT_RUN.items():
        if re.fullmatch(pages, page) and re.fullmatch(pattern, command):
            return why
    return None


def script(page: Path) -> str:
    """Return what a person types who follows a page, without what is not run."""
    lines = [line for block in blocks(page) for line in block.lines if reason(block.page, line) is None]
    return "".join(f"{line}\n" for line in lines)
