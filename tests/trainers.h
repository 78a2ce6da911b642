#pragma once

// Trainers of every target on small data sets.

#include <numeric>
#include <string>
#include <vector>

#include "images/dataset.h"
#include "network/models.h"
#include "training/trainer.h"
#include "tests/values.h"

namespace plainnet {
namespace cpu_double {
Target target();
}
namespace emulated_double {
Target target();
}
namespace gpu_double {
Target target();  // only where the CUDA toolkit was found
}
}  // namespace plainnet

namespace plainnet::test {

inline const std::vector<std::string> kModels = model_names();

/// Whether this program was built for a GPU and there is one.
inline bool gpu_is_there() { return choose_target("auto").name == "gpu"; }

/// The targets on which a few training steps take no time: "cpu", and "gpu" where there is one.
inline std::vector<std::string> fast_targets() {
  return gpu_is_there() ? std::vector<std::string>{"cpu", "gpu"} : std::vector<std::string>{"cpu"};
}

inline std::unique_ptr<Trainer> make_trainer(const Target& target, const std::string& model,
                                             int batch, const Dataset& dataset, uint64_t seed = 1,
                                             const UpdateRule& rule = {}, Kernels kernels = kFast) {
  return target.make_trainer({model, batch, rule, seed, kernels}, dataset);
}

inline std::unique_ptr<Trainer> make_trainer(const std::string& target, const std::string& model,
                                             int batch, const Dataset& dataset, uint64_t seed = 1,
                                             const UpdateRule& rule = {}) {
  return make_trainer(choose_target(target), model, batch, dataset, seed, rule);
}

/// 0, 1, ..., count - 1
inline std::vector<int> in_order(int count) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// One epoch in that order at one learning rate.
inline std::vector<StepScore> train(Trainer& trainer, const std::vector<int>& order, int batch,
                                    double learning_rate) {
  const size_t steps = (order.size() + batch - 1) / batch;
  return trainer.train(order, std::vector<double>(steps, learning_rate), [](auto&) {});
}

inline std::vector<NamedValues> values(const std::vector<Tensor>& tensors) {
  std::vector<NamedValues> all;
  for (const Tensor& tensor : tensors)
    all.push_back({tensor.name, {tensor.values.begin(), tensor.values.end()}});
  return all;
}

}  // namespace plainnet::test
