// The layers: shapes, parameters, what they compute in training and in inference, what
// they refuse.
#include "ir/language/layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace cnnc {
namespace {

constexpr std::int64_t kMaxRows = 8;

struct Built {
  Graph graph;
  std::vector<Parameter> parameters;
};

/// `layer` with `given` arguments on inputs x0, x1, ... of `shapes` (batch in front), its value as
/// output y.
Built build(const std::string& layer, std::vector<Dims> shapes, const Attributes& given = {},
            Mode mode = Mode::train) {
  const Language language = Language::standard();
  const LayerDef& def = *language.layers.at(layer);
  Attributes arguments;
  for (const ArgumentDef& argument : def.arguments) {
    const AttributeValue* value = given.find(argument.name);
    CNNC_CHECK(value != nullptr || argument.fallback, "test gives no {}", argument.name);
    arguments.set(argument.name, value != nullptr ? *value : *argument.fallback);
  }
  Builder builder(language.ops, "test", kMaxRows);
  builder.set_label(layer + "1");
  std::vector<Value> inputs;
  for (Dims& dims : shapes) {
    dims.insert(dims.begin(), kBatch);
    inputs.push_back(
        builder.input(fmt::format("x{}", inputs.size()), "data", {ScalarType::f64, dims}));
  }
  Built built;
  LayerContext context(builder, mode, ScalarType::f64, layer + "1", arguments, inputs,
                       built.parameters);
  builder.output("y", def.build(context));
  built.graph = std::move(builder).build();
  verify(built.graph, "test");
  return built;
}

Dims output_dims(const Built& built) { return built.graph.type(*built.graph.output("y")).dims; }

/// name: type, a line a parameter, with `(state)` where it is one.
std::vector<std::string> parameters(const Built& built) {
  std::vector<std::string> lines;
  for (const Parameter& parameter : built.parameters) {
    lines.push_back(fmt::format("{} {}{}", parameter.name, to_string(parameter.type.dims),
                                parameter.trained ? "" : " (state)"));
  }
  return lines;
}

Tensor random_tensor(Dims dims, std::uint64_t seed, double low = -1, double high = 1) {
  Tensor tensor({ScalarType::f64, std::move(dims)});
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  for (double& value : tensor.data<double>()) value = uniform(random);
  return tensor;
}

Tensor whole(Dims dims, const std::vector<std::int64_t>& values) {
  Tensor tensor({ScalarType::i64, std::move(dims)});
  std::ranges::copy(values, tensor.data<std::int64_t>().begin());
  return tensor;
}

std::string complaint(const std::string& layer, std::vector<Dims> shapes,
                      const Attributes& given = {}) {
  try {
    build(layer, std::move(shapes), given);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

using testing::ElementsAre;
using testing::HasSubstr;

TEST(conv, has_weights_a_bias_and_the_padded_shape) {
  const Built built =
      build("conv", {{28, 28, 3}}, {{"channels", 32}, {"size", Dims{3, 5}}, {"pad", Dims{1, 2}}});
  EXPECT_EQ(output_dims(built), (Dims{kBatch, 28, 28, 32}));
  EXPECT_THAT(parameters(built), ElementsAre("conv1.weight [3,5,3,32]", "conv1.bias [32]"));
  EXPECT_EQ(built.parameters[0].initializer.kind, Initializer::Kind::he_normal);
  EXPECT_EQ(built.parameters[0].initializer.fan_in, 45);
  EXPECT_EQ(built.parameters[1].initializer.kind, Initializer::Kind::zeros);
}

TEST(conv, takes_stride_dilation_and_groups) {
  const Built built = build("conv", {{9, 9, 4}},
                            {{"channels", 6},
                             {"size", Dims{3, 3}},
                             {"stride", Dims{2, 1}},
                             {"dilation", Dims{1, 2}},
                             {"groups", 2},
                             {"bias", false}});
  EXPECT_EQ(output_dims(built), (Dims{kBatch, 4, 5, 6}));
  EXPECT_THAT(parameters(built), ElementsAre("conv1.weight [3,3,2,6]"));
  EXPECT_EQ(built.parameters[0].initializer.fan_in, 18);
}

TEST(conv, shows_both_shapes_where_they_do_not_fit) {
  EXPECT_EQ(complaint("conv", {{3, 3, 8}}, {{"channels", 4}, {"size", Dims{5, 5}}}),
            "conv: kernel 5x5 does not fit the 3x3x8 input (pad 0)");
  EXPECT_EQ(
      complaint(
          "conv", {{3, 3, 8}},
          {{"channels", 4}, {"size", Dims{3, 3}}, {"dilation", Dims{4, 4}}, {"pad", Dims{1, 1}}}),
      "conv: kernel 3x3 does not fit the 3x3x8 input (pad 1, dilation 4x4)");
  EXPECT_THAT(
      complaint("conv", {{3, 3, 8}}, {{"channels", 4}, {"size", Dims{3, 3}}, {"groups", 3}}),
      HasSubstr("3 groups do not divide the 8 channels of the 3x3x8 input"));
  EXPECT_EQ(complaint("conv", {{12}}, {{"channels", 4}, {"size", Dims{3, 3}}}),
            "conv: needs a height x width x channels input, not 12");
}

TEST(dense, has_weights_and_a_bias) {
  const Built built = build("dense", {{12}}, {{"units", 5}});
  EXPECT_EQ(output_dims(built), (Dims{kBatch, 5}));
  EXPECT_THAT(parameters(built), ElementsAre("dense1.weight [12,5]", "dense1.bias [5]"));
  EXPECT_EQ(built.parameters[0].initializer.fan_in, 12);
}

TEST(dense, asks_for_flatten) {
  EXPECT_EQ(complaint("dense", {{7, 7, 64}}, {{"units", 5}}),
            "dense: the 7x7x64 input is not flat; put flatten before dense");
}

TEST(maxpool, steps_by_its_size_unless_told) {
  EXPECT_EQ(output_dims(build("maxpool", {{7, 9, 3}}, {{"size", Dims{2, 3}}})),
            (Dims{kBatch, 3, 3, 3}));
  EXPECT_EQ(output_dims(build("maxpool", {{7, 9, 3}},
                              {{"size", Dims{3, 3}}, {"stride", Dims{1, 2}}, {"pad", Dims{1, 0}}})),
            (Dims{kBatch, 7, 4, 3}));
}

TEST(maxpool, refuses_windows_that_could_miss_the_input) {
  EXPECT_EQ(complaint("maxpool", {{4, 4, 3}}, {{"size", Dims{2, 2}}, {"pad", Dims{2, 2}}}),
            "maxpool: pad 2 is not smaller than the 2x2 window");
  EXPECT_EQ(complaint("avgpool", {{4, 4, 3}}, {{"size", Dims{5, 2}}}),
            "avgpool: kernel 5x2 does not fit the 4x4x3 input (pad 0)");
}

TEST(flatten, keeps_every_value) {
  EXPECT_EQ(output_dims(build("flatten", {{7, 5, 2}})), (Dims{kBatch, 70}));
  EXPECT_EQ(output_dims(build("flatten", {{70}})), (Dims{kBatch, 70}));
}

TEST(add, wants_equal_shapes) {
  EXPECT_EQ(output_dims(build("add", {{4, 4, 3}, {4, 4, 3}, {4, 4, 3}})), (Dims{kBatch, 4, 4, 3}));
  EXPECT_EQ(complaint("add", {{4, 4, 3}, {4, 4, 1}}), "add: 4x4x3 and 4x4x1 differ in shape");
  EXPECT_EQ(complaint("add", {{4, 4, 3}}),
            "add: needs at least one further value, as in `-> add(skip)`");
}

TEST(concat, joins_channels) {
  EXPECT_EQ(output_dims(build("concat", {{4, 4, 3}, {4, 4, 1}})), (Dims{kBatch, 4, 4, 4}));
  EXPECT_EQ(complaint("concat", {{4, 4, 3}, {4, 5, 3}}),
            "concat: 4x4x3 and 4x5x3 differ in more than their channels");
  EXPECT_EQ(complaint("concat", {{4, 4, 3}, {3}}),
            "concat: 4x4x3 and 3 differ in more than their channels");
}

TEST(softmax, sums_to_one) {
  const Built built = build("softmax", {{5}});
  const auto y = interpret(built.graph, {{"x0", random_tensor({3, 5}, 1, -30, 30)}}, 3).at("y");
  for (std::int64_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (std::int64_t i = 0; i < 5; ++i) sum += y.get(row * 5 + i);
    EXPECT_NEAR(sum, 1, 1e-14);
  }
}

struct ChannelStatistics {
  double mean = 0, squares = 0;  // of the distances from the mean
};

ChannelStatistics statistics(const Tensor& x, std::int64_t channel) {
  const std::int64_t channels = x.dims().back(), count = x.size() / channels;
  ChannelStatistics result;
  for (std::int64_t i = 0; i < count; ++i)
    result.mean += x.get(i * channels + channel) / static_cast<double>(count);
  for (std::int64_t i = 0; i < count; ++i)
    result.squares += std::pow(x.get(i * channels + channel) - result.mean, 2);
  return result;
}

/// Training on 3 rows of a batch of 8, against plain arithmetic.
void expect_batch_norm_is_right(Dims sample) {
  const std::int64_t channels = sample.back();
  const Built built = build("batch_norm", {sample}, {{"momentum", 0.25}, {"eps", 0.01}});
  EXPECT_EQ(parameters(built).size(), 4U);
  sample.insert(sample.begin(), 3);
  const Tensor x = random_tensor(sample, 1), weight = random_tensor({channels}, 2),
               bias = random_tensor({channels}, 3), mean = random_tensor({channels}, 4),
               variance = random_tensor({channels}, 5, 0.5, 2);
  const auto outputs = interpret(built.graph,
                                 {{"x0", x},
                                  {"batch_norm1.weight", weight},
                                  {"batch_norm1.bias", bias},
                                  {"batch_norm1.running_mean", mean},
                                  {"batch_norm1.running_var", variance},
                                  {"count", whole({}, {3})}},
                                 3);
  const auto count = static_cast<double>(x.size() / channels);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t c = i % channels;
    const ChannelStatistics s = statistics(x, c);
    const double normal = (x.get(i) - s.mean) / std::sqrt(s.squares / count + 0.01);
    EXPECT_NEAR(outputs.at("y").get(i), normal * weight.get(c) + bias.get(c), 1e-12);
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const ChannelStatistics s = statistics(x, c);
    EXPECT_NEAR(outputs.at("batch_norm1.running_mean").get(c), 0.75 * mean.get(c) + 0.25 * s.mean,
                1e-14);
    EXPECT_NEAR(outputs.at("batch_norm1.running_var").get(c),
                0.75 * variance.get(c) + 0.25 * s.squares / (count - 1), 1e-14);
  }
}

TEST(batch_norm, normalises_images_by_channel_and_moves_the_statistics) {
  expect_batch_norm_is_right({4, 2, 3});
}
TEST(batch_norm, normalises_rows) { expect_batch_norm_is_right({5}); }

TEST(batch_norm, a_last_batch_of_one_row_leaves_the_statistics_alone) {
  const Built built = build("batch_norm", {{2}}, {{"momentum", 0.25}});
  const Tensor mean = random_tensor({2}, 1), variance = random_tensor({2}, 2, 0.5, 2);
  const auto outputs = interpret(built.graph,
                                 {{"x0", random_tensor({1, 2}, 3)},
                                  {"batch_norm1.weight", random_tensor({2}, 4)},
                                  {"batch_norm1.bias", random_tensor({2}, 5)},
                                  {"batch_norm1.running_mean", mean},
                                  {"batch_norm1.running_var", variance},
                                  {"count", whole({}, {1})}},
                                 1);
  for (std::int64_t c = 0; c < 2; ++c) {
    EXPECT_EQ(outputs.at("batch_norm1.running_mean").get(c), mean.get(c));
    EXPECT_EQ(outputs.at("batch_norm1.running_var").get(c), variance.get(c));
  }
}

TEST(batch_norm, has_two_parameters_and_two_states) {
  const Built built = build("batch_norm", {{4, 4, 3}});
  EXPECT_THAT(parameters(built), ElementsAre("batch_norm1.weight [3]", "batch_norm1.bias [3]",
                                             "batch_norm1.running_mean [3] (state)",
                                             "batch_norm1.running_var [3] (state)"));
  EXPECT_EQ(built.parameters[0].initializer.kind, Initializer::Kind::ones);
  EXPECT_EQ(built.parameters[2].initializer.kind, Initializer::Kind::zeros);
  EXPECT_EQ(built.parameters[3].initializer.kind, Initializer::Kind::ones);
}

TEST(batch_norm, infers_with_the_running_statistics) {
  const Built built = build("batch_norm", {{2}}, {{"eps", 0.5}}, Mode::infer);
  EXPECT_FALSE(built.graph.output("batch_norm1.running_mean").has_value());
  const Tensor x = random_tensor({3, 2}, 1), mean = random_tensor({2}, 4),
               variance = random_tensor({2}, 5, 0.5, 2);
  const auto y = interpret(built.graph,
                           {{"x0", x},
                            {"batch_norm1.weight", random_tensor({2}, 6, 2, 2)},
                            {"batch_norm1.bias", random_tensor({2}, 7, 3, 3)},
                            {"batch_norm1.running_mean", mean},
                            {"batch_norm1.running_var", variance}},
                           3)
                     .at("y");
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(y.get(i),
                (x.get(i) - mean.get(i % 2)) / std::sqrt(variance.get(i % 2) + 0.5) * 2 + 3, 1e-14);
  }
}

/// Rows of ones through dropout, a row for each of the sample numbers.
Tensor dropped(const std::vector<std::int64_t>& samples, std::int64_t seed = 1,
               std::int64_t step = 1) {
  const Built built = build("dropout", {{10, 10, 10}}, {{"rate", 0.25}});
  const auto rows = static_cast<std::int64_t>(samples.size());
  return interpret(built.graph,
                   {{"x0", random_tensor({rows, 10, 10, 10}, 1, 1, 1)},
                    {"seed", whole({}, {seed})},
                    {"step", whole({}, {step})},
                    {"sample", whole({rows}, samples)}},
                   rows)
      .at("y");
}

std::vector<double> row_of(const Tensor& tensor, std::int64_t row) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < 1000; ++i) values.push_back(tensor.get(row * 1000 + i));
  return values;
}

TEST(dropout, is_keyed_by_sample_not_by_row) {
  const Tensor some = dropped({7, 3, 11}), others = dropped({11, 7});
  EXPECT_EQ(row_of(some, 0), row_of(others, 1));
  EXPECT_EQ(row_of(some, 2), row_of(others, 0));
  EXPECT_NE(row_of(some, 0), row_of(some, 1));
}

TEST(dropout, is_keyed_by_seed_and_step) {
  EXPECT_NE(row_of(dropped({7}), 0), row_of(dropped({7}, 2), 0));
  EXPECT_NE(row_of(dropped({7}), 0), row_of(dropped({7}, 1, 2), 0));
  EXPECT_EQ(row_of(dropped({7}), 0), row_of(dropped({7}), 0));
}

TEST(dropout, zeroes_its_share_and_scales_the_rest) {
  const Tensor y = dropped({1, 2, 3, 4});
  int zeros = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    if (y.get(i) == 0) {
      ++zeros;
    } else {
      EXPECT_DOUBLE_EQ(y.get(i), 1 / 0.75);
    }
  }
  EXPECT_NEAR(zeros, 1000, 137) << "of 4000; five standard deviations are 137";
}

TEST(dropout, differs_between_layers) {
  const Language language = Language::standard();
  Builder builder(language.ops, "two", kMaxRows);
  const Attributes arguments{{"rate", 0.5}};
  std::vector<Parameter> none;
  const Value x = builder.input("x0", "data", {ScalarType::f64, {kBatch, 10}});
  std::vector<Value> values;
  for (const std::string name : {"dropout1", "dropout2"}) {
    LayerContext context(builder, Mode::train, ScalarType::f64, name, arguments, {x}, none);
    values.push_back(language.layers.at("dropout")->build(context));
  }
  EXPECT_NE(values[0], values[1]);
}

TEST(dropout, does_nothing_in_inference_or_at_rate_zero) {
  EXPECT_EQ(build("dropout", {{4}}, {{"rate", 0.5}}, Mode::infer).graph.nodes.size(), 1U);
  EXPECT_EQ(build("dropout", {{4}}, {{"rate", 0.0}}).graph.nodes.size(), 1U);
}

TEST(language, describes_everything_that_it_offers) {
  const Language language = Language::standard();
  EXPECT_EQ(language.layers.size(), 11U);
  for (const auto& [name, layer] : language.layers) {
    EXPECT_FALSE(layer->description.empty()) << name;
    for (const ArgumentDef& argument : layer->arguments)
      EXPECT_FALSE(argument.description.empty()) << name << " " << argument.name;
  }
  for (const auto& [name, optimizer] : language.optimizers)
    EXPECT_FALSE(optimizer->description.empty()) << name;
  for (const auto& [name, loss] : language.losses) EXPECT_FALSE(loss->description.empty()) << name;
  for (const auto& [name, schedule] : language.schedules)
    EXPECT_FALSE(schedule->description.empty()) << name;
}

}  // namespace
}  // namespace cnnc
