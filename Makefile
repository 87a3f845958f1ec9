# `make demo` and `make test` set up by themselves what this machine lacks; README.rst tells what that is.
.PHONY: help demo test fuzz bench docs lint prepare dist lock
SHELL = /bin/bash
READY = eval "$$(python3 -m workbench env)" &&

# All shell scripts in the repository, with and without a suffix; templates and tests have some that are not whole.
SHELL_FILES = $(shell git grep -lE '^(\#!/bin/(ba)?sh|\# shellcheck shell=)' -- ':!*.j2' ':!*.py')

help:
	@echo 'make demo     PyTorch from a container, with packages of your own, installed and used'
	@echo 'make test     run all tests'
	@echo 'make fuzz     give hostile texts to all that is read, for ten minutes'
	@echo 'make bench    measure what ebsif costs, beside the same by hand, for the tables and plots of the documentation'
	@echo 'make docs     make the documentation as pages to browse, in docs/_build/html'
	@echo 'make lint     run all static checks'
	@echo 'make prepare  only set up what the tests need'
	@echo 'make dist     make an archive, a wheel and an easyconfig of ebsif itself, in dist/'
	@echo 'make lock     lock anew, in that easyconfig, what ebsif needs'

demo:
	python3 -m workbench prepare --for demo
	python3 -m workbench demo

test: prepare
	$(READY) python -m workbench pythons
	$(READY) python -m pytest --numprocesses=auto --dist=worksteal

fuzz: prepare
	$(READY) python -m workbench fuzz --minutes 10

bench:
	python3 -m workbench prepare --for bench
	$(READY) python -m benchmarks run $(if $(ALSO),--also $(ALSO))
	$(READY) python -m benchmarks table
	$(READY) python -m benchmarks plot

# Each time from nothing: pages made of the program itself change with that, and old pages would be looked at, too.
docs:
	python3 -m workbench prepare --for docs
	rm -rf docs/_build
	$(READY) sphinx-build -W --keep-going -n -q -E -b html docs docs/_build/html

prepare:
	python3 -m workbench prepare

dist:
	python3 -m workbench dist

lock:
	python3 -m workbench lock

lint:
	python3 -m workbench prepare --for lint
	$(READY) ruff check .
	$(READY) mypy
	# EasyBuild may run on Python 3.6; what runs in the container may count on 3.8, and beside py-rattler on 3.10.
	$(READY) vermin --quiet --no-tips --violations --target=3.6- easyblocks/generic/*.py tests/easyblocks/*.py
	$(READY) vermin --quiet --no-tips --violations --target=3.8- easyblocks/generic/sif/layer.py generator/lock/pip/backend.py \
	    generator/lock/pip/drive.py \
	    easyblocks/generic/sif/_ebsif_layer.py easyblocks/generic/sif/runscripts/list-packages \
	    easyblocks/generic/sif/runscripts/diagnose easyblocks/generic/sif/runscripts/install-kernel \
	    easyblocks/generic/sif/runscripts/run-kernel
	$(READY) vermin --quiet --no-tips --violations --target=3.10- easyblocks/generic/sif/conda.py
	shellcheck $(SHELL_FILES)
