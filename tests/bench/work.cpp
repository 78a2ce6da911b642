// Counted are the multiply-adds of the formulas at the head of each layer's file, of which there
// are thousands for each number of an image; not counted is what happens once to each number:
// biases, ReLUs, maxima, the gates of an LSTM. That time is in the measurement, and lowers the
// rate.
//
// A pooling hands a gradient to one pixel of its window and zero to the others. Multiply-adds with
// these zeros are not counted; those with the zeros of a ReLU are, for their number depends on the
// data. A kernel that leaves them out, too, can seem to be faster than the machine.
//
// Bytes are those that cannot be avoided, if the caches keep what is needed again: x and y, their
// gradients, the parameters and theirs, once each. What a layer keeps for itself between its
// kernels is not counted either.

#include "base/error.h"
#include "tests/bench/bench.h"

namespace plainnet::bench {
namespace {

constexpr double kBytes = sizeof(float);

// Multiply-adds for one image: of x with a kernel, of those the ones whose gradient is not zero, and
// of an LSTM's output with its recurrent kernel.
struct Products {
  double input, with_gradient = input, recurrent = 0;
};

Products products(const LayerInfo& layer) {
  const Shape in = layer.input, out = layer.output;
  const std::vector<int64_t>& kernel = layer.parameters.at(0);
  if (layer.type == "dense")  // [in][out]
    return {1.0 * kernel[0] * kernel[1]};
  if (layer.type == "depthwise_conv2d")  // [kh][kw][channels][1]: one channel meets one filter
    return {1.0 * out.size() * kernel[0] * kernel[1]};
  if (layer.type == "conv2d") {  // [kh][kw][in][out], at each pixel before pooling
    const double pixels = 1.0 * (in.height - kernel[0] + 1) * (in.width - kernel[1] + 1);
    return {pixels * product(kernel), 1.0 * out.height * out.width * product(kernel)};
  }
  if (layer.type == "lstm" || layer.type == "bidirectional") {
    // [in][4u] at each step, and [u][4u] at each but the first, whose h is zero; the same for each
    // direction, which has a kernel, a recurrent kernel and a bias.
    const double directions = layer.parameters.size() / 3, steps = in.height;
    const double input = directions * steps * product(kernel);
    return {input, input, directions * (steps - 1) * product(layer.parameters.at(1))};
  }
  throw Error(
      text("operations of a layer: expected conv2d, depthwise_conv2d, dense, lstm or "
           "bidirectional, found ",
           layer.type));
}

double parameter_count(const LayerInfo& layer) {
  double count = 0;
  for (const auto& shape : layer.parameters) count += product(shape);
  return count;
}

}  // namespace

Work forward_work(const LayerInfo& layer, int batch) {
  const Products p = products(layer);
  return {2 * batch * (p.input + p.recurrent),
          kBytes * (batch * (layer.input.size() + layer.output.size()) + parameter_count(layer))};
}

// dkernel takes as many products as y, and dx as many again. Through time the gradient goes back
// whether dx is wanted or not.
Work backward_work(const LayerInfo& layer, int batch) {
  const Products p = products(layer);
  const double sums = layer.is_first ? 1 : 2;  // dkernel, and dx
  return {2 * batch * (sums * p.with_gradient + 2 * p.recurrent),
          kBytes * (batch * (sums * layer.input.size() + 2 * layer.output.size()) +
                    2 * parameter_count(layer))};
}

}  // namespace plainnet::bench
