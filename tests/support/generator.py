"""A folder with recipes on a site, used as a person uses `ebsif`."""

import json
import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.site import Site
from tests.support.wheels import Wheel


@dataclass(frozen=True)
class Desk:
    """Recipes and easyconfigs of one user, the images that they have frozen, and the place that they install into.

    Parameters
    ----------
    site
        The place to install into; its folder holds the others.
    variables
        What the user has set besides the folder of frozen images.
    """

    site: Site
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def recipes(self) -> Path:
        """The folder that commands run in."""
        return self.site.folder / "recipes"

    @property
    def images(self) -> Path:
        """The folder of frozen images."""
        return self.site.folder / "images"

    def ebsif(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run `ebsif`."""
        return self.login(shlex.join(["ebsif", *map(str, words)]))

    def run(self, *words: str | Path) -> str:
        """Run a command of `ebsif` that must succeed; return its output."""
        done = self.ebsif(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refuse(self, *words: str | Path) -> str:
        """Run a command of `ebsif` that must fail, and write or change nothing; return its message."""
        before = contents(self.site.folder)
        done = self.ebsif(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert contents(self.site.folder) == before
        assert "Traceback" not in done.stderr
        return done.stderr

    def freeze(self, image: Path) -> str:
        """Freeze an image; return its name."""
        self.run("freeze", image)
        return image.name

    def link(self, image: Path) -> str:
        """Put a link to an image among the frozen ones, where a copy would take too long; return its name."""
        (self.images / image.name).symlink_to(image)
        return image.name

    def new(self, base: str, *words: str) -> Path:
        """Write a recipe for software called Demo; return its file."""
        made = json.loads(self.run("new", "Demo", "--version", "1.0", "--base", base, "--json", *words))
        return self.recipes / str(made["recipe"])

    def require(self, *wheels: Wheel) -> str:
        """Write a requirements file that names wheels beside it; return its name."""
        for wheel in wheels:
            self.give(wheel.path, self.recipes)
        text = "".join(f"./{wheel.path.name}\n" for wheel in wheels)
        (self.recipes / "requirements.txt").write_text(text)
        return "requirements.txt"

    def give(self, file: Path, folder: Path) -> Path:
        """Copy a file to a folder of the user; return the copy."""
        copy = folder / file.name
        shutil.copy(file, copy)
        self._own(copy)
        return copy

    def _own(self, path: Path) -> None:
        if self.site.user:
            account = pwd.getpwnam(self.site.user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def eb(self, *words: str | Path) -> str:
        """Run a command of EasyBuild that must succeed; return its output."""
        done = self.login(shlex.join(["eb", *map(str, words)]) + " 2>&1")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def login(self, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a script in a login shell, in the folder of recipes."""
        env = {"EBSIF_IMAGES": str(self.images), "EASYBUILD_SOURCEPATH": str(self.site.sources), **self.variables}
        return self.site.login(f"cd {shlex.quote(str(self.recipes))}\n{script}", env=env, **options)

    def loaded(self, module: str, script: str) -> str:
        """Return what a script that must succeed prints with a module loaded."""
        done = self.login(f"module load {shlex.quote(module)} || exit 99\n{script}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def make_desk(make_site: Callable[..., Site], pip_wheel: Wheel, *, user: str | None = None, **variables: str) -> Desk:
    """Return a desk whose user has the installer of layers already, so that nothing needs the network."""
    desk = Desk(make_site(user=user), variables)
    for folder in (desk.recipes, desk.images):
        folder.mkdir()
        desk._own(folder)
    sources = desk.site.sources
    for part in ("d", "Demo", "extensions"):
        sources /= part
        sources.mkdir()
        desk._own(sources)
    desk.give(pip_wheel.path, sources)
    return desk


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return when each file below a folder was last written, and its size; but for what programs keep in caches."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
        if "home" not in path.relative_to(folder).parts and not path.is_dir()
    }


def module_of(easyconfig: Path) -> str:
    """Return the name of the module that an easyconfig for the software Demo gives."""
    return easyconfig.stem.replace("-", "/", 1)
