"""One run of the benchmarks: who takes part, what is installed where, and what was measured."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.description import describe, revision
from benchmarks.errors import BenchmarkError
from benchmarks.layers import Subject
from benchmarks.measure import Cost, cost
from benchmarks.place import Contender, Place, own
from benchmarks.results import Results, alternate
from workbench import Machine, easybuild
from workbench.progress import Progress

OURS, BEFORE, BY_HAND = "ours", "before", "by hand"
# With an easyconfig that says what the content of the layer is.
PINNED = "ours, pinned"
# Our layer, unpacked.
FOLDER = "ours, folder"


@dataclass
class Bench:
    """What the cases share.

    Parameters
    ----------
    machine
        The prepared machine.
    scratch
        A folder for all that is installed.
    contenders
        Who installs.
    results
        What was measured.
    progress
        Where to tell what is being done.
    rounds
        How many rounds, whatever the case says.
    """

    machine: Machine
    scratch: Path
    contenders: Sequence[Contender]
    results: Results
    progress: Progress
    rounds: int | None = None
    _places: dict[tuple[str, str, str], Place] = field(default_factory=dict)

    def subject(self, base: str, layer: str) -> Subject:
        """Return what a layer on a base is."""
        return Subject(base, self.machine.bases[base], layer)

    def place(self, contender: Contender, subject: Subject, name: str = "") -> Place:
        """Return the place where a contender installs something, which has a name of its own or the contender's."""
        name = name or contender.name
        key = (name, subject.base, subject.layer)
        if key not in self._places:
            folder = self.scratch / subject.base / subject.layer / name.replace(" ", "-").replace(",", "")
            place = Place(self.machine, folder, contender, subject)
            place.make()
            self._places[key] = place
        return self._places[key]

    def installed(self, subject: Subject) -> dict[str, Place]:
        """Return where each contender has installed something, which it does now unless it has done so."""
        places = {contender.name: self.place(contender, subject) for contender in self.contenders}
        for place in places.values():
            self.install(place)
        return places

    def unpacked(self, subject: Subject) -> Place:
        """Return where our layer is a folder."""
        place = self.place(self.contenders[0], subject, FOLDER)
        if not place.installation.exists():
            self.install(place)
            packed = place.layer
            folder = packed.with_name("user-software")
            # All of it, bytecode too, which unmake-squashfs would leave out.
            cost(place.arguments(["unsquashfs", "-no-xattrs", "-dest", folder, packed], place.shell))
            packed.unlink()
        return place

    def install(self, place: Place) -> None:
        """Install in a place where nothing is installed yet."""
        if not place.installation.exists():
            cost(place.install())

    def new_folder(self, name: str) -> Path:
        """Return a folder for the user who installs."""
        folder = self.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        own(self.machine, folder)
        return folder

    def measure(self, case: str, rounds: int, actions: Mapping[str, Callable[[], Cost]], *, per: int = 1) -> None:
        """Measure what actions cost, in rounds, by the name of who does them.

        Parameters
        ----------
        case
            The name of the case.
        rounds
            How many.
        actions
            What to do.
        per
            How often an action does what it measures.
        """
        for turn, name in alternate(self.rounds or rounds, list(actions)):
            with self.progress.step(f"{case}: round {turn + 1}, {name}"):
                found = actions[name]()
            self.results.add(case, name, "wall", "s", round(found.wall / per, 4))
            self.results.add(case, name, "processor", "s", round(found.processor / per, 4))


@contextmanager
def bench(also: str | None, rounds: int | None, folder: Path | None, machine: Machine) -> Iterator[Bench]:
    """Give a run of the benchmarks, whose files are removed at the end.

    Parameters
    ----------
    also
        A revision of the project that takes part, too.
    rounds
        How many rounds, whatever a case says.
    folder
        Where to make the folder for all that is installed; by default where temporary files are.
    machine
        The prepared machine.
    """
    with tempfile.TemporaryDirectory(prefix="ebsif-bench-", dir=folder) as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        contenders = [Contender(OURS, _easyblocks(scratch / "ours"))]
        revisions = {OURS: revision()}
        if also:
            contenders.append(Contender(BEFORE, _easyblocks_of(also, scratch / "before")))
            revisions[BEFORE] = revision(also)
        contenders.append(Contender(BY_HAND, None))
        yield Bench(machine, scratch, contenders, Results(describe(machine), revisions), Progress(), rounds)


def _easyblocks(folder: Path) -> Path:
    """Copy the easyblocks of this folder of the project, where each user can read them."""
    shutil.copytree(easybuild.PROJECT / "easyblocks" / "generic", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _easyblocks_of(wanted: str, folder: Path) -> Path:
    """Copy the easyblocks of a revision."""
    folder.mkdir()
    archive = ["git", "-C", str(easybuild.PROJECT), "archive", "--format=tar", wanted, "easyblocks/generic"]
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as made:
        subprocess.run(["tar", "-x", "-C", folder, "--strip-components=2"], stdin=made.stdout, check=True)
    if made.returncode != 0:
        raise BenchmarkError(f"{wanted} is no revision of this repository with easyblocks")
    return folder


def processors() -> int:
    """Return how many processors this process may use, as many as EasyBuild takes."""
    return len(os.sched_getaffinity(0))
