#pragma once

// Runs the code of a layer, or of two that follow each other, on numbers of the host, in memory that catches
// what it must not do.

#include <cstring>
#include <limits>

#include "kernels/fast/layers.h"
#include "tests/target_test.h"
#include "tests/values.h"

namespace plainnet::TARGET {

using test::NamedValues;
using test::Values;

/// Device memory in which everything that the test did not set is `fill`, and a border of it lies on both
/// sides. With NaN, whoever uses a number that is not his spoils his result; with another number, whoever
/// adds to one changes it, which NaN would hide.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size, real fill = std::numeric_limits<real>::quiet_NaN())
      : size_(size), fill_(fill), buffer_(size + 2 * kBorder) {
    set({});
  }

  real* data() const { return buffer_.data() + kBorder; }
  size_t size() const { return size_; }

  /// Sets the first elements, the others to `fill`.
  void set(const Values& values) {
    CHECK(values.size() <= size_, values.size(), " values for ", size_);
    std::vector<real> all(buffer_.size(), fill_);
    for (size_t i = 0; i < values.size(); ++i) all[kBorder + i] = static_cast<real>(values[i]);
    buffer_.upload(all);
  }

  /// The first `count` elements. Fails if one of the others, or of the border, was written.
  Values get(size_t count, const std::string& what) const {
    const std::vector<real> all = buffer_.download();
    for (size_t i = 0; i < all.size(); ++i)
      if (i < kBorder || i >= kBorder + count)
        CHECK(std::memcmp(&all[i], &fill_, sizeof(real)) == 0, what, ": of ", count,
              " elements, one was written at ", static_cast<long>(i) - static_cast<long>(kBorder));
    return {all.begin() + kBorder, all.begin() + kBorder + count};
  }

 private:
  static constexpr size_t kBorder = 16;  // keeps the 64-byte boundary that parameters begin on
  size_t size_;
  real fill_;
  Buffer<real> buffer_;
};

/// Where the layers' code comes from, by name.
inline const char* name_of(Kernels kernels) { return kernels == kPlain ? "plain" : "fast"; }

/// A Layer, its input, its output, and the gradients by them.
class LayerRun {
 public:
  /// For x of shape `input`, `batch` images in memory for `max_batch`, with `fill` where nothing is. On the
  /// cpu target, fast code may be one piece for two layers.
  LayerRun(const std::vector<LayerDescription>& layers, Shape input, int batch, int max_batch, Kernels kernels,
           real fill = std::numeric_limits<real>::quiet_NaN())
      : batch_(batch) {
    Shape shape = input;
    std::vector<Parameter> pointers;
    for (const LayerDescription& layer : layers)
      std::visit([&](const auto& described) {
        for (const ParameterDescription& parameter : described.parameters(shape)) {
          parameters_.push_back(parameter);
          values_.emplace_back(parameter.size(), fill);
          gradients_.emplace_back(parameter.size(), fill);
          pointers.push_back({values_.back().data(), gradients_.back().data()});
        }
        shape = described.output(shape);
      }, layer);
    output_ = shape;

    tensors_.push_back(Tensors(input, max_batch, fill));
    const Parameter* next = pointers.data();
    shape = input;
    for (size_t i = 0; i < layers.size();) {
      int taken = 1;
      code_.push_back(make_code(kernels, layers, i, shape, max_batch, next, &taken));
      for (const size_t end = i + taken; i < end; ++i)
        std::visit([&](const auto& layer) {
          next += layer.parameters(shape).size();
          shape = layer.output(shape);
        }, layers[i]);
      tensors_.push_back(Tensors(shape, max_batch, fill));
    }
  }

  /// The same for code that is there already, without parameters.
  LayerRun(LayerPointer code, Shape input, Shape output, int batch, int max_batch) : batch_(batch), output_(output) {
    code_.push_back(std::move(code));
    tensors_.push_back(Tensors(input, max_batch));
    tensors_.push_back(Tensors(output, max_batch));
  }

  /// For the calls that follow: up to max_batch.
  void set_batch(int batch) { batch_ = batch; }

  size_t x_size() const { return batch_ * tensors_.front().size; }
  size_t y_size() const { return batch_ * tensors_.back().size; }
  Shape output_shape() const { return output_; }
  const std::vector<ParameterDescription>& parameters() const { return parameters_; }
  void set_parameter(size_t i, const Values& values) {
    CHECK_EQUAL(values.size(), values_[i].size());
    values_[i].set(values);
  }

  /// y for x; nothing was in the output's memory before.
  Values forward(const Values& x) {
    CHECK_EQUAL(x.size(), x_size());
    tensors_[0].value.set(x);
    for (size_t i = 0; i < code_.size(); ++i) {
      tensors_[i + 1].value.set({});
      code_[i]->forward(tensors_[i].value.data(), tensors_[i + 1].value.data(), batch_);
    }
    return tensors_.back().value.get(y_size(), "y");
  }

  /// dx, if it is wanted, and then the gradient of each parameter, for the x of the last forward(). Nothing
  /// was in their memory before.
  std::vector<NamedValues> backward(const Values& dy, bool want_dx = true) {
    CHECK_EQUAL(dy.size(), y_size());
    tensors_.back().gradient.set(dy);
    for (GuardedBuffer& gradient : gradients_) gradient.set({});
    for (size_t i = code_.size(); i-- > 0;) {
      tensors_[i].gradient.set({});
      real* dx = i > 0 || want_dx ? tensors_[i].gradient.data() : nullptr;
      code_[i]->backward(tensors_[i].value.data(), tensors_[i + 1].value.data(), tensors_[i + 1].gradient.data(),
                         dx, batch_);
      tensors_[i + 1].gradient.get(batch_ * tensors_[i + 1].size, "dy");
    }
    std::vector<NamedValues> all;
    if (want_dx) all.push_back({"dx", tensors_[0].gradient.get(x_size(), "dx")});
    for (size_t i = 0; i < gradients_.size(); ++i) {
      const std::string name = gradient_name(parameters_[i].name);
      all.push_back({name, gradients_[i].get(gradients_[i].size(), name)});
    }
    return all;
  }

  /// "forward.dkernel" for "forward.kernel"
  static std::string gradient_name(std::string name) { return name.insert(name.rfind('.') + 1, 1, 'd'); }

 private:
  // The numbers between two pieces of code, and the gradient by them.
  struct Tensors {
    Tensors(Shape shape, int max_batch, real fill = std::numeric_limits<real>::quiet_NaN())
        : size(shape.size()), value(max_batch * shape.size(), fill), gradient(max_batch * shape.size(), fill) {}
    size_t size;  // of an image
    GuardedBuffer value, gradient;
  };

  int batch_;
  Shape output_;
  std::vector<ParameterDescription> parameters_;
  std::vector<GuardedBuffer> values_, gradients_;
  std::vector<LayerPointer> code_;
  std::vector<Tensors> tensors_;  // x, what lies between, y
};

}  // namespace plainnet::TARGET
