# Two commands matter: `make up` runs the TODO application at http://localhost:8080, `make test` passes every test.
# Both first install what the machine lacks (scripts/deps.sh says what) and build what has changed.
.DEFAULT_GOAL := build
.PHONY: FORCE build up test deps guest dev unit integration e2e todo-backend-spec components fuzz check format clean bench-hello \
	clouds clouds-status clouds-kill clouds-heal clouds-down test-lattice recovery soak bench-lattice sim sim-soak \
	sim-mutants

deps_stamp := build/deps/.stamp
deps_inputs := scripts/deps.sh scripts/collect_sources.mjs scripts/packages.txt third_party/wasmtime/Cargo.lock \
	third_party/wasmtime/Cargo.toml third_party/sources/Cargo.lock third_party/sources/Cargo.toml

$(deps_stamp): $(deps_inputs)
	@scripts/deps.sh
	@touch $@

deps: $(deps_stamp)

# A configured folder notices its own changes; it is configured here only when it is not there yet, or when an
# actor appears that was not there to be embedded.
build/%/build.ninja: | $(deps_stamp)
	@cmake --preset $* >build/$*.configure.log 2>&1 || { cat build/$*.configure.log; exit 1; }

guest: build/guest/build.ninja
	@ninja -C build/guest --quiet

build: guest build/release/build.ninja
	@ninja -C build/release --quiet hedgerow
	@echo "built build/release/hedgerow"

dev: guest build/dev/build.ninja
	@ninja -C build/dev --quiet

up: build
	@build/release/hedgerow up

# Five sites on this machine (docs/clouds.md). CLOUDS_DIR is where they live.
CLOUDS_DIR ?= clouds
hedgerow_clouds = build/release/hedgerow clouds

clouds: build
	@$(hedgerow_clouds) up --dir $(CLOUDS_DIR)

clouds-status:
	@$(hedgerow_clouds) status --dir $(CLOUDS_DIR)

clouds-kill:
	@$(hedgerow_clouds) kill $(SITE) --part $(or $(PART),all) --signal $(or $(SIGNAL),kill) --dir $(CLOUDS_DIR)

clouds-heal:
	@$(hedgerow_clouds) heal $(SITE) --dir $(CLOUDS_DIR)

clouds-down:
	@$(hedgerow_clouds) down --dir $(CLOUDS_DIR)

unit: dev
	@ctest --test-dir build/dev -j $$(nproc) --output-on-failure --no-tests=error

integration: dev build
	@scripts/npm_ci.sh tests/integration
	@node --test --test-reporter=spec tests/integration/*.test.mjs

e2e: build
	@scripts/npm_ci.sh tests/e2e
	@scripts/with_host.mjs --hosts=3 node tests/e2e/run.mjs

todo-backend-spec: build
	@scripts/npm_ci.sh tests/todo-backend
	@scripts/with_host.mjs node tests/todo-backend/run.mjs

test-lattice: build
	@scripts/npm_ci.sh tests/integration
	@scripts/npm_ci.sh tests/lattice
	@node --test --test-concurrency=1 --test-reporter=spec tests/lattice/*.test.mjs

# A site that was away while the others made RECORDS writes, and other ways to come back.
recovery: build
	@scripts/npm_ci.sh tests/integration
	@scripts/npm_ci.sh tests/lattice
	@RECORDS=$(or $(RECORDS),100000) CONTROL=1 node --test --test-reporter=spec tests/lattice/recovery.test.mjs

# MINUTES=10 by default; HEDGEROW_SEED repeats the choices of a run.
soak: build
	@scripts/npm_ci.sh tests/lattice
	@MINUTES=$(MINUTES) node tests/lattice/soak.mjs

# The simulator: seeds that once failed, then SIM_SEEDS from SIM_FROM on. `fresh`: others for each state of the core and the
# simulator; a number: those, whatever changes. sim-soak takes others each time (docs/simulator.md).
SIM_SEEDS ?= 20000
SIM_FROM ?= fresh
SIM_JOBS ?= 2
SIM_FLAGS ?=

build/release/sim/sim: build/release/build.ninja FORCE
	@ninja -C build/release --quiet sim

sim: build/release/sim/sim
	@scripts/sim.sh $(SIM_FROM) $(SIM_SEEDS) $(SIM_JOBS) $(SIM_FLAGS)

# HOURS=1 by default; it begins at the seed that the time makes, and says which ones fail.
sim-soak: build/release/sim/sim
	@build/release/sim/sim --file tests/sim/seeds --seeds $$(date +%s)000..$$(date +%s)999 --jobs $(SIM_JOBS) $(SIM_FLAGS) --quiet \
	    --seconds $$(($(or $(HOURS),1) * 3600))

# Known bugs in copies of the core, one at a time (docs/simulator.md). QUICK=1: only a few that are found at once.
sim-mutants:
	@scripts/sim_mutants.sh $(if $(QUICK),--quick) $(MUTANTS)

FORCE:

components: guest
	@scripts/components.sh

fuzz: guest build/fuzz/build.ninja
	@ninja -C build/fuzz --quiet fuzzers
	@scripts/fuzz.sh $(SECONDS_EACH)

check: guest
	@scripts/check_format.sh
	@scripts/check_layers.sh
	@scripts/check_paths.sh
	@scripts/check_core_symbols.sh

test:
	@scripts/test.sh

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench-hello: build
	@bench/hello/run.sh

bench-lattice: build
	@bench/lattice/run.sh

clean:
	@rm -rf build
