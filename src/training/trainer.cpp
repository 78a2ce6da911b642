#include "training/trainer.h"

#include <algorithm>

namespace plainnet {

Score mean_score(const std::vector<StepScore>& scores, int batch, int images) {
  double loss = 0;
  long correct = 0, seen = 0;
  for (size_t step = 0; step < scores.size(); ++step) {
    const int size = std::min<int>(batch, images - static_cast<int>(step) * batch);
    loss += static_cast<double>(scores[step].loss) * size;
    correct += scores[step].correct;
    seen += size;
  }
  return seen > 0 ? Score{loss / seen, static_cast<double>(correct) / seen} : Score{};
}

}  // namespace plainnet
