// What descriptions of layers say without a device.

#include "network/models.h"
#include "tests/test.h"

namespace plainnet {
namespace {

template <class Layer>
std::string shape(const Layer& layer, Shape input) {
  const Shape output = layer.output(input);
  return text(output.height, "x", output.width, "x", output.channels);
}

TEST("layers: shapes of the output") {
  CHECK_EQUAL(shape(Conv2d{.filters = 4, .window = {5, 3}}, {28, 27, 3}), "24x25x4");
  CHECK_EQUAL(shape(Conv2d{.filters = 4, .window = 3, .stride = 2}, {8, 7, 1}), "3x3x4");
  CHECK_EQUAL(shape(Conv2d{.filters = 4, .window = 3, .stride = 2, .padding = kSame}, {8, 7, 1}), "4x4x4");
  CHECK_EQUAL(shape(Conv2d{.filters = 2, .window = 1}, {8, 7, 1}), "8x7x2");
  CHECK_EQUAL(shape(DepthwiseConv2d{.window = {2, 5}}, {8, 7, 6}), "7x3x6");
  CHECK_EQUAL(shape(DepthwiseConv2d{.window = 9, .padding = kSame}, {8, 7, 6}), "8x7x6");
  CHECK_EQUAL(shape(MaxPool2d{.window = 2, .stride = 2}, {7, 8, 6}), "3x4x6");
  CHECK_EQUAL(shape(MaxPool2d{.window = 3, .stride = 1}, {7, 8, 6}), "5x6x6");
  CHECK_EQUAL(shape(Dense{.units = 10}, {7, 8, 6}), "1x1x10");
  CHECK_EQUAL(shape(Lstm{.units = 5}, {7, 8, 6}), "1x1x5");
  CHECK_EQUAL(shape(Bidirectional{Lstm{.units = 5}}, {7, 8, 6}), "1x1x10");
  CHECK_EQUAL(shape(Lstm{.units = 5, .return_sequences = true}, {7, 8, 6}), "7x1x5");
}

// TensorFlow's definition ("same" of tf.nn.convolution): (output - 1) stride + window - input zeros in all, none
// if that is negative, half of them before the input, rounded down.
TEST("layers: where the zeros of \"same\" padding lie") {
  const auto zeros_before = [](int input, int window, int stride) {
    return window_axis("conv2d", input, window, stride, kSame).before;
  };
  CHECK_EQUAL(zeros_before(5, 3, 1), 1);
  CHECK_EQUAL(zeros_before(5, 4, 1), 1);  // 3 in all
  CHECK_EQUAL(zeros_before(6, 3, 2), 0);  // 1 in all
  CHECK_EQUAL(zeros_before(7, 3, 2), 1);  // 2 in all
  CHECK_EQUAL(zeros_before(2, 7, 1), 3);
  CHECK_EQUAL(zeros_before(5, 1, 1), 0);
  CHECK_EQUAL(zeros_before(8, 1, 4), 0);  // -3 in all
}

TEST("layers: a window that does not fit is refused") {
  CHECK_ERROR((Conv2d{.filters = 1, .window = {2, 5}}.output({9, 4, 1})), "conv2d", "expected", "at least 5",
              "found 4");
  CHECK_ERROR(DepthwiseConv2d{.window = 5}.output({4, 9, 1}), "depthwise_conv2d", "at least 5", "found 4");
  CHECK_ERROR((MaxPool2d{.window = 2, .stride = 2}.output({1, 9, 1})), "max_pool2d", "at least 2", "found 1");
  CHECK_ERROR((Conv2d{.filters = 1, .window = 0}.output({4, 4, 1})), "conv2d", "expected", "found 0");
  CHECK_ERROR((Conv2d{.filters = 1, .window = 1, .stride = 0}.output({4, 4, 1})), "conv2d", "expected", "and 0");
}

TEST("models: a list of layers whose shapes do not fit is refused") {
  CHECK_ERROR(name_layers({Conv2d{.filters = 2, .window = 3}, MaxPool2d{.window = 2, .stride = 2},
                           Conv2d{.filters = 3, .window = 3}},
                          {5, 5, 1}),
              "images of 5x5", "conv2d", "at least 3", "found 1");
}

TEST("models: a network whose last layer does not make a number for each class is refused") {
  const auto layers = [](int units) { return name_layers({Dense{.units = units}}, {5, 5, 1}); };
  expect_classes("ten", layers(10), 10);
  CHECK_ERROR(expect_classes("few", layers(5), 10), "model few: expected a last layer of 10 outputs, found 5");
  CHECK_ERROR(expect_classes("many", layers(12), 3), "expected a last layer of 3 outputs, found 12");
  CHECK_ERROR(expect_classes("sequence", name_layers({Lstm{.units = 10, .return_sequences = true}}, {5, 5, 1}), 10),
              "found 50");
  for (const int classes : {2, 10, 256})
    for (const Model& model : models(classes))
      expect_classes(model.name, name_layers(model.layers, {28, 28, 1}), classes);
}

TEST("models: an unknown name is refused with those that there are") {
  CHECK_ERROR(find_model("rnn"), "cnn, separable, bilstm or mlp", "found \"rnn\"");
}

}  // namespace
}  // namespace plainnet
