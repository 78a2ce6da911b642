#include "images/dataset.h"

#include <cstdio>

#include "base/numbers.h"

namespace plainnet {

std::string fingerprint(const Dataset& dataset) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const Images* images : {&dataset.train, &dataset.test})
    for (const auto* bytes : {&images->pixels, &images->labels})
      for (const uint8_t byte : *bytes) hash = (hash ^ byte) * 0x100000001b3;
  return format("%d training images, hash %016llx", dataset.train.count,
                static_cast<unsigned long long>(hash));
}

Dataset load_dataset(std::string* data, bool required, int train_count, int test_count, uint64_t seed) {
  if (*data != "digits" && !required && !has_idx_files(*data)) {
    std::printf("No data in %s (make mnist fetches it): taking built-in digits.\n", data->c_str());
    *data = "digits";
  }
  return *data == "digits" ? draw_digits(train_count, test_count, seed) : read_idx_directory(*data);
}

}  // namespace plainnet
