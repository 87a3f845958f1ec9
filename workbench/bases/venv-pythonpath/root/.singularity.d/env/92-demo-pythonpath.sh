#!/bin/sh
# Some of LUMI's images do this; it puts the base's packages before those of any venv on top.
export PYTHONPATH=/opt/venv/lib/python3.11/site-packages
