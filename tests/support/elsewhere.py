"""Another machine, as far as one can be had here: everything that must not matter to a layer, changed at once."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.site import Site

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
# One byte is one character there, and the small letter of I is another one.
LOCALE = "tr_TR.ISO-8859-9"
TIME = "@2031-02-03 23:45:06"

# Starts the runtime such that programs in the container see another time, too.
_RUNTIME = """\
#!/bin/bash
here={tools}
export APPTAINER_BIND=$here/libfaketime.so.1:/libfaketime.so.1,$here/preload:/etc/ld.so.preload
APPTAINER_BIND+=,$here/time:/etc/faketimerc
exec {runtime} "$@"
"""
# What the sanity check finds there is another matter: it compares variables, and faketime has some of its own.
_EB = """\
export PATH={tools}:$PATH LD_PRELOAD={faketime} FAKETIME={time} NO_FAKE_STAT=1
export LOCPATH={tools} LC_ALL={locale} TZ=Pacific/Chatham PYTHONHASHSEED=random SOURCE_DATE_EPOCH=1
umask 027
taskset --cpu-list 0 eb {easyconfig} --buildpath={build} --parallel=1 --group-writable-installdir --skip-sanity-check
"""


def install_elsewhere(site: Site, easyconfig: Path) -> None:
    """Install an easyconfig with another clock, locale, time zone, umask, and fewer processors."""
    tools = site.folder.parent / "tools"
    tools.mkdir()
    subprocess.run(["localedef", "--inputfile=tr_TR", "--charmap=ISO-8859-9", tools / LOCALE], check=True)
    (tools / "libfaketime.so.1").write_bytes(FAKETIME.read_bytes())
    (tools / "preload").write_text("/libfaketime.so.1\n")
    (tools / "time").write_text(f"{TIME}\n")
    runtime = tools / "apptainer"
    runtime.write_text(_filled(_RUNTIME, {"tools": tools, "runtime": site.machine.runtime}))
    runtime.chmod(0o755)
    values = {"tools": tools, "faketime": FAKETIME, "time": TIME, "locale": LOCALE}
    script = _filled(_EB, values | {"build": site.folder / "build it here", "easyconfig": easyconfig})
    done = site.login(script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


def _filled(template: str, values: Mapping[str, object]) -> str:
    return template.format(**{name: shlex.quote(str(value)) for name, value in values.items()})
