#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace plainnet {

// Compression as PNG has it: deflate (RFC 1951) within zlib's header and checksum (RFC 1950).

/// `bytes` compressed: small where bytes repeat in runs, as in pictures of flat squares.
std::string deflate(std::string_view bytes);

/// What any zlib compressed into `compressed`. Throws Error, which begins with `name`, where that
/// is broken or does not come to `size` bytes.
std::string inflate(std::string_view compressed, size_t size, const std::string& name);

}  // namespace plainnet
