// Names and words for what was found. Names come from the program's symbols and debug information, read by nm and
// addr2line, which come with the compiler.

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
  // "address bytes type name": a name of "void plainnet::emulated_float::f(int)::part" is a static variable of f,
  // and so __shared__, which is static on this target. Types b, d, u and v can be written.
  const std::regex variable("([0-9a-f]+) ([0-9a-f]+) [bBdDuvV] (?!guard).*emulated_.*\\)(?: const)?::(\\w+)");
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
  std::vector<std::string> lines = ask("addr2line -Cfe", address);
  if (lines.size() < 2) return {"??", "??"};
  std::smatch name;  // without namespaces and parameters
  if (std::regex_search(lines[0], name, std::regex("(\\w+)[<(]"))) lines[0] = name.str(1);
  for (const std::string& here : {std::filesystem::current_path().string() + "/", std::string("./")})
    if (lines[1].rfind(here, 0) == 0) lines[1].erase(0, here.size());
  return {lines[0], lines[1].substr(0, lines[1].find(" (discriminator"))};
}

std::string index_name(uint32_t n, Dim3 extent) {
  return text("(", n % extent.x, ", ", n / extent.x % extent.y, ", ", n / extent.x / extent.y, ")");
}

std::string words(const std::vector<Finding>& findings, Dim3 grid, Dim3 block) {
  std::string all;
  for (const Finding& f : findings) {
    const auto who = [&](const Access& access) {
      const int first_extent_only = block.y * block.z == 1;
      return "thread " + (first_extent_only ? text(access.thread) : index_name(access.thread, block));
    };
    const auto does = [&](const Access& access, bool writes) {
      // The address is that to which the call returns: the one before it is of the call.
      const Source source = source_of(static_cast<const char*>(access.code) - 1);
      return text(writes ? "writes" : "reads", " it in ", source.function, ", ", with_code(source.line));
    };
    const std::string number = text("number ", f.index, " of ", f.region, " of ", f.size,
                                    f.shared ? ", in shared memory" : "");
    const std::string in_block = "block " + index_name(f.access.block, grid);
    const std::string other_block = "block " + index_name(f.other.block, grid);
    const bool same_block = f.access.block == f.other.block;
    all += "\n    ";
    switch (f.kind) {
      case Finding::kRace:
        all += text("a race on ", number, ", in ", in_block, same_block ? "" : " and " + other_block, ", ",
                    same_block ? "with no __syncthreads() between" : "which run in any order",
                    ":\n      ", same_block ? "" : other_block + ", ", who(f.other), " ", does(f.other, f.other_writes),
                    "\n      ", same_block ? "" : in_block + ", ", who(f.access), " ", does(f.access, f.writes));
        break;
      case Finding::kUnwritten:
        all += text("a read of ", number, ", which nothing ", f.shared ? "in this block " : "", "has written:\n      ",
                    in_block, ", ", who(f.access), " ", does(f.access, false));
        break;
      case Finding::kOutside:
        all += text("an access outside of all buffers",
                    f.region.empty() ? ""
                    : f.before       ? text(", ", f.index, " before the first number of ", f.region, " of ", f.size)
                                     : text(", at ", number),
                    ":\n      ", in_block, ", ", who(f.access), " ", does(f.access, f.writes));
        break;
      case Finding::kTooMuchShared:
        all += text("more shared memory than the 49152 bytes that a block has: ", f.size, " with ", f.region);
    }
  }
  return all;
}

}  // namespace plainnet::watch
