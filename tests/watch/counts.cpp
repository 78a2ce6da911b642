// Counts what the memory of a GPU would do: see watch.h.

#include <algorithm>
#include <set>
#include <tuple>

#include "tests/watch/record.h"
#include "tests/watch/watch.h"

namespace plainnet::watch {
namespace {

// An access of one thread. `turn`: which it is of this thread at this code, since the block began. Lanes that
// are in their n-th turn at the same code are taken to be there together.
struct Request {
  const void* code;
  int thread, turn;
  bool shared;
  uintptr_t begin, end;

  auto lane_key() const { return std::tuple(code, thread); }
  auto warp_key() const { return std::tuple(code, thread / emulator::kWarpSize, turn); }
};

Counts counts;
bool counting = false;
std::vector<Request> requests;  // of the running block

// The sectors, or words, that some lanes ask for.
std::set<uintptr_t> pieces(const Request* first, const Request* last, uintptr_t bytes) {
  std::set<uintptr_t> all;
  for (; first != last; ++first)
    for (uintptr_t piece = first->begin / bytes; piece * bytes < first->end; ++piece) all.insert(piece);
  return all;
}

size_t turns(const std::set<uintptr_t>& words) {
  size_t of_bank[32] = {};
  for (const uintptr_t word : words) ++of_bank[word % 32];
  return *std::max_element(of_bank, of_bank + 32);
}

}  // namespace

void count_access(const void* p, size_t bytes, bool writes, bool shared, const void* code) {
  if (!counting) return;
  Traffic& traffic = shared ? counts.shared : counts.global;
  ++(writes ? traffic.writes : traffic.reads);
  const auto begin = reinterpret_cast<uintptr_t>(p);
  requests.push_back({code, static_cast<int>(running()->thread), 0, shared, begin, begin + bytes});
}

void end_block_of_counts() {
  const auto by_lane = [](const Request& a, const Request& b) { return a.lane_key() < b.lane_key(); };
  std::stable_sort(requests.begin(), requests.end(), by_lane);
  for (size_t i = 1; i < requests.size(); ++i)
    if (requests[i].lane_key() == requests[i - 1].lane_key()) requests[i].turn = requests[i - 1].turn + 1;
  const auto by_warp = [](const Request& a, const Request& b) { return a.warp_key() < b.warp_key(); };
  std::stable_sort(requests.begin(), requests.end(), by_warp);
  const Request* const end = requests.data() + requests.size();
  for (const Request *first = requests.data(), *last; first != end; first = last) {
    for (last = first; last != end && last->warp_key() == first->warp_key();) ++last;
    Traffic& traffic = first->shared ? counts.shared : counts.global;
    ++traffic.requests;
    traffic.parts += first->shared ? turns(pieces(first, last, 4)) : pieces(first, last, 32).size();
  }
  requests.clear();
}

Counts count(const std::function<void()>& work) {
  counts = {};
  counting = true;
  try {
    work();
  } catch (...) {
    counting = false;
    throw;
  }
  counting = false;
  return counts;
}

}  // namespace plainnet::watch
