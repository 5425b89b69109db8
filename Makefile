# The front door. Meson does the work (meson.build) and can be used on its own; this installs what is missing,
# builds a release into build/ and knows the common tasks. `make help` lists them.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD = build

.PHONY: all build configure bench demo setup test test-all fuzz coverage kill mutate install uninstall format lint docs \
	test-arm bench-mem bench-peers bench-instructions accuracy clean help
all: build

## build      the release build in build/: libraries, command, man pages (default); tests: make test
build: configure
	@ninja -C $(BUILD) product

configure: setup
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) --buildtype=release

## demo       train on bundled pictures, evaluate, predict, write a report in demo/ (3 minutes)
demo: configure
	@ninja -C $(BUILD) src/cli/unet
	@tools/demo.sh

## setup      install the Debian packages that are missing; nothing when all is there
setup:
	@tools/setup.sh

## test       whole suite on the release build, a smoke subset with SIMD off and under sanitizers
test: setup
	@tools/run-tests.sh

## test-all   everything under every build; writes the table docs/test-results.md
test-all: setup
	@tools/run-tests.sh --all

## fuzz       replay the corpora, and changed copies of them, under the address sanitizer
fuzz: setup
	@tools/run-tests.sh --fuzz

## test-arm   kernels and golden networks for 64-bit ARM under qemu; installs cross packages; writes docs/arm.md
test-arm: setup
	@tools/test-arm.sh

## coverage   lines of each own parser that the fuzz corpora reach; writes docs/proofs.md (minutes)
coverage: setup
	@tools/proof.sh coverage

## kill       100 trainings killed at random moments and resumed; writes docs/proofs.md (minutes)
kill: configure
	@tools/proof.sh kill

## mutate     plant faults one at a time; the tests must find them; writes docs/proofs.md (an hour)
mutate: setup
	@tools/mutate.sh

## bench      speed of kernels and networks on this machine (docs/performance.md); THREADS=1 by default
THREADS ?= 1
bench: configure
	@ninja -C $(BUILD) bench/speed tests/kcheck >/dev/null
	@$(BUILD)/bench/speed --threads $(THREADS)
	@$(BUILD)/tests/kcheck --bench

## bench-mem  64 filters: milliseconds by the memory allowed, into bench/results (docs/benchmarks.md; 3 minutes)
bench-mem: build
	@ninja -C $(BUILD) bench/speed bench/ours bench/process >/dev/null
	@bench/record.sh memory --threads $(THREADS) $(ARGS)

## bench-scaling  one and two threads in turns, into bench/results (docs/benchmarks.md; 15 minutes); ARGS: CASE...
.PHONY: bench-scaling
bench-scaling: build
	@ninja -C $(BUILD) bench/speed >/dev/null
	@bench/record.sh scaling $(ARGS)

## bench-start  from the start of the process to the mask, into bench/results (docs/benchmarks.md; a minute)
.PHONY: bench-start
bench-start: build
	@ninja -C $(BUILD) bench/speed bench/ours bench/process >/dev/null
	@bench/start.sh $(ARGS)

## install    to PREFIX (default /usr/local); DESTDIR is honoured
install: configure
	@meson configure $(BUILD) --prefix='$(abspath $(PREFIX))'
	@ninja -C $(BUILD) product
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild

## uninstall  remove what the last install wrote
uninstall:
	@ninja -C $(BUILD) uninstall

## format     clang-format over the C files that changed since main
format:
	@tools/format.sh

## lint       cppcheck over the sources
lint: setup
	@tools/lint.sh

## docs       pages made from tables in the sources: docs/config.md, docs/losses.md, docs/optimisers.md, docs/commands.md
docs: configure
	@ninja -C $(BUILD) src/cli/unet tests/test_config >/dev/null
	@UNET_TEST_WRITE=1 $(BUILD)/tests/test_config docs
	@$(BUILD)/src/cli/unet help --format markdown >docs/commands.md

## handbook   runs the commands of docs/training.md and puts their output there (3 minutes)
.PHONY: handbook
handbook: configure
	@ninja -C $(BUILD) src/cli/unet
	@tools/handbook.sh

## bench-bf16  float32 and bf16 in turns, into bench/results (docs/benchmarks.md), then their masks (docs/precision.md)
.PHONY: bench-bf16
bench-bf16: build
	@ninja -C $(BUILD) bench/speed >/dev/null
	@bench/record.sh bf16 --threads $(THREADS) $(ARGS)
	@bench/precision.sh

## bench-peers  beside ONNX Runtime, OpenVINO, PyTorch, MNN and ncnn; ARGS: bench/peers/README.md (two hours)
bench-peers: setup
	@bench/peers/run.sh $(ARGS)

## bench-recompute  time and memory of a step when blocks are made again in the backward pass (docs/planning.md; minutes)
.PHONY: bench-recompute
bench-recompute: build
	@bench/recompute.sh $(ARGS)

## bench-augment  augmentation beside albumentations, one core, into docs/augmentation-speed.md; ARGS as --help says (a minute)
.PHONY: bench-augment
bench-augment: setup
	@bench/peers/augment.sh $(ARGS)

## bench-instructions  instructions at the AVX2 level against the stored counts (valgrind; a minute)
bench-instructions: configure
	@bench/instructions.sh

## accuracy   train and score the public sets of ../shared; ARGS: see docs/accuracy.md; goes on where it was stopped (hours)
accuracy: configure
	@ninja -C $(BUILD) src/cli/unet
	@accuracy/run.sh $(ARGS)

## accuracy-train  what losses, sampling, variants and presets bring; ARGS: see docs/accuracy-train.md; resumable (hours)
.PHONY: accuracy-train
accuracy-train: configure
	@ninja -C $(BUILD) src/cli/unet
	@accuracy/run.sh train $(ARGS)

## rows       each loss, optimiser, regulariser, schedule on the bundled nuclei, into docs/rows.md; goes on where it was (20 minutes)
.PHONY: rows
rows: configure
	@ninja -C $(BUILD) src/cli/unet
	@accuracy/rows.sh $(ARGS)

## estimates  stated beside measured memory and time of short runs on six public sets, into docs/planning.md (7 minutes)
.PHONY: estimates
estimates: configure
	@ninja -C $(BUILD) src/cli/unet
	@accuracy/estimates.sh $(ARGS)
	@[ -n "$(ARGS)" ] || accuracy/memory.sh

## clean      remove the build folders
clean:
	@rm -rf build build-*

## help       this list
help:
	@sed -n 's/^## /make /p' Makefile
