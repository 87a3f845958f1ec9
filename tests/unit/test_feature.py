"""Features: what modules bring of the machine where a recipe asks for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ebsif import document
from ebsif.base.image import Base
from ebsif.console import Console
from ebsif.easyconfig.render import render
from ebsif.errors import EbsifError, InputError
from ebsif.feature import Feature, asked_features, mpi_of, read_feature
from ebsif.recipe import Recipe
from ebsif.site import Site, read_site
from tests.support.manifests import make_manifest

BASE = Base("x.sif", Path("x.sif"), make_manifest())  # with glibc 2.36
MPI = """\
description: the MPI of the machine
binds: ['/usr/lib/libmpi.so.12:/ebsif/mpi/libmpi.so.12:ro']
library_path: [/ebsif/mpi]
container_env: {UCX_POSIX_USE_PROC_LINK: n}
glibc: 2.34
srun: {mpi: pmi2}
proof: srun --mpi=pmi2 -n2 hostname
"""
SOME = "description: x\nproof: hostname\n"


@pytest.fixture
def site(tmp_path: Path) -> "SiteFolder":
    return SiteFolder(tmp_path)


class SiteFolder:
    """A site in a folder, with features in another one below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "features").mkdir()

    def have(self, more: str = "", /, **features: str) -> Site:
        for name, text in features.items():
            (self.folder / "features" / f"{name}.yml").write_text(text)
        listed = "".join(f"  {name}: features/{name}.yml\n" for name in features)
        text = f"name: here\ndescription: x\nfeatures:\n{listed}{more}"
        (self.folder / "site.yml").write_text(text)
        return read_site("site.yml", self.folder)


def ask(site: Site, *names: str, base: Base = BASE) -> tuple[Feature, ...]:
    text = f"name: Demo\nversion: '1'\nbase: x.sif\nfeatures:\n  - {', '.join(names)}\n"
    text = text.replace(", ", "\n  - ")
    written = document.parse(text, Path("recipe.yml"))
    recipe = document.validate(Recipe, written)
    return asked_features(recipe, written, site, base, Console())


def test_its_file_is_found_beside_that_of_the_site(site: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert read_feature(site.have(mpi=MPI), "mpi").srun.mpi == "pmi2"


def test_one_that_nobody_asks_for_is_not_even_read(site: SiteFolder) -> None:
    assert ask(site.have(mpi=MPI, broken="nonsense"), "mpi") == (read_feature(site.have(mpi=MPI), "mpi"),)


def test_one_that_the_site_does_not_have_is_refused_with_those_that_it_has(site: SiteFolder) -> None:
    with pytest.raises(InputError, match=r"recipe.yml:5: the site here has no feature ucx: it has mpi, net"):
        ask(site.have(net=SOME, mpi=MPI), "ucx")


def test_a_file_that_is_not_there_is_refused_with_the_line_that_asks_for_it(site: SiteFolder) -> None:
    have = site.have(mpi=MPI)
    (site.folder / "features" / "mpi.yml").unlink()
    with pytest.raises(InputError, match=r"recipe.yml:5: cannot read .*features/mpi.yml: No such file"):
        ask(have, "mpi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MPI.replace("library_path", "libary_path"), "mpi.yml:3: unknown key 'libary_path': did you mean 'library_pa"),
        (MPI.replace("[/ebsif/mpi]", "[mpi]"), "mpi.yml:3: library_path.0: 'mpi' is not an absolute path"),
        (MPI.replace("2.34", "new"), "mpi.yml:5: glibc: 'new' is not a version of glibc"),
        (MPI.replace("pmi2}", "pmi2 --x}"), r"mpi.yml:6: srun\.mpi: 'pmi2 --x' is not a word for srun --mpi="),
        (MPI.replace("proof", "# proof"), "mpi.yml.*: the key 'proof' is missing"),
    ],
)
def test_what_is_wrong_in_it_is_told_with_its_line(site: SiteFolder, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(site.have(mpi=text), "mpi")


def test_an_image_with_an_older_glibc_is_refused(site: SiteFolder) -> None:
    old = Base("old.sif", Path("old.sif"), make_manifest().model_copy(update={"glibc": "2.31"}))
    with pytest.raises(InputError, match=r"recipe.yml:5: .* need glibc 2.34, and old.sif has glibc 2.31, with which"):
        ask(site.have(mpi=MPI), "mpi", base=old)


@pytest.mark.parametrize("glibc", ["2.34", "2.36", "2.100"])
def test_an_image_with_the_same_or_a_newer_glibc_is_taken(site: SiteFolder, glibc: str) -> None:
    base = Base("x.sif", Path("x.sif"), make_manifest().model_copy(update={"glibc": glibc}))
    assert len(ask(site.have(mpi=MPI), "mpi", base=base)) == 1


@pytest.mark.parametrize(
    "manifest", [None, *(make_manifest().model_copy(update={"glibc": glibc}) for glibc in (None, "musl"))]
)
def test_an_image_of_which_nobody_knows_the_glibc_is_taken_with_a_warning(
    site: SiteFolder, capsys: pytest.CaptureFixture[str], manifest: Any
) -> None:
    ask(site.have(mpi=MPI), "mpi", base=replace(BASE, manifest=manifest))
    assert "the feature mpi needs glibc 2.34 or newer in the image, and nobody knows that of x.sif" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("container_env: {A: '1'}", "container_env: {A: '2'}", "A in container_env to be '1', and net '2'"),
        ("host_env: {A: '1'}", "host_env: {A: '2'}", "A in host_env to be '1', and net '2'"),
        ("gpu: rocm", "gpu: nvidia", "gpu to be 'rocm', and net 'nvidia'"),
        ("srun: {mpi: pmi2}", "srun: {mpi: pmix}", "srun --mpi to be 'pmi2', and net 'pmix'"),
        ("binds: ['/a:/x']", "binds: ['/b:/x/:ro']", "/x in the container to be '/a', and net '/b'"),
    ],
)
def test_two_that_want_different_things_are_refused(site: SiteFolder, one: str, other: str, what: str) -> None:
    have = site.have(mpi=f"{SOME}{one}\n", net=f"{SOME}{other}\n")
    with pytest.raises(InputError) as caught:
        ask(have, "mpi", "net")
    assert f"the features mpi and net cannot be together: mpi wants {what}" in str(caught.value)


def test_two_that_agree_are_taken_together(site: SiteFolder) -> None:
    have = site.have(mpi=f"{SOME}host_env: {{A: '1'}}\nbinds: [/a]\n", net=f"{SOME}host_env: {{A: '1'}}\nbinds: [/a]\n")
    assert len(ask(have, "mpi", "net")) == 2


def test_what_a_feature_sets_is_over_the_site_and_below_the_recipe(site: SiteFolder) -> None:
    have = site.have("container_env: {A: site, B: site}\nbinds: [/scratch]\n", mpi=f"{MPI}host_env: {{N: '1'}}\n")
    recipe = Recipe.model_validate(
        {
            "name": "Demo", "version": "1", "base": "x.sif", "layer": "none", "features": ["mpi"],
            "container_env": {"B": "recipe"}, "library_path": ["/mine"],
        }
    )  # fmt: skip
    text = render(recipe, "r.yml", have, BASE, None, None, ask(have, "mpi"))
    assert "binds = ['/scratch', '/usr/lib/libmpi.so.12:/ebsif/mpi/libmpi.so.12:ro']\n" in text
    assert "container_env = {'A': 'site', 'B': 'recipe', 'UCX_POSIX_USE_PROC_LINK': 'n'}\n" in text
    assert "library_path = ['/ebsif/mpi', '/mine']\n" in text
    assert "host_env = {'N': '1'}\n" in text


def test_without_asking_an_easyconfig_has_nothing_of_it(site: SiteFolder) -> None:
    recipe = Recipe.model_validate({"name": "Demo", "version": "1", "base": "x.sif", "layer": "none"})
    before = render(recipe, "r.yml", Site(name="here", description="x"), BASE, None)
    assert render(recipe, "r.yml", site.have(mpi=MPI), BASE, None) == before


# --- what srun takes ---


def test_srun_takes_what_the_feature_of_a_site_says_before_what_the_site_does(site: SiteFolder) -> None:
    assert mpi_of(site.have("jobscript: {mpi: pmix}\n", mpi=MPI, net=SOME)) == "pmi2"


@pytest.mark.parametrize(("said", "mpi"), [("jobscript: {mpi: pmix}\n", "pmix"), ("", None)])
def test_without_such_a_feature_srun_takes_what_the_site_says(site: SiteFolder, said: str, mpi: str | None) -> None:
    assert mpi_of(site.have(said, net=SOME)) == mpi


def test_features_that_want_different_things_of_srun_are_refused(site: SiteFolder) -> None:
    have = site.have(cray=MPI, openmpi=MPI.replace("pmi2", "pmix"))
    with pytest.raises(EbsifError, match="srun, cray --mpi=pmi2 and openmpi --mpi=pmix: keep one"):
        mpi_of(have)
