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
/// Follows a symbolic link; throws also where `path` is a folder or a device.
void write_file_atomically(const std::string& path, std::string_view bytes);

/// A folder that this process alone writes, from take() until it ends or lets go.
class FolderLock {
 public:
  FolderLock() = default;
  FolderLock(const FolderLock&) = delete;
  ~FolderLock();

  /// Throws Error if another process has taken the folder. One that cannot be opened, or lies where
  /// there are no locks, is taken by anyone.
  void take(const std::string& folder);

 private:
  int folder_ = -1;
};

}  // namespace plainnet
