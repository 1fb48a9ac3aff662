// Gradients of whole graphs.
#include "passes/graph/differentiate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "passes/graph/simplify.h"

namespace cnnc {
namespace {

using Inputs = std::map<std::string, Tensor>;

constexpr std::int64_t kRows = 3;

Tensor random_tensor(TensorType type, std::mt19937_64& random) {
  type.dims = concrete(type.dims, kRows);
  Tensor tensor(std::move(type));
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, uniform(random));
  return tensor;
}

Value sum_of(Builder& builder, Value x) {
  Dims axes;
  for (std::size_t i = 0; i < builder.type(x).dims.size(); ++i) {
    axes.push_back(static_cast<std::int64_t>(i));
  }
  return builder.reduce_sum(x, axes);
}

Graph training(Builder builder, Value loss) {
  builder.output("loss", loss);
  builder.set_optimizer(OptimizerSpec{"sgd", {}});
  return std::move(builder).build();
}

/// Compares every gradient element of `graph` with a central difference of its loss.
void expect_central_differences(const Graph& graph, const Inputs& inputs) {
  const Graph differentiated = simplify(differentiate_graph(graph, {}), {});
  verify(differentiated, "differentiate");
  const auto gradients = interpret(differentiated, inputs, kRows);
  const auto loss = [&](const Inputs& at) { return interpret(graph, at, kRows).at("loss").get(0); };
  for (const Node& node : graph.nodes) {
    if (!is_input(node) || input_role(node) != "parameter") continue;
    const std::string& name = input_name(node);
    const Tensor& gradient = gradients.at("gradient." + name);
    double scale = 1;
    for (std::int64_t i = 0; i < gradient.size(); ++i) {
      scale = std::max(scale, std::abs(gradient.get(i)));
    }
    for (std::int64_t i = 0; i < gradient.size(); ++i) {
      constexpr double kStep = 1e-5;
      Inputs moved = inputs;
      const double x = inputs.at(name).get(i);
      moved.at(name).set(i, x + kStep);
      const double above = loss(moved);
      moved.at(name).set(i, x - kStep);
      const double below = loss(moved);
      ASSERT_NEAR(gradient.get(i), (above - below) / (2 * kStep), 1e-6 * scale)
          << name << ", element " << i << " of\n"
          << print(graph);
    }
  }
}

/// Random nodes over a few shapes that broadcast; values are used any number of times.
Graph random_graph(std::uint64_t seed, Inputs& inputs) {
  std::mt19937_64 random(seed);
  Builder builder(OpTable::standard(), "random", 4);
  std::vector<Value> values;
  const auto add_input = [&](std::string name, std::string role, Dims dims) {
    const TensorType type{ScalarType::f64, std::move(dims)};
    inputs.emplace(name, random_tensor(type, random));
    values.push_back(builder.input(std::move(name), std::move(role), type));
  };
  add_input("x", "data", {kBatch, 3});
  add_input("w", "parameter", {3});
  add_input("v", "parameter", {2, 3});
  add_input("s", "parameter", {});
  const auto pick = [&] { return values[random() % values.size()]; };
  const auto pick_for = [&](Value a) {  // one that broadcasts with a
    for (int i = 0; i < 20; ++i) {
      const Value b = pick();
      const Dims &x = builder.type(a).dims, &y = builder.type(b).dims;
      if (x == y || x.size() < 2 || y.size() < 2) return b;
    }
    return a;
  };
  for (int i = 0; i < 12; ++i) {
    const Value a = pick(), b = pick_for(a);
    const auto make = [&](std::string_view op, std::vector<Value> operands) {
      values.push_back(builder.op(op, std::move(operands)));
    };
    switch (random() % 10) {
      case 0: make("add", {a, b}); break;
      case 1: make("sub", {a, b}); break;
      case 2: make("mul", {a, b}); break;
      case 3: make("tanh", {a}); break;
      case 4: make("sigmoid", {a}); break;
      case 5: make("max", {a, b}); break;
      case 6: make("relu", {a}); break;
      case 7: make("exp", {builder.op("tanh", {a})}); break;
      case 8:
        make("div",
             {a, builder.add(builder.op("sigmoid", {b}), builder.constant(ScalarType::f64, 1))});
        break;
      default: {
        const Value x = builder.type(a).dims.size() == 2 ? a : values[0];
        const Value w = values[2];
        values.push_back(builder.op("matmul", {x, w},
                                    {{"transpose_a", false}, {"transpose_b", true}}));  // [_,2]
        values.back() = builder.op("matmul", {values.back(), w},
                                   {{"transpose_a", false}, {"transpose_b", false}});
      }
    }
  }
  Value loss = sum_of(builder, values.back());
  for (std::size_t i = values.size() - 4; i < values.size() - 1; ++i) {
    loss = builder.add(loss, sum_of(builder, builder.op("tanh", {values[i]})));
  }
  return training(std::move(builder), loss);
}

class RandomGraph : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomGraph, gradients_agree_with_central_differences) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + 10; ++seed) {
    Inputs inputs;
    const Graph graph = random_graph(seed, inputs);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    expect_central_differences(graph, inputs);
    if (HasFatalFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(seeds, RandomGraph, ::testing::Values(10, 20, 30, 40));

Expr gelu(std::span<const Expr> x) {
  const auto number = [&](double value) { return constant(x[0].type(), value); };
  const Expr inner = number(0.7978845608028654) * (x[0] + number(0.044715) * x[0] * x[0] * x[0]);
  return number(0.5) * x[0] * (number(1) + unary(UnaryOp::tanh, inner));
}

TEST(differentiate, ops_from_outside_get_their_gradient_from_their_expression) {
  OpTable ops = OpTable::standard();
  ops.add(elementwise("gelu", "Gaussian error linear unit", 1, gelu));
  Builder builder(ops, "g", 4);
  std::mt19937_64 random(1);
  Inputs inputs;
  inputs.emplace("w", random_tensor({ScalarType::f64, {5}}, random));
  const Value w = builder.input("w", "parameter", {ScalarType::f64, {5}});
  const Value loss = sum_of(builder, builder.op("gelu", {w}));
  expect_central_differences(training(std::move(builder), loss), inputs);
}

TEST(differentiate, graphs_without_optimizer_stay_as_they_are) {
  Builder builder(OpTable::standard(), "g", 4);
  builder.output("loss", sum_of(builder, builder.input("w", "parameter", {ScalarType::f32, {3}})));
  const Graph graph = std::move(builder).build();
  EXPECT_EQ(print(differentiate_graph(graph, {})), print(graph));
}

Graph parse(const std::string& text) { return parse_graph({"g", text}, OpTable::standard()); }

TEST(differentiate, adds_nodes_in_a_fixed_order_with_the_labels_of_their_layers) {
  const std::string text = R"(graph g batch=2 {
  optimizer sgd
  %0 = input() {name="x", role="data", type="f32[B,3]"} : f32[B,3]
  %1 = input() {name="w", role="parameter", type="f32[3]"} : f32[3]   @dense1
  %2 = mul(%0, %1) : f32[B,3]   @dense1
  %3 = reduce_sum(%2) {axes=[0,1]} : f32[]   @loss
  return loss=%3
}
)";
  EXPECT_EQ(print(simplify(differentiate_graph(parse(text), {}), {})), R"(graph g batch=2 {
  optimizer sgd
  %0 = input() {name="x", role="data", type="f32[B,3]"} : f32[B,3]
  %1 = input() {name="w", role="parameter", type="f32[3]"} : f32[3]   @dense1
  %2 = mul(%0, %1) : f32[B,3]   @dense1
  %3 = reduce_sum(%2) {axes=[0,1]} : f32[]   @loss
  %4 = reduce_sum(%0) {axes=[0]} : f32[3]   @dense1
  return loss=%3, gradient.w=%4
}
)");
}

TEST(differentiate, values_that_no_parameter_feeds_get_no_gradient) {
  const Graph graph = differentiate_graph(parse(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="image", role="data", type="f32[B,3]"} : f32[B,3]
    %1 = slice(%0) {begin=[0,1], end=[-1,3]} : f32[B,2]
    %2 = floor(%1) : f32[B,2]
    %3 = input() {name="w", role="parameter", type="f32[2]"} : f32[2]
    %4 = mul(%2, %3) : f32[B,2]
    %5 = reduce_sum(%4) {axes=[0,1]} : f32[]
    return loss=%5
  })"),
                                          {});
  for (const Node& node : graph.nodes) EXPECT_NE(node.op->name, "pad") << print(graph);
}

TEST(differentiate, parameters_that_the_loss_does_not_see_get_zeros) {
  const Graph graph = differentiate_graph(parse(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="w", role="parameter", type="f32[2]"} : f32[2]
    %1 = input() {name="unused", role="parameter", type="f32[2]"} : f32[2]
    %2 = reduce_sum(%0) {axes=[0]} : f32[]
    return loss=%2
  })"),
                                          {});
  Inputs inputs;
  inputs.emplace("w", Tensor({ScalarType::f32, {2}}));
  inputs.emplace("unused", Tensor({ScalarType::f32, {2}}));
  const auto outputs = interpret(graph, inputs, 1);
  EXPECT_EQ(outputs.at("gradient.w").get(1), 1);
  EXPECT_EQ(outputs.at("gradient.unused").type(), (TensorType{ScalarType::f32, {2}}));
  EXPECT_EQ(outputs.at("gradient.unused").get(1), 0);
}

std::string error_of(const std::string& text) {
  try {
    differentiate_graph(parse(text), {});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(differentiate, names_op_and_layer_that_have_no_gradient) {
  EXPECT_EQ(
      error_of(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="w", role="parameter", type="f32[]"} : f32[]
    %1 = floor(%0) : f32[]  @rounding1
    return loss=%1
  })"),
      "floor has no gradient (layer 'rounding1'), but a parameter reaches the loss through it");
}

TEST(differentiate, needs_a_scalar_loss) {
  EXPECT_EQ(error_of(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="w", role="parameter", type="f32[2]"} : f32[2]
    return loss=%0
  })"),
            "graph 'g' has an optimizer but no real scalar output 'loss'");
}

TEST(differentiate, gradient_of_max_goes_to_the_operand_that_is_returned) {
  const Graph graph = differentiate_graph(parse(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="a", role="parameter", type="f32[4]"} : f32[4]
    %1 = input() {name="b", role="parameter", type="f32[4]"} : f32[4]
    %2 = max(%0, %1) : f32[4]
    %3 = reduce_sum(%2) {axes=[0]} : f32[]
    return loss=%3
  })"),
                                          {});
  Inputs inputs;
  const double a[] = {1, 0, 2, std::nan("")}, b[] = {0, 1, 2, 0};
  for (const auto& [name, values] : {std::pair("a", a), std::pair("b", b)}) {
    Tensor& tensor = inputs.emplace(name, Tensor({ScalarType::f32, {4}})).first->second;
    for (int i = 0; i < 4; ++i) tensor.set(i, values[i]);
  }
  const auto outputs = interpret(graph, inputs, 1);
  const double expected[] = {1, 0, 0, 1};  // of equals, b is returned
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(outputs.at("gradient.a").get(i), expected[i]) << i;
    EXPECT_EQ(outputs.at("gradient.b").get(i), 1 - expected[i]) << i;
  }
}

TEST(differentiate, softmax_and_cross_entropy_stay_finite_at_extreme_logits) {
  const Graph graph = simplify(parse(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="w", role="parameter", type="f32[1,3]"} : f32[1,3]
    %1 = log_softmax(%0) : f32[1,3]
    %2 = exp(%1) : f32[1,3]
    %3 = log(%2) : f32[1,3]
    %4 = slice(%3) {begin=[0,1], end=[1,2]} : f32[1,1]
    %5 = neg(%4) : f32[1,1]
    %6 = reduce_sum(%5) {axes=[0,1]} : f32[]
    return loss=%6
  })"),
                               {});
  Inputs inputs;
  Tensor& logits = inputs.emplace("w", Tensor({ScalarType::f32, {1, 3}})).first->second;
  logits.set(0, 1000);
  logits.set(2, -1000);
  const auto outputs = interpret(simplify(differentiate_graph(graph, {}), {}), inputs, 1);
  EXPECT_EQ(outputs.at("loss").get(0), 1000);
  EXPECT_EQ(outputs.at("gradient.w").get(0), 1);
  EXPECT_EQ(outputs.at("gradient.w").get(1), -1);
  EXPECT_EQ(outputs.at("gradient.w").get(2), 0);
}

/// The gradient of an elementwise op where all its operands are `at` but operand `i`, which is
/// `x`, and the gradient of its result is infinite.
double gradient_of_infinite(const OpRef& op, std::size_t i, std::size_t operands, double at,
                            double x) {
  Builder builder(OpTable::standard(), "g", 1);
  std::vector<Value> values;
  Inputs inputs;
  for (std::size_t k = 0; k < operands; ++k) {
    const std::string name = fmt::format("x{}", k);
    values.push_back(builder.input(name, "parameter", {ScalarType::f64, {}}));
    inputs.emplace(name, Tensor({ScalarType::f64, {}})).first->second.set(0, k == i ? x : at);
  }
  const Value huge = builder.constant(ScalarType::f64, std::numeric_limits<double>::infinity());
  const Value loss = builder.mul(builder.add_node(op, values, {}), huge);
  const auto results =
      interpret(differentiate_graph(training(std::move(builder), loss), {}), inputs, 1);
  return results.at(fmt::format("gradient.x{}", i)).get(0);
}

TEST(differentiate, where_an_elementwise_op_is_flat_not_even_infinity_comes_through) {
  const OpTable table = OpTable::standard();
  int flat = 0;
  for (const auto& [name, op] : table.all()) {
    if (!op->scalar || !op->gradient || op->samples.empty()) continue;
    const std::size_t operands = op->samples.front().operands.size();
    const auto value = [&](std::size_t i, double at, double x) {
      std::vector<Tensor> tensors(operands, Tensor({ScalarType::f64, {}}));
      for (std::size_t k = 0; k < operands; ++k) tensors[k].set(0, k == i ? x : at);
      const std::vector<TensorType> types(operands, TensorType{ScalarType::f64, {}});
      return evaluate(*op, tensors, types, std::span(types).first(1), {}, 1)[0].get(0);
    };
    if (!std::ranges::all_of(op->samples.front().operands,
                             [](const TensorType& type) { return is_float(type.scalar); }))
      continue;
    for (std::size_t i = 0; i < operands; ++i)
      for (const double at : {0.5, 2.0})
        for (const double x : {-3.25, -0.25, 0.75, 1.25, 7.5}) {
          const double here = value(i, at, x);
          if (value(i, at, x - 0.125) != here || value(i, at, x + 0.125) != here) continue;
          EXPECT_EQ(gradient_of_infinite(op, i, operands, at, x), 0)
              << name << " at " << x << ", the others " << at;
          ++flat;
        }
  }
  EXPECT_GT(flat, 20);
}

TEST(differentiate, sigmoid_gradient_is_finite_everywhere) {
  const Graph graph = differentiate_graph(parse(R"(graph g batch=2 {
    optimizer sgd
    %0 = input() {name="w", role="parameter", type="f32[5]"} : f32[5]
    %1 = sigmoid(%0) : f32[5]
    %2 = reduce_sum(%1) {axes=[0]} : f32[]
    return loss=%2
  })"),
                                          {});
  Inputs inputs;
  Tensor& w = inputs.emplace("w", Tensor({ScalarType::f32, {5}})).first->second;
  const double values[] = {-1000, -50, 0, 50, 1000};
  for (int i = 0; i < 5; ++i) w.set(i, values[i]);
  const Tensor gradient = interpret(graph, inputs, 1).at("gradient.w");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(std::isfinite(gradient.get(i))) << values[i];
  EXPECT_EQ(gradient.get(2), 0.25);
}

}  // namespace
}  // namespace cnnc
