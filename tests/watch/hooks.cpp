// What the compiler calls before each access to memory under -fsanitize=thread; g++ and clang use the same
// names. The call's return address says which code it is.

#include <cstddef>
#include <cstring>

#include "tests/watch/record.h"

#define CODE __builtin_return_address(0)

using plainnet::watch::record;

extern "C" {

#define HOOKS(bytes)                                                                                  \
  void __tsan_read##bytes(void* p) { record(p, bytes, false, CODE); }                                 \
  void __tsan_write##bytes(void* p) { record(p, bytes, true, CODE); }                                 \
  void __tsan_unaligned_read##bytes(void* p) { record(p, bytes, false, CODE); }                       \
  void __tsan_unaligned_write##bytes(void* p) { record(p, bytes, true, CODE); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_read_range(void* p, size_t bytes) { record(p, bytes, false, CODE); }
void __tsan_write_range(void* p, size_t bytes) { record(p, bytes, true, CODE); }

// clang calls these for copies.
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  record(from, bytes, false, CODE);
  record(to, bytes, true, CODE);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  record(from, bytes, false, CODE);
  record(to, bytes, true, CODE);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* p, int value, size_t bytes) {
  record(p, bytes, true, CODE);
  return std::memset(p, value, bytes);
}

// Of the host's code, which is compiled with the kernels'.
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
