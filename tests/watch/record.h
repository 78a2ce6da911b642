#pragma once

// What the parts of the watched emulator (watch.h) tell each other.

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/targets/emulator.h"

namespace plainnet::watch {

/// Where in the course of all launches something happens. Between two barriers lies an interval.
struct Moment {
  uint32_t launch = 0, block = 0, interval = 0, thread = 0;
};

/// An access: when, and the machine code behind it.
struct Access : Moment {
  const void* code = nullptr;
};

/// A stretch of memory that a kernel may use: what a Buffer owns, or a __shared__ array.
struct Region {
  std::string name;
  char *begin, *end;
  bool shared;

  size_t offset(const void* p) const { return static_cast<const char*>(p) - begin; }
};

/// Something that a kernel must not do.
struct Finding {
  enum Kind { kRace, kUnwritten, kOutside, kTooMuchShared } kind;
  Access access;
  bool writes;
  Access other = {};  // of a race
  bool other_writes = false;
  // The memory: a region, or the nearest one; empty if none is near.
  std::string region = "";
  bool shared = false;
  bool before = false;  // whether the access lies before its begin
  size_t index = 0;     // how far from its begin, in numbers as wide as the access
  size_t size = 0;      // so many it has; for kTooMuchShared, the bytes that the block uses
};

// fibers.cpp

/// The thread that is running. Null outside of kernels.
const Moment* running();
/// Whether p is in the stack of the running thread; or in that of the host, where arguments lie.
bool on_own_stack(const void* p);
bool on_stack_of_host(const void* p);

// record.cpp

void begin_launch(uint32_t number);
/// What was found in the launch, at most a few.
std::vector<Finding> end_launch();
void record(const void* p, size_t bytes, bool writes, const void* code);

// counts.cpp

void count_access(const void* p, size_t bytes, bool writes, bool shared, const void* code);
void end_block_of_counts();

// report.cpp

/// The program's __shared__ arrays.
std::vector<Region> shared_arrays();

/// The function and the line, as "file:line", of some machine code; "??" where the program has no names. Of a
/// function that was inlined, also from where: " (from lstm_recurrence, kernels/fast/lstm.cu:88)".
struct Source {
  std::string function, line, from;
};
Source source_of(const void* code);

/// "(2, 0, 1)": the index at place n, counted along x, then y, then z.
std::string index_name(uint32_t n, Dim3 extent);

/// What was found, a paragraph each.
std::string words(const std::vector<Finding>& findings, Dim3 grid, Dim3 block);

}  // namespace plainnet::watch
