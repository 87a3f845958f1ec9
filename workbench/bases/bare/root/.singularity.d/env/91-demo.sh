#!/bin/sh
export ROCM_PATH=/opt/rocm
export PATH="/opt/rocm/bin:$PATH"
