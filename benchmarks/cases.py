"""The cases: what is measured, each by a function of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import trace
from benchmarks.bench import BY_HAND, FOLDER, OURS, PINNED, Bench, processors
from benchmarks.layers import Subject
from benchmarks.measure import Cost, cost, forget, peak_memory
from benchmarks.place import Place
from ebsif.inside.provenance import read_layer_record
from ebsif.inside.squashfs import mksquashfs_command

LEAST, START_OF_EB = "least", "start of eb"
BARE = "exec by hand"
_LEAST = Path(__file__).with_name("least.sh")
LIGHTNING = "import torch, pytorch_lightning"
TORCH = "import torch"
NOTHING = "pass"
AT_ONCE = (1, 2, 4, 8, 16, 32)
# A module is loaded in a moment: so often for one value.
_LOADS = 20


@dataclass(frozen=True)
class Case:
    """Something that is measured.

    Parameters
    ----------
    name
        What the command line and the results call it.
    rounds
        How many, unless the command line says another number.
    run
        Measures it.
    """

    name: str
    rounds: int
    run: Callable[[Bench, str, int], None]


def _install(bench: Bench, case: str, rounds: int, *, base: str, layer: str, counted: bool = True) -> None:
    """Measure ``eb`` and what it makes, beside the work that no layer can do without and the start of EasyBuild."""
    subject = bench.subject(base, layer)
    bench.results.packages[case] = len(subject.files)
    places = {contender.name: bench.place(contender, subject) for contender in bench.contenders}

    def install(place: Place) -> Cost:
        place.clear()
        return cost(place.install())

    actions: dict[str, Callable[[], Cost]] = {name: partial(install, place) for name, place in places.items()}
    actions[PINNED] = partial(install, _pinned(bench, subject))
    actions[LEAST] = partial(_least, bench, places[OURS], subject)
    actions[START_OF_EB] = lambda: cost(places[OURS].eb("--version"))
    bench.measure(case, rounds, actions)
    for name, place in places.items():
        bench.results.add(case, name, "layer", "byte", place.layer.stat().st_size)
    for name, place in places.items() if counted else ():
        with bench.progress.step(f"{case}: counting starts of containers, {name}"):
            other = bench.place(place.contender, subject, f"{name}, counted")
            env, log = other.counting()
            memory = peak_memory(other.install(env))
        bench.results.add(case, name, "starts", "", len(log.read_text().splitlines()))
        bench.results.add(case, name, "memory of eb", "MiB", round(memory, 1))
        other.clear()
    _use(bench, case, rounds, places)


def _pinned(bench: Bench, subject: Subject) -> Place:
    """Return the place where we install what the easyconfig says the content of."""
    contender = bench.contenders[0]
    ours = bench.place(contender, subject)
    bench.install(ours)
    record = json.loads((ours.installation / "layer.json").read_text())
    place = bench.place(contender, subject, PINNED)
    with place.easyconfig.open("a") as handle:
        handle.write(f"content_digest = {read_layer_record(record).content_sha256!r}\n")
    return place


def _use(bench: Bench, case: str, rounds: int, places: dict[str, Place]) -> None:
    """Measure what starting Python costs in what was installed."""
    for name, code in {"start": NOTHING, "import torch": TORCH}.items():
        python = {of: partial(cost, _python(place, code)) for of, place in places.items() if of != BY_HAND}
        bench.measure(f"{case}, {name}", max(rounds, 3), python)


def _least(bench: Bench, place: Place, subject: Subject) -> Cost:
    """Do the work that no layer can do without."""
    folder = bench.new_folder(f"least-{subject.base}-{subject.layer}")
    layer, image = folder / "layer", folder / "layer.squashfs"
    requirements = place.folder / "all.txt"
    requirements.write_text(subject.pinned(installer=True))
    jobs = processors()
    words: list[str | Path] = [_LEAST, place.machine.runtime, subject.image, layer, subject.installer.path.name]
    words += [
        str(jobs),
        subject.wheels,
        requirements,
        *mksquashfs_command("mksquashfs", str(layer), str(image), "zstd", jobs),
    ]
    try:
        return cost(place.arguments(words, place.shell))
    finally:
        _remove(place, folder)


def _remove(place: Place, folder: Path) -> None:
    cost(place.arguments(["rm", "-rf", *folder.iterdir()], place.shell))


def _python(place: Place, code: str) -> dict[str, Any]:
    return place.arguments(["python", "-c", code], place.loaded)


def _small(bench: Bench) -> tuple[Subject, dict[str, Place]]:
    subject = bench.subject("conda-torch", "demo")
    with bench.progress.step("installing what is used next"):
        return subject, {**bench.installed(subject), FOLDER: bench.unpacked(subject)}


def _import(bench: Bench, case: str, rounds: int, *, cold: bool) -> None:
    """Import torch and lightning through the module, cold when image and layer come from the disk."""
    _, places = _small(bench)

    def run(place: Place) -> Cost:
        if cold:
            forget([place.image, place.layer])
        return cost(_python(place, LIGHTNING))

    bench.measure(case, rounds, {name: partial(run, place) for name, place in places.items()})


def _start(bench: Bench, case: str, rounds: int) -> None:
    """Run ``python -c pass`` by the command of the module, and by a call of the container runtime."""
    _, places = _small(bench)
    ours = places[OURS]
    by_hand = ["exec", str(ours.image), "python", "-c", NOTHING]
    actions = {name: partial(cost, _python(place, NOTHING)) for name, place in places.items()}
    actions[BARE] = partial(cost, ours.arguments([ours.machine.runtime, *by_hand], ours.loaded))
    bench.measure(case, rounds, actions)


def _module(bench: Bench, case: str, rounds: int) -> None:
    """Load and unload the module."""
    _, places = _small(bench)

    def run(place: Place) -> Cost:
        script = f"{place.use_module}\nfor _ in {{1..{_LOADS}}}; do {place.load_and_unload}; done"
        return cost(place.arguments(["bash", "-c", script], place.shell))

    bench.measure(case, rounds, {name: partial(run, place) for name, place in places.items()}, per=_LOADS)


def _at_once(bench: Bench, case: str, rounds: int) -> None:
    """Start Python several times at once, as tasks on one node, each with the import of torch and lightning."""
    _, places = _small(bench)
    for number in AT_ONCE:
        actions = {name: partial(cost, _python(places[name], LIGHTNING), number) for name in (OURS, FOLDER)}
        bench.measure(f"{case} {number}", rounds, actions)


def _files(bench: Bench, case: str, rounds: int) -> None:
    """Count operations by name on files of the installation, which a file system with a metadata server sees."""
    _, places = _small(bench)
    for name in (OURS, FOLDER):
        place = places[name]
        with bench.progress.step(f"{case}: counting operations on files, {name}"):
            log = bench.new_folder(f"trace-{name.replace(' ', '-')}") / "log"
            words = [*trace.command(log), "python", "-c", LIGHTNING]
            cost(place.arguments(words, place.loaded))
            counts = trace.count(log.read_text(errors="replace"), place.installation)
        for quantity, number in counts.items():
            bench.results.add(case, name, quantity, "", number)


CASES = {
    case.name: case
    for case in (
        Case("small-conda", 5, partial(_install, base="conda-torch", layer="demo")),
        Case("small-venv", 3, partial(_install, base="venv-torch", layer="demo", counted=False)),
        Case("large-conda", 3, partial(_install, base="conda-torch", layer="large")),
        Case("one-conda", 3, partial(_install, base="conda-torch", layer="one")),
        Case("import-warm", 5, partial(_import, cold=False)),
        Case("import-cold", 5, partial(_import, cold=True)),
        Case("start", 20, _start),
        Case("module", 5, _module),
        Case("at-once", 2, _at_once),
        Case("files", 1, _files),
        Case("huge-conda", 1, partial(_install, base="conda-torch", layer="huge", counted=False)),
    )
}
