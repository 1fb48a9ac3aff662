#include "tests/bench/kernel_cases.h"

namespace cnnc::bench {
namespace {

/// Images a call. More where images are small, so that a call takes long enough to be measured.
constexpr std::int64_t kImages = 32, kRows = 128;

TensorType f32(Dims dims) { return {ScalarType::f32, std::move(dims)}; }

struct Operand {
  TensorType type;
  bool weight = false;
};

/// A graph of one op: inputs x0, x1 ..., outputs y0 ...
Graph one_op(std::string_view op, const std::vector<Operand>& operands, Attributes attributes,
             std::int64_t batch) {
  Builder builder(OpTable::standard(), "kernel", batch);
  builder.set_label("layer");
  std::vector<Value> values;
  for (std::size_t i = 0; i < operands.size(); ++i)
    values.push_back(builder.input(fmt::format("x{}", i), operands[i].weight ? "parameter" : "data",
                                   operands[i].type));
  const auto results = builder.ops_of(op, values, std::move(attributes));
  for (std::size_t i = 0; i < results.size(); ++i)
    builder.output(fmt::format("y{}", i), results[i]);
  return std::move(builder).build();
}

TensorType result_of(const Graph& graph) { return graph.type(graph.outputs.front().value); }

struct Conv {
  std::int64_t size, in, out, kernel, stride;  // size: height and width of the images
  bool depthwise = false;
};

void add_conv(std::vector<KernelCase>& cases, const Conv& conv, std::int64_t batch) {
  const Dims images{kBatch, conv.size, conv.size, conv.in};
  const std::int64_t pad = conv.kernel / 2, groups = conv.depthwise ? conv.in : 1;
  const Operand x{f32(images)},
      w{f32({conv.kernel, conv.kernel, conv.in / groups, conv.out}), true};
  const Attributes attributes{{"stride", Dims{conv.stride, conv.stride}},
                              {"pad", Dims{pad, pad, pad, pad}},
                              {"dilation", Dims{1, 1}},
                              {"groups", groups}};
  const std::string shape = fmt::format("{0}x{0}/{1}x{1}x{2}to{3}/stride:{4}", conv.kernel,
                                        conv.size, conv.in, conv.out, conv.stride);
  const char* kind = conv.depthwise ? "depthwise" : "conv";
  const auto add = [&](const char* part, Graph graph) {
    cases.push_back({fmt::format("{}/{}/{}", kind, part, shape), std::move(graph)});
  };
  Graph forward = one_op("conv2d", {x, w}, attributes, batch);
  const Operand gradient{result_of(forward)};
  add("forward", std::move(forward));
  Attributes for_input = attributes, for_weight = attributes;
  for_input.set("input", Dims{conv.size, conv.size, conv.in});
  for_weight.set("kernel", Dims{conv.kernel, conv.kernel});
  add("input_gradient", one_op("conv2d_input_gradient", {gradient, w}, for_input, batch));
  add("weight_gradient", one_op("conv2d_weight_gradient", {x, gradient}, for_weight, batch));
}

void add_dense(std::vector<KernelCase>& cases, std::int64_t in, std::int64_t out) {
  const Operand x{f32({kBatch, in})}, w{f32({in, out}), true}, y{f32({kBatch, out})};
  const auto add = [&](const char* part, const Operand& a, const Operand& b, bool ta, bool tb) {
    cases.push_back({fmt::format("dense/{}/{}to{}", part, in, out),
                     one_op("matmul", {a, b}, {{"transpose_a", ta}, {"transpose_b", tb}}, kRows)});
  };
  add("forward", x, w, false, false);
  add("input_gradient", y, w, false, true);
  add("weight_gradient", x, y, true, false);
}

void add_pool(std::vector<KernelCase>& cases, const std::string& op, std::int64_t channels,
              std::int64_t window) {
  constexpr std::int64_t kSize = 24;
  const Attributes attributes{
      {"size", Dims{window, window}}, {"stride", Dims{window, window}}, {"pad", Dims{0, 0, 0, 0}}};
  const Operand x{f32({kBatch, kSize, kSize, channels})};
  const std::string shape = fmt::format("{0}x{0}/{1}x{1}x{2}", window, kSize, channels);
  Graph forward = one_op(op, {x}, attributes, kImages);
  std::vector<Operand> operands{{result_of(forward)}};
  if (op == "maxpool") operands.push_back({{ScalarType::u8, operands.front().type.dims}});
  cases.push_back({fmt::format("{}/forward/{}", op, shape), std::move(forward)});
  Attributes backward = attributes;
  backward.set("input", Dims{kSize, kSize, channels});
  cases.push_back({fmt::format("{}/gradient/{}", op, shape),
                   one_op(op + "_gradient", operands, backward, kImages)});
}

/// A border of one zero around images: what padded convolutions do first.
void add_pad(std::vector<KernelCase>& cases, std::int64_t channels) {
  const Attributes attributes{{"low", Dims{0, 1, 1, 0}}, {"high", Dims{0, 1, 1, 0}}};
  cases.push_back({fmt::format("pad/28x28x{}", channels),
                   one_op("pad", {{f32({kBatch, 28, 28, channels})}}, attributes, kImages)});
}

}  // namespace

std::vector<KernelCase> kernel_cases() {
  std::vector<KernelCase> cases;
  add_conv(cases, {.size = 28, .in = 1, .out = 32, .kernel = 3, .stride = 1}, kRows);   // MNIST's
  add_conv(cases, {.size = 14, .in = 32, .out = 64, .kernel = 3, .stride = 1}, kRows);  // two
  for (const std::int64_t channels : {1, 3, 7, 17, 33, 65})
    for (const std::int64_t kernel : {1, 3, 5, 7})
      for (const std::int64_t stride : {1, 2})
        add_conv(cases,
                 {.size = 28, .in = channels, .out = channels, .kernel = kernel, .stride = stride},
                 kImages);
  for (const std::int64_t channels : {7, 32, 65})
    for (const std::int64_t kernel : {3, 5})
      for (const std::int64_t stride : {1, 2})
        add_conv(cases,
                 {.size = 28,
                  .in = channels,
                  .out = channels,
                  .kernel = kernel,
                  .stride = stride,
                  .depthwise = true},
                 kImages);
  add_dense(cases, 3136, 128);
  add_dense(cases, 128, 10);
  for (const std::int64_t size : {1, 3, 17, 65, 257}) add_dense(cases, size, size);
  for (const std::int64_t channels : {1, 3, 7, 17, 32, 65}) add_pad(cases, channels);
  for (const char* op : {"maxpool", "avgpool"})
    for (const std::int64_t channels : {1, 7, 32, 65})
      for (const std::int64_t window : {2, 3}) add_pool(cases, op, channels, window);
  return cases;
}

}  // namespace cnnc::bench
