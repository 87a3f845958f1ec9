"""Source packages that write what they find into their wheel."""

from pathlib import Path

from tests.support.sdists import make_sdist
from tests.support.wheels import Wheel

_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
_BACKEND = """\
import getpass, os, socket, tempfile, time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    found = {{name: str(value) for name, value in ({values}).items()}}
    info = "{name}-1.0.dist-info"
    files = {{f"{name}/{{name}}.txt": text for name, text in found.items()}}
    files["{name}/__init__.py"] = ""
    files[f"{{info}}/METADATA"] = "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n"
    files[f"{{info}}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{{info}}/RECORD"] = "".join(f"{{path}},,\\n" for path in [*files, f"{{info}}/RECORD"])
    name = "{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""

# What is the same wherever a package is built, by an expression that finds it.
STEADY = {
    "folder": "os.getcwd()",
    "home": "os.path.expanduser('~')",
    "host": "socket.gethostname()",
    "locale": "[value for name, value in os.environ.items() if name.startswith(('LANG', 'LC_'))]",
    "order": "{'one', 'two', 'three', 'four', 'five'}",
    "target": "wheel_directory",
    "umask": "oct(os.umask(0o022))",
    "user": "getpass.getuser()",
    "year": "time.gmtime(int(os.environ['SOURCE_DATE_EPOCH'])).tm_year",
    "zone": "[time.tzname, time.localtime(0).tm_hour]",
}
# What differs from one build to the next.
CHANGING = {"now": "time.time_ns()", "random": "os.urandom(8).hex()", "temporary": "tempfile.mkdtemp()"}


def curious_package(folder: Path, name: str, values: dict[str, str]) -> Wheel:
    """Make a source package with a file for each value that its build finds."""
    found = f"{{{', '.join(f'{key!r}: {value}' for key, value in values.items())}}}"
    backend = _BACKEND.format(name=name, values=found)
    return Wheel(name, "1.0", make_sdist(folder, name, pyproject=_PYPROJECT, files={"backend.py": backend}))
