# make run       install what is missing, build, serve the models under models/
# make test      install, build, pass the tests that need no GPU
# make test-deploy  check deploy/: the image's files, Prometheus, Grafana, Kubernetes
# make image     build the cpu image with Docker, labelled with the commit
# make build     install and build: build/bin/{patchserve,classify}
# make bench     print what serving costs, and how long each part takes
# make performance  measure and write docs/performance.md: 25 minutes on a quiet machine
# make bench-overload  the live server under overload, bad clients, SIGTERM and swaps; 13 minutes
# make bench-device  the real server over a simulated H100: throughput, deadlines, CPU an answer; 11 minutes
# make bench-robustness  bad files, bombs, floods, crowds, fuzzers and a soak: writes docs/robustness.md
# make test-hub  models of a hub: the fake hub by Python's huggingface_hub, and one cache of both; a minute
# make simulate  the scheduling against its peers' policies, in virtual time; 5 minutes
# make simulate-plots  docs/scheduling-*.svg, from what that left
# make cuda      compile the kernels for NVIDIA GPUs, on any machine, and test what of them runs on a CPU; CUDA=FULL: for all cards
# make fuzz      throw random bytes at what reads files: RUNS times at each parser
# make conformance  compare every network, transform and decoder with timm and Pillow; writes docs/fidelity.md
# make conformance-oip  Triton's, KServe's and other clients, unmodified, and client/examples, against the server
# make sanitize  under the address sanitizer what reads files, under the thread sanitizer what shares
#                state
# make sanitize-all  the same, and every test under the address sanitizer
# make flaky     every test 20 times beside a busy core; TESTS='rpc_tests net_tests' picks programs
# make format    clang-format every source file; make check-format: say which it would change
# make check-scripts  ruff, shellcheck and hadolint on the scripts and the Dockerfile; the tests of tools/
# make check-clang  with Clang: what mutexes guard is used under them alone; clang-tidy on what changed
# make help      this list
# make check-proto  buf lint, and buf breaking against the commit that this is compared with
SHELL := /bin/bash
BUILD ?= build
DEPS := $(or $(PATCHSERVE_DEPS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/patchserve)
JOBS ?= $(shell nproc)
SOURCES = $(shell git ls-files 'server/*.h' 'server/*.cc' 'server/*.cu' 'client/*.h' 'client/*.cc' 'tests/*.h' 'tests/*.cc' 'bench/*.h' 'bench/*.cc' 'conformance/*.cc')

.PHONY: run test test-deploy test-hub image build deps test-deps cuda bench performance bench-overload bench-device bench-robustness simulate simulate-plots fuzzers fuzz conformance conformance-oip sanitize sanitize-all flaky format check-format check-scripts check-clang check-proto help clean

# As the image sets them: docs/flags.md.
OPENMP = OMP_WAIT_POLICY=ACTIVE GOMP_SPINCOUNT=1000

run: build
	$(OPENMP) $(BUILD)/bin/patchserve --models=models --address=127.0.0.1:8001 --metrics_address=127.0.0.1:8002 --lame_duck=0s

test: test-deps build
	PATH="$(DEPS)/promtool/usr/bin:$$PATH" ctest --test-dir $(BUILD) --output-on-failure

test-deploy: test-deps build
	tests/deploy/install_tools.sh
	tests/deploy/run.sh $(BUILD)/bin

test-hub: build
	bench/python.sh tests/hub/requirements.txt tests/hub/python_client_test.py $(BUILD)/bin

VERSION = $(shell sed -n 's/^project.patchserve VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
# IMAGE_FLAGS: further flags of `docker build`; SOURCE: where this repository can be read, without the login that a remote's
# address may have: the image's labels are public.
SOURCE ?= $(shell git remote get-url origin 2>/dev/null | sed -E 's|^([a-z+]+://)[^/]*@|\1|')
image:
	docker build --target cpu -t patchserve:$(VERSION)-cpu --build-arg REVISION=$$(git rev-parse HEAD) \
	  --build-arg SOURCE='$(SOURCE)' --build-arg CREATED=$$(git log -1 --format=%cI) $(IMAGE_FLAGS) .

build: deps
	cmake -S . -B $(BUILD) -G Ninja -DPATCHSERVE_DEPS=$(DEPS) -DPATCHSERVE_SANITIZE= >/dev/null
	cmake --build $(BUILD) -j $(JOBS)

deps:
	tools/install_deps.sh

test-deps:
	tools/install_deps.sh --tests

# A kernel that spills registers doesn't compile, but for those that may. `make build` makes the library by itself where
# LibTorch has its CUDA part.
CUDA ?= QUICK
cuda:
	tools/install_deps.sh --cuda
	cmake -S . -B $(BUILD)-cuda -G Ninja -DPATCHSERVE_DEPS=$(DEPS) -DPATCHSERVE_CUDA=$(CUDA) >/dev/null
	cmake --build $(BUILD)-cuda -j $(JOBS) --target patchserve_cuda cuda_epilogue_tests
	$(BUILD)-cuda/bin/cuda_epilogue_tests --gtest_brief=1

bench: build
	$(OPENMP) bench/run.sh $(BUILD)/bin

performance: build
	$(OPENMP) bench/python.sh bench/requirements.txt bench/performance_page.py

# BENCH_FLAGS=--quick: 3 minutes, to see that it works.
bench-overload: build
	bench/python.sh bench/overload/requirements.txt bench/overload/run.py \
	  --bin=$(BUILD)/bin --json=$(BUILD)/overload.json --markdown=docs/scheduling-live.md \
	  --svg=docs/scheduling-overload.svg $(BENCH_FLAGS)

# BENCH_FLAGS=--quick: a minute, to see that it works; leaves the page alone.
bench-device: build
	bench/device/run.py --bin=$(BUILD)/bin --json=$(BUILD)/device.json \
	  --markdown=docs/scheduling-device.md $(BENCH_FLAGS)

# BENCH_FLAGS=--quick: a minute, to see that it works; leaves the page alone.
bench-robustness: build $(if $(findstring --quick,$(BENCH_FLAGS)),,fuzzers)
	bench/python.sh bench/overload/requirements.txt bench/robustness/run.py \
	  --bin=$(BUILD)/bin --fuzz_bin=$(BUILD)-fuzz/bin \
	  $(if $(findstring --quick,$(BENCH_FLAGS)),,--json=$(BUILD)/robustness.json --markdown=docs/robustness.md) $(BENCH_FLAGS)

simulate: build
	$(BUILD)/bin/simulate --csv=$(BUILD)/simulate.csv

# From what `make simulate` left.
simulate-plots:
	bench/python.sh bench/simulate/requirements.txt bench/simulate/plots.py \
	  $(BUILD)/simulate.csv docs

fuzzers:
	tools/install_deps.sh --fuzz
	cmake -S . -B $(BUILD)-fuzz -G Ninja -DPATCHSERVE_DEPS=$(DEPS) -DCMAKE_CXX_COMPILER=clang++-14 \
	  -DPATCHSERVE_SANITIZE=address,fuzzer-no-link >/dev/null
	cmake --build $(BUILD)-fuzz -j $(JOBS) --target fuzzers

# Decoding is slower than parsing by two orders of magnitude.
RUNS ?= 1000000
fuzz: fuzzers
	tests/fuzz/run.sh $(BUILD)-fuzz/bin $(RUNS) $$(($(RUNS) / 20))

# About an hour of two cores, and 7 GB in $(DEPS) for a Python with PyTorch. CIFAR10=FOLDER, of
# <class>/*.jpg, compares the bundled models' precisions too.
conformance: build
	PATCHSERVE_DEPS=$(DEPS) conformance/run.sh $(BUILD)

# Wants Go. TRITON_CLIENT=FOLDER, a checkout of triton-inference-server/client, runs its examples too.
conformance-oip: build
	PATCHSERVE_DEPS=$(DEPS) conformance/oip/run.sh $(BUILD)

# Each sanitizer sees what it can: the thread sanitizer the parts without gRPC and LibTorch, which
# aren't built for it (of the client it reports 1,760 races, in gRPC and in what gRPC hands over). A report
# ends a program by SIGABRT, which no test takes for an answer. On two cores of an EPYC that others
# used too, without ccache (2026-11-28): 5 minutes for the thread sanitizer's build and 1.5 for its tests;
# 4.5 for the address sanitizer's build, and 5 seconds for its tests, before model_tests and rpc_tests joined them, which
# nearly double its files (129 to 249).
ADDRESS_TESTS = base_tests net_tests hub_tests image_tests config_tests checkpoint_tests model_tests rpc_tests
THREAD_TESTS = base_tests net_tests scheduling_tests metrics_tests pipeline_tests
space := $(subst ,, )
run_tests = ctest --test-dir $(1) --output-on-failure -R '^($(subst $(space),|,$(2)))$$'
ADDRESS_OPTIONS = ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1
sanitize: deps
	cmake -S . -B $(BUILD)-address -G Ninja -DPATCHSERVE_DEPS=$(DEPS) -DPATCHSERVE_SANITIZE=address >/dev/null
	cmake --build $(BUILD)-address -j $(JOBS) --target $(ADDRESS_TESTS)
	$(ADDRESS_OPTIONS) $(call run_tests,$(BUILD)-address,$(ADDRESS_TESTS))
	cmake -S . -B $(BUILD)-thread -G Ninja -DPATCHSERVE_DEPS=$(DEPS) -DPATCHSERVE_SANITIZE=thread >/dev/null
	cmake --build $(BUILD)-thread -j $(JOBS) --target $(THREAD_TESTS)
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan_suppressions.txt $(call run_tests,$(BUILD)-thread,$(THREAD_TESTS))

# Everything but what LibTorch does inside.
sanitize-all: sanitize test-deps
	cmake --build $(BUILD)-address -j $(JOBS)
	PATH="$(DEPS)/promtool/usr/bin:$$PATH" $(ADDRESS_OPTIONS) ctest --test-dir $(BUILD)-address --output-on-failure

flaky: test-deps build
	PATH="$(DEPS)/promtool/usr/bin:$$PATH" tests/flaky.sh $(BUILD)/bin 20 $(TESTS)

format:
	@clang-format -i $(SOURCES)

check-format:
	@clang-format --dry-run -Werror $(SOURCES)

check-scripts:
	tools/lint/scripts.sh
	tools/version.py --check
	bench/python.sh tests/tools/requirements.txt tests/tools/cifar10_test.py
	/usr/bin/python3 tests/tools/fetch_sdist_test.py
	/usr/bin/python3 tests/gpu/goals_test.py

# FILES='server/a.cc ...': clang-tidy on these, in place of what differs from where this left main.
check-clang: build
	tools/install_deps.sh --lint
	tools/lint/thread_safety.sh $(BUILD)
	tools/lint/tidy.sh $(BUILD) $(FILES)

# The comment at the top.
help:
	@sed -n '/^SHELL/q; s/^# //p' Makefile

# buf, from npm. The API may grow, but not break those who use it.
BUF = cd proto && npx --yes @bufbuild/buf@1.75.0
check-proto:
	tools/install_deps.sh --lint
	$(BUF) lint
	$(BUF) breaking --against "../.git#ref=$$(../tools/lint/base.sh),subdir=proto"

clean:
	rm -rf $(BUILD) $(BUILD)-address $(BUILD)-thread $(BUILD)-fuzz $(BUILD)-cuda
