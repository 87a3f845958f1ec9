#!/bin/sh
export PATH="/opt/venv/bin:$PATH"
