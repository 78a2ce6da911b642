# make          builds ./train and ./predict for every target that this machine can compile
# make test     builds and runs all tests; make test NAME=conv2d those whose name contains it
# make bench    times each layer, against what the machine can do at best, a step and an epoch;
#               make bench BENCH="--model cnn --csv times.csv" with options: BENCH=--help
# make mnist    downloads MNIST into data/mnist; MNIST_MIRROR=URL is tried first
# make clean    removes what was built
#
# NVCC=         builds without the CUDA toolkit
# SANITIZE=S    builds with a sanitizer (address, undefined or thread), in a folder of its own

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# All cores, unless -j says otherwise.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# The CUDA toolkit: where CUDA_HOME says, on PATH, or at its usual place.
NVCC ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc) $(shell command -v nvcc) \
                    $(wildcard /usr/local/cuda/bin/nvcc))

# A distribution's nvcc, /usr/bin/nvcc, has its headers where all are.
CUDA_INCLUDE := $(if $(filter-out /usr/bin/,$(dir $(NVCC))),-isystem $(dir $(NVCC))../include)

# For the GPU of this machine; without one, PTX, which the driver of any GPU since Turing (2018)
# compiles for itself when the program first starts.
GPU_ARCH := $(if $(shell nvidia-smi -L 2>/dev/null | grep '^GPU'),\
                 -arch=native,-gencode arch=compute_75,code=compute_75)

BUILD    := build$(if $(SANITIZE),/$(SANITIZE))
WARNINGS := -Wall -Wextra
# The last two flags let the compiler turn a loop with a comparison or a square root into vectors.
CXXFLAGS := -std=c++20 -g1 -march=native -pthread $(WARNINGS) \
            -fno-math-errno -fno-trapping-math $(if $(SANITIZE),-fsanitize=$(SANITIZE))
CPPFLAGS := -MMD -MP $(if $(NVCC),-DWITH_GPU $(CUDA_INCLUDE))
# The cpu target's kernels, where all the time is spent, are compiled with -O3, all else with -Og, for
# a short build; and the emulated ones for a debugger. CUDA's pragmas are for nvcc alone. Where a loop
# begins in a cache line is luck, worth 15% in a short one, unless it is told.
KERNEL_FLAGS := -Wno-unknown-pragmas
CPU_FLAGS := -falign-loops=64
EMULATED_FLAGS := -g
# Most files include some of these headers, and reading them takes longer than all the rest. The
# compiler reads them once for each level of optimisation (a precompiled header).
HEADERS := algorithm cmath functional map memory set string vector
# nvcc reads each header three times, and those of C++17 in half the time of C++20's. The level is that
# of the host's part: a GPU's is always optimised. 1675: a pragma for g++.
NVCCFLAGS := -std=c++17 -lineinfo -diag-suppress 1675 $(GPU_ARCH) -Xcompiler -Og,-pthread,-Wall,-Wextra

# Compiled once for each target and number type: the kernels, and what calls them.
PER_TARGET := $(wildcard kernels/*.cu) src/network.cpp src/models.cpp src/target_trainer.cpp
# Compiled once.
MAINS := src/train.cpp src/predict.cpp
ONCE  := $(filter-out $(PER_TARGET) $(MAINS),$(wildcard src/*.cpp kernels/*.cpp))

TARGETS := cpu emulated $(if $(NVCC),gpu)

objects = $(addprefix $(BUILD)/$(1)/,$(addsuffix .o,$(basename $(2))))
ONCE_OBJECTS := $(call objects,once,$(ONCE))
SHARED_OBJECTS := $(ONCE_OBJECTS) $(foreach t,$(TARGETS),$(call objects,$(t)_float,$(PER_TARGET)))

# Tests of layers run on every target, in single and in double precision.
TESTS_PER_TARGET := $(wildcard tests/target_*.cpp tests/*.cu)
TESTS_ONCE := $(filter-out $(TESTS_PER_TARGET),$(wildcard tests/*.cpp)) tests/bench/work.cpp
TEST_OBJECTS := $(call objects,once,$(TESTS_ONCE)) $(ONCE_OBJECTS) \
                $(foreach t,$(TARGETS),$(foreach r,float double,\
                  $(call objects,$(t)_$(r),$(PER_TARGET) $(TESTS_PER_TARGET))))

# Timed in single precision, checked against double precision on the cpu target.
BENCH_PER_TARGET := $(wildcard tests/bench/*.cu)
BENCH_ONCE := $(wildcard tests/bench/*.cpp)
BENCH_OBJECTS := $(call objects,once,$(BENCH_ONCE)) $(SHARED_OBJECTS) \
                 $(foreach t,$(TARGETS),$(call objects,$(t)_float,$(BENCH_PER_TARGET))) \
                 $(call objects,cpu_double,$(PER_TARGET) $(BENCH_PER_TARGET))

.PHONY: all test bench mnist clean FORCE
all: $(BUILD)/train $(BUILD)/predict
	@ln -sf $^ .
	@echo "Built ./train and ./predict."
ifeq ($(NVCC),)
	@echo "No nvcc found: built without the gpu target."
endif

test: all $(BUILD)/run_tests
	$(BUILD)/run_tests $(NAME)

bench: $(BUILD)/bench
	$(BUILD)/bench $(BENCH)

mnist:
	sh data/get_mnist.sh $(MNIST_MIRROR)

clean:
	rm -rf build train predict

# The CUDA runtime is linked in statically, so that the program starts where there is no CUDA.
LINK = $(CXX) $(CXXFLAGS) $^ -o $@ $(if $(NVCC),-L$(dir $(NVCC))../lib64 -lcudart_static -ldl -lrt)
$(BUILD)/train $(BUILD)/predict: $(BUILD)/%: $(BUILD)/once/src/%.o $(SHARED_OBJECTS)
	$(LINK)
$(BUILD)/run_tests: $(TEST_OBJECTS)
	$(LINK)
$(BUILD)/bench: $(BENCH_OBJECTS)
	$(LINK)

# With another compiler or GPU, or when nvcc has come or gone, all is compiled anew.
SETTINGS := $(CXX) $(CXXFLAGS) $(TARGETS) $(GPU_ARCH)
$(BUILD)/settings: FORCE
	@mkdir -p $(@D)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' >$@
FORCE:

$(BUILD)/%/headers.h.gch: Makefile $(BUILD)/settings
	@mkdir -p $(@D)
	printf '#include <%s>\n' $(HEADERS) >$(@:.gch=)
	$(CXX) $(CXXFLAGS) -$* -x c++-header $(@:.gch=) -o $@
.PRECIOUS: $(BUILD)/%/headers.h.gch

# $(1): the level of optimisation, Og or O3.
compile = $(CXX) -include $(BUILD)/$(1)/headers.h $(CXXFLAGS) -$(1) $(CPPFLAGS)
$(BUILD)/once/%.o: %.cpp $(BUILD)/Og/headers.h.gch
	@mkdir -p $(@D)
	$(call compile,Og) -c $< -o $@

# For each target and number type. $(1): the target; $(2): the type; $(3): the target in capitals.
define target_rules
$(BUILD)/$(1)_$(2)/%.o: %.cpp $(BUILD)/Og/headers.h.gch
	@mkdir -p $$(@D)
	$$(call compile,Og) -DTARGET_$(3) -DREAL=$(2) -c $$< -o $$@
endef
$(foreach r,float double,$(eval $(call target_rules,cpu,$(r),CPU)) \
                         $(eval $(call target_rules,emulated,$(r),EMULATED)) \
                         $(eval $(call target_rules,gpu,$(r),GPU)))

# The kernels. Where there is no GPU, a .cu file is C++. $(4): the level of optimisation.
define kernel_rules
$(BUILD)/$(1)_$(2)/%.o: %.cu $(BUILD)/$(4)/headers.h.gch
	@mkdir -p $$(@D)
	$$(call compile,$(4)) $$(KERNEL_FLAGS) $$($(3)_FLAGS) -DTARGET_$(3) -DREAL=$(2) -x c++ -c $$< -o $$@
endef
$(foreach r,float double,$(eval $(call kernel_rules,cpu,$(r),CPU,O3)) \
                         $(eval $(call kernel_rules,emulated,$(r),EMULATED,Og)))

$(BUILD)/gpu_float/%.o: %.cu Makefile $(BUILD)/settings
	@mkdir -p $(@D)
	$(NVCC) $(NVCCFLAGS) $(CPPFLAGS) -DTARGET_GPU -DREAL=float -c $< -o $@
$(BUILD)/gpu_double/%.o: %.cu Makefile $(BUILD)/settings
	@mkdir -p $(@D)
	$(NVCC) $(NVCCFLAGS) $(CPPFLAGS) -DTARGET_GPU -DREAL=double -c $< -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
