"""Run as ``python -m ebsif``."""

import sys

from ebsif.cli import main

sys.exit(main())
