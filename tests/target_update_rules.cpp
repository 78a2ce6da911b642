// The update rules against PyTorch's optimisers.

#include "kernels/update_rules.h"
#include "tests/reference.h"
#include "tests/target_test.h"

namespace plainnet::TARGET {
namespace {

using test::Reference;

UpdateRule rule_of(const Reference& reference) {
  const auto real_or = [&](const char* name, double otherwise) {
    return reference.parameters.count(name) ? reference.real(name) : otherwise;
  };
  const std::string& kind = reference.word("rule");
  UpdateRule rule;
  rule.kind = kind == "sgd"       ? UpdateRule::kSgd
              : kind == "rmsprop" ? UpdateRule::kRmsprop
              : kind == "adam"    ? UpdateRule::kAdam
                                  : UpdateRule::kAdamW;
  if (rule.kind == UpdateRule::kSgd) {
    rule.momentum = reference.real("momentum");
    rule.nesterov = reference.parameter("nesterov");
  }
  rule.weight_decay = real_or("weight_decay", 0);
  rule.alpha = real_or("alpha", 0.99);
  rule.beta1 = real_or("beta1", 0.9);
  rule.beta2 = real_or("beta2", 0.999);
  rule.epsilon = real_or("epsilon", 1e-8);
  return rule;
}

// Five updates, as two epochs of two and three: t goes on from one to the next.
void check(const std::string& name) {
  const Reference reference = test::read_reference(name);
  const UpdateRule rule = rule_of(reference);
  const auto& [g_shape, g] = reference.tensor("g");
  const std::vector<double>& w = reference.tensor("w").values;
  const std::vector<double>& w0 = reference.tensor("w0").values;
  const int updates = g_shape[0], count = g_shape[1];
  // Far more elements than the reference has, so that several blocks take part.
  const int copies = 1000, size = copies * count;
  const auto repeated = [&](const double* values) {
    std::vector<real> all(size);
    for (int i = 0; i < size; ++i) all[i] = static_cast<real>(values[i % count]);
    return all;
  };

  Buffer<real> weights(repeated(w0.data())), gradients(size);
  const std::vector<real> zeros(size), none;
  Buffer<real> momenta(rule.has_momenta() ? zeros : none), squares(rule.has_squares() ? zeros : none);
  Buffer<UpdateStep> steps(3);
  Buffer<int> step(1);
  const double rate = reference.real("learning_rate");
  const double tolerance = sizeof(real) == 8 ? 1e-14 : 3e-6;
  for (int update_number = 0; update_number < updates; ++update_number) {
    const int before = update_number < 2 ? 0 : 2;
    std::vector<double> rates(before ? 3 : 2, 0.5);  // of the other steps
    rates[update_number - before] = rate;
    steps.upload(update_steps(rule, rates, before));
    step.upload({update_number - before});
    gradients.upload(repeated(&g[update_number * count]));
    update(rule, weights.data(), gradients.data(), momenta.data(), squares.data(), size,
           steps.data(), step.data());
    const std::vector<real> got = weights.download();
    for (int i = 0; i < size; ++i) {
      const double expected = w[update_number * count + i % count];
      CHECK(std::abs(got[i] - expected) <= tolerance, name, ", update ", update_number + 1, ", weights[", i,
            "]: expected ", expected, ", got ", got[i], ", tolerance ", tolerance);
    }
  }
}

TARGET_TEST("update rules: as in PyTorch") {
  for (const char* kind : {"sgd", "rmsprop", "adam", "adamw"})
    for (const std::string& name : test::reference_names(kind)) check(name);
}

}  // namespace
}  // namespace plainnet::TARGET
