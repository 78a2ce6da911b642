#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace plainnet {

namespace fs = std::filesystem;

/// The bytes of the file `path`, a plain one of at most 4 GiB. Throws Error naming the file and what is found
/// there, or the system's reason.
std::string read_file(const std::string& path);

/// Makes `path` a file of these bytes so that at every moment, even through a loss of power, it is
/// either the old file or the new one, whole: they are written to a file beside it, which is synced and
/// renamed. Throws Error naming the file and the system's reason (full disk, read-only folder); the old
/// file is then untouched and the one beside it removed. Throws also where `path` is what read_file()
/// refuses. A process that is killed leaves `path`.PID.unfinished behind.
void write_file_atomically(const std::string& path, std::string_view bytes);

/// A folder that this run alone writes, for as long as it lives. One that cannot be opened, or lies where
/// there are no locks, is anyone's.
class FolderLock {
 public:
  /// Throws Error if another run has it. Removes what a run that was killed left unfinished.
  explicit FolderLock(const std::string& folder);
  FolderLock(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int folder_;
};

}  // namespace plainnet
