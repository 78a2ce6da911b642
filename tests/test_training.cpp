// Training as a whole: what is shuffled, counted, repeated and learnt.

#include <map>

#include "run/run.h"
#include "tests/thread_count.h"
#include "tests/trainers.h"
#include "training/record.h"

namespace plainnet {
namespace {

using test::NamedValues;
using test::Values;

// The same digits for training and for testing.
Dataset digits(int count) {
  Dataset dataset = draw_digits(count, 0, 1);
  dataset.test = dataset.train;
  return dataset;
}

// The mean cross entropy of images order[begin], ..., order[end - 1], from their probabilities.
Score score_of(const std::vector<float>& probabilities, const Images& images,
               const std::vector<int>& order, int begin, int end) {
  double loss = 0;
  int correct = 0;
  for (int i = begin; i < end; ++i) {
    const auto row = probabilities.begin() + 10 * order[i];
    const int label = images.labels[order[i]];
    loss -= std::log(row[label]);
    correct += std::max_element(row, row + 10) - row == label;
  }
  return {loss / (end - begin), static_cast<double>(correct) / (end - begin)};
}

TEST("epoch_order: a permutation, new in each epoch") {
  const std::vector<int> order = epoch_order(1000, true, 7, 1);
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == test::in_order(1000));
  CHECK(order != sorted);
  CHECK(epoch_order(1000, true, 7, 1) == order);
  CHECK(epoch_order(1000, true, 7, 2) != order);
  CHECK(epoch_order(1000, true, 8, 1) != order);
  CHECK(epoch_order(1000, false, 7, 3) == sorted);
  CHECK(epoch_order(1, true, 7, 1) == std::vector<int>{0});
}

// Computed from the paper's Philox and Durstenfeld's shuffle (1964), in Python.
TEST("epoch_order: known answers") {
  CHECK(epoch_order(12, true, 7, 1) == std::vector<int>({10, 3, 4, 9, 1, 5, 11, 0, 7, 8, 6, 2}));
  CHECK(epoch_order(12, true, 7, 2) == std::vector<int>({10, 1, 2, 0, 4, 6, 9, 7, 11, 5, 3, 8}));
}

TEST("epoch_order: all orders of three images are equally likely") {
  constexpr int kCount = 6000;
  std::map<std::vector<int>, int> counts;
  for (int epoch = 1; epoch <= kCount; ++epoch) ++counts[epoch_order(3, true, 1, epoch)];
  CHECK_EQUAL(counts.size(), 6u);
  // Five standard deviations of a binomial distribution.
  for (const auto& [order, count] : counts)
    CHECK_NEAR(count, kCount / 6.0, 5 * std::sqrt(kCount / 6.0 * 5 / 6));
}

TEST("best_epoch: the best accuracy, of the same ones the least loss, of the same ones the first") {
  const auto best = [](const std::vector<std::pair<double, double>>& accuracy_and_loss) {
    std::vector<EpochRecord> records;
    for (const auto& [accuracy, loss] : accuracy_and_loss)
      records.push_back({static_cast<int>(records.size()) + 1, 0, 0, loss, accuracy, 0});
    return best_epoch(records).epoch;
  };
  CHECK_EQUAL(best({{0.5, 1}, {0.75, 2}, {0.25, 0.1}}), 2);
  CHECK_EQUAL(best({{0.5, 1}, {0.5, 0.9}, {0.5, 1.1}}), 2);
  CHECK_EQUAL(best({{0.5, 1}, {0.5, 1}}), 1);
}

TEST("log: epochs that are not 1, 2, 3 are refused") {
  const auto line = [](int epoch) { return text(epoch, ",1,0.5,1,0.5,2\n"); };
  const std::string header = text(kLogHeader, "\n");
  CHECK_EQUAL(parse_log(header + line(1) + line(2), "x").size(), 2u);
  CHECK_ERROR(parse_log(header + line(2), "x"), "x: ", "epoch 1");
  CHECK_ERROR(parse_log(header + line(1) + line(1), "x"), "epoch 2");
  CHECK_ERROR(parse_log(header + line(1) + line(3), "x"), "epoch 2");
}

TEST("mean_score: the last, smaller batch counts by its size") {
  // 7 images in batches of 3: the means of 3, 3 and 1.
  const Score score = mean_score({{1.0f, 2}, {2.0f, 0}, {10.0f, 1}}, 3, 7);
  CHECK_NEAR(score.loss, (3 * 1 + 3 * 2 + 10) / 7.0, 1e-12);
  CHECK_NEAR(score.accuracy, 3 / 7.0, 1e-12);
  // An epoch of which two steps are done.
  CHECK_NEAR(mean_score({{1.0f, 2}, {2.0f, 0}}, 3, 7).loss, 1.5, 1e-12);
  CHECK_NEAR(mean_score({{4.0f, 5}}, 8, 5).accuracy, 1, 1e-12);
}

TEST("models: have the parameters and names that docs/files.md says") {
  const auto names = [](const std::string& model) {
    std::string all;
    for (const Tensor& tensor : test::make_trainer("cpu", model, 1, digits(1))->weights())
      all += tensor.name + tensor.shape_text() + " ";
    return all;
  };
  CHECK_EQUAL(
      names("cnn"),
      "conv2d_1.kernel[5][5][1][24] conv2d_1.bias[24] conv2d_2.kernel[5][5][24][48] "
      "conv2d_2.bias[48] dense_1.kernel[768][512] dense_1.bias[512] dense_2.kernel[512][10] "
      "dense_2.bias[10] ");
  CHECK_EQUAL(names("separable"),
              "conv2d_1.kernel[5][5][1][24] conv2d_1.bias[24] "
              "depthwise_conv2d_1.kernel[5][5][24][1] depthwise_conv2d_1.bias[24] "
              "conv2d_2.kernel[1][1][24][48] conv2d_2.bias[48] dense_1.kernel[768][512] "
              "dense_1.bias[512] dense_2.kernel[512][10] dense_2.bias[10] ");
  CHECK_EQUAL(names("bilstm"),
              "bidirectional_1.forward.kernel[28][512] "
              "bidirectional_1.forward.recurrent_kernel[128][512] "
              "bidirectional_1.forward.bias[512] bidirectional_1.backward.kernel[28][512] "
              "bidirectional_1.backward.recurrent_kernel[128][512] "
              "bidirectional_1.backward.bias[512] dense_1.kernel[256][10] dense_1.bias[10] ");

  for (const auto& [model, count] :
       {std::pair("cnn", 428330l), std::pair("separable", 401306l), std::pair("bilstm", 163338l),
        std::pair("mlp", 101770l)}) {
    long sum = 0;
    for (const Tensor& tensor : test::make_trainer("cpu", model, 1, digits(1))->weights()) sum += tensor.size();
    CHECK_EQUAL(sum, count);
  }
  CHECK_ERROR(test::make_trainer("cpu", "cnm", 1, digits(1)), "cnn", "cnm");
}

TEST("models: start with weights of the right distributions") {
  const auto weights = [](const std::string& model, const std::string& name) {
    for (const Tensor& tensor : test::make_trainer("cpu", model, 1, digits(1))->weights())
      if (tensor.name == name) return tensor.values;
    throw test::Failure("no tensor " + name);
  };
  const auto largest = [](const std::vector<float>& values) {
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    return largest;
  };
  const auto variance = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += value * value;
    return sum / values.size();
  };
  CHECK_NEAR(largest(weights("cnn", "conv2d_2.kernel")), 0.1, 1e-4);
  CHECK_NEAR(largest(weights("cnn", "dense_1.kernel")), 0.01, 1e-5);
  CHECK_EQUAL(largest(weights("cnn", "dense_1.bias")), 0);
  // He: 2 / fan_in. The sample of so many numbers is off by less than 5%.
  CHECK_NEAR(variance(weights("separable", "dense_1.kernel")) * 768 / 2, 1, 0.05);
  CHECK_NEAR(variance(weights("separable", "conv2d_2.kernel")) * 24 / 2, 1, 0.25);
  CHECK_NEAR(variance(weights("separable", "depthwise_conv2d_1.kernel")) * 25 * 24 / 2, 1, 0.35);
  CHECK_NEAR(largest(weights("separable", "dense_2.kernel")), std::sqrt(6.0 / (512 + 10)), 1e-3);
  CHECK_NEAR(largest(weights("bilstm", "bidirectional_1.backward.kernel")),
             std::sqrt(6.0 / (28 + 512)), 1e-4);
  const std::vector<float> bias = weights("bilstm", "bidirectional_1.forward.bias");
  for (int i = 0; i < 512; ++i) CHECK_EQUAL(bias[i], i >= 128 && i < 256 ? 1 : 0);
  CHECK(weights("bilstm", "bidirectional_1.forward.kernel") !=
        weights("bilstm", "bidirectional_1.backward.kernel"));
}

// Before training, a network knows nothing: it gives each of ten digits about the same probability.
TEST("training: the initial loss is ln 10") {
  const Dataset dataset = digits(200);
  // The weights of cnn are tiny. Those of the others keep the variance of what they get, so their
  // logits differ by about the size of the last layer's weights times its inputs.
  for (const auto& [model, tolerance] :
       {std::pair("cnn", 0.001), std::pair("separable", 0.1), std::pair("bilstm", 0.05)}) {
    const auto trainer = test::make_trainer("cpu", model, 128, dataset);
    const float loss = test::train(*trainer, test::in_order(200), 128, 0).at(0).loss;
    CHECK(std::abs(loss - std::log(10)) <= tolerance, model, ": loss ", loss);
  }
}

TEST("training: 20 images are learnt by heart") {
  const test::ThreadCount one_thread(1);  // a batch this small gains nothing from a second
  for (const std::string& target : test::fast_targets())
    for (const auto& [model, learning_rate] :
         {std::pair("cnn", 0.05), std::pair("separable", 0.05), std::pair("bilstm", 0.2)}) {
      const Dataset dataset = digits(20);
      const auto trainer = test::make_trainer(target, model, 20, dataset);
      for (int epoch = 1; epoch <= 100; ++epoch)
        test::train(*trainer, epoch_order(20, true, 1, epoch), 20, learning_rate);
      const Score score = trainer->evaluate();
      CHECK(score.loss < 0.01 && score.accuracy == 1, target, " ", model, ": loss ", score.loss,
            ", accuracy ", score.accuracy);
    }
}

// Two epochs of shuffled batches, the last one of them smaller.
std::vector<NamedValues> short_training(const std::string& target, const std::string& model,
                                        uint64_t seed) {
  const Dataset dataset = digits(77);
  const auto trainer = test::make_trainer(target, model, 32, dataset, seed);
  Values losses;
  for (int epoch = 1; epoch <= 2; ++epoch)
    for (const StepScore& score :
         test::train(*trainer, epoch_order(77, true, seed, epoch), 32, 0.05))
      losses.push_back(score.loss);
  std::vector<NamedValues> all = test::values(trainer->weights());
  all.push_back({"losses", losses});
  all.push_back({"test loss", {trainer->evaluate().loss}});
  return all;
}

TEST("training: same seed, same bits, on any number of threads") {
  for (const std::string& target : test::fast_targets())
    for (const std::string& model : test::kModels) {
      const std::vector<NamedValues> expected = short_training(target, model, 1);
      test::check_same(short_training(target, model, 1), expected);
      if (target == "cpu")
        for (int count : {1, 2, 3}) {
          const test::ThreadCount threads(count);
          test::check_same(short_training(target, model, 1), expected);
        }
      CHECK(short_training(target, model, 2)[0].values != expected[0].values, "other seed");
    }
}

// With a learning rate of zero nothing changes, and the loss of each step can be computed from the
// probabilities of its images: it took the right ones, and all that it should.
TEST("training: steps take the images in order, the last the rest") {
  const Dataset dataset = digits(23);
  for (const std::string& target : test::fast_targets()) {
    const auto trainer = test::make_trainer(target, "separable", 5, dataset);
    const std::vector<NamedValues> before = test::values(trainer->weights());
    const std::vector<int> order = epoch_order(23, true, 1, 1);
    const std::vector<StepScore> scores = test::train(*trainer, order, 5, 0);
    const std::vector<float> probabilities = trainer->predict();
    CHECK_EQUAL(probabilities.size(), 230u);
    CHECK_EQUAL(scores.size(), 5u);
    for (int step = 0; step < 5; ++step) {
      const int begin = 5 * step, end = std::min(begin + 5, 23);
      const Score expected = score_of(probabilities, dataset.train, order, begin, end);
      CHECK_NEAR(scores[step].loss, expected.loss, 1e-5);
      CHECK_NEAR(scores[step].correct, expected.accuracy * (end - begin), 1e-9);
    }
    test::check_same(test::values(trainer->weights()), before);
  }
}

TEST("training: evaluate() is the mean over what predict() says") {
  const Dataset dataset = draw_digits(23, 17, 1);  // the test images are others
  for (const std::string& target : test::fast_targets())
    for (const std::string& model : test::kModels) {
      const auto trainer = test::make_trainer(target, model, 5, dataset);
      test::train(*trainer, test::in_order(23), 5, 0.01);
      const std::vector<float> probabilities = trainer->predict();
      CHECK_EQUAL(probabilities.size(), 170u);
      for (int i = 0; i < 17; ++i) {
        double sum = 0;
        for (int n = 0; n < 10; ++n) {
          CHECK(probabilities[10 * i + n] >= 0, model);
          sum += probabilities[10 * i + n];
        }
        CHECK_NEAR(sum, 1, 1e-6);
      }
      const Score score = trainer->evaluate();
      const Score expected = score_of(probabilities, dataset.test, test::in_order(17), 0, 17);
      CHECK_NEAR(score.loss, expected.loss, 1e-5);
      CHECK_NEAR(score.accuracy, expected.accuracy, 1e-9);
    }
}

// The memory of a larger batch must not show: three images are three images.
TEST("training: a batch that is not full trains like a full one") {
  const Dataset dataset = digits(3);
  for (const std::string& model : test::kModels) {
    const auto train_once = [&](int batch) {
      const auto trainer = test::make_trainer("cpu", model, batch, dataset);
      test::train(*trainer, test::in_order(3), batch, 0.05);
      return test::values(trainer->state());
    };
    test::check_close(train_once(131), train_once(3), 3e-6);
  }
}

TEST("training: each step has its own learning rate") {
  const Dataset dataset = digits(9);
  const auto run = [&](const std::vector<double>& rates) {
    const auto trainer =
        test::make_trainer("cpu", "separable", 3, dataset, 1, {.momentum = 0, .nesterov = false});
    trainer->train(test::in_order(9), rates, [](auto&) {});
    return test::values(trainer->weights());
  };
  const std::vector<NamedValues> still = run({0, 0, 0}), middle = run({0, 0.1, 0});
  const auto images_of = [&](int begin) {
    const auto trainer =
        test::make_trainer("cpu", "separable", 3, dataset, 1, {.momentum = 0, .nesterov = false});
    trainer->train({begin, begin + 1, begin + 2, 0, 1, 2, 0, 1, 2}, {0.1, 0, 0}, [](auto&) {});
    return test::values(trainer->weights());
  };
  CHECK(middle[0].values != still[0].values);
  test::check_same(middle, images_of(3));
}

TEST("training: tells its progress every 32 steps and at the end") {
  const Dataset dataset = digits(71);
  for (const std::string& target : test::fast_targets()) {
    const auto trainer = test::make_trainer(target, "separable", 1, dataset);
    std::vector<size_t> told;
    std::vector<StepScore> last;
    const std::vector<StepScore> all =
        trainer->train(epoch_order(71, true, 1, 1), std::vector<double>(71, 0.05),
                       [&](const std::vector<StepScore>& scores) {
                         for (size_t i = 0; i < last.size(); ++i)
                           CHECK_EQUAL(scores.at(i).loss, last[i].loss);
                         last = scores;
                         told.push_back(scores.size());
                       });
    CHECK((told == std::vector<size_t>{32, 64, 71}));
    CHECK_EQUAL(all.size(), 71u);
    for (size_t i = 0; i < all.size(); ++i) {
      CHECK_EQUAL(all[i].loss, last.at(i).loss);
      CHECK_EQUAL(all[i].correct, last.at(i).correct);
    }
  }
}

TEST("training: weights that are not the network's are refused") {
  const auto trainer = test::make_trainer("cpu", "cnn", 1, digits(1));
  const std::vector<NamedValues> before = test::values(trainer->weights());
  std::vector<Tensor> tensors = trainer->weights();
  tensors[0].shape = {5, 5, 24, 1};
  tensors.erase(tensors.begin() + 3);
  tensors.push_back({"dense_3.bias", {2}, {1, 2}});
  CHECK_ERROR(trainer->set_weights(tensors, "file.safetensors"), "file.safetensors", "cnn",
              "conv2d_1.kernel: expected [5][5][1][24], found [5][5][24][1]",
              "conv2d_2.bias: expected [48], found none", "dense_3.bias: expected none, found [2]");
  CHECK_ERROR(trainer->set_state(tensors, 1, "file.safetensors"), "momentum.conv2d_2.bias");
  test::check_same(test::values(trainer->weights()), before);
}

TEST("choose_target: by name, or the GPU if there is one") {
  CHECK_EQUAL(choose_target("cpu").name, "cpu");
  CHECK_EQUAL(choose_target("emulated").name, "emulated");
  const ChosenTarget chosen = choose_target("auto");
  if (test::gpu_is_there()) {
    CHECK_EQUAL(chosen.name, "gpu");
    CHECK_EQUAL(choose_target("gpu").name, "gpu");
    CHECK(chosen.note.empty(), chosen.note);
  } else {
    CHECK_EQUAL(chosen.name, "cpu");
    CHECK(chosen.note.find("GPU") != std::string::npos, chosen.note);
    CHECK_ERROR(choose_target("gpu"), "--device gpu", "expected a GPU");
  }
}

}  // namespace
}  // namespace plainnet
