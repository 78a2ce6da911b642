#pragma once

// The watched emulator: the emulated target with a record of every access to memory that a kernel makes.
// `make WATCH=on` builds with it, in place of kernels/targets/emulator.cpp.
//
//   hooks.cpp    -fsanitize=thread makes the compiler call a function before each access. The library with
//                these functions is left out, and ours are linked instead: they tell the record.
//   fibers.cpp   runs the threads of a block one at a time, from one barrier to the next, in an order that
//                WATCH_ORDER chooses: up (also if it is not set), down, or shuffled by a number.
//                WATCH_WITHOUT=kernels/reduce.h:28 leaves the barrier of that line out, to see whether it is
//                needed; barriers.sh does so with each.
//   record.cpp   keeps for each number of memory who wrote it last and who has read it since.
//   counts.cpp   counts what the memory of a GPU would do for these accesses.
//   report.cpp   puts into words what was found.
//   target_planted.cu has a bug of each kind, which must be reported; target_counts.cu has counts.
//
// Two accesses race if one of them writes, and nothing makes one come first: they are of two threads of a
// block with no __syncthreads() between, or of two blocks. To find them takes no luck: the threads run one
// after the other, and the record says what could have been at the same time. It also finds reads of what
// nothing has written, accesses outside of all buffers, threads that part at a barrier or in a shuffle, and
// more threads or shared memory than a block of a GPU has. launch() then throws an Error that says so.
//
// It does not see: an index that leaves a shared array and lands in another that the block has written
// (-fsanitize=address does); races that only other sizes or values of x would bring; what one statement
// stores that a function returned in registers, a struct of up to 16 bytes, unless the compiler inlines the
// function: g++ makes no call for that, and a read of it is reported as of what nothing has written.

#include <functional>

namespace plainnet::watch {

/// What some launches asked of a kind of memory. The lanes of a warp that execute an instruction together
/// make one request. A GPU serves it in parts: global memory in sectors of 32 bytes; shared memory, which
/// lies in 32 banks of 4 bytes side by side, in as many turns as the busiest bank has different words to
/// give.
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
