// A network and its data on one target. Compiled once for each.

#include "../kernels/batch.h"
#include "../kernels/sgd.h"
#include "../kernels/softmax_cross_entropy.h"
#include "models.h"
#include "targets.h"

namespace plainnet::TARGET {
namespace {

constexpr int kClasses = 10;

// A part of a data set: its images, in which order to take them, and the scores of its batches.
struct Part {
  Part(const Images& images, int batch)
      : count(images.count),
        device{Buffer<uint8_t>(images.pixels), Buffer<uint8_t>(images.labels)},
        order(images.count),
        scores(tiles(images.count, batch)) {}

  int count;
  DeviceImages device;
  Buffer<int> order;                   // [count]
  VisibleBuffer<TARGET::Score> scores;  // [batches]
};

class TargetTrainer : public Trainer {
 public:
  TargetTrainer(const TrainerOptions& options, const Dataset& dataset)
      : options_(options),
        pixels_(dataset.train.height * dataset.train.width),
        network_({dataset.train.height, dataset.train.width, 1}, options.batch,
                 model_layers(options.model)),
        momenta_(network_.weights().size()),
        labels_(options.batch),
        learning_rates_(tiles(dataset.train.count, options.batch)),
        step_(1),
        train_(dataset.train, options.batch),
        test_(dataset.test, options.batch),
        train_step_(recordings(train_.count, [&](int batch) { train_step(batch); })),
        test_step_(recordings(test_.count, [&](int batch) { test_step(batch); })) {
    network_.initialize(options.seed);
    std::vector<int> in_order(test_.count);
    for (int i = 0; i < test_.count; ++i) in_order[i] = i;
    test_.order.upload(in_order);
  }

  std::vector<LayerSummary> summary() const override {
    std::vector<LayerSummary> layers;
    for (const Network::Node& node : network_.nodes()) {
      const Shape s = node.output;
      const std::string shape = s.height * s.width == 1
                                    ? text("[", s.channels, "]")
                                    : text("[", s.height, "][", s.width, "][", s.channels, "]");
      long parameters = 0;
      for (const Parameter& parameter : node.layer->parameters) parameters += parameter.size();
      layers.push_back({node.name, node.layer->type(), shape, parameters});
    }
    return layers;
  }

  std::vector<Tensor> weights() const override { return tensors(network_.weights()); }
  std::vector<Tensor> momenta() const override { return tensors(momenta_); }
  void set_weights(const std::vector<Tensor>& tensors, const std::string& source) override {
    set(network_.weights(), tensors, source);
  }
  void set_momenta(const std::vector<Tensor>& tensors, const std::string& source) override {
    set(momenta_, tensors, source);
  }

  std::vector<StepScore> train(const std::vector<int>& order,
                               const std::vector<float>& learning_rates, int first,
                               const Progress& progress) override {
    train_.order.upload(order);
    learning_rates_.upload(learning_rates);
    return run(train_, train_step_, first, progress);
  }

  plainnet::Score evaluate() override {
    const auto scores = run(test_, test_step_, 0, [](auto&, int) { return true; });
    return mean_score(scores, options_.batch, test_.count);
  }

  std::vector<float> predict() override {
    Buffer<real> probabilities(options_.batch * kClasses);
    std::vector<float> all;
    for (int step = 0; step * options_.batch < test_.count; ++step) {
      const int batch = std::min(options_.batch, test_.count - step * options_.batch);
      step_.upload({step});
      gather(test_, batch);
      network_.forward(batch);
      softmax(network_.output(), batch, kClasses, probabilities.data());
      const std::vector<real> some = probabilities.download(batch * kClasses);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  // The launches of a full batch and of the last one, which may be smaller.
  struct Recordings {
    std::unique_ptr<Recording> full, last;
  };

  Recordings recordings(int count, const std::function<void(int)>& step) {
    const int last = count - (tiles(count, options_.batch) - 1) * options_.batch;
    return {std::make_unique<Recording>([=, this] { step(options_.batch); }),
            std::make_unique<Recording>([=] { step(last); })};
  }

  void gather(const Part& part, int batch) {
    gather_batch(part.device, pixels_, part.order.data(), step_.data(), options_.batch, batch,
                 network_.input(), labels_.data());
  }

  void train_step(int batch) {
    gather(train_, batch);
    network_.forward(batch);
    softmax_cross_entropy(network_.output(), labels_.data(), batch, kClasses,
                          network_.output_gradient(), step_.data(), train_.scores.device());
    network_.backward(batch);
    sgd({options_.momentum, options_.nesterov, options_.weight_decay}, network_.weights().data(),
        network_.gradients().data(), momenta_.data(), network_.weights().size(),
        learning_rates_.data(), step_.data());
    advance(step_.data());
  }

  void test_step(int batch) {
    gather(test_, batch);
    network_.forward(batch);
    softmax_cross_entropy(network_.output(), labels_.data(), batch, kClasses, nullptr,
                          step_.data(), test_.scores.device());
    advance(step_.data());
  }

  // Runs the steps of a part, at most kAhead of them before the device has caught up, and looks at
  // the scores as they appear: the host waits for the device, never the device for the host.
  std::vector<StepScore> run(Part& part, const Recordings& recordings, int first,
                             const Progress& progress) {
    constexpr int kAhead = 32;
    const int steps = tiles(part.count, options_.batch);
    step_.upload({first});
    part.scores.fill({0, -1});
    std::vector<StepScore> scores(steps);
    int done = first;
    const auto look = [&](int wanted) {  // until `wanted` steps are done
      while (done < steps) {
        const TARGET::Score score = part.scores.read(done);
        if (score.correct < 0) {
          if (done >= wanted) return;
          continue;
        }
        scores[done++] = {static_cast<float>(score.loss), score.correct};
      }
    };
    bool go_on = true;
    int step = first;
    for (; step < steps && go_on; ++step) {
      (step + 1 < steps ? recordings.full : recordings.last)->run();
      look(step + 1 - kAhead);
      go_on = progress(scores, done);
    }
    synchronize();
    look(step);
    for (int i = first; i < done; ++i) {
      const TARGET::Score score = part.scores.read(i);
      scores[i] = {static_cast<float>(score.loss), score.correct};
    }
    progress(scores, done);
    scores.resize(done);
    return scores;
  }

  std::vector<Tensor> tensors(const Buffer<real>& buffer) const {
    const std::vector<real> values = buffer.download();
    std::vector<Tensor> tensors;
    for (const Network::Slot& slot : network_.slots()) {
      const auto begin = values.begin() + slot.offset;
      tensors.push_back({slot.name, slot.shape, {begin, begin + product(slot.shape)}});
    }
    return tensors;
  }

  void set(Buffer<real>& buffer, const std::vector<Tensor>& tensors, const std::string& source) {
    std::vector<real> values(buffer.size());
    std::string problems;
    for (const Network::Slot& slot : network_.slots()) {
      const Tensor expected{slot.name, slot.shape, {}};
      const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                       [&](const Tensor& t) { return t.name == slot.name; });
      if (tensor == tensors.end())
        problems += text("; ", slot.name, ": expected ", expected.shape_text(), ", found none");
      else if (tensor->shape != slot.shape)
        problems += text("; ", slot.name, ": expected ", expected.shape_text(), ", found ",
                         tensor->shape_text());
      else
        std::copy(tensor->values.begin(), tensor->values.end(), values.begin() + slot.offset);
    }
    for (const Tensor& tensor : tensors)
      if (std::none_of(network_.slots().begin(), network_.slots().end(),
                       [&](const Network::Slot& slot) { return slot.name == tensor.name; }))
        problems += text("; ", tensor.name, ": expected none, found ", tensor.shape_text());
    if (!problems.empty())
      throw Error(text(source, ": its tensors are not those of ", options_.model, problems));
    buffer.upload(values);
  }

  TrainerOptions options_;
  int pixels_;
  Network network_;
  Buffer<real> momenta_;
  Buffer<uint8_t> labels_;        // [batch]
  Buffer<float> learning_rates_;  // [steps of an epoch]
  Buffer<int> step_;              // [1]: the step of the epoch that is running
  Part train_, test_;
  Recordings train_step_, test_step_;
};

}  // namespace

Target target() {
  return {device_problem, device_name,
          [](const TrainerOptions& options, const Dataset& dataset) -> std::unique_ptr<Trainer> {
            return std::make_unique<TargetTrainer>(options, dataset);
          }};
}

}  // namespace plainnet::TARGET
