// Sums over the batch with very many results: by groups of samples where a sample alone has many
// terms for each.
#include <gtest/gtest.h>

#include <algorithm>

#include "passes/lower/lower.h"
#include "runtime/compile.h"
#include "runtime/exec/threads.h"
#include "runtime/inspect/inspect.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kRows = 17;  // a group and one

/// 3x3x96x88 results of 64 terms a sample.
Graph convolution_gradient() {
  Builder builder(OpTable::standard(), "wide", kRows);
  const Value dy = builder.input("dy", "data", {ScalarType::f32, {kBatch, 8, 8, 88}});
  const Value x = builder.input("x", "data", {ScalarType::f32, {kBatch, 8, 8, 96}});
  const Attributes attributes{{"stride", Dims{1, 1}},
                              {"pad", Dims{1, 1, 1, 1}},
                              {"dilation", Dims{1, 1}},
                              {"groups", std::int64_t{1}},
                              {"kernel", Dims{3, 3}}};
  builder.output("dw", builder.op("conv2d_weight_gradient", {x, dy}, attributes));
  return std::move(builder).build();
}

/// 300x300 results of one term a sample.
Graph dense_gradient() {
  Builder builder(OpTable::standard(), "wide", kRows);
  const Value x = builder.input("x", "data", {ScalarType::f32, {kBatch, 300}});
  const Value dy = builder.input("dy", "data", {ScalarType::f32, {kBatch, 300}});
  builder.output("dw",
                 builder.op("matmul", {x, dy}, {{"transpose_a", true}, {"transpose_b", false}}));
  return std::move(builder).build();
}

bool has_partial_sums(const Graph& graph) {
  return std::ranges::any_of(lower(graph, host_target()).buffers, [](const Buffer& buffer) {
    return buffer.name.ends_with(".partial");
  });
}

TEST(wide_sum, goes_by_groups_only_where_a_sample_has_many_terms) {
  EXPECT_TRUE(has_partial_sums(convolution_gradient()));
  EXPECT_FALSE(has_partial_sums(dense_gradient()));
}

TEST(wide_sum, of_whole_numbers_is_exact_on_any_number_of_threads) {
  const Graph graph = convolution_gradient();
  const Node& node = *std::ranges::find_if(
      graph.nodes, [](const Node& each) { return each.op->name == "conv2d_weight_gradient"; });
  const Program program = lower(graph, host_target());
  const Tensors inputs = inputs_for(program, kRows, kRows, Values::whole, 5);
  std::vector<Tensor> operands;
  for (const char* name : {"x", "dy"}) operands.push_back(inputs.at(name));
  const TensorType type{ScalarType::f32, {3, 3, 96, 88}};
  const Tensor expected = node.op->reference(operands, std::vector{type}, node.attributes).front();
  Executable executable = compile(graph, {.target = host_target()});
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Tensors got = run(executable, inputs, {{"dw", expected}}, kRows, kRows, pool);
    EXPECT_EQ(difference({{"dw", expected}}, got, Preserves::bits), "") << threads << " threads";
  }
}

}  // namespace
}  // namespace cnnc::testing
