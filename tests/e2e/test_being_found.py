"""EasyBuild finds the easyblocks and easyconfigs, installed beside it or deployed into a user repository."""

import re
import subprocess

import pytest

from tests.support.site import Site
from tests.support.versions import every_easybuild

pytestmark = [pytest.mark.e2e, every_easybuild]

EASYCONFIG = "PyTorch-2.13.0-cpu-python-3.11-singularity-demo.eb"


def test_the_version_of_easybuild_that_a_test_names_is_the_one_that_runs(site: Site, version: str) -> None:
    assert f"This is EasyBuild {version} " in site.eb("--version").stdout


def test_plain_eb_finds_easyblock_and_easyconfig_after_pip_install(site: Site) -> None:
    assert f" * {EASYCONFIG}" in site.eb("--search-filename", EASYCONFIG).stdout
    listed = site.eb("--list-easyblocks=detailed")
    assert "SifVenv (easybuild.easyblocks.generic.sifvenv" in listed.stdout


def test_deployed_easyblocks_work_where_easybuild_has_none_of_ours(site: Site) -> None:
    repository = site.folder / "UserRepo"
    ebsif = site.machine.eb.parent / "ebsif"
    subprocess.run([ebsif, "deploy", repository], check=True, stdout=subprocess.DEVNULL)
    pattern = repository / "easybuild" / "easyblocks" / "*" / "*.py"
    done = site.eb(site.write("venv", []), "--include-easyblocks", pattern)
    assert done.returncode == 0, done.stdout
    [log] = (site.installation("venv") / "easybuild").glob("*.log")
    assert re.search(r"This is easyblock SifVenv from module \S+ \(\S*/included-easyblocks-", log.read_text())
    assert site.output("venv", "python -c 'import six; print(six.__name__)'") == "six\n"
