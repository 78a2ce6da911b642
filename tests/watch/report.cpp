// Names and words for what was found. Names come from the program's symbols and debug information, which nm
// and addr2line read. They come with the compiler.

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <link.h>
#include <unistd.h>

#include "tests/watch/record.h"

namespace plainnet::watch {
namespace {

// How far from where the program's file says it was loaded.
uintptr_t load_offset() { return _r_debug.r_map->l_addr; }

// What a command prints about this program.
std::vector<std::string> ask(const std::string& tool, const std::string& arguments = "") {
  std::vector<std::string> lines;
  char part[4096];
  std::string all;
  if (FILE* answer = popen(text(tool, " /proc/", getpid(), "/exe ", arguments).c_str(), "r")) {
    while (size_t n = std::fread(part, 1, sizeof part, answer)) all.append(part, n);
    pclose(answer);
  }
  std::istringstream stream(all);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// "kernels/dense.cu:38:  y[b][n] += ...": the line itself too, where the file is at hand.
std::string with_code(const std::string& place) {
  const size_t colon = place.rfind(':');
  std::ifstream file(place.substr(0, colon));
  std::string line;
  for (int i = std::atoi(place.c_str() + colon + 1); i > 0; --i)
    if (!std::getline(file, line)) return place;
  const size_t begin = line.find_first_not_of(" \t");
  return begin == line.npos ? place : place + ":  " + line.substr(begin);
}

}  // namespace

std::vector<Region> shared_arrays() {
  // "address bytes type name". "void plainnet::emulated_float::f(int)::part" names a static variable of f,
  // which is what __shared__ is on this target. Types b, d, u and v can be written.
  const std::regex variable(
      "([0-9a-f]+) ([0-9a-f]+) [bBdDuvV] (?!guard).*emulated_.*\\)(?: const)?::(\\w+)");
  std::vector<Region> regions;
  for (const std::string& line : ask("nm -CS")) {
    std::smatch part;
    if (line.find("emulated_") == line.npos || !std::regex_match(line, part, variable)) continue;
    char* begin = reinterpret_cast<char*>(std::stoull(part[1], nullptr, 16) + load_offset());
    regions.push_back({part[3], begin, begin + std::stoull(part[2], nullptr, 16), true});
  }
  return regions;
}

Source source_of(const void* code) {
  char address[20];
  std::snprintf(address, sizeof address, "%zx", reinterpret_cast<uintptr_t>(code) - load_offset());
  // A function's name and a line, then, where that function was inlined, those of who called it, and so on.
  const std::vector<std::string> lines = ask("addr2line -iCfe", address);
  if (lines.size() < 2) return {"??", "??", ""};
  const auto function = [&](size_t i) {  // without namespaces and parameters
    std::smatch name;
    return std::regex_search(lines[i], name, std::regex("(\\w+)[<(]")) ? name.str(1) : lines[i];
  };
  const auto place = [&](size_t i) {
    std::string line = lines[i + 1].substr(0, lines[i + 1].find(" (discriminator"));
    for (const std::string& here : {std::filesystem::current_path().string() + "/", std::string("./")})
      if (line.starts_with(here)) line.erase(0, here.size());
    return line;
  };
  const size_t last = lines.size() / 2 * 2 - 2;
  return {function(0), place(0), last == 0 ? "" : text(" (from ", function(last), ", ", place(last), ")")};
}

std::string index_name(uint32_t n, Dim3 extent) {
  return text("(", n % extent.x, ", ", n / extent.x % extent.y, ", ", n / extent.x / extent.y, ")");
}

namespace {

// Puts one finding into words.
struct Wording {
  const Finding& f;
  Dim3 grid, block;

  std::string block_of(const Access& access) const { return "block " + index_name(access.block, grid); }
  std::string thread_of(const Access& access) const {
    return "thread " + (block.y * block.z == 1 ? text(access.thread) : index_name(access.thread, block));
  }
  // "number 7 of out of 9": numbers as wide as the access.
  std::string number() const {
    return text("number ", f.index, " of ", f.region, " of ", f.size, f.shared ? ", in shared memory" : "");
  }
  // A line of its own.
  std::string access(const Access& access, bool writes) const {
    // The code is that to which the hook returns: what comes before it is the call.
    const Source source = source_of(static_cast<const char*>(access.code) - 1);
    const char* const does = writes ? " writes it in " : " reads it in ";
    return text("\n      ", block_of(access), ", ", thread_of(access), does, source.function, source.from,
                ", ", with_code(source.line));
  }
  std::string first_access() const { return access(f.access, f.writes); }

  std::string race() const {
    const bool same_block = f.access.block == f.other.block;
    return text("a race on ", number(), ", ",
                same_block ? "with no __syncthreads() between" : "of blocks, which run in any order", ":",
                access(f.other, f.other_writes), first_access());
  }
  std::string unwritten() const {
    return text("a read of ", number(), ", which nothing ", f.shared ? "in this block " : "", "has written:",
                first_access());
  }
  std::string outside() const {
    std::string where;
    if (f.before) where = text(", ", f.index, " before the first number of ", f.region, " of ", f.size);
    else if (!f.region.empty()) where = ", at " + number();
    return text("an access outside of all buffers", where, ":", first_access());
  }
  std::string too_much_shared() const {
    return text("more shared memory than the 49152 bytes that a block has: ", f.size, " with ", f.region);
  }
};

}  // namespace

std::string words(const std::vector<Finding>& findings, Dim3 grid, Dim3 block) {
  std::string all;
  for (const Finding& finding : findings) {
    const Wording w{finding, grid, block};
    all += "\n    ";
    switch (finding.kind) {
      case Finding::kRace: all += w.race(); break;
      case Finding::kUnwritten: all += w.unwritten(); break;
      case Finding::kOutside: all += w.outside(); break;
      case Finding::kTooMuchShared: all += w.too_much_shared();
    }
  }
  return all;
}

}  // namespace plainnet::watch
