// Numbers that go wrong: a NaN or an infinity ends a run, and is refused where weights are read.

#include <unistd.h>

#include "base/files.h"
#include "files/checkpoint.h"
#include "images/image.h"
#include "tests/png.h"
#include "tests/small_run.h"
#include "tests/thread_count.h"
#include "tests/trainers.h"

namespace plainnet {
namespace {

using test::contains;
using test::predict;
using test::scratch_folder;
using test::small_run;

// The tensor of that name.
std::vector<float>& values_of(std::vector<Tensor>& tensors, const std::string& name) {
  for (Tensor& tensor : tensors)
    if (tensor.name == name) return tensor.values;
  throw test::Failure("no tensor " + name);
}

TEST("not finite: the first number of a list of tensors is named") {
  const Tensor whole{"whole", {2}, {1, -3e38f}}, none{"none", {0, 3}, {}};
  CHECK_EQUAL(first_not_finite({whole, none}), "");
  for (const auto& [number, found] :
       {std::pair(INFINITY, "found inf"), std::pair(-INFINITY, "found -inf"), std::pair(-NAN, "found nan")}) {
    const Tensor bad{"bad", {2, 1, 3}, {0, 0, 0, 0, number, NAN}};
    CHECK_EQUAL(first_not_finite({whole, bad, bad}),
                text("bad: expected finite numbers, ", found, " at 4 of [2][1][3]"));
  }
  CHECK_EQUAL(first_not_finite({{"scalar", {}, {NAN}}}), 
              "scalar: expected finite numbers, found nan at 0 of scalar");
}

TEST("not finite: training names the step and the tensor where it began") {
  const test::ThreadCount one_thread(1);  // batches of one image gain nothing from a second
  const Dataset dataset = draw_digits(9, 1, 1);
  for (const Kernels kernels : {kPlain, kFast}) {
    const auto make = [&](UpdateRule::Kind kind) {
      return test::make_trainer(choose_target("cpu"), "cnn", 1, dataset, 1, {.kind = kind}, kernels);
    };
    // The update of step 5 multiplies the gradient by infinity, after a loss that is a number.
    std::vector<double> rates(9, 0.05);
    rates[4] = INFINITY;
    CHECK_ERROR(make(UpdateRule::kSgd)->train(test::in_order(9), rates, [](auto&) {}),
                "step 5, whose loss is 2.", ": momentum.conv2d_1.kernel: expected finite numbers, found ",
                " at 0 of [5][5][1][24]");

    // With 1e-30 at all 512 units of dense_1, these weights make the other digits far likelier than the
    // label: the gradient by a unit is 2 large.
    const auto train = [&](UpdateRule::Kind kind, float large) {
      const auto trainer = make(kind);
      std::vector<Tensor> weights = trainer->weights();
      for (float& w : values_of(weights, "dense_1.kernel")) w = 0;
      for (float& w : values_of(weights, "dense_1.bias")) w = 1e-30f;
      std::vector<float>& last = values_of(weights, "dense_2.kernel");
      for (size_t i = 0; i < last.size(); ++i) last[i] = i % 10 == dataset.train.labels[0] ? -large : large;
      trainer->set_weights(weights, "weights");
      test::train(*trainer, test::in_order(9), 1, 1e-9);
    };
    CHECK_ERROR(train(UpdateRule::kSgd, 3e38f), "step 1, whose loss is ",
                "e+11: the gradient of dense_1.bias: ", "found inf at 0 of [512]");
    CHECK_ERROR(train(UpdateRule::kAdam, 1e25f), "step 1, ", ": square.dense_1.kernel: ", "found inf");

    const auto trained = make(UpdateRule::kSgd), tested = make(UpdateRule::kSgd);
    std::vector<Tensor> weights = trained->weights();
    for (float& w : values_of(weights, "dense_1.kernel")) w = 3e38f;
    trained->set_weights(weights, "weights");
    tested->set_weights(weights, "weights");
    CHECK_ERROR(test::train(*trained, test::in_order(9), 1, 0.05),
                "step 1, whose loss is nan: the output of dense_1: ", "found inf at ");
    CHECK_ERROR(tested->evaluate(), "test batch 1, whose loss is nan: the output of dense_1: ", "found inf at ");
  }
}

// The second epoch goes wrong in its 40th step: the steps are counted from the start of the run.
TEST("not finite: the step is that of the run, on every network and target") {
  const test::ThreadCount one_thread(1);
  const Dataset dataset = draw_digits(41, 1, 1);
  for (const std::string& target : test::fast_targets())
    for (const std::string& model : test::kModels) {
      const auto trainer = test::make_trainer(target, model, 1, dataset);
      std::vector<double> rates(41, 0.01);
      trainer->train(test::in_order(41), rates, [](auto&) {});
      rates[38] = 3e38;
      CHECK_ERROR(trainer->train(test::in_order(41), rates, [](auto&) {}), "expected finite numbers, found ",
                  text("step ", 41 + 39, ", whose"));
    }
  const Dataset small = draw_digits(2, 1, 1);
  const auto trainer = test::make_trainer("emulated", "mlp", 1, small);
  CHECK_ERROR(trainer->train({0, 1}, {INFINITY, 0}, [](auto&) {}), "step 1, ", ": momentum.dense_1.kernel: ");
}

TEST("not finite: a run that diverges ends, and keeps its last good checkpoint") {
  const std::string folder = scratch_folder() + "/run", checkpoint = folder + "/checkpoint.safetensors";
  CHECK_ERROR(test::train(small_run("run", {"--learning-rate", "1000", "--weight-decay", "1"})), "step ",
              "expected finite numbers", "the learning rate is too high",
              checkpoint + " holds the last whole epoch");
  CHECK_EQUAL(read_checkpoint(checkpoint).epochs.size(), size_t{0});
  CHECK_EQUAL(first_not_finite(read_weights(checkpoint).tensors), "");
  CHECK_EQUAL(test::files_in(folder), size_t{1});
}

TEST("not finite: such weights are refused wherever they are read") {
  const std::string folder = scratch_folder() + "/run", checkpoint = folder + "/checkpoint.safetensors";
  const std::string weights = folder + "/weights.safetensors", data = test::small_data();
  test::train(small_run("run", {"--epochs", "1"}));
  const TensorFile whole = read_safetensors(weights);
  const std::string png = scratch_folder() + "/one.png";
  GreyImage image{30, 40, std::vector<uint8_t>(30 * 40, 250)};
  for (int y = 5; y < 35; ++y) image.pixels[y * 30 + 14] = 10;
  write_file_atomically(png, test::grey_png(image));
  for (const float number : {NAN, INFINITY}) {
    TensorFile bad = whole;
    bad.tensors.at(6).values.at(13) = number;
    write_safetensors(weights, bad);
    const std::string problem = text(weights, ": dense_2.kernel: expected finite numbers, found ", number,
                                     " at 13 of [512][10]");
    CHECK_ERROR(predict({weights, "--evaluate", "--data", data}), problem);
    CHECK_ERROR(predict({weights, "--index", "0", "--data", data}), problem);
    CHECK_ERROR(predict({weights, png}), problem);
    CHECK_ERROR(test::train(small_run("other", {"--init", weights})), problem);
    CHECK(access((scratch_folder() + "/other").c_str(), F_OK) != 0, "a folder for nothing");
  }
  for (const std::string name : {"dense_1.bias", "state.momentum.dense_1.bias"}) {
    TensorFile bad = read_safetensors(checkpoint);
    std::vector<float>& values = values_of(bad.tensors, name);
    const float kept = values[2];
    values[2] = NAN;
    write_safetensors(checkpoint, bad);
    CHECK_ERROR(test::train({"--resume", folder, "--epochs", "2"}), checkpoint + ": ", "dense_1.bias",
                "found nan at 2 of [512]");
    values[2] = kept;
    write_safetensors(checkpoint, bad);
  }
  CHECK_EQUAL(test::train({"--resume", folder, "--epochs", "2"}).status, 0);
}

}  // namespace
}  // namespace plainnet
