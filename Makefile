# The front door; Meson does the building. `make help` lists the targets.
#
# CI and slow machines: JOBS=1. Another place for what make test leaves behind: RESULTS=folder.

JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX  ?= /usr/local
RESULTS ?= build/test-results
ARGS    ?=
ROWS    ?=
PEERS   ?=
CYCLES  ?= 500
SEED    ?= 1
# of the server wal2arrow is built for: first the one that tests and demo run
DEFAULT_PG_CONFIG := $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
PG_CONFIG ?= $(DEFAULT_PG_CONFIG)

MESON  = .deps/venv/bin/python -m mesonbuild.mesonmain
NINJA  = .deps/venv/bin/ninja -j$(JOBS)
PYTHON = .deps/venv/bin/python
PYTEST = $(PYTHON) -m pytest tests/e2e
ASAN_OPTIONS_FOR_MESON = -Dunit_tests=true -Db_sanitize=address,undefined -Db_lundef=false
THREAD_TESTS = batch_file failover fanout partition readers session session_end

PGXS         = $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
PG_MAJOR     = $(shell $(PG_CONFIG) --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
PLUGIN_BUILD = build/plugin-$(PG_MAJOR)
MAKE_PLUGIN  = $(MAKE) --no-print-directory --silent -C $(PLUGIN_BUILD) -f $(CURDIR)/plugin/Makefile PG_CONFIG=$(PG_CONFIG) WERROR=-Werror

export PATH            := $(CURDIR)/.deps/venv/bin:$(PATH)
export PKG_CONFIG_PATH := $(CURDIR)/.deps/prefix/lib/pkgconfig$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))
export WALROW_BIN      ?= $(CURDIR)/build/walrow
export CLANG_FORMAT    ?= clang-format-14

.PHONY: all build build-asan build-campaign build-tsan campaign plugin plugin-library plugin-regress install-plugin deb demo python test test-matrix test-threads test-plugin-memory unit e2e bench bench-peers install format format-check clean distclean help
.DEFAULT_GOAL := all

all: ## build/walrow, build/libwalrow.so and build/wal2arrow.so, installing first what that needs
	@scripts/bootstrap build
	@$(MAKE) --no-print-directory build

build/build.ninja:
	@$(MESON) setup --prefix=$(PREFIX) -Doptimization=3 build

build-asan/build.ninja:
	@$(MESON) setup $(ASAN_OPTIONS_FOR_MESON) build-asan

# libwalrow looks for libduckdb beside itself; a build that runs in place finds the one of .deps there
build: build/build.ninja
	@$(NINJA) -C build --quiet
	@[ ! -e .deps/lib/libduckdb.so ] || [ -e build/libduckdb.so ] || ln -sfn ../.deps/lib/libduckdb.so build/libduckdb.so
	@[ ! -e "$(PGXS)" ] || $(MAKE) --no-print-directory plugin-library

build-campaign/build.ninja:
	@$(MESON) setup -Dcrash_points=true build-campaign

build-asan: build-asan/build.ninja
	@$(NINJA) -C build-asan --quiet
	@[ ! -e .deps/lib/libduckdb.so ] || [ -e build-asan/libduckdb.so ] || ln -sfn ../.deps/lib/libduckdb.so build-asan/libduckdb.so

build-tsan/build.ninja:
	@$(MESON) setup -Dunit_tests=true -Db_sanitize=thread -Db_lundef=false build-tsan

build-tsan: build-tsan/build.ninja
	@$(NINJA) -C build-tsan --quiet $(THREAD_TESTS:%=tests/unit/test_%)

build-campaign: build-campaign/build.ninja
	@$(NINJA) -C build-campaign --quiet
	@[ ! -e .deps/lib/libduckdb.so ] || [ -e build-campaign/libduckdb.so ] || ln -sfn ../.deps/lib/libduckdb.so build-campaign/libduckdb.so

plugin: ## the output plugin wal2arrow for the server of PG_CONFIG=/path/of/pg_config, in build/plugin-<its version>
	@PG_CONFIG=$(PG_CONFIG) scripts/bootstrap plugin
	@$(MAKE) --no-print-directory plugin-library

plugin-library:
	@[ -e "$(PGXS)" ] || { echo "plugin: no server headers; on Debian: postgresql-server-dev-15, or PG_CONFIG=..." >&2; exit 1; }
	@mkdir -p $(PLUGIN_BUILD)
	@$(MAKE_PLUGIN)
	@[ "$(PG_CONFIG)" != "$(DEFAULT_PG_CONFIG)" ] || ln -sfn plugin-$(PG_MAJOR)/wal2arrow.so build/wal2arrow.so

plugin-regress: plugin ## pg_regress and isolation tests of the plugin, on that server
	plugin/run-regress $(PG_CONFIG)

install-plugin: plugin ## into that server
	@$(MAKE_PLUGIN) install

deb: plugin ## a Debian package of the plugin for that server, in build/
	packaging/deb $(PG_CONFIG)

demo: ## a throw-away server, streamed into a Parquet lake, and the proof that they agree
	@scripts/bootstrap demo
	@$(MAKE) --no-print-directory build
	build/walrow demo $(ARGS)

test: ## unit tests under the sanitizers, code format, end-to-end tests on a real server
	@scripts/bootstrap e2e
	@$(MAKE) --no-print-directory build build-asan build-campaign
	@RESULTS=$(RESULTS) ARGS='$(ARGS)' PG_CONFIG=$(PG_CONFIG) scripts/run-tests

test-matrix: ## the plugin, and the tests of right batches and of wal2json, on servers 13, 17 and 18; VERSIONS='13 18' for some
	@scripts/bootstrap matrix
	@$(MAKE) --no-print-directory build
	@RESULTS=$(RESULTS) ARGS='$(ARGS)' scripts/test-matrix $(VERSIONS)

test-threads: ## the tests of what several threads share, under ThreadSanitizer
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build-tsan
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/unit/tsan.supp $(MESON) test -C build-tsan --no-rebuild --print-errorlogs $(THREAD_TESTS)

test-plugin-memory: ## the plugin's own tests under the sanitizers and under valgrind
	@scripts/bootstrap memory
	@$(MAKE) --no-print-directory plugin
	@RESULTS=$(RESULTS) scripts/test-plugin-memory $(PG_CONFIG)

python: ## the Python package, into .deps/venv; elsewhere, after make: pip install ./python
	@scripts/bootstrap build
	@$(MAKE) --no-print-directory build
	@$(PYTHON) -m pip --disable-pip-version-check install --quiet --no-index --force-reinstall ./python

unit: ## only the unit tests; ARGS=name for one
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build-asan
	$(MESON) test -C build-asan --no-rebuild --print-errorlogs $(ARGS)

e2e: ## only the end-to-end tests; ARGS='-k name' for some
	@scripts/bootstrap e2e
	@$(MAKE) --no-print-directory build build-campaign
	$(PYTEST) $(ARGS)

campaign: ## crashes of every kind under load, and the proof that nothing is lost or doubled; CYCLES=500 SEED=1
	@scripts/bootstrap e2e
	@$(MAKE) --no-print-directory build build-campaign
	$(PYTHON) tests/e2e/campaign.py --kafka --cycles $(CYCLES) --seed $(SEED) --report docs/reliability.md

bench: ## the measurements, with their peers in the same run: bench/RESULTS.md; ROWS=30000 for a quick look
	@scripts/bootstrap bench
	@$(MAKE) --no-print-directory build
	@$(NINJA) -C build --quiet bench/commits bench/latency bench/partition bench/reader
	@mkdir -p build/null_plugin
	@$(MAKE) --no-print-directory -s -C build/null_plugin -f $(CURDIR)/bench/null_plugin/Makefile \
		VPATH=$(CURDIR)/bench/null_plugin PG_CONFIG=$(DEFAULT_PG_CONFIG)
	bench/run $(if $(ROWS),--rows $(ROWS)) $(ARGS)

bench-peers: ## fetch and build the clients of others that bench takes along; PEERS='pglogrepl' for some
	bench/peers/build $(PEERS)

install: all ## into $(DESTDIR)$(PREFIX)
	@$(MESON) configure build -Dprefix=$(PREFIX)
	@$(NINJA) -C build --quiet
	@DESTDIR=$(DESTDIR) $(MESON) install -C build --no-rebuild --quiet
	@if [ -e .deps/lib/libduckdb.so ]; then \
		install -Dm644 .deps/lib/libduckdb.so $(DESTDIR)$(PREFIX)/lib/walrow/libduckdb.so; \
		install -Dm644 .deps/lib/libduckdb.LICENSE $(DESTDIR)$(PREFIX)/lib/walrow/libduckdb.LICENSE; \
	fi
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

format: ## apply .clang-format to every C file
	@scripts/bootstrap format
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r $(CLANG_FORMAT) -i

format-check: ## only say which C files `make format` would change
	@scripts/bootstrap format
	@scripts/check-format

clean: ## remove what was built
	rm -rf build build-asan build-campaign build-tsan

distclean: clean ## ... and what was downloaded for building
	rm -rf .deps
	find . -name __pycache__ -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 22
