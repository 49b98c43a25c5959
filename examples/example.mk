# What the examples' Makefiles share: `make` installs and builds what the example takes, and runs it.
#
# EXAMPLE: its script.  NEEDS: what scripts/bootstrap has to install for it.

NEEDS      ?= example
REPOSITORY := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
PYTHON     := $(REPOSITORY)/.deps/venv/bin/python

# walrow and its Python package run in place; `make install` and `pip install ./python` put them where others find them
export PYTHONPATH := $(REPOSITORY)/examples:$(REPOSITORY)/python
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: run ready fresh clean
.DEFAULT_GOAL := run

run: ready fresh
	@$(PYTHON) $(EXAMPLE)

ready:
	@$(REPOSITORY)/scripts/bootstrap $(NEEDS)
	@$(MAKE) --no-print-directory -C $(REPOSITORY) build

fresh:
	@rm -rf out
	@mkdir out

clean:
	rm -rf out
