"""Being other users, for root.

Used with Python 3.6, too.
"""

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

# EasyBuild sets another one, which may be a folder of pytest.
TEMPORARY = tempfile.gettempdir()


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """Give a folder that other users reach.

    Those of pytest are its own user's alone: each pytest that starts sees to that, for all of them.
    """
    with tempfile.TemporaryDirectory(prefix="ebsif-", dir=TEMPORARY) as name:
        Path(name).chmod(0o755)
        yield Path(name)
