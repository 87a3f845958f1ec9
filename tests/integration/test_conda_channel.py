"""The Python of the conda channel runs in a container that has none."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import rattler

from tests.support.conda import Channel
from workbench import Machine

INSIDE = "/user-software/conda/envs/x"
SITE = f"{INSIDE}/lib/python3.11/site-packages"

FACTS = """
import bz2, ctypes, hashlib, importlib.metadata, json, lzma, readline, site, sqlite3, ssl, sys, sysconfig, zlib
print(json.dumps({
    "prefix": sys.prefix,
    "site": site.getsitepackages(),
    "purelib": sysconfig.get_path("purelib"),
    "greet": importlib.metadata.version("greet"),
    "sqlite": sqlite3.connect(":memory:").execute("select 1").fetchone(),
    "libraries": sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}),
}))
"""


@pytest.fixture(scope="module")
def user_software(channel: Channel) -> Iterator[Path]:
    """The folder to be mounted at /user-software."""
    with tempfile.TemporaryDirectory(prefix="ebsif-conda-") as name:
        top = Path(name)
        virtual = rattler.GenericVirtualPackage(
            rattler.PackageName("__glibc"), rattler.Version("2.36"), rattler.BuildString("0")
        )

        async def install() -> None:
            records = await rattler.solve(
                [channel.url],
                ["python", "greet 1.*"],
                gateway=rattler.Gateway(cache_dir=top / "lists"),
                platforms=[rattler.Subdir("linux-64"), rattler.Subdir("noarch")],
                virtual_packages=[virtual],
            )
            await rattler.install(
                records,
                top / "user-software/conda/envs/x",
                cache_dir=top / "packages",
                show_progress=False,
                alternative_target_prefix=INSIDE,
            )

        asyncio.run(install())
        yield top / "user-software"


def test_python_runs_where_there_is_none_with_libraries_of_its_own(machine: Machine, user_software: Path) -> None:
    bind = ["--bind", f"{user_software}:/user-software:ro"]
    python = [f"{INSIDE}/bin/python", "-c", FACTS]
    done = machine.run([machine.runtime, "exec", "--cleanenv", *bind, machine.bases["bare"], *python])
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    libraries = [Path(library) for library in facts.pop("libraries")]
    assert facts == {"prefix": INSIDE, "site": [SITE], "purelib": SITE, "greet": "1.0", "sqlite": [1]}
    outside = [library.name for library in libraries if not library.is_relative_to(INSIDE)]
    assert all(name.startswith(("ld-linux", "libc.", "libm.", "libdl.", "libresolv.")) for name in outside), outside
