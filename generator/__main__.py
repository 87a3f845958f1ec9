"""Run as ``python -m ebsif``."""

from ebsif.cli import run

run()
