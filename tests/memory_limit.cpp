// Counts the memory that the program holds, in place of the standard library's `new` and `delete`.

#include "tests/memory_limit.h"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

static std::atomic<size_t> held = 0, most = SIZE_MAX;

void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  void* const memory = held + bytes > most ? nullptr : std::malloc(bytes);
  if (memory) held += malloc_usable_size(memory);
  return memory;
}

void* operator new(size_t bytes) {
  void* const memory = operator new(bytes, std::nothrow);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept {
  held -= malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace plainnet::test {

MemoryLimit::MemoryLimit(size_t bytes) { most = held + bytes; }
MemoryLimit::~MemoryLimit() { most = SIZE_MAX; }

}  // namespace plainnet::test
