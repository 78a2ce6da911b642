#pragma once

// The threads of the cpu target, and its memory.

#include <functional>

namespace plainnet {

/// How many threads parallel_for uses; at first granted_processors().
int thread_count();

/// Sets it, to 1 or more, or to as many as the system allows. No parallel_for may be running. The threads,
/// and the calling one, from then on take denormal numbers for zero.
void set_thread_count(int count);

/// Calls body(begin, end) for ranges that together cover [0, n) once, on all threads, and returns
/// when all are done. Which thread gets which range varies; a kernel's result must not depend on it.
/// `body` must not throw.
void parallel_for(int n, const std::function<void(int begin, int end)>& body);

/// Zeroed memory that begins on a cache line. Large memory is asked to lie on large pages, which spares
/// the processor most of its address translation. Each call begins at another line of its page: a
/// processor tells a load from a store before it by the address within a page, and arrays whose rows
/// are a power of two long would all look alike. Throws std::bad_alloc.
void* allocate_pages(size_t bytes);
void release_pages(void* memory);

}  // namespace plainnet
