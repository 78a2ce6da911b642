// The fast code against the plain one, at shapes drawn at random. Both compute the same sums in another
// order, so they agree to a few rounding errors: in double precision within 1e-12 of the largest number of
// a tensor, while a number that is left out, or taken from the wrong place, shows in the first digits.

#include "tests/layer_cases.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

constexpr int kShapes = kTargetName == "emulated_double" ? 30 : 300;

// Draws layers, and a shape of x that suits them. On the emulated target everything is small.
class Draw {
 public:
  explicit Draw(uint64_t number) : random_(7, number) {}

  LayerCase layer_case(int type) {
    LayerCase drawn{{}, {}, 0, 0, true};
    switch (type) {
      case 0:
        drawn.layers = {conv2d()};
        drawn.input = image(drawn.layers, 1, many(7));
        break;
      case 1:
        drawn.layers = {conv2d(), MaxPool2d{.window = 2, .stride = 2}};
        drawn.input = image(drawn.layers, 2, many(9));
        break;
      case 2:
      case 3:
        // With a stride of 1, what winograd.cu computes on the cpu target; with 2, long rows of windows.
        drawn.layers = {Conv2d{.filters = many(90), .window = kEmulated ? 2 : 5, .stride = from(1, 2),
                               .padding = padding(), .relu = coin()},
                        MaxPool2d{.window = 2, .stride = 2}};
        if (type == 2)
          drawn.input = image(drawn.layers, 2, 1, 80);  // some wider than those that are done row by row
        else
          drawn.input = image(drawn.layers, 2, kEmulated ? 3 : from(16, 60));
        break;
      case 4:
        drawn.layers = {DepthwiseConv2d{.window = size(), .stride = from(1, 3), .padding = padding(), .relu = coin()}};
        drawn.input = image(drawn.layers, 1, many(40));
        break;
      case 5:
        drawn.layers = {Dense{.units = many(70), .relu = coin()}};
        drawn.input = {1, 1, many(90)};
        break;
      default: {
        const Lstm lstm{.units = many(40), .return_sequences = coin(), .go_backwards = coin()};
        drawn.layers = {type == 6 ? LayerDescription(lstm) : LayerDescription(Bidirectional{lstm})};
        drawn.input = {from(1, kEmulated ? 3 : 6), 1, many(90)};
      }
    }
    // Of the images of a dense layer and the rows of an LSTM, more than are listed at once for the weights.
    drawn.batch = many(type < 5 ? 20 : 90);
    drawn.max_batch = drawn.batch + (coin() ? 0 : many(20));
    return drawn;
  }

  // No two of them are equal, as test::random_values() may be: where a window sees one number that is not zero,
  // so would be z of two windows, but for the rounding errors of winograd.cu.
  Values values(size_t count) {
    Values drawn(count);
    for (double& value : drawn) value = random_.uniform(-1, 1);
    return drawn;
  }

  bool coin() { return random_.below(2) == 1; }

  // Makes all parts of some size begin and end with zeros, as pictures do, and their rows.
  void blank_edges(Values& values, int part) {
    for (auto begin = values.begin(); begin != values.end(); begin += part) {
      std::fill(begin, begin + from(0, part), 0.0);
      std::fill(begin + part - from(0, part), begin + part, 0.0);
    }
  }

 private:
  static constexpr bool kEmulated = kTargetName == "emulated_double";

  int from(int low, int high) { return low + static_cast<int>(random_.below(high - low + 1)); }
  int many(int most) { return from(1, kEmulated ? std::min(most, 3) : most); }
  Size size() { return {from(1, kEmulated ? 2 : 5), from(1, kEmulated ? 2 : 5)}; }
  Padding padding() { return coin() ? kSame : kValid; }
  Conv2d conv2d() {
    return {.filters = many(60), .window = size(), .stride = from(1, 3), .padding = padding(), .relu = coin()};
  }

  // An image whose first output has at least `least` pixels each way.
  Shape image(const std::vector<LayerDescription>& layers, int least, int channels, int widest = 14) {
    for (;;) {
      const Shape input{from(1, kEmulated ? 4 : 14), from(1, kEmulated ? 4 : widest), channels};
      try {
        const Shape z = std::visit([&](const auto& layer) { return layer.output(input); }, layers[0]);
        if (z.height >= least && z.width >= least) return input;
      } catch (const Error&) {  // the window does not fit
      }
    }
  }

  Random random_;
};

void compare(const LayerCase& layer_case, Draw draw) {
  LayerRun plain(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kPlain);
  LayerRun fast(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kFast);
  // Where a bias is zero, as it is at first, so is z of a window that sees zeros only, of one channel at least;
  // and a ReLU lets no gradient through.
  const bool zero_bias = layer_case.input.channels == 1 && draw.coin();
  for (size_t i = 0; i < plain.parameters().size(); ++i) {
    Values values = draw.values(plain.parameters()[i].size());
    if (zero_bias && plain.parameters()[i].name == "bias") std::fill(values.begin(), values.end(), 0.0);
    plain.set_parameter(i, values);
    fast.set_parameter(i, values);
  }
  // Of many channels some are zero, rather than whole windows: their z are the same but for rounding errors of
  // winograd.cu, which then decide which of them is the largest. Of some sequences whole steps are.
  const Shape in = layer_case.input;
  const int row = in.channels < 4 ? in.width * in.channels : in.channels;
  // A smaller batch, as the last of an epoch, and one after it, find in the layers' memory what others left.
  for (const int batch : {layer_case.batch, (layer_case.batch + 1) / 2, layer_case.batch}) {
    plain.set_batch(batch);
    fast.set_batch(batch);
    Values x = draw.values(plain.x_size());
    const Values dy = draw.values(plain.y_size());
    if (draw.coin()) draw.blank_edges(x, row);
    if (in.width == 1 && draw.coin()) draw.blank_edges(x, in.height * row);
    const std::string what = layer_case.name() + ": ";
    test::check_close(what + "y", fast.forward(x), plain.forward(x), 1e-12);
    const bool want_dx = draw.coin();
    const std::vector<NamedValues> got = fast.backward(dy, want_dx), expected = plain.backward(dy, want_dx);
    for (size_t t = 0; t < got.size(); ++t)
      test::check_close(what + got[t].name, got[t].values, expected[t].values, 1e-12);
  }
}

struct Registrations {
  Registrations() {
    if constexpr (sizeof(real) == sizeof(double))
      TargetRegistration(text("fast agrees with plain at ", kShapes, " random shapes"), [] {
        for (int i = 0; i < kShapes; ++i) {
          Draw draw(i);
          const LayerCase layer_case = draw.layer_case(i % 8);
          compare(layer_case, draw);
        }
      });
  }
} const registrations;

}  // namespace
}  // namespace plainnet::TARGET
