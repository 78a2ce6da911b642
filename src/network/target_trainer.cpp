// A network and its data on one target. Compiled once for each.

#include <cmath>
#include <numeric>
#include <map>

#include "kernels/batch.h"
#include "kernels/softmax_cross_entropy.h"
#include "kernels/update_rules.h"
#include "network/network.h"
#include "training/trainer.h"

namespace plainnet::TARGET {
namespace {

// A part of a data set: its images, in which order to take them, the scores of its batches, and the launches
// of a step. A GPU records these when the part is made, so what a step uses of a part stands before them.
struct Part {
  const Images& images;           // read while the part is made, and not after
  int batch;                      // images of a step
  std::function<void(int)> step;  // launches a step of a batch of so many images

  int count = images.count, steps = tiles(count, batch);
  Buffer<uint8_t> pixels{images.pixels};                  // [count][pixels of an image]
  Buffer<uint8_t> labels{images.labels};                  // [count]
  Buffer<int> order = Buffer<int>(count);                 // [count]
  Buffer<BatchScore> scores = Buffer<BatchScore>(steps);  // [steps]
  Recording full{[this] { step(batch); }};
  Recording last{[this] { step(count - (steps - 1) * batch); }};  // of the last batch, which may be smaller

  void run_step(int number) const { (number < steps ? full : last).run(); }
};

class TargetTrainer : public Trainer {
 public:
  TargetTrainer(const TrainerOptions& options, const Dataset& dataset)
      : options_(options),
        pixels_(dataset.train.height * dataset.train.width),
        classes_(static_cast<int>(dataset.classes.size())),
        network_(find_model(options.model, classes_).layers, {dataset.train.height, dataset.train.width, 1},
                 options.batch, options.kernels, options.seed),
        update_steps_(tiles(dataset.train.count, options.batch)),
        train_{dataset.train, options.batch, [this](int batch) { train_step(batch); }},
        test_{dataset.test, options.batch, [this](int batch) { test_step(batch); }} {
    expect_classes(options.model, network_.layers, classes_);
    std::vector<int> in_order(test_.count);
    std::iota(in_order.begin(), in_order.end(), 0);
    test_.order.upload(in_order);
  }

  std::vector<Tensor> weights() override { return tensors({{"", &network_.weights}}); }
  void set_weights(const std::vector<Tensor>& tensors, const std::string& source) override {
    set({{"", &network_.weights}}, tensors, source);
  }

  std::vector<Tensor> state() override { return tensors(state_buffers()); }
  void set_state(const std::vector<Tensor>& tensors, long updates, const std::string& source) override {
    set(state_buffers(), tensors, source);
    updates_ = updates;
  }

  std::vector<StepScore> train(const std::vector<int>& order, const std::vector<double>& rates,
                               const Progress& progress) override {
    train_.order.upload(order);
    update_steps_.upload(update_steps(options_.rule, rates, updates_));
    const std::vector<StepScore> scores = run(train_, progress);
    updates_ += static_cast<long>(rates.size());
    return scores;
  }

  Score evaluate() override { return mean_score(run(test_, [](auto&) {}), options_.batch, test_.count); }

  std::vector<float> predict() override {
    Buffer<real> probabilities(options_.batch * classes_);
    std::vector<float> all;
    for (int step = 0; step * options_.batch < test_.count; ++step) {
      const int batch = std::min(options_.batch, test_.count - step * options_.batch);
      step_.upload({step});
      gather(test_, batch);
      network_.forward(batch);
      softmax(network_.output(), batch, classes_, probabilities.data());
      const std::vector<real> some = probabilities.download(0, batch * classes_);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  void gather(const Part& part, int batch) {
    gather_batch(part.pixels.data(), part.labels.data(), pixels_, part.order.data(), step_.data(),
                 options_.batch, batch, network_.input.data(), labels_.data());
  }

  void train_step(int batch) {
    gather(train_, batch);
    network_.forward(batch);
    softmax_cross_entropy(network_.output(), labels_.data(), batch, classes_,
                          network_.output_gradient(), step_.data(), train_.scores.data());
    network_.backward(batch);
    update(options_.rule, network_.weights.data(), network_.gradients.data(), momenta_.data(),
           squares_.data(), network_.weights.size(), update_steps_.data(), step_.data());
    advance(step_.data());
  }

  void test_step(int batch) {
    gather(test_, batch);
    network_.forward(batch);
    softmax_cross_entropy(network_.output(), labels_.data(), batch, classes_, nullptr, step_.data(),
                          test_.scores.data());
    advance(step_.data());
  }

  // Runs the steps of a part. The host waits for the device every kAhead steps, for their scores. Throws
  // Error for the first number that is not finite.
  std::vector<StepScore> run(const Part& part, const Progress& progress) {
    constexpr int kAhead = 32;
    const std::vector<Tensor> weights_before = weights(), state_before = state();
    step_.upload({0});
    std::vector<StepScore> scores;
    double sum = 0;
    for (int done = 1; done <= part.steps && std::isfinite(sum); ++done) {
      part.run_step(done);
      if (done % kAhead != 0 && done < part.steps) continue;
      for (const BatchScore& score : part.scores.download(scores.size(), done)) {
        scores.push_back({static_cast<float>(score.loss), score.correct});
        sum += score.loss;
      }
      progress(scores);
    }
    const std::string at_the_end = first_not_finite(weights()) + first_not_finite(state());
    if (std::isfinite(sum) && at_the_end.empty()) return scores;

    // The same steps again, to the same bits: the numbers of each are looked through.
    set_weights(weights_before, "the network");
    set_state(state_before, updates_, "the network");
    step_.upload({0});
    for (int step = 1; step <= static_cast<int>(scores.size()); ++step) {
      part.run_step(step);
      const float loss = scores[step - 1].loss;
      const std::string problem = first_not_finite(numbers_of_step(loss));
      if (problem.empty()) continue;
      throw Error(&part == &test_ ? text("test batch ", step) : text("step ", updates_ + step),
                  ", whose loss is ", std::isnan(loss) ? NAN : loss, ": ", problem,
                  "; most often the learning rate is too high");
    }
    throw Error("numbers that were not finite are so when the epoch is repeated: is the memory sound?");
  }

  // What the step that was run last computed, in this order.
  std::vector<Tensor> numbers_of_step(float loss) {
    std::vector<Tensor> all, gradients = tensors({{"the gradient of ", &network_.gradients}});
    for (const Network::Node& node : network_.nodes) {
      const std::vector<real> y = node.y.download();
      const int64_t size = static_cast<int64_t>(y.size()) / options_.batch;
      all.push_back({"the output of " + node.name, {options_.batch, size}, {y.begin(), y.end()}});
    }
    all.push_back({"the loss", {}, {loss}});
    all.insert(all.end(), gradients.rbegin(), gradients.rend());
    for (const auto& more : {state(), weights()}) all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // A buffer with a value for each weight, or none, after what the names of its tensors begin with.
  using Named = std::pair<std::string, Buffer<real>*>;

  std::vector<Named> state_buffers() { return {{"momentum.", &momenta_}, {"square.", &squares_}}; }

  // The tensors in the buffers.
  std::vector<Tensor> tensors(const std::vector<Named>& buffers) const {
    std::vector<Tensor> all;
    for (const auto& [prefix, buffer] : buffers) {
      if (buffer->size() == 0) continue;
      const std::vector<real> values = buffer->download();
      for (const Network::Slot& slot : network_.slots) {
        const auto begin = values.begin() + slot.offset, end = begin + slot.parameter.size();
        all.push_back({prefix + slot.parameter.name, slot.parameter.shape, {begin, end}});
      }
    }
    return all;
  }

  // Sets all the buffers or, if anything does not fit, none.
  void set(const std::vector<Named>& buffers, const std::vector<Tensor>& tensors, const std::string& source) {
    std::map<std::string, const Tensor*> given;  // those for which no place has been found
    for (const Tensor& tensor : tensors) given[tensor.name] = &tensor;
    std::vector<std::vector<real>> values;
    std::string problems;
    for (const auto& [prefix, buffer] : buffers) {
      values.emplace_back(buffer->size());
      if (buffer->size() == 0) continue;
      for (const Network::Slot& slot : network_.slots) {
        const Tensor expected{prefix + slot.parameter.name, slot.parameter.shape, {}};
        const auto found = given.extract(expected.name);
        const Tensor* tensor = found ? found.mapped() : nullptr;
        if (tensor && tensor->shape == expected.shape)
          std::copy(tensor->values.begin(), tensor->values.end(), values.back().begin() + slot.offset);
        else
          problems += text("; ", expected.name, ": expected ", expected.shape_text(), ", found ",
                           tensor ? tensor->shape_text() : "none");
      }
    }
    for (const auto& [name, tensor] : given)
      problems += text("; ", name, ": expected none, found ", tensor->shape_text());
    if (!problems.empty())
      throw Error(source, ": its tensors are not those of ", options_.model, " for ", classes_, " classes",
                  problems);
    problems = first_not_finite(tensors);
    if (!problems.empty()) throw Error(source, ": ", problems);
    for (size_t i = 0; i < buffers.size(); ++i) buffers[i].second->upload(values[i]);
  }

  TrainerOptions options_;
  int pixels_, classes_;
  Network network_;
  // As network_.weights; of size 0 if the rule has none.
  Buffer<real> momenta_{std::vector<real>(options_.rule.has_momenta() ? network_.weights.size() : 0)};
  Buffer<real> squares_{std::vector<real>(options_.rule.has_squares() ? network_.weights.size() : 0)};
  Buffer<uint8_t> labels_ = Buffer<uint8_t>(options_.batch);  // [batch]
  Buffer<UpdateStep> update_steps_;                           // [steps of an epoch]
  long updates_ = 0;                                          // so far, in all epochs
  Buffer<int> step_{1};                                       // [1]: the step of the epoch that is running
  Part train_, test_;
};

std::unique_ptr<Trainer> make_trainer(const TrainerOptions& options, const Dataset& dataset) {
  return std::make_unique<TargetTrainer>(options, dataset);
}

}  // namespace

Target target() { return {device_problem, device_name, make_trainer}; }

}  // namespace plainnet::TARGET
