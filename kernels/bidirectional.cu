// Two LSTMs (lstm.cu) over one sequence, one onward from its beginning and one in reverse from its end,
// each with weights of its own (Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997).
// Their outputs, of u units each, lie side by side. For image b, unit k, and each time t that is kept in y:
//
//   y[b][t][k]     = onward[b][t][k]
//   y[b][t][u + k] = reverse[b][t][k]
//
// (Where y holds the last step only, t is just a place, 0: onward has there its h at the end of x, reverse
// its h at the beginning.) So the gradients by the two outputs are the halves of dy; and as both read x, dx
// is the sum of theirs.

#include "kernels/bidirectional.h"

#include "kernels/common.h"
#include "kernels/layer.h"

namespace plainnet::TARGET {
namespace {

// A row r is one time of one image. A block writes y of one row.
__global__ void bidirectional_join(const real* onward,   // [rows][u]
                                   const real* reverse,  // [rows][u]
                                   int u,
                                   real* y) {  // [rows][2u]
  const int r = blockIdx.x;
  for (int k = threadIdx.x; k < u; k += blockDim.x) {
    y[at(r, k, 2 * u)] = onward[at(r, k, u)];
    y[at(r, u + k, 2 * u)] = reverse[at(r, k, u)];
  }
}

// The other way round, for gradients.
__global__ void bidirectional_split(const real* dy,  // [rows][2u]
                                    int u,
                                    real* dy_onward,     // [rows][u]
                                    real* dy_reverse) {  // [rows][u]
  const int r = blockIdx.x;
  for (int k = threadIdx.x; k < u; k += blockDim.x) {
    dy_onward[at(r, k, u)] = dy[at(r, k, 2 * u)];
    dy_reverse[at(r, k, u)] = dy[at(r, u + k, 2 * u)];
  }
}

// Here dx accumulates. A block adds one image.
__global__ void bidirectional_add(const real* dx_reverse,  // [batch][size]
                                  int size,
                                  real* dx) {  // [batch][size]: before, dx of onward; after, the sum
  const int b = blockIdx.x;
  for (int k = threadIdx.x; k < size; k += blockDim.x) dx[at(b, k, size)] += dx_reverse[at(b, k, size)];
}

class PlainBidirectional : public Layer {
 public:
  PlainBidirectional(const Bidirectional& both, Shape x, int max_batch, const Parameter* parameters)
      : units_(both.onward.units),
        kept_(both.output(x).height),
        x_size_(static_cast<int>(x.size())),
        onward_(plain_layer(both.onward, x, max_batch, parameters)),
        reverse_(plain_layer(both.reverse(), x, max_batch, parameters + 3)),  // each has W, U and a bias
        dx_reverse_(max_batch * x.size()) {
    for (Buffer<real>* half : {&y_onward_, &y_reverse_, &dy_onward_, &dy_reverse_})
      *half = Buffer<real>(size_t{1} * max_batch * kept_ * units_);
  }

  void forward(const real* x, real* y, int batch) override {
    onward_->forward(x, y_onward_.data(), batch);
    reverse_->forward(x, y_reverse_.data(), batch);
    launch(bidirectional_join, batch * kept_, threads(128), y_onward_.data(), y_reverse_.data(), units_,
           y);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    launch(bidirectional_split, batch * kept_, threads(128), dy, units_, dy_onward_.data(),
           dy_reverse_.data());
    onward_->backward(x, y_onward_.data(), dy_onward_.data(), dx, batch);
    reverse_->backward(x, y_reverse_.data(), dy_reverse_.data(), dx ? dx_reverse_.data() : nullptr, batch);
    if (dx) launch(bidirectional_add, batch, threads(128), dx_reverse_.data(), x_size_, dx);
  }

 private:
  int units_, kept_, x_size_;  // kept: the times of an image that are in y
  LayerPointer onward_, reverse_;
  Buffer<real> y_onward_, y_reverse_, dy_onward_, dy_reverse_;  // [max_batch][kept][u]
  Buffer<real> dx_reverse_;                                      // [max_batch] like x
};

}  // namespace

LayerPointer plain_layer(const Bidirectional& both, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<PlainBidirectional>(both, x, max_batch, parameters);
}

}  // namespace plainnet::TARGET
