"""An environment that is stacked on a base sees all packages of its Python, wherever these lie."""

import subprocess
import venv
from pathlib import Path

LAYER_PY = Path(__file__).parents[2] / "easyblocks" / "generic" / "sif" / "layer.py"


def test_folders_that_only_this_python_has_are_seen_too(tmp_path: Path) -> None:
    """Such as dist-packages of Debian's Python."""
    base, layer, more = tmp_path / "base", tmp_path / "layer", tmp_path / "dist-packages"
    for environment in (base, layer):
        venv.EnvBuilder(symlinks=True).create(environment)
    more.mkdir()
    (more / "of_debian.py").write_text("")
    own, packages = (next(environment.glob("lib/*/site-packages")) for environment in (base, layer))
    (own / "of_base.py").write_text("")
    # Python runs lines that begin with import, in the layer too.
    (own / "more.pth").write_text(
        "import site, sys; folders = site.getsitepackages(); "
        f"extra = [{str(more)!r}] if sys.prefix == {str(base)!r} else []; "
        "site.getsitepackages = lambda prefixes=None, folders=[*folders, *extra]: folders\n"
    )
    subprocess.run([base / "bin" / "python", LAYER_PY, "stack", packages], check=True, stdout=subprocess.DEVNULL)
    program = "import of_base, of_debian; print(of_base.__file__, of_debian.__file__)"
    done = subprocess.run([layer / "bin" / "python", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(own / "of_base.py"), str(more / "of_debian.py")]
