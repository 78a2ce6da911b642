#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace plainnet {

std::string read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw Error(text(path, ": cannot be opened: ", std::strerror(errno)));
  std::string bytes;
  char chunk[1 << 16];
  while (const size_t count = std::fread(chunk, 1, sizeof chunk, file)) bytes.append(chunk, count);
  const int problem = std::ferror(file) ? errno : 0;
  std::fclose(file);
  if (problem) throw Error(text(path, ": cannot be read: ", std::strerror(problem)));
  return bytes;
}

/// Writes all of `bytes` to the open file and on to the disk; false, with errno set, if it cannot.
static bool write_and_sync(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(file) == 0;
}

void write_file_atomically(const std::string& link_or_path, std::string_view bytes) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::string path = link_or_path;
  if (fs::is_symlink(path, ignored)) path = fs::path(path).parent_path() / fs::read_symlink(path);
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    throw Error(text(path, ": expected a plain file to replace, found a folder or a device"));
  // A name of its own, so that two runs that write the same path cannot mix their bytes.
  std::string temporary = path + ".XXXXXX";
  const int file = mkstemp(temporary.data());
  if (file < 0) throw Error(text(path, ": cannot be written: ", std::strerror(errno)));
  int problem = fchmod(file, 0644) == 0 && write_and_sync(file, bytes) ? 0 : errno;
  if (close(file) != 0 && !problem) problem = errno;
  if (!problem && std::rename(temporary.c_str(), path.c_str()) != 0) problem = errno;
  if (problem) {
    unlink(temporary.c_str());
    throw Error(text(path, ": cannot be written: ", std::strerror(problem)));
  }
  // The new name is on the disk only when the folder is. Some file systems cannot sync a folder;
  // the file is whole all the same, so that is no error.
  const std::string parent = fs::path(path).parent_path();
  const int folder = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
}

FolderLock::~FolderLock() {
  if (folder_ >= 0) close(folder_);
}

void FolderLock::take(const std::string& folder) {
  folder_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (folder_ >= 0 && flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Error(text(folder, ": expected a folder that no other run is writing, found one that is"));
}

}  // namespace plainnet
