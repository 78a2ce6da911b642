#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace plainnet {

static const char* const kUnfinished = ".unfinished";

// Throws Error where there is anything else, such as a pipe, which may keep its reader waiting, or a device,
// which may have no end; and for a file so large that most of it must be holes.
static void expect_file(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) throw Error(path, ": expected a plain file, found a folder");
  if (fs::is_other(status)) throw Error(path, ": expected a plain file, found a device or a pipe");
  if (fs::is_regular_file(status) && fs::file_size(path, ignored) > uintmax_t{4} << 30)
    throw Error(path, ": expected a plain file of at most 4 GiB, found a larger one");
}

std::string read_file(const std::string& path) {
  expect_file(path);
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw Error(path, ": cannot be opened: ", std::strerror(errno));
  std::string bytes;
  char chunk[1 << 16];
  while (const size_t count = std::fread(chunk, 1, sizeof chunk, file)) bytes.append(chunk, count);
  const int problem = std::ferror(file) ? errno : 0;
  std::fclose(file);
  if (problem) throw Error(path, ": cannot be read: ", std::strerror(problem));
  return bytes;
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  expect_file(path);
  // A name of its own, so that two runs that write the same path cannot mix their bytes.
  const std::string aside = text(path, ".", getpid(), kUnfinished);
  std::FILE* const file = std::fopen(aside.c_str(), "wb");
  // A file system that cannot sync is no reason to write nothing; a full or broken one is.
  const bool written = file && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() &&
                       std::fflush(file) == 0 &&
                       (fsync(fileno(file)) == 0 || (errno != ENOSPC && errno != EDQUOT && errno != EIO));
  int problem = written ? 0 : errno;
  if (file && std::fclose(file) != 0 && !problem) problem = errno;
  if (!problem && std::rename(aside.c_str(), path.c_str()) != 0) problem = errno;
  if (problem) {
    unlink(aside.c_str());
    throw Error(path, ": cannot be written: ", std::strerror(problem));
  }
  // The new name is on the disk only when the folder is; where it cannot be synced, the file is whole
  // all the same.
  const int folder = open(fs::absolute(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY);
  fsync(folder);
  close(folder);
}

FolderLock::FolderLock(const std::string& folder) : folder_(open(folder.c_str(), O_RDONLY | O_DIRECTORY)) {
  if (flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(folder_);
    throw Error(folder, ": expected a folder that no other run is writing, found one that is");
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == kUnfinished) fs::remove(entry, ignored);
}

FolderLock::~FolderLock() { close(folder_); }

}  // namespace plainnet
