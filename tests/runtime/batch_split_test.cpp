// A batch in two calls instead of one: the same rows, and gradients that add up.
#include <gtest/gtest.h>

#include "passes/lower/lower.h"
#include "tests/host_targets.h"
#include "tests/random/batch_split.h"
#include "tests/random/numbers.h"
#include "tests/random/op_layers.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kBatchSize = 18;  // more than two groups of samples

Model model(const std::string& layers, const std::string& loss) {
  return parse_model({"split.model", "model split { input(7x6x2) " + layers +
                                         " }\ntrain { data = mnist  loss = " + loss +
                                         "  optimizer = sgd(lr=0.5)  batch = 18  epochs = 1 }"},
                     random_language());
}

/// Every kind of sum over a batch: of a convolution, its bias, a dense layer, its bias.
const std::string kLayers =
    "-> conv(5, 3x3, pad=1) -> relu -> maxpool(2x2) -> dropout(0.25) -> conv(3, 2x2, stride=1x2)"
    " -> avgpool(2x1) -> flatten -> dense(4)";

Graph graph_of(const Model& model, Mode mode, ScalarType real) {
  return build_graph(model, random_language(), mode, kBatchSize, real).graph;
}

struct Split {
  std::string difference;
  std::int64_t compared = 0;
};

Split split(const Model& model, ScalarType real, Lane lane, const Configuration& configuration,
            std::int64_t count, std::int64_t first) {
  const Graph training = graph_of(model, Mode::train, real);
  const Tensors inputs =
      numbers_for(lower(training, host_target()), model, kBatchSize, count, lane, 1);
  Statistics statistics;
  Split result;
  result.difference =
      batch_split_difference(training, configuration, inputs, count, first, statistics);
  result.compared = statistics.compared;
  return result;
}

TEST(batch_split, gradient_of_a_mean_is_the_mean_of_the_gradients_of_both_halves) {
  const Model mean = model(kLayers + " -> softmax", "cross_entropy");
  for (const ScalarType real : {ScalarType::f32, ScalarType::f64})
    for (const Target& target : targets_of_this_machine())
      for (const std::int64_t count : {7, 18}) {
        const Split result =
            split(mean, real, Lane::real, {.target = target.name, .threads = 3}, count, 1);
        EXPECT_EQ(result.difference, "") << target.name << ", " << count << " rows";
        EXPECT_EQ(result.compared, 6) << "weights and biases";
      }
}

TEST(batch_split, gradient_of_a_sum_is_that_of_its_parts_wherever_they_end) {
  const Model sum = model(kLayers, "linear");
  for (const std::int64_t first : {1, 7, 8, 9, 17})  // about a group of samples, and the ends
    EXPECT_EQ(split(sum, ScalarType::f32, Lane::real, {}, kBatchSize, first).difference, "")
        << first;
}

TEST(batch_split, gradient_of_whole_numbers_is_that_of_its_parts_bit_for_bit) {
  const Model sum =
      model("-> conv(3, 3x3) -> relu -> maxpool(2x2) -> flatten -> dense(4)", "linear");
  const Split result = split(sum, ScalarType::f32, Lane::whole, {}, kBatchSize, 5);
  EXPECT_EQ(result.difference, "");
  EXPECT_EQ(result.compared, 4);
}

TEST(batch_split, rows_that_depend_on_each_other_are_not_expected_to_add_up) {
  const Model mixed = model("-> conv(3, 3x3) -> batch_norm -> flatten -> dense(4)", "linear");
  EXPECT_EQ(split(mixed, ScalarType::f32, Lane::real, {}, kBatchSize, 5).compared, 0);
}

TEST(batch_split, inference_gives_each_row_the_same_bits_wherever_the_batch_is_split) {
  const Model net = model(kLayers + " -> softmax", "cross_entropy");
  for (const Target& target : targets_of_this_machine()) {
    Program program = std::get<Program>(
        run_pipeline(graph_of(net, Mode::infer, ScalarType::f32), {.target = target}));
    const Tensors inputs = numbers_for(program, net, kBatchSize, kBatchSize, Lane::real, 1);
    Executable executable = machine_code(std::move(program), target);
    ThreadPool pool(2);
    const auto outputs = [&](std::int64_t first, std::int64_t count) {
      Tensors moved = inputs;
      const auto image = moved.at("image").bytes();
      std::copy(image.begin() + first * std::ssize(image) / kBatchSize, image.end(), image.begin());
      const Tensors all = called(executable, moved, {"output"}, count, pool);
      const auto bytes = all.at("output").bytes();
      return std::vector<std::byte>(bytes.begin(),
                                    bytes.begin() + count * std::ssize(bytes) / kBatchSize);
    };
    const auto together = outputs(0, kBatchSize);
    for (std::int64_t first = 1; first < kBatchSize; ++first) {
      auto apart = outputs(0, first);
      const auto rest = outputs(first, kBatchSize - first);
      apart.insert(apart.end(), rest.begin(), rest.end());
      EXPECT_EQ(apart, together) << target.name << ", split after " << first;
    }
  }
}

}  // namespace
}  // namespace cnnc::testing
