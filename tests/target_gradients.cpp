// Numerical gradients. For a random upstream gradient dy, the loss is Σ dy y; each number in turn,
// of the input and of every parameter, is moved up and down by a step h, and what backward() says
// is compared with the central difference of the loss. In double precision only.

#include "kernels/softmax_cross_entropy.h"
#include "tests/layer_cases.h"
#include "tests/layer_run.h"
#include "tests/thread_count.h"

namespace plainnet::TARGET {
namespace {

// How many elements of a tensor are compared; forward() runs twice for each.
constexpr int kSample = kTargetName == "cpu_double" ? 300 : kTargetName == "gpu_double" ? 60 : 3;

// Numbers of [0, size): all of them, or the first, the last and others at random.
std::vector<size_t> sample(size_t size, Random& random) {
  std::vector<size_t> all;
  if (size <= static_cast<size_t>(kSample)) {
    for (size_t i = 0; i < size; ++i) all.push_back(i);
    return all;
  }
  all = {0, size - 1};
  while (all.size() < static_cast<size_t>(kSample))
    all.push_back(random.below(static_cast<uint32_t>(size)));
  return all;
}

// The error of a central difference with step h of a sum of terms whose magnitudes add up to
// `scale`: rounding, and h^2 times about the third derivative.
double difference_error(double h, double scale, double third_derivative) {
  return std::numeric_limits<double>::epsilon() / h * scale + h * h * third_derivative;
}

// Fails unless the relative error is below 1e-6. Where an element is so small that the difference
// itself is less exact than that, the error is relative to a floor instead.
void compare(const std::string& what, double got, double expected, double error) {
  const double relative_to = std::max({std::abs(got), std::abs(expected), error / 1e-6});
  CHECK(std::abs(got - expected) <= 1e-6 * relative_to, what, ": expected ", expected, ", got ",
        got, ", relative to ", relative_to);
}

// The steps: a wide one, for the smallest rounding error, where y is linear in every number.
double step_of(const LayerCase& layer_case) { return layer_case.curved ? 0x1p-17 : 0x1p-10; }

// Upstream gradients. An output that a change of h could take across a kink of a ReLU or a maximum
// gets zero, so that the loss does not see it. No input and no parameter exceeds 1, so what the
// ReLU or the maximum sees changes by h at most.
Values random_upstream(const LayerCase& layer_case, const std::vector<Values>& parameters,
                       const Values& x, size_t size, Random& random) {
  Values dy = test::random_values(size, random);
  if (!layer_case.linear) return dy;
  LayerRun linear(layer_case.linear(), layer_case.input, layer_case.batch, layer_case.max_batch);
  for (size_t i = 0; i < parameters.size(); ++i) linear.set_parameter(i, parameters[i]);
  const Values z = linear.forward(x);
  const Shape shape = linear.output_shape();
  const int pool = layer_case.pool, height = shape.height / pool, width = shape.width / pool;
  const double margin = 2 * step_of(layer_case);
  for (size_t i = 0; i < size; ++i) {  // y[b][o][p][n]
    const int n = i % shape.channels, p = i / shape.channels % width;
    const int o = i / shape.channels / width % height;
    const long b = i / shape.channels / width / height;
    Values window;
    for (int tap = 0; tap < pool * pool; ++tap)
      window.push_back(
          z[((b * shape.height + o * pool + tap / pool) * shape.width + p * pool + tap % pool) *
                shape.channels +
            n]);
    std::sort(window.rbegin(), window.rend());
    const bool flat = layer_case.relu && window[0] < -margin;
    const bool near_zero = layer_case.relu && std::abs(window[0]) <= margin;
    const bool near_tie = pool > 1 && window[0] - window[1] <= margin;
    if (near_zero || (near_tie && !flat)) dy[i] = 0;
  }
  return dy;
}

void check_gradients(const LayerCase& layer_case, bool tf32 = false) {
  const Tf32 setting(tf32);
  // Thousands of launches of a few microseconds each: waking another thread costs more than it
  // helps.
  const test::ThreadCount one_thread(1);
  LayerRun run(layer_case.layer(), layer_case.input, layer_case.batch, layer_case.max_batch);
  Random random(2, 0);
  Values x = random_input(layer_case, random);
  std::vector<Values> parameters;
  for (size_t i = 0; i < run.parameters().size(); ++i) {
    parameters.push_back(test::random_values(run.parameters()[i].size(), random));
    run.set_parameter(i, parameters[i]);
  }
  const Values dy = random_upstream(layer_case, parameters, x, run.y_size(), random);
  run.forward(x);
  const std::vector<NamedValues> gradients = run.backward(dy);

  const double h = step_of(layer_case);
  for (size_t t = 0; t < gradients.size(); ++t) {
    Values& tensor = t == 0 ? x : parameters[t - 1];
    const auto forward_with = [&](size_t i, double value) {
      tensor[i] = value;
      if (t > 0) run.set_parameter(t - 1, tensor);
      return run.forward(x);
    };
    CHECK_EQUAL(gradients[t].values.size(), tensor.size());
    for (const size_t i : sample(tensor.size(), random)) {
      const double value = tensor[i];
      const Values ahead = forward_with(i, value + h), behind = forward_with(i, value - h);
      double difference = 0, scale = 0;
      for (size_t j = 0; j < dy.size(); ++j) {
        if (ahead[j] == behind[j]) continue;
        difference += dy[j] * (ahead[j] - behind[j]);
        scale += std::abs(dy[j]) * std::max(1.0, std::abs(ahead[j]));
      }
      compare(text(layer_case.type, " ", layer_case.name, ": ", gradients[t].name, "[", i, "]"),
              gradients[t].values[i], difference / (2 * h),
              difference_error(h, scale, layer_case.curved ? scale : 0));
      tensor[i] = value;
    }
    if (t > 0) run.set_parameter(t - 1, tensor);
  }
}

// Without a gradient by x, and a second time, backward() says the same, bit by bit.
void check_repeats(const LayerCase& layer_case) {
  LayerRun run(layer_case.layer(), layer_case.input, layer_case.batch, layer_case.max_batch);
  Random random(3, 0);
  const Values x = random_input(layer_case, random);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, test::random_values(run.parameters()[i].size(), random));
  const Values dy = test::random_values(run.y_size(), random);
  const Values y = run.forward(x);
  std::vector<NamedValues> first = run.backward(dy);
  test::check_same({{"y", run.forward(x)}}, {{"y", y}});
  test::check_same(run.backward(dy), first);
  run.forward(x);
  first.erase(first.begin());
  test::check_same(run.backward(dy, false), first);
}

void check_loss_gradients(int batch, int classes) {
  Random random(4, 0);
  std::vector<uint8_t> labels(batch);
  for (uint8_t& label : labels) label = static_cast<uint8_t>(random.below(classes));
  const Buffer<uint8_t> label(labels);
  const Buffer<int> step(std::vector<int>{1});
  Values logits = test::random_values(batch * classes, random);
  for (double& logit : logits) logit *= 4;
  GuardedBuffer z(logits.size()), dz(logits.size());
  Buffer<BatchScore> scores(3);
  const auto loss = [&](real* gradient) {
    z.set(logits);
    scores.upload(std::vector<BatchScore>(3, {0, -1}));
    softmax_cross_entropy(z.data(), label.data(), batch, classes, gradient, step.data(),
                          scores.data());
    const std::vector<BatchScore> all = scores.download();
    CHECK_EQUAL(all.at(0).correct, -1);
    CHECK_EQUAL(all.at(2).correct, -1);
    return static_cast<double>(all.at(1).loss);
  };

  const double at = loss(dz.data()), h = 0x1p-17;
  CHECK_EQUAL(loss(nullptr), at);
  const Values gradient = dz.get(logits.size(), "dlogits");
  for (const size_t i : sample(logits.size(), random)) {
    const double value = logits[i];
    logits[i] = value + h;
    const double ahead = loss(nullptr);
    logits[i] = value - h;
    const double behind = loss(nullptr);
    logits[i] = value;
    compare(text("softmax_cross_entropy ", batch, " of ", classes, ": dlogits[", i, "]"),
            gradient[i], (ahead - behind) / (2 * h),
            difference_error(h, std::max(1.0, at), 1.0 / batch));
  }
}

struct Registrations {
  Registrations() {
    if constexpr (sizeof(real) == sizeof(double)) {
      for (const LayerCase& layer_case : layer_cases()) {
        TargetRegistration(text(layer_case.type, ": gradients, ", layer_case.name),
                           [=] { check_gradients(layer_case); });
        // In double precision the emulated tensor cores do not round.
        if (kTargetName == "emulated_double" && uses_tiles(layer_case))
          TargetRegistration(
              text(layer_case.type, ": gradients in TF32, ", layer_case.name),
              [=] { check_gradients(layer_case, true); });
        TargetRegistration(text(layer_case.type, ": repeats, ", layer_case.name),
                           [=] { check_repeats(layer_case); });
      }
      for (const auto& [batch, classes] : {std::pair(1, 1), std::pair(1, 3), std::pair(7, 10),
                                           std::pair(3, 101), std::pair(131, 13)})
        TargetRegistration(text("softmax_cross_entropy: gradients, ", batch, " of ", classes),
                           [b = batch, c = classes] { check_loss_gradients(b, c); });
    }
  }
} const registrations;

}  // namespace
}  // namespace plainnet::TARGET
