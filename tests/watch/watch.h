#pragma once

// The watched emulator: the emulated target with a record of every access to memory that a kernel makes.
// `make WATCH=on` builds with it, in place of kernels/targets/emulator.cpp.
//
//   hooks.cpp    -fsanitize=thread makes the compiler call a function before each access. Those of the compiler's
//                own library are left out, and ours are linked: they tell the record.
//   fibers.cpp   runs the threads of a block one at a time, from one barrier to the next, in an order that
//                WATCH_ORDER chooses: up (also if it is not set), down, or shuffled by a number.
//   record.cpp   keeps for each number of memory who wrote it last and who has read it since.
//   counts.cpp   counts what the memory of a GPU would do for these accesses.
//   report.cpp   puts into words what was found.
//
// Two accesses race if one of them writes, and nothing makes one come first: they are of two threads of a block
// with no __syncthreads() between them, or of two blocks. That needs no luck: the threads run one after the other,
// but the record says what could have been at the same time. It finds besides: reads of what nothing has written,
// accesses outside of all buffers, threads that part at a barrier or in a shuffle, and more threads or shared
// memory than a block can have. launch() throws an Error that says what was found.
//
// What it does not see: an index that leaves a shared array and lands in another one (-fsanitize=address does);
// accesses that the compiler has removed; races that other values of x or other sizes would bring.

#include <functional>

namespace plainnet::watch {

/// What some launches asked of a kind of memory. The lanes of a warp that execute an instruction together make one
/// request. A GPU serves it in parts: global memory in sectors of 32 bytes; shared memory, which lies in 32 banks
/// of 4 bytes side by side, in as many turns as the busiest bank has different words to give.
struct Traffic {
  long reads = 0, writes = 0;  // by single threads
  long requests = 0, parts = 0;
  double parts_per_request() const { return static_cast<double>(parts) / requests; }
};
struct Counts {
  Traffic global, shared;
};

/// What the launches of `work` ask for. The same on every machine.
Counts count(const std::function<void()>& work);

}  // namespace plainnet::watch
