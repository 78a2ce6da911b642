# make          builds ./train and ./predict for every target that this machine can compile
# make test     builds and runs all tests; make test NAME=conv2d those whose name contains it
# make check    runs the tests under all that sees more than their results: the watched emulator, sanitizers,
#               and on a GPU compute-sanitizer; QUICK=on: a choice of them, in a few minutes
# make bench    times each layer, against what the machine can do at best, a step and an epoch;
#               make bench BENCH="--model cnn --csv times.csv" with options: BENCH=--help
# make ladder   checks and times the steps from a plain matrix product to a fast one (kernels/ladder)
# make fuzz     feeds what reads files and command lines with broken input: every target of tests/fuzz for ten
#               seconds; make fuzz TARGET=png SECONDS=600 one of them for longer
# make count    counts the lines of code of each folder, and fails beyond the budget
# make mutants  makes small wrong changes, one after another; the tests must notice each (tests/mutants);
#               make mutants MUTANTS=conv2d those whose file or description contains it
# make coverage runs the tests, and says which lines of src/ and kernels/ none of them runs
# make mnist    downloads MNIST into data/mnist; MNIST_MIRROR=URL is tried first
# make clean    removes what was built
#
# V=1           shows every command as a whole
# CXX=clang++   another compiler; also nvcc's host compiler, unless NVCC_HOST= names one
# NVCC=         builds without the CUDA toolkit; NVCC=PATH with that one
# ARCH=A        for another processor than this one, as -march has it: ARCH=x86-64-v3
# GPU_ARCH=C    for a GPU of compute capability C that this machine does not have: GPU_ARCH=6.1
# BUILD=DIR     what is built goes there
# SANITIZE=S    builds with a sanitizer (address, undefined or thread), in a folder of its own
# WATCH=on      builds with a record of what kernels on the emulated target do (tests/watch), in a folder of
#               its own: make WATCH=on test NAME=emulated

# BSD's make stops here with these words; for GNU Make it is a rule that nobody asks for.
.error plainnet needs GNU Make: gmake

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# As many compilers at once as there are processors and memory for, unless -j or the make above says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell sh settings.sh jobs)
endif

# Only the emulated target is watched.
ifdef WATCH
NVCC :=
COPIES := -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset
endif
# The CUDA toolkit: where CUDA_HOME says, on PATH, or at its usual place.
ifeq ($(origin NVCC),undefined)
NVCC := $(shell PATH="$${CUDA_HOME:+$$CUDA_HOME/bin:}$$PATH:/usr/local/cuda/bin"; command -v nvcc)
endif

BUILD := build$(if $(SANITIZE),/$(SANITIZE))$(if $(WATCH),/watch)$(if $(COVERAGE),/coverage)

# What this machine's compilers are and can.
ifneq ($(filter-out clean count mnist,$(or $(MAKECMDGOALS),all)),)
ifneq ($(words x$(BUILD)),1)
$(error BUILD: expected a path without blanks, found $(BUILD))
endif
quoted = '$(subst ','\'',$(1))'
PROBLEM := $(shell $(foreach v,CXX CXXFLAGS NVCC NVCC_HOST ARCH GPU_ARCH,$v=$(call quoted,$($v))) \
                   sh settings.sh $(BUILD))
ifneq ($(PROBLEM),)
$(error $(PROBLEM))
endif
include $(BUILD)/settings.mk
endif

# The last two flags let the compiler turn a loop with a comparison or a square root into vectors.
CXXFLAGS := -std=c++20 -g1 $(ARCH_FLAGS) -pthread -Wall -Wextra \
            -fno-math-errno -fno-trapping-math $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(if $(COVERAGE),--coverage)
# Includes begin at the root or at src/.
CPPFLAGS := -I. -Isrc $(if $(NVCC_COMMAND),-DWITH_GPU $(CUDA_INCLUDE))
# nvcc reads each header three times, and those of C++17 in half the time of C++20's. The level is that
# of the host's part: a GPU's is always optimised. 1675: a pragma for g++.
NVCCFLAGS := -std=c++17 -lineinfo -diag-suppress 1675 $(NVCC_FLAGS) -Xcompiler -Og,-pthread,-Wall,-Wextra

# Compiled once for each target and number type: the kernels, and what calls them. All else once.
TARGETS := cpu emulated $(if $(NVCC_COMMAND),gpu)
PER_TARGET := $(wildcard kernels/*.cu kernels/fast/*.cu) kernels/targets/gpu.cu kernels/fast/layers.cpp \
              src/network/network.cpp src/network/target_trainer.cpp
# How the threads of a block run on the emulated target.
EMULATOR := $(if $(WATCH),$(wildcard tests/watch/*.cpp),kernels/targets/emulator.cpp)
# What is not for every target.
NOT_CPU      := kernels/targets/gpu.cu
NOT_EMULATED := $(addprefix kernels/fast/,pooled_conv2d.cu winograd.cu) $(NOT_CPU)
NOT_GPU      := $(filter-out $(NOT_CPU),$(NOT_EMULATED))
MAINS := src/train.cpp src/predict.cpp
ONCE := $(filter-out $(PER_TARGET) $(MAINS),$(wildcard src/*/*.cpp) $(EMULATOR))
# The tests that launch no kernel on the emulated target are no part of a watched build.
UNWATCHED := $(if $(WATCH),$(filter-out tests/test_targets.cpp,$(wildcard tests/test_*.cpp)))
# The tests of layers run on every target in single and in double precision; the benchmark times single
# precision, and checks it against double precision on the cpu target.
TESTS_PER_TARGET := $(wildcard tests/target_*.cpp tests/*.cu $(if $(WATCH),tests/watch/*.cu))
TESTS_ONCE := $(filter-out $(TESTS_PER_TARGET) $(UNWATCHED),$(wildcard tests/*.cpp) tests/fuzz/targets.cpp) \
              tests/bench/work.cpp
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

.PHONY: all test check bench ladder fuzz count mutants coverage mnist clean
all: $(BUILD)/train $(BUILD)/predict
	@{ $(if $(SANITIZE)$(WATCH),false,ln -sf $^ . || cp -f $^ .); } 2>/dev/null && built='./train and ./predict' || \
	  built='$(firstword $^) and $(lastword $^)'; echo "Built $$built for $(TARGETS_TEXT)."
test: all $(BUILD)/run_tests
	@$(BUILD)/run_tests $(NAME)
check:
	+@sh tests/check.sh $(QUICK)
bench: $(BUILD)/bench
	@$(BUILD)/bench $(BENCH)
ladder: $(BUILD)/ladder
	@$(BUILD)/ladder
fuzz:
	@$(MAKE) NVCC= BUILD=build/fuzz SANITIZE=address,undefined,float-cast-overflow build/fuzz/fuzzer
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 build/fuzz/fuzzer $(or $(TARGET),all) $(or $(SECONDS),10)
count:
	@sh tests/count.sh
mutants: $(BUILD)/mutants/mutants
	@$(BUILD)/mutants/mutants $(MUTANTS)
coverage:
	@$(MAKE) COVERAGE=on NVCC= build/coverage/run_tests
	@find build/coverage -name '*.gcda' -delete
	@build/coverage/run_tests
	@sh tests/coverage.sh build/coverage
mnist:
	@sh data/get_mnist.sh $(MNIST_MIRROR)
clean:
	rm -rf build train predict

$(BUILD)/train $(BUILD)/predict: $(BUILD)/%: $(BUILD)/once/src/%.o $(PROGRAM)
$(BUILD)/run_tests: $(PROGRAM) $(call per_target,$(DOUBLES),$(PER_TARGET)) $(call once,$(TESTS_ONCE)) \
                    $(call per_target,$(FLOATS) $(DOUBLES),$(TESTS_PER_TARGET) $(LADDER))
# Some tests start the programs.
$(BUILD)/run_tests: | $(BUILD)/train $(BUILD)/predict
$(BUILD)/bench: $(PROGRAM) $(call per_target,cpu_double,$(PER_TARGET)) \
                $(call once,tests/bench/bench.cpp tests/bench/work.cpp) \
                $(call per_target,$(FLOATS) cpu_double,tests/bench/target_bench.cu)
$(BUILD)/ladder: $(call once,tests/bench/ladder.cpp $(wildcard src/base/*.cpp) $(EMULATOR)) \
                 $(call per_target,$(FLOATS) cpu_double emulated_double, \
                                   $(LADDER) tests/bench/target_ladder.cu kernels/fast/product.cu kernels/targets/gpu.cu)
$(BUILD)/fuzzer: $(PROGRAM) $(call once,$(wildcard tests/fuzz/*.cpp) tests/memory_limit.cpp tests/small_run.cpp)
$(BUILD)/mutants/mutants: $(call once,tests/mutants/mutants.cpp $(wildcard src/base/*.cpp))
# The CUDA runtime is linked in statically, so that the program starts where there is no CUDA.
PROGRAMS := train predict run_tests bench ladder fuzzer mutants/mutants
$(addprefix $(BUILD)/,$(PROGRAMS)):
	$(call say,LINK,$@)mkdir -p $(@D) && $(CXX_COMMAND) $(CXXFLAGS) $^ $(COPIES) $(CUDA_LIBRARIES) $(finish)

# A file gets its name when it is whole, so that what was interrupted is done again.
finish = -o $@.part && mv -f $@.part $@

# Most files include some of these headers, and reading them takes longer than all the rest. The
# compiler reads them once for each level of optimisation (a precompiled header).
HEADERS := algorithm cmath functional map memory set string variant vector
$(BUILD)/O3.h.gch $(BUILD)/Og.h.gch: $(BUILD)/%.h.gch: Makefile $(BUILD)/settings.mk
	@printf '#include <%s>\n' $(HEADERS) >$(@:.gch=)
	$(call say,CXX,$@)$(CXX_COMMAND) $(CXXFLAGS) -$* -x c++-header $(@:.gch=) $(finish)

# "  CXX   cpu_float kernels/conv2d.cu". $(1): the compiler's name.
show = $(call say,$(1),$(firstword $(subst /, ,$(@:$(BUILD)/%=%))) $<)mkdir -p $(@D) &&
# $(1): the level of optimisation, O3 or Og; $(2): further flags.
compile = $(call show,CXX) $(CXX_COMMAND) -include $(BUILD)/$(1).h $(CXXFLAGS) -$(1) $(CPPFLAGS) $(DEFINES) $(2) \
          -c $< $(object)
# An object, and beside it a rule that says which headers it includes.
object = -MMD -MP -MT $@ -MF $@.d.part -o $@.part && mv -f $@.d.part $@.d && mv -f $@.part $@
# Of the targets, what is compiled once sees the cpu target's names, if any.
$(BUILD)/once/%.o: DEFINES := -DTARGET_CPU -DTARGET=cpu_float -DREAL=float
$(BUILD)/once/%.o: %.cpp $(BUILD)/Og.h.gch
	$(call compile,Og)

# Calls a function before each access to memory; clang leaves out some reads before a write, unless told.
WATCHED := $(if $(WATCH),-fsanitize=thread $(if $(findstring clang,$(shell $(CXX_COMMAND) --version)),\
             -mllvm -tsan-instrument-read-before-write=1))

# The cpu target's kernels, where all the time is spent, are compiled with -O3, all else with -Og, for
# a short build, and the emulated ones for a debugger. CUDA's pragmas are for nvcc alone. Where a loop
# begins in a cache line is luck, worth 15% in a short one, unless it is told.
cpu_kernels      = $(call compile,$(if $(COVERAGE)$(WATCH),Og,O3),-x c++ -Wno-unknown-pragmas -falign-loops=64)
emulated_kernels = $(call compile,Og,-x c++ -Wno-unknown-pragmas -g $(WATCHED))
gpu_kernels      = $(call show,NVCC) $(NVCC_COMMAND) $(NVCCFLAGS) $(CPPFLAGS) $(DEFINES) -c $< $(object)

# For each target and number type. $(1): the target; $(2): the target in capitals; $(3): the type.
define rules
$(BUILD)/$(1)_$(3)/%.o: DEFINES := -DTARGET_$(2) -DTARGET=$(1)_$(3) -DREAL=$(3)
$(BUILD)/$(1)_$(3)/%.o: %.cpp $(BUILD)/Og.h.gch
	$$(call compile,Og)
$(BUILD)/$(1)_$(3)/%.o: %.cu $(BUILD)/O3.h.gch $(BUILD)/Og.h.gch
	$$($(1)_kernels)
endef
$(foreach r,float double,$(eval $(call rules,cpu,CPU,$(r))) $(eval $(call rules,gpu,GPU,$(r))) \
                         $(eval $(call rules,emulated,EMULATED,$(r))))

-include $(shell find $(addprefix $(BUILD)/,once $(FLOATS) $(DOUBLES)) -name '*.d' 2>/dev/null)
