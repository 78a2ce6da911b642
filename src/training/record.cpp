#include "training/record.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {

std::string log_line(const EpochRecord& r) {
  return text(r.epoch, ",", exact_text(r.train_loss), ",", exact_text(r.train_accuracy), ",",
              exact_text(r.test_loss), ",", exact_text(r.test_accuracy), ",", exact_text(r.seconds));
}

std::string log_text(const std::vector<EpochRecord>& records) {
  std::string log = text(kLogHeader, "\n");
  for (const EpochRecord& record : records) log += log_line(record) + "\n";
  return log;
}

std::vector<EpochRecord> parse_log(const std::string& log, const std::string& name) {
  std::vector<EpochRecord> records;
  std::istringstream lines(log);
  std::string line;
  std::getline(lines, line);
  if (line != kLogHeader) throw Error(name, ": expected ", kLogHeader, ", found ", line);
  while (std::getline(lines, line)) {
    EpochRecord r;
    std::istringstream words(line);
    std::string word;
    const auto read = [&](auto* number, double most) {
      return std::getline(words, word, ',') && read_number(word, number) && *number >= 0 && *number <= most;
    };
    if (!read(&r.epoch, 1e9) || !read(&r.train_loss, 1e100) || !read(&r.train_accuracy, 1) ||
        !read(&r.test_loss, 1e100) || !read(&r.test_accuracy, 1) || !read(&r.seconds, 1e12) || !words.eof() ||
        r.epoch != static_cast<int>(records.size()) + 1)
      throw Error(name, ": expected six numbers as epoch ", records.size() + 1, " has, found ", line);
    records.push_back(r);
  }
  return records;
}

const EpochRecord& best_epoch(const std::vector<EpochRecord>& records) {
  const auto merit = [](const EpochRecord& r) { return std::pair(r.test_accuracy, -r.test_loss); };
  return *std::ranges::max_element(records, {}, merit);
}

}  // namespace plainnet
