#include "run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/numbers.h"

namespace plainnet {

static constexpr std::chrono::milliseconds kInterval(100);

std::string progress_line(const std::string& label, int done, int steps, double seconds_left,
                          double loss, double accuracy, int columns) {
  std::string line = label;
  const std::string right =
      format(" %*d/%d  %s left  loss %.4f  %.2f%%", static_cast<int>(std::to_string(steps).size()),
             done, steps, clock_text(seconds_left).c_str(), loss, 100 * accuracy);
  const int room = columns - 4 - static_cast<int>(label.size() + right.size());
  if (const int width = std::min(room, 60); width >= 5) {
    const int filled = static_cast<int>(static_cast<long>(width) * done / steps);
    line += " [" + std::string(filled, '=') + (filled < width ? ">" : "");
    line += std::string(std::max(0, width - filled - 1), '.') + "]";
  }
  return (line + right).substr(0, std::max(0, columns - 1));
}

ProgressBar::ProgressBar(const std::string& label, int batch, int images)
    : label_(label),
      batch_(batch),
      images_(images),
      visible_(isatty(STDOUT_FILENO)),
      start_(Clock::now()),
      next_(start_ + kInterval) {}

ProgressBar::~ProgressBar() {
  if (visible_) std::fputs("\r\x1b[K", stdout);
}

void ProgressBar::show(const std::vector<StepScore>& scores) {
  if (!visible_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  const Score score = mean_score(scores, batch_, images_);
  const int done = static_cast<int>(scores.size());
  const int steps = (images_ + batch_ - 1) / batch_;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) window.ws_col = 80;
  const std::string line =
      progress_line(label_, done, steps, seconds / done * (steps - done), score.loss,
                    score.accuracy, window.ws_col);
  std::printf("\r%s\x1b[K", line.c_str());
  std::fflush(stdout);
}

}  // namespace plainnet
