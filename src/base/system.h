#pragma once

// What each operating system and each processor does in its own way.

#include <string>

namespace plainnet {

/// How many processors this process may use at once: those that it may run on, or fewer where a control
/// group (a container, a job of a cluster) grants it less of their time. `root` stands before the paths that
/// are read.
int granted_processors(const std::string& root = "");

/// Asks for `memory`, which begins at a multiple of 2 MiB, to lie on pages of that size.
void use_large_pages(void* memory, size_t bytes);

/// As the operating system names it: "AMD EPYC 7763 64-Core Processor".
std::string processor_name();

/// This thread from then on takes numbers below 1e-38 for zero.
void flush_denormals();

}  // namespace plainnet
