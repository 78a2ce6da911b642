// Counted are the multiply-adds of the formulas at the head of each layer's file, of which there are
// thousands for each number of an image; not counted is what happens once to each number: biases, ReLUs,
// maxima, the gates of an LSTM. That time is in the measurement, and lowers the rate.
//
// A pooling hands a gradient to one pixel of its window and zero to the others. Where one piece of code
// computes the convolution and the pooling, multiply-adds with these zeros are not counted; those with the
// zeros of a ReLU are, for their number depends on the data. A kernel that leaves them out, too, can seem
// to be faster than the machine.
//
// Bytes are those that cannot be avoided, if the caches keep what is needed again: x and y, their
// gradients, the parameters and theirs, once each. What a layer keeps for itself between its kernels is not
// counted either.

#include "base/error.h"
#include "tests/bench/bench.h"

namespace plainnet::bench {
namespace {

constexpr double kBytes = sizeof(float);

// Multiply-adds for one image: of x with weights, of those the ones whose gradient is not zero, and of an
// LSTM's output with its recurrent weights.
struct Products {
  double input, with_gradient, recurrent = 0;
};

Products products_of(const Conv2d& c, Shape x) {
  const double all = 1.0 * c.output(x).size() * c.window.height * c.window.width * x.channels;
  return {all, all};
}
Products products_of(const DepthwiseConv2d& d, Shape x) {
  const double all = 1.0 * d.output(x).size() * d.window.height * d.window.width;
  return {all, all};
}
Products products_of(const MaxPool2d&, Shape) { return {0, 0}; }
Products products_of(const Dense& d, Shape x) { return {1.0 * x.size() * d.units, 1.0 * x.size() * d.units}; }
// W at each step, and U at each but the first, whose h is zero.
Products products_of(const Lstm& l, Shape x) {
  const double input = 1.0 * x.height * Lstm::features(x) * 4 * l.units;
  return {input, input, (x.height - 1.0) * l.units * 4 * l.units};
}
Products products_of(const Bidirectional& b, Shape x) {
  const Products one = products_of(b.onward, x);
  return {2 * one.input, 2 * one.with_gradient, 2 * one.recurrent};
}

struct Total {
  Products products{0, 0};
  double parameters = 0;
  Shape output;
};

Total total(const Piece& piece) {
  Total all;
  all.output = piece.input;
  for (const LayerDescription& layer : piece.layers)
    std::visit([&](const auto& described) {
      const Products products = products_of(described, all.output);
      all.products.input += products.input;
      all.products.with_gradient += products.with_gradient;
      all.products.recurrent += products.recurrent;
      for (const ParameterDescription& p : described.parameters(all.output)) all.parameters += p.size();
      const Shape before = all.output;
      all.output = described.output(before);
      // One number of each pooling window has a gradient.
      if (piece.layers.size() > 1 && std::is_same_v<decltype(described), const MaxPool2d&>)
        all.products.with_gradient *= 1.0 * all.output.size() / before.size();
    }, layer);
  return all;
}

}  // namespace

Work forward_work(const Piece& piece, int batch) {
  const Total all = total(piece);
  return {2 * batch * (all.products.input + all.products.recurrent),
          kBytes * (batch * (piece.input.size() + all.output.size()) + all.parameters)};
}

// dweight takes as many products as y, and dx as many again. Through time the gradient goes back whether dx
// is wanted or not.
Work backward_work(const Piece& piece, int batch) {
  const Total all = total(piece);
  const double sums = piece.is_first ? 1 : 2;  // dweight, and dx
  return {2 * batch * (sums * all.products.with_gradient + 2 * all.products.recurrent),
          kBytes * (batch * (sums * piece.input.size() + 2 * all.output.size()) + 2 * all.parameters)};
}

}  // namespace plainnet::bench
