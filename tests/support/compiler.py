"""A C compiler as a wheel: the machine's, for containers that have none."""

import shutil
import subprocess
from pathlib import Path

from tests.support.wheels import Wheel, make_wheel

# As Debian's Python calls it.
_NAME = "x86_64-linux-gnu-gcc"
# It finds its parts beside itself, and their libraries; it knows no library of C, which an extension can do without.
_START = f"""\
#!/bin/sh
bin=$(dirname "$0")
LD_LIBRARY_PATH=$bin/../lib/compiler exec "$bin/{_NAME}.real" -B"$bin/" -nostdlib -fno-use-linker-plugin "$@"
"""
_PARTS = ("cc1", "as", "collect2", "ld")
# A header that says where it lies, as assertions in headers do.
_HEADER = "static const char *where_the_header_is(void) { return __FILE__; }\n"
_MODULE = 'import pathlib\n\nINCLUDE = str(pathlib.Path(__file__).with_name("include"))\n'

# Builds an extension with it that says when and where it was compiled; the machine has no headers of Python.
NATIVE = {
    "native.c": """\
#include <where.h>
extern void *PyModule_Create2(void *, int);
extern int PyModule_AddStringConstant(void *, const char *, const char *);
static long definition[13] = {1, 0, 0, 0, 0, 0, 0, -1};
void *PyInit_native(void) {
    definition[5] = (long)"native";
    void *module = PyModule_Create2(definition, 1013);
    PyModule_AddStringConstant(module, "WHEN", __DATE__ " " __TIME__);
    PyModule_AddStringConstant(module, "WHERE", __FILE__);
    PyModule_AddStringConstant(module, "HEADER", where_the_header_is());
    return module;
}
""",
    "setup.py": """\
from compiler import INCLUDE
from setuptools import Extension, setup
setup(name="native", version="1.0", ext_modules=[Extension("native", ["native.c"], include_dirs=[INCLUDE])])
""",
}
BY_COMPILER = '[build-system]\nrequires = ["setuptools", "compiler"]\nbuild-backend = "setuptools.build_meta"\n'


def compiler_wheel(folder: Path) -> Wheel:
    """Make the wheel `compiler`, which brings the programs and says where its headers are."""
    programs = {part: _answer("gcc", f"-print-prog-name={part}") for part in _PARTS}
    programs[f"{_NAME}.real"] = str(Path(shutil.which("gcc") or "gcc").resolve())
    files: dict[str, str | bytes] = {
        "compiler/__init__.py": _MODULE,
        "compiler/include/where.h": _HEADER,
        f"compiler-1.0.data/scripts/{_NAME}": _START,
    }
    for name, program in programs.items():
        path = Path(shutil.which(program) or program)
        files[f"compiler-1.0.data/scripts/{name}"] = path.read_bytes()
        for line in _answer("ldd", str(path)).splitlines():
            library = line.partition(" => ")[2].partition(" (")[0]
            # The container has its own library of C.
            if library and not Path(library).name.startswith(("libc.", "libm.", "libdl.", "libpthread.")):
                files[f"compiler-1.0.data/data/lib/compiler/{Path(library).name}"] = Path(library).read_bytes()
    return make_wheel(folder, "compiler", files=files)


def _answer(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
