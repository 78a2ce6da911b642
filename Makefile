# make          builds ./train and ./predict for every target that this machine can compile
# make test     builds and runs all tests; make test NAME=conv2d those whose name contains it
# make check    runs the tests under all that sees more than their results: the watched emulator, sanitizers,
#               and on a GPU compute-sanitizer; QUICK=on: a choice of them, in a few minutes
# make bench    times each layer, against what the machine can do at best, a step and an epoch;
#               make bench BENCH="--model cnn --csv times.csv" with options: BENCH=--help
# make ladder   checks and times the steps from a plain matrix product to a fast one (kernels/ladder)
# make count    counts the lines of code of each folder, and fails beyond the budget
# make mnist    downloads MNIST into data/mnist; MNIST_MIRROR=URL is tried first
# make clean    removes what was built
#
# V=1           shows every command as a whole
# NVCC=         builds without the CUDA toolkit
# SANITIZE=S    builds with a sanitizer (address, undefined or thread), in a folder of its own
# WATCH=on      builds with a record of what kernels on the emulated target do (tests/watch), in a folder of
#               its own: make WATCH=on test NAME=emulated

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# All cores, unless -j says otherwise.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# Only the emulated target is watched.
ifdef WATCH
NVCC :=
COPIES := -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset
endif
# The CUDA toolkit: where CUDA_HOME says, on PATH, or at its usual place.
NVCC ?= $(firstword $(if $(CUDA_HOME),$(wildcard $(CUDA_HOME)/bin/nvcc)) $(shell command -v nvcc) \
                    $(wildcard /usr/local/cuda/bin/nvcc))
# A distribution's nvcc, /usr/bin/nvcc, has its headers where all are.
CUDA_INCLUDE := $(if $(filter-out /usr/bin/,$(dir $(NVCC))),-isystem $(dir $(NVCC))../include)
# For the GPU of this machine; without one, PTX, which the driver of any GPU since Turing (2018)
# compiles for itself when the program first starts.
GPU_ARCH := $(if $(shell nvidia-smi -L 2>/dev/null | grep '^GPU'),\
                 -arch=native,-gencode arch=compute_75,code=compute_75)

BUILD := build$(if $(SANITIZE),/$(SANITIZE))$(if $(WATCH),/watch)
# The last two flags let the compiler turn a loop with a comparison or a square root into vectors.
CXXFLAGS := -std=c++20 -g1 -march=native -pthread -Wall -Wextra \
            -fno-math-errno -fno-trapping-math $(if $(SANITIZE),-fsanitize=$(SANITIZE))
# Includes begin at the root or at src/.
CPPFLAGS := -I. -Isrc -MMD -MP $(if $(NVCC),-DWITH_GPU $(CUDA_INCLUDE))
# nvcc reads each header three times, and those of C++17 in half the time of C++20's. The level is that
# of the host's part: a GPU's is always optimised. 1675: a pragma for g++.
NVCCFLAGS := -std=c++17 -lineinfo -diag-suppress 1675 $(GPU_ARCH) -Xcompiler -Og,-pthread,-Wall,-Wextra

# Compiled once for each target and number type: the kernels, and what calls them. All else once.
TARGETS := cpu emulated $(if $(NVCC),gpu)
PER_TARGET := $(wildcard kernels/*.cu kernels/fast/*.cu) kernels/targets/gpu.cu kernels/fast/layers.cpp \
              src/network/network.cpp src/network/target_trainer.cpp
# How the threads of a block run on the emulated target.
EMULATOR := $(if $(WATCH),$(wildcard tests/watch/*.cpp),kernels/targets/emulator.cpp)
# What is not for every target.
NOT_CPU      := kernels/targets/gpu.cu
NOT_EMULATED := $(addprefix kernels/fast/,pooled_conv2d.cu many_taps.cu few_taps.cu) $(NOT_CPU)
NOT_GPU      := $(filter-out $(NOT_CPU),$(NOT_EMULATED))
MAINS := src/train.cpp src/predict.cpp
ONCE := $(filter-out $(PER_TARGET) $(MAINS),$(wildcard src/*/*.cpp) $(EMULATOR))
# The tests that launch no kernel on the emulated target are no part of a watched build.
UNWATCHED := $(if $(WATCH),$(filter-out tests/test_targets.cpp,$(wildcard tests/test_*.cpp)))
# The tests of layers run on every target in single and in double precision; the benchmark times single
# precision, and checks it against double precision on the cpu target.
TESTS_PER_TARGET := $(wildcard tests/target_*.cpp tests/*.cu $(if $(WATCH),tests/watch/*.cu))
TESTS_ONCE := $(filter-out $(TESTS_PER_TARGET) $(UNWATCHED),$(wildcard tests/*.cpp)) tests/bench/work.cpp
# The ladder is no part of ./train.
LADDER := $(wildcard kernels/ladder/*.cu)

# The objects of some sources: $(call once,sources), $(call per_target,targets_types,sources).
once = $(addprefix $(BUILD)/once/,$(addsuffix .o,$(basename $(1))))
per_target = $(foreach t,$(1),$(addprefix $(BUILD)/$(t)/,$(addsuffix .o,$(basename $(call for,$(t),$(2))))))
for = $(filter-out $(if $(filter cpu_%,$(1)),$(NOT_CPU),$(if $(filter gpu_%,$(1)),$(NOT_GPU),$(NOT_EMULATED))),$(2))
FLOATS := $(TARGETS:=_float)
DOUBLES := $(TARGETS:=_double)
PROGRAM := $(call once,$(ONCE)) $(call per_target,$(FLOATS),$(PER_TARGET))

# A line instead of the command: "  CXX   cpu_float/kernels/conv2d.o". $(1): what is done; $(2): to what.
say = $(if $(V),,@printf '  %-5s %s\n' $(1) '$(2)';)

.PHONY: all test check bench ladder count mnist clean FORCE
all: $(BUILD)/train $(BUILD)/predict
	@$(if $(SANITIZE)$(WATCH),,ln -sf $^ .)
	@echo "Built $(if $(SANITIZE)$(WATCH),$^,./train and ./predict)$(if $(NVCC),, without the gpu target: no nvcc found)."
test: all $(BUILD)/run_tests
	@$(BUILD)/run_tests $(NAME)
check:
	+@sh tests/check.sh $(QUICK)
bench: $(BUILD)/bench
	@$(BUILD)/bench $(BENCH)
ladder: $(BUILD)/ladder
	@$(BUILD)/ladder
count:
	@sh tests/count.sh
mnist:
	@sh data/get_mnist.sh $(MNIST_MIRROR)
clean:
	rm -rf build train predict

$(BUILD)/train $(BUILD)/predict: $(BUILD)/%: $(BUILD)/once/src/%.o $(PROGRAM)
$(BUILD)/run_tests: $(PROGRAM) $(call per_target,$(DOUBLES),$(PER_TARGET)) $(call once,$(TESTS_ONCE)) \
                    $(call per_target,$(FLOATS) $(DOUBLES),$(TESTS_PER_TARGET) $(LADDER))
$(BUILD)/bench: $(PROGRAM) $(call per_target,cpu_double,$(PER_TARGET)) \
                $(call once,tests/bench/bench.cpp tests/bench/work.cpp) \
                $(call per_target,$(FLOATS) cpu_double,tests/bench/target_bench.cu)
$(BUILD)/ladder: $(call once,tests/bench/ladder.cpp $(wildcard src/base/*.cpp) $(EMULATOR)) \
                 $(call per_target,$(FLOATS) cpu_double emulated_double, \
                                   $(LADDER) tests/bench/target_ladder.cu kernels/fast/product.cu kernels/targets/gpu.cu)
# The CUDA runtime is linked in statically, so that the program starts where there is no CUDA.
$(BUILD)/train $(BUILD)/predict $(BUILD)/run_tests $(BUILD)/bench $(BUILD)/ladder:
	$(call say,LINK,$@)$(CXX) $(CXXFLAGS) $^ -o $@ $(COPIES) \
	  $(if $(NVCC),-L$(dir $(NVCC))../lib64 -lcudart_static -ldl -lrt)

# With another compiler or GPU, or when nvcc has come or gone, all is compiled anew.
SETTINGS := $(CXX) $(CXXFLAGS) $(TARGETS) $(GPU_ARCH)
$(BUILD)/settings: FORCE
	@mkdir -p $(@D)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' >$@

# Most files include some of these headers, and reading them takes longer than all the rest. The
# compiler reads them once for each level of optimisation (a precompiled header).
HEADERS := algorithm cmath functional map memory set string variant vector
$(BUILD)/O3.h.gch $(BUILD)/Og.h.gch: $(BUILD)/%.h.gch: Makefile $(BUILD)/settings
	@printf '#include <%s>\n' $(HEADERS) >$(@:.gch=)
	$(call say,CXX,$@)$(CXX) $(CXXFLAGS) -$* -x c++-header $(@:.gch=) -o $@

# "  CXX   cpu_float kernels/conv2d.cu". $(1): the compiler's name.
show = $(call say,$(1),$(firstword $(subst /, ,$(@:$(BUILD)/%=%))) $<)mkdir -p $(@D) &&
# $(1): the level of optimisation, O3 or Og; $(2): further flags.
compile = $(call show,CXX) $(CXX) -include $(BUILD)/$(1).h $(CXXFLAGS) -$(1) $(CPPFLAGS) $(DEFINES) $(2) \
          -c $< -o $@
$(BUILD)/once/%.o: %.cpp $(BUILD)/Og.h.gch
	$(call compile,Og)

# Calls a function before each access to memory; clang leaves out some reads before a write, unless told.
WATCHED := $(if $(WATCH),-fsanitize=thread $(if $(findstring clang,$(shell $(CXX) --version)),\
             -mllvm -tsan-instrument-read-before-write=1))

# The cpu target's kernels, where all the time is spent, are compiled with -O3, all else with -Og, for
# a short build, and the emulated ones for a debugger. CUDA's pragmas are for nvcc alone. Where a loop
# begins in a cache line is luck, worth 15% in a short one, unless it is told.
cpu_kernels      = $(call compile,$(if $(WATCH),Og,O3),-x c++ -Wno-unknown-pragmas -falign-loops=64)
emulated_kernels = $(call compile,Og,-x c++ -Wno-unknown-pragmas -g $(WATCHED))
gpu_kernels      = $(call show,NVCC) $(NVCC) $(NVCCFLAGS) $(CPPFLAGS) $(DEFINES) -c $< -o $@

# For each target and number type. $(1): the target; $(2): the target in capitals; $(3): the type.
define rules
$(BUILD)/$(1)_$(3)/%.o: DEFINES := -DTARGET_$(2) -DREAL=$(3)
$(BUILD)/$(1)_$(3)/%.o: %.cpp $(BUILD)/Og.h.gch
	$$(call compile,Og)
$(BUILD)/$(1)_$(3)/%.o: %.cu $(BUILD)/O3.h.gch $(BUILD)/Og.h.gch
	$$($(1)_kernels)
endef
$(foreach r,float double,$(eval $(call rules,cpu,CPU,$(r))) $(eval $(call rules,gpu,GPU,$(r))) \
                         $(eval $(call rules,emulated,EMULATED,$(r))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
