// The targets agree: each layer, and a training step of each network, on the same numbers.

#include <cstdio>

#include "tests/computations.h"
#include "tests/trainers.h"

namespace plainnet {
namespace {

using test::NamedValues;

// Of the largest magnitude in a tensor. The targets add up sums of up to a few hundred terms in
// different orders, each with rounding errors of 6e-8 in float and 1e-16 in double; and the cpu
// target has a float exponential function of its own, exact to 2e-7.
constexpr double kFloatTolerance = 3e-6, kDoubleTolerance = 1e-13;

std::vector<NamedValues> run(const std::vector<Computation>& all, const std::string& name) {
  for (const Computation& computation : all)
    if (computation.name == name) return computation.run();
  throw test::Failure("no computation " + name);
}

// The cpu target in double precision is the judge; numerical gradients and PyTorch judge it.
void compare(const std::vector<Computation>& all, const std::string& name, double tolerance) {
  test::check_close(run(all, name), run(cpu_double::computations(), name), tolerance);
}

struct Registrations {
  Registrations() {
    std::vector<std::string> emulated;
    for (const Computation& computation : emulated_float::computations()) emulated.push_back(computation.name);
    for (const Computation& computation : cpu_double::computations()) {
      const std::string name = computation.name;
      const bool on_emulated = std::find(emulated.begin(), emulated.end(), name) != emulated.end();
      test::Registration("targets agree: " + name, [=] {
        compare(cpu_float::computations(), name, kFloatTolerance);
        if (!on_emulated) return;
        compare(emulated_float::computations(), name, kFloatTolerance);
        compare(emulated_double::computations(), name, kDoubleTolerance);
      });
#ifdef WITH_GPU
      test::Registration(
          "targets agree: gpu, " + name,
          [=] {
            compare(gpu_float::computations(), name, kFloatTolerance);
            compare(gpu_double::computations(), name, kDoubleTolerance);
          },
          gpu_float::target().problem);
#endif
    }
  }
} const registrations;

Images random_images(int count, int height, int width, Random& random) {
  Images images{count, height, width, std::vector<uint8_t>(count * height * width),
                std::vector<uint8_t>(count)};
  for (uint8_t& pixel : images.pixels) pixel = static_cast<uint8_t>(random.below(256));
  for (uint8_t& label : images.labels) label = static_cast<uint8_t>(random.below(10));
  return images;
}

// One training step, then the probabilities of the test images. After the first step the momentum
// is the gradient, but for its sign and the learning rate. The images are small, for the sake of
// the emulated target: of 16 x 16, the convolutions and poolings leave one pixel.
std::vector<NamedValues> training_step(const Target& target, const std::string& model, Kernels kernels) {
  Random random(5, 0);
  const bool convolves = model == "cnn" || model == "separable";
  const int height = convolves ? 16 : 3, width = convolves ? 16 : 7;
  const Dataset dataset{"", random_images(3, height, width, random), random_images(2, height, width, random),
                        std::vector<std::string>(10)};
  const auto trainer = test::make_trainer(target, model, 3, dataset, 1, {}, kernels);
  const float loss = test::train(*trainer, {2, 0, 1}, 3, 0.05).at(0).loss;
  const std::vector<float> probabilities = trainer->predict();
  std::vector<NamedValues> all = test::values(trainer->state());
  all.push_back({"loss", {loss}});
  all.push_back({"probabilities", {probabilities.begin(), probabilities.end()}});
  return all;
}

// A network multiplies the rounding errors of its layers; and what a trainer of a double target tells is
// rounded to float.
constexpr double kSeveralLayers = 3e-5, kRounding = 6e-8;

void compare_step(const Target& target, const std::string& model, Kernels kernels, double tolerance) {
  test::check_close(training_step(target, model, kernels), training_step(cpu_double::target(), model, kPlain),
                    tolerance);
}

struct StepRegistrations {
  StepRegistrations() {
    for (const std::string& model : model_names())
      for (const Kernels kernels : {kPlain, kFast}) {
        const std::string name = text("a training step of ", model, kernels == kPlain ? ", plain" : ", fast");
        test::Registration("targets agree: " + name, [=] {
          compare_step(cpu_double::target(), model, kernels, kRounding);
          compare_step(cpu_float::target(), model, kernels, kSeveralLayers);
          compare_step(emulated_float::target(), model, kernels, kSeveralLayers);
          compare_step(emulated_double::target(), model, kernels, kRounding);
        });
#ifdef WITH_GPU
        test::Registration(
            "targets agree: gpu, " + name,
            [=] {
              compare_step(gpu_float::target(), model, kernels, kSeveralLayers);
              compare_step(gpu_double::target(), model, kernels, kRounding);
            },
            gpu_float::target().problem);
#endif
      }
  }
} const step_registrations;

}  // namespace
}  // namespace plainnet
