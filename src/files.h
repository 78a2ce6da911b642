#pragma once

#include <string>
#include <string_view>

namespace plainnet {

/// The bytes of the file `path`. Throws Error naming the file and the system's reason.
std::string read_file(const std::string& path);

/// Makes `path` a file of these bytes so that at every moment, even through a loss of power, it is
/// either the old file or the new one, whole: they are written to a temporary file in the same
/// folder, which is synced and renamed. Throws Error naming the file and the system's reason (full
/// disk, read-only folder); the old file is then untouched and the temporary one removed.
void write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace plainnet
