#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace plainnet {

/// What the beginning of something unpacked says of the size of the whole.
using SizeOfWhole = std::function<size_t(std::string_view beginning)>;

/// What zlib (RFC 1950) or gzip (RFC 1952), told apart by their first bytes, compressed into `compressed` by
/// deflate (RFC 1951): `size` bytes or, where that is only the beginning, `whole` of it. No byte beyond is
/// unpacked. The checksum of gzip is compared, not that of zlib: the chunks of a PNG have their own. Throws
/// Error, which begins with `name`, where `compressed` is broken or does not come to that size.
std::string inflate(std::string_view compressed, size_t size, const std::string& name,
                    const SizeOfWhole& whole = nullptr);

/// The checksum of PNG and of gzip: the remainder of a division of polynomials over GF(2).
uint32_t crc32(std::string_view bytes);

}  // namespace plainnet
