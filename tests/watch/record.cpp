// For each number of memory: who wrote it last, and who has read it since.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>

#include "tests/watch/record.h"

namespace plainnet::watch {
namespace {

// Whether nothing makes one of two accesses come first. No two blocks share their shared memory.
bool unordered(const Access& a, const Access& b, bool shared) {
  if (a.launch != b.launch) return false;
  if (a.block != b.block) return !shared;
  return a.interval == b.interval && a.thread != b.thread;
}

// One write is enough to know: one that came before it, and did not race with it, was of the same thread or
// came before a barrier, so whatever races with the earlier one races with the later one too. And three reads
// are enough for a write to find one that it races with, if there is any: of two threads in the latest
// interval of the latest block, as one may be the writer's own, and of another block. Reads of an earlier
// interval come before all writes of their own block, and other blocks race with the latest read as well.
struct Cell {
  Access write, read, read_by_other_thread, read_by_other_block;

  void note_read(const Access& now) {
    const bool same_block = read.launch == now.launch && read.block == now.block;
    if (read.launch == now.launch && !same_block) read_by_other_block = read;
    if (!same_block || read.interval != now.interval) {
      read = now;
      read_by_other_thread = {};
    } else if (read.thread != now.thread) {
      read_by_other_thread = now;
    }
  }
};

struct RecordedRegion : Region {
  // A cell is of 4 bytes, until something smaller is accessed; then it is of one.
  size_t unit = 4;
  std::unique_ptr<Cell[], void (*)(void*)> cells;
  uint32_t used_by = 0;  // the last launch that used it

  explicit RecordedRegion(const Region& region) : Region(region), cells(make_cells(bytes() / unit + 1)) {}

  size_t bytes() const { return end - begin; }
  // Zero is the state of a cell at first, and memory from calloc takes no room until it is used.
  static decltype(cells) make_cells(size_t count) {
    void* memory = std::calloc(count, sizeof(Cell));
    if (!memory) throw std::bad_alloc();
    return {static_cast<Cell*>(memory), std::free};
  }
  void divide_cells() {
    auto divided = make_cells(bytes());
    for (size_t i = 0; i < bytes(); ++i) divided[i] = cells[i / unit];
    cells = std::move(divided);
    unit = 1;
  }
};

constexpr size_t kSharedBytes = 48 * 1024;  // what a block of a GPU can have without asking
constexpr int kMostOfAKind = 2;  // findings of a launch

class Record {
 public:
  Record() {
    for (const Region& region : shared_arrays()) add(region);
  }

  void add(const Region& region) { regions_.emplace(region.begin, RecordedRegion(region)); }
  void remove(char* begin) {
    regions_.erase(begin);
    std::fill(std::begin(recent_), std::end(recent_), nullptr);
  }

  void begin_launch(uint32_t number) {
    launch_ = number;
    shared_used_ = 0;
    findings_.clear();
  }
  std::vector<Finding> end_launch() { return std::move(findings_); }

  // The host has written.
  void written(const char* p, size_t bytes) {
    RecordedRegion* region = find(p, nullptr);
    if (!region) return;
    const size_t offset = region->offset(p);
    if ((offset + bytes) % region->unit != 0) region->divide_cells();
    for (size_t i = offset / region->unit; i < (offset + bytes) / region->unit; ++i)
      region->cells[i].write.launch = launch_;
  }

  void access(const char* p, size_t bytes, bool writes, const Access& now) {
    RecordedRegion* region = find(p, now.code);
    if (!region || p + bytes > region->end) return outside(p, bytes, writes, now);
    count_access(p, bytes, writes, region->shared, now.code);
    if (region->shared && region->used_by != now.launch) use(*region, now);
    const size_t offset = region->offset(p);
    if ((offset | bytes) % region->unit != 0) region->divide_cells();
    for (size_t i = offset / region->unit; i < (offset + bytes) / region->unit; ++i) {
      Cell& cell = region->cells[i];
      const auto race_with = [&](const Access& other, bool other_writes) {
        if (unordered(now, other, region->shared))
          report({Finding::kRace, now, writes, other, other_writes}, region, p, bytes);
      };
      race_with(cell.write, true);
      if (writes) {
        race_with(cell.read, false);
        race_with(cell.read_by_other_thread, false);
        race_with(cell.read_by_other_block, false);
        cell.write = now;
      } else {
        const bool written = region->shared ? cell.write.launch == now.launch && cell.write.block == now.block
                                            : cell.write.launch > 0;
        if (!written) report({Finding::kUnwritten, now, false}, region, p, bytes);
        cell.note_read(now);
      }
    }
  }

 private:
  // An instruction mostly finds its memory where it found it the last time.
  RecordedRegion* find(const char* p, const void* code) {
    RecordedRegion*& recent = recent_[reinterpret_cast<uintptr_t>(code) % std::size(recent_)];
    if (recent && p >= recent->begin && p < recent->end) return recent;
    const auto after = regions_.upper_bound(p);
    if (after == regions_.begin()) return nullptr;
    RecordedRegion& before = std::prev(after)->second;
    return p < before.end ? recent = &before : nullptr;
  }

  void use(RecordedRegion& region, const Access& now) {
    region.used_by = now.launch;
    shared_used_ += region.bytes();
    if (shared_used_ <= kSharedBytes || shared_used_ - region.bytes() > kSharedBytes) return;
    report({Finding::kTooMuchShared, now, false}, &region, region.begin, 1);
    findings_.back().size = shared_used_;
  }

  void outside(const char* p, size_t bytes, bool writes, const Access& now) {
    if (on_stack_of_host(p) || is_index(p) || is_constant(p)) return;
    // Of the nearest region, if one is near.
    long distance = 1 << 20;
    const Region* nearest = nullptr;
    const auto consider = [&](const Region& region) {
      const long to_it = p < region.begin ? region.begin - p : p - region.end;
      if (to_it >= distance) return;
      distance = to_it;
      nearest = &region;
    };
    const auto after = regions_.upper_bound(p);
    if (after != regions_.end()) consider(after->second);
    if (after != regions_.begin()) consider(std::prev(after)->second);
    report({Finding::kOutside, now, writes}, nearest, p, bytes);
  }

  // threadIdx and its kin are registers of a GPU.
  static bool is_index(const char* p) {
    using namespace emulator;
    for (const Dim3* index : {&threadIdx, &blockIdx, &blockDim, &gridDim}) {
      const char* begin = reinterpret_cast<const char*>(index);
      if (p >= begin && p < begin + sizeof(Dim3)) return true;
    }
    return false;
  }
  // The program's code and constants come before its data.
  static bool is_constant(const char* p);

  void report(Finding finding, const Region* region, const char* p, size_t bytes) {
    int of_this_kind = 0;
    for (const Finding& before : findings_) {
      if (before.kind != finding.kind) continue;
      if (before.access.code == finding.access.code || ++of_this_kind == kMostOfAKind) return;
    }
    if (region) {
      finding.region = region->name;
      finding.shared = region->shared;
      finding.before = p < region->begin;
      finding.index = (finding.before ? region->begin - p : p - region->begin) / bytes;
      finding.size = (region->end - region->begin) / bytes;
    }
    findings_.push_back(finding);
  }

  std::map<const char*, RecordedRegion> regions_;  // by their begin
  RecordedRegion* recent_[4096] = {};              // by the code of the access
  uint32_t launch_ = 1;  // of the running kernel, or the last one that ran
  size_t shared_used_ = 0;  // by the running launch
  std::vector<Finding> findings_;
};

extern "C" char __executable_start, __data_start;  // the linker's
bool Record::is_constant(const char* p) { return p >= &__executable_start && p < &__data_start; }

Record& all() {
  static Record only;
  return only;
}

}  // namespace

void begin_launch(uint32_t number) { all().begin_launch(number); }
std::vector<Finding> end_launch() { return all().end_launch(); }

void record(const void* p, size_t bytes, bool writes, const void* code) {
  static bool recording = false;  // then it is a copy that the record makes
  const Moment* moment = running();
  if (!moment || recording || bytes == 0 || on_own_stack(p)) return;
  recording = true;
  all().access(static_cast<const char*>(p), bytes, writes, {*moment, code});
  recording = false;
}

}  // namespace plainnet::watch

namespace plainnet::emulator {

// No two buffers are neighbours, so that what lies beyond one is not in another.
constexpr size_t kGap = 4096;

void* allocate(size_t bytes) {
  char* memory = static_cast<char*>(std::aligned_alloc(kGap, (bytes + kGap - 1) / kGap * kGap + 2 * kGap));
  if (!memory) throw std::bad_alloc();
  std::memset(memory + kGap, 0, bytes);
  watch::all().add({"a buffer", memory + kGap, memory + kGap + bytes, false});
  return memory + kGap;
}

void release(void* memory) {
  if (!memory) return;
  watch::all().remove(static_cast<char*>(memory));
  std::free(static_cast<char*>(memory) - kGap);
}

void copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  std::memcpy(to, from, bytes);
  watch::all().written(static_cast<char*>(to), bytes);
}

}  // namespace plainnet::emulator
