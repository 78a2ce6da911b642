// What the compiler calls before each access to memory under -fsanitize=thread; g++ and clang use the same
// names. The call's return address says which code it is.

#include <cstddef>

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

// Copies, for which there may be no hook but a call of the C library: the linker's --wrap=memcpy makes that one
// of __wrap_memcpy, and __real_memcpy is the library's own. Newer versions of clang call __tsan_memcpy.
void* __real_memmove(void* to, const void* from, size_t bytes);
void* __real_memset(void* p, int value, size_t bytes);

#define COPY(name)                                                \
  void* __##name(void* to, const void* from, size_t bytes) {      \
    record(from, bytes, false, CODE);                             \
    record(to, bytes, true, CODE);                                \
    return __real_memmove(to, from, bytes);                       \
  }
COPY(wrap_memcpy)
COPY(wrap_memmove)
COPY(tsan_memcpy)
COPY(tsan_memmove)
#define SET(name)                                                 \
  void* __##name(void* p, int value, size_t bytes) {              \
    record(p, bytes, true, CODE);                                 \
    return __real_memset(p, value, bytes);                        \
  }
SET(wrap_memset)
SET(tsan_memset)

// Of the host's code, which is compiled with the kernels'.
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
