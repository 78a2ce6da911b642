#pragma once

// Runs one layer on numbers of the host, in memory that catches what a layer must not do.

#include <limits>

#include "kernels/layer.h"
#include "tests/target_test.h"
#include "tests/values.h"

namespace plainnet::TARGET {

using test::NamedValues;
using test::Values;

/// Device memory in which everything that the test did not set is NaN, and a border of NaN lies on
/// both sides: whoever uses a number that is not his spoils his result, and whoever writes beyond
/// his own is found by get().
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size) : size_(size), buffer_(size + 2 * kBorder) { set({}); }

  real* data() const { return buffer_.data() + kBorder; }
  size_t size() const { return size_; }

  /// Sets the first elements, the others to NaN.
  void set(const Values& values) {
    CHECK(values.size() <= size_, values.size(), " values for ", size_);
    std::vector<real> all(buffer_.size(), std::numeric_limits<real>::quiet_NaN());
    for (size_t i = 0; i < values.size(); ++i) all[kBorder + i] = static_cast<real>(values[i]);
    buffer_.upload(all);
  }

  /// The first `count` elements. Fails if one of the others, or of the border, is no longer NaN.
  Values get(size_t count, const std::string& what) const {
    const std::vector<real> all = buffer_.download();
    for (size_t i = 0; i < all.size(); ++i)
      if (i < kBorder || i >= kBorder + count)
        CHECK(std::isnan(all[i]), what, ": of ", count, " elements, one was written at ",
              static_cast<long>(i) - static_cast<long>(kBorder));
    return {all.begin() + kBorder, all.begin() + kBorder + count};
  }

 private:
  static constexpr size_t kBorder = 16;  // keeps the 64-byte boundary that parameters begin on
  size_t size_;
  Buffer<real> buffer_;
};

/// Sets use_tf32 for as long as it lives.
struct Tf32 {
  explicit Tf32(bool on) { use_tf32 = on; }
  ~Tf32() { use_tf32 = false; }
  Tf32(const Tf32&) = delete;
};

/// A layer with parameters, input, output and gradients of its own.
class LayerRun {
 public:
  LayerRun(LayerPointer layer, Shape input, int batch, int max_batch)
      : batch_(batch),
        layer_(std::move(layer)),
        input_size_(input.size()),
        output_shape_(layer_->build(input, max_batch)),
        output_size_(output_shape_.size()),
        x_(max_batch * input_size_),
        y_(max_batch * output_size_),
        dx_(max_batch * input_size_),
        dy_(max_batch * output_size_) {
    for (Parameter& parameter : layer_->parameters) {
      values_.emplace_back(parameter.size());
      gradients_.emplace_back(parameter.size());
      parameter.value = values_.back().data();
      parameter.gradient = gradients_.back().data();
    }
  }

  size_t x_size() const { return batch_ * input_size_; }
  size_t y_size() const { return batch_ * output_size_; }
  Shape output_shape() const { return output_shape_; }
  const std::vector<Parameter>& parameters() const { return layer_->parameters; }
  void set_parameter(size_t i, const Values& values) {
    CHECK_EQUAL(values.size(), values_[i].size());
    values_[i].set(values);
  }

  /// y for x; the output memory held NaN before.
  Values forward(const Values& x) {
    CHECK_EQUAL(x.size(), x_size());
    x_.set(x);
    y_.set({});
    layer_->forward(x_.data(), y_.data(), batch_);
    return y_.get(y_size(), "y");
  }

  /// dx, if it is wanted, and then the gradient of each parameter, for the x of the last forward().
  /// Their memory held NaN before.
  std::vector<NamedValues> backward(const Values& dy, bool want_dx = true) {
    CHECK_EQUAL(dy.size(), y_size());
    dy_.set(dy);
    dx_.set({});
    for (GuardedBuffer& gradient : gradients_) gradient.set({});
    layer_->backward(x_.data(), y_.data(), dy_.data(), want_dx ? dx_.data() : nullptr, batch_);
    dy_.get(y_size(), "dy");
    std::vector<NamedValues> all;
    if (want_dx) all.push_back({"dx", dx_.get(x_size(), "dx")});
    for (size_t i = 0; i < gradients_.size(); ++i) {
      const std::string name = gradient_name(parameters()[i].name);
      all.push_back({name, gradients_[i].get(gradients_[i].size(), name)});
    }
    return all;
  }

  /// "forward.dkernel" for "forward.kernel"
  static std::string gradient_name(std::string name) {
    return name.insert(name.rfind('.') + 1, 1, 'd');
  }

 private:
  int batch_;
  LayerPointer layer_;
  size_t input_size_;
  Shape output_shape_;
  size_t output_size_;
  GuardedBuffer x_, y_, dx_, dy_;
  std::vector<GuardedBuffer> values_, gradients_;
};

}  // namespace plainnet::TARGET
