# Everything installs what it needs first (sim/toolchain/bootstrap.py); a second call installs nothing.
# Exit codes: make itself ends with 2 whenever a recipe fails; `.venv/bin/pyimc` tells 1 (mismatch) from 2 (your input).

PYTHON ?= python3
JOBS   ?= 2
MODEL  ?= resnet18

BIN    := .venv/bin
SETUP   = @$(PYTHON) -I sim/toolchain/bootstrap.py
PYTEST  = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(if $(K),-k '$(K)')

# --flag value, only for what make was given (ARCH, say, may be in the environment for another reason).
flag    = $(if $(filter-out undefined environment,$(origin $(1))),$(2) '$($(1))')
OPTIONS = $(call flag,SIM,--sim) $(call flag,ARCH,--arch) $(call flag,STRATEGY,--strategy) $(call flag,LEVEL,--level) \
          $(call flag,INPUT,--input) $(call flag,LABELS,--labels) \
          $(call flag,PREPROCESS,--preprocess) $(call flag,CALIBRATE,--calibrate) \
          $(call flag,CALIBRATION,--calibration) $(call flag,IMAGES,--images) $(call flag,SEED,--seed) $(call flag,ARRAY,--array) \
          $(if $(call flag,TRACE),--trace) $(call flag,WAVES,--waves) $(call flag,OUTPUTS,--outputs) $(call flag,TOLERATE,--tolerate) \
          $(if $(call flag,STRICT),--strict) $(if $(call flag,SHAPE),$(foreach pair,$(SHAPE),--shape '$(pair)')) \
          $(if $(call flag,OPTION),$(foreach pair,$(OPTION),--option '$(pair)'))
# --flag word for every word, only for what stands on make's command line.
each    = $(if $(filter command,$(origin $(1))),$(foreach word,$($(1)),$(2) '$(word)'))
COMPARE = $(call each,MODEL,--model) $(call each,STRATEGY,--strategy) $(call each,ARCH,--arch) $(call each,PUS,--pus) \
          $(call each,SEEDS,--seeds) $(call each,IMAGES,--images) $(call each,RTL,--rtl) $(call each,SIM,--sim) \
          $(call each,OPTION,--option)

WORKERS = --jobs $(JOBS) $(call flag,SCHEDULER,--scheduler)

# What make takes; any other variable on its command line is a slip of the pen.
KNOWN   = ARCH ARRAY IMAGES INPUT LABELS PREPROCESS CALIBRATE CALIBRATION JOBS K LEVEL MODEL N OPTION PUS PYTHON QUICK REASON RTL SCHEDULER SEED SEEDS SIM STRATEGY TRACE WAVES OUTPUTS SHAPE STRICT TOLERATE
given   = $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN = $(filter-out $(KNOWN) -%,$(given))
$(if $(UNKNOWN),$(error unknown variable $(UNKNOWN); known are $(KNOWN)))

SIMULATOR  = $(if $(findstring verilator,$(call flag,SIM,)),verilator-sim,iverilog)
SIMULATORS = iverilog $(if $(filter x86_64,$(shell uname -m)),verilator-sim)

.DEFAULT_GOAL := help
.PHONY: help setup sim validate compare equality test fast sweep fidelity mutants coverage prove regress regress-accept lint format synth bench growth study isa lock clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the environment, the simulators and the linter, and nothing else
	$(SETUP) $(SIMULATORS) verilator

sim: ## run MODEL= on the chip and prove every value (STRATEGY= OPTION= LEVEL= ARCH= INPUT= LABELS= IMAGES= SIM= TRACE=1 WAVES=pu3 ...)
	$(SETUP) $(if $(filter golden cycle,$(LEVEL)),,$(SIMULATOR))
	@$(BIN)/pyimc sim --model '$(MODEL)' $(OPTIONS)

validate: ## run MODEL= on RTL and on the cycle model and compare every event and figure (variables as for sim)
	$(SETUP) $(SIMULATOR)
	@$(BIN)/pyimc validate --model '$(MODEL)' $(filter-out --level '$(LEVEL)',$(OPTIONS))

equality: ## compare cycle model and RTL on every case (half an hour or more; K=digits picks some)
	$(SETUP) iverilog
	@$(BIN)/python -m tests.cycle.everything $(WORKERS) $(K)

compare: ## compare strategies on models and chips: table, CSV, plots (MODEL= STRATEGY= ARCH= PUS=2,4 SEEDS= IMAGES= RTL=)
	$(SETUP) $(if $(call each,RTL,),$(SIMULATOR))
	@$(BIN)/pyimc compare $(WORKERS) $(COMPARE)

test: ## all tests and the first seeds of the sweeps, on JOBS=2 cores (K=expression picks some)
	$(SETUP) $(SIMULATORS) verilator yosys cells
	@$(PYTEST) -m 'not sweep'

sweep: ## what `make test` leaves out: further seeds of random networks on random chips, and the slowest cases
	$(SETUP) iverilog
	@$(PYTEST) -m sweep

fast: ## the tests that take seconds each; the slow ones are left out
	$(SETUP) $(SIMULATORS) verilator yosys cells
	@$(PYTEST) -m 'not slow and not sweep'

fidelity: ## take N=500 random float models to the golden model; each is near what was given, or refused
	$(SETUP)
	@$(BIN)/python -m tests.fidelity --count $(or $(N),500)

mutants: ## break the RTL and see the tests fail: five places by hand, and N= drawn by SEED= (K=gather: of that file)
	$(SETUP) iverilog
	@$(BIN)/python -m tests.mutants --jobs $(JOBS) $(call flag,N,--count) $(call flag,SEED,--seed) $(K)

coverage: ## which lines, branches and bits of the RTL the benches of its modules reach, by Verilator (an hour; K=fifo picks some)
	$(SETUP) $(SIMULATORS)
	@$(BIN)/python -m tests.coverage --jobs $(JOBS) $(K)

prove: ## prove by induction what rtl/formal/ says of the modules (K=fifo picks one)
	$(SETUP) yosys
	@$(BIN)/python -m sim.toolchain.prove --jobs $(JOBS) $(K)

regress: ## run the rows of regress.yaml against tests/baselines (QUICK=1: those marked quick)
	$(SETUP) $(SIMULATORS)
	@$(BIN)/pyimc regress $(WORKERS) $(if $(call flag,QUICK,),--quick)

regress-accept: ## record what the rows of regress.yaml give now (REASON='why', QUICK=1)
	$(SETUP) $(SIMULATORS)
	@$(BIN)/pyimc regress $(WORKERS) $(if $(call flag,QUICK,),--quick) --accept '$(REASON)'

lint: ## ruff, mypy, and verilator on the RTL at several parameter sets
	$(SETUP) verilator
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python -m sim.toolchain.lint_rtl

format: ## let ruff fix and format the Python files
	$(SETUP)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

synth: ## area and longest path of every RTL module in a 45 nm library, through Yosys
	$(SETUP) yosys cells
	@$(BIN)/python -m sim.toolchain.synth

bench: ## measure the speeds in docs/results.md: RTL on every simulator, cycle level, their ratios
	$(SETUP) $(SIMULATORS)
	@$(BIN)/pyimc bench

growth: ## measure how time and memory grow with the network and with the number of PUs
	$(SETUP) iverilog
	@$(BIN)/pyimc growth

study: ## measure what cutting layers, pipelining and buffers bring, at cycle level (K=split picks one)
	$(SETUP)
	@$(BIN)/pyimc study $(WORKERS) $(K)

isa: ## regenerate rtl/imc_isa.vh, docs/isa.md, docs/operators.md and rtl/engine.v from pyimc/ and mapping/
	$(SETUP)
	@$(BIN)/python -m pyimc.isa && $(BIN)/python -m pyimc.engines && $(BIN)/python -m mapping.importer.operator_docs

lock: ## resolve requirements.lock again from pyproject.toml
	$(SETUP) --lock

clean: ## remove what runs and tests wrote
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## and the environment
	@rm -rf .venv
