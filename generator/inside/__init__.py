"""What both halves must agree on: the easyblocks' own files, each under the name of what it is about.

They are links into ``easyblocks/generic``, and copies in an installation. `LAYER_PY` is run in a container.
"""

from pathlib import Path

LAYER_PY = Path(__file__).with_name("layer.py")
