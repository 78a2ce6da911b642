#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace plainnet {

/// What zlib (RFC 1950) compressed into `compressed` by deflate (RFC 1951), as PNG has it. Throws Error,
/// which begins with `name`, where that is broken or does not come to `size` bytes.
std::string inflate(std::string_view compressed, size_t size, const std::string& name);

}  // namespace plainnet
