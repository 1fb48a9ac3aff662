// Every rule of simplify: what it makes of an example, and that the bits stay.
#include "passes/graph/simplify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "passes/graph/differentiate.h"
#include "passes/graph/rebuild.h"

namespace cnnc {
namespace {

struct Example {
  std::string rule;
  std::string before,
      after;  // lines over the inputs %x, %y : f32[B,6], %c, %d : bool[B,6], %i : i32[6]
};

std::vector<Example> examples() {
  const std::string minus_one = "%1 = constant() {type=\"f32\", value=-1.0} : f32[]\n";
  const std::string one = "%1 = constant() {type=\"f32\", value=1.0} : f32[]\n";
  const std::string zero = "%1 = constant() {type=\"f32\", value=0.0} : f32[]\n";
  const std::string minus_zero = "%1 = constant() {type=\"f32\", value=-0.0} : f32[]\n";
  const std::string yes = "%1 = constant() {type=\"bool\", value=1.0} : bool[]\n";
  const std::string end = " : f32[B,6]\n return r=%9";
  return {
      {"log_of_exp", "%8 = exp(%x) : f32[B,6]\n %9 = log(%8)" + end, "return r=%x"},
      {"fold_constants", one + "%2 = add(%1, %1) : f32[] %3 = neg(%2) : f32[] return r=%3",
       "%1 = constant() {type=\"f32\", value=-2.0} : f32[] return r=%1"},
      {"fold_constants",
       one + "%2 = cast(%1) {type=\"i64\"} : i64[] %3 = less(%2, %2) : bool[] return r=%3",
       "%1 = constant() {type=\"bool\", value=0.0} : bool[] return r=%1"},
      {"undone_twice", "%8 = neg(%x) : f32[B,6]\n %9 = neg(%8)" + end, "return r=%x"},
      {"undone_twice",
       "%1 = logical_not(%c) : bool[B,6] %2 = logical_not(%1) : bool[B,6] return r=%2",
       "return r=%c"},
      {"idempotent", "%8 = relu(%x) : f32[B,6]\n %9 = relu(%8)" + end, "%9 = relu(%x)" + end},
      {"idempotent", "%9 = max(%x, %x)" + end, "return r=%x"},
      {"times_one", one + "%9 = mul(%x, %1)" + end, "return r=%x"},
      {"times_one", one + "%9 = mul(%1, %x)" + end, "return r=%x"},
      {"times_one", one + "%9 = div(%x, %1)" + end, "return r=%x"},
      {"times_minus_one", minus_one + "%9 = mul(%1, %x)" + end, "%9 = neg(%x)" + end},
      {"plus_zero", zero + "%9 = sub(%x, %1)" + end, "return r=%x"},
      {"plus_zero", minus_zero + "%9 = add(%1, %x)" + end, "return r=%x"},
      {"plus_zero",
       "%1 = constant() {type=\"i32\", value=0.0} : i32[] %2 = add(%i, %1) : i32[6] return r=%2",
       "return r=%i"},
      {"plus_zero", zero + "%9 = add(%x, %1)" + end, zero + "%9 = add(%x, %1)" + end},
      {"plus_zero", minus_zero + "%9 = sub(%x, %1)" + end, minus_zero + "%9 = sub(%x, %1)" + end},
      {"add_of_neg", "%8 = neg(%y) : f32[B,6]\n %9 = add(%x, %8)" + end, "%9 = sub(%x, %y)" + end},
      {"add_of_neg", "%8 = neg(%y) : f32[B,6]\n %9 = sub(%x, %8)" + end, "%9 = add(%x, %y)" + end},
      {"add_of_neg", "%8 = neg(%x) : f32[B,6]\n %9 = add(%8, %y)" + end, "%9 = sub(%y, %x)" + end},
      {"div_by_power_of_two",
       "%1 = constant() {type=\"f32\", value=-8.0} : f32[] %9 = div(%x, %1)" + end,
       "%1 = constant() {type=\"f32\", value=-0.125} : f32[] %9 = mul(%x, %1)" + end},
      {"div_by_power_of_two",
       "%1 = constant() {type=\"f32\", value=3.0} : f32[] %9 = div(%x, %1)" + end,
       "%1 = constant() {type=\"f32\", value=3.0} : f32[] %9 = div(%x, %1)" + end},
      {"no_effect", "%9 = cast(%x) {type=\"f32\"}" + end, "return r=%x"},
      {"no_effect", "%9 = reshape(%x) {dims=[-1,6]}" + end, "return r=%x"},
      {"no_effect", "%9 = broadcast_to(%x) {dims=[-1,6]}" + end, "return r=%x"},
      {"no_effect", "%9 = transpose(%x) {permutation=[0,1]}" + end, "return r=%x"},
      {"no_effect", "%9 = slice(%x) {begin=[0,0], end=[-1,6]}" + end, "return r=%x"},
      {"no_effect", "%9 = pad(%x) {high=[0,0], low=[0,0]}" + end, "return r=%x"},
      {"no_effect", "%9 = reduce_sum(%x) {axes=[]}" + end, "return r=%x"},
      {"no_effect", "%9 = concat(%x) {axis=1}" + end, "return r=%x"},
      {"twice_reshaped",
       "%8 = reshape(%x) {dims=[-1,2,3]} : f32[B,2,3]\n %9 = reshape(%8) {dims=[-1,6]}" + end,
       "return r=%x"},
      {"twice_transposed",
       "%1 = reshape(%x) {dims=[-1,1,2,3]} : f32[B,1,2,3]"
       "%2 = transpose(%1) {permutation=[0,3,1,2]} : f32[B,3,1,2]"
       "%3 = transpose(%2) {permutation=[0,3,1,2]} : f32[B,2,3,1] return r=%3",
       "%1 = reshape(%x) {dims=[-1,1,2,3]} : f32[B,1,2,3]"
       "%2 = transpose(%1) {permutation=[0,2,3,1]} : f32[B,2,3,1] return r=%2"},
      {"same_branches", "%9 = select(%c, %x, %x)" + end, "return r=%x"},
      {"known_branch", yes + "%9 = select(%1, %x, %y)" + end, "return r=%x"},
      {"negated_condition", "%8 = logical_not(%c) : bool[B,6]\n %9 = select(%8, %x, %y)" + end,
       "%9 = select(%c, %y, %x)" + end},
      {"broadcast_operand",
       "%1 = constant() {type=\"f32\", value=3.0} : f32[]"
       "%8 = broadcast_to(%1) {dims=[-1,6]} : f32[B,6]\n %9 = mul(%x, %8)" +
           end,
       "%1 = constant() {type=\"f32\", value=3.0} : f32[] %9 = mul(%x, %1)" + end},
      {"broadcast_operand",
       "%1 = reduce_sum(%x) {axes=[0]} : f32[6] %2 = reshape(%1) {dims=[1,6]} : f32[1,6]"
       "%9 = mul(%x, %2)" +
           end,
       "%1 = reduce_sum(%x) {axes=[0]} : f32[6] %9 = mul(%x, %1)" + end},
      {"broadcast_operand",
       "%1 = constant() {type=\"f32\", value=3.0} : f32[]"
       "%8 = broadcast_to(%1) {dims=[-1,6]} : f32[B,6]\n %9 = neg(%8)" +
           end,
       "%1 = constant() {type=\"f32\", value=3.0} : f32[]"
       "%8 = broadcast_to(%1) {dims=[-1,6]} : f32[B,6]\n %9 = neg(%8)" +
           end},
      {"relu_before_maxpool",
       "%1 = reshape(%x) {dims=[-1,3,2,1]} : f32[B,3,2,1] %2 = relu(%1) : f32[B,3,2,1]"
       "%3, %4 = maxpool(%2) {pad=[0,0,0,0], size=[1,2], stride=[1,2]} : f32[B,3,1,1], u8[B,3,1,1]"
       "return r=%3",
       "%1 = reshape(%x) {dims=[-1,3,2,1]} : f32[B,3,2,1]"
       "%2, %3 = maxpool(%1) {pad=[0,0,0,0], size=[1,2], stride=[1,2]} : f32[B,3,1,1], u8[B,3,1,1]"
       "%4 = relu(%2) : f32[B,3,1,1] return r=%4"},
      {"relu_before_maxpool",
       "%1 = reshape(%x) {dims=[-1,3,2,1]} : f32[B,3,2,1] %2 = relu6(%1) : f32[B,3,2,1]"
       "%3, %4 = maxpool(%2) {pad=[0,0,0,0], size=[1,2], stride=[1,2]} : f32[B,3,1,1], u8[B,3,1,1]"
       "return r=%4",
       "%1 = reshape(%x) {dims=[-1,3,2,1]} : f32[B,3,2,1] %2 = relu6(%1) : f32[B,3,2,1]"
       "%3, %4 = maxpool(%2) {pad=[0,0,0,0], size=[1,2], stride=[1,2]} : f32[B,3,1,1], u8[B,3,1,1]"
       "return r=%4"},
  };
}

Graph parse(const std::string& lines) {
  const std::string text = R"(graph g batch=2 {
    %x = input() {name="x", role="data", type="f32[B,6]"} : f32[B,6]
    %y = input() {name="y", role="data", type="f32[B,6]"} : f32[B,6]
    %c = input() {name="c", role="data", type="bool[B,6]"} : bool[B,6]
    %i = input() {name="i", role="data", type="i32[6]"} : i32[6]
    )" + lines + "\n}\n";
  return parse_graph({"example", text}, OpTable::standard());
}

std::map<std::string, Tensor> special_inputs() {
  const double inf = std::numeric_limits<double>::infinity();
  const double specials[] = {0.0,          -0.0,  1.5,    -2.25, inf,   -inf,
                             std::nan(""), 1e-42, -1e-42, 3e38,  -3e38, 0.1};
  std::map<std::string, Tensor> inputs;
  inputs.emplace("x", Tensor({ScalarType::f32, {2, 6}}));
  inputs.emplace("y", Tensor({ScalarType::f32, {2, 6}}));
  inputs.emplace("c", Tensor({ScalarType::boolean, {2, 6}}));
  inputs.emplace("i", Tensor({ScalarType::i32, {6}}));
  for (std::int64_t i = 0; i < 12; ++i) {
    inputs.at("x").set(i, specials[i]);
    inputs.at("y").set(i, specials[(i * 5 + 1) % 12]);
    inputs.at("c").set(i, static_cast<double>(i % 3 == 0));
    if (i < 6) inputs.at("i").set(i, static_cast<double>(i - 3));
  }
  return inputs;
}

bool same_value(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

TEST(simplify, rules_rewrite_their_examples) {
  for (const Example& example : examples()) {
    EXPECT_EQ(print(simplify(parse(example.before), {})),
              print(without_dead_nodes(parse(example.after))))
        << example.rule << "\n"
        << example.before;
  }
}

TEST(simplify, every_rule_has_an_example) {
  std::set<std::string> covered;
  for (const Example& example : examples()) covered.insert(example.rule);
  for (const RewriteRule& rule : simplify_rules()) {
    EXPECT_TRUE(covered.contains(std::string(rule.name))) << rule.name;
  }
}

TEST(simplify, results_keep_their_bits_also_for_special_values) {
  for (const Example& example : examples()) {
    if (example.rule == "log_of_exp") continue;  // more exact than before
    const Graph before = parse(example.before);
    const Graph after = simplify(before, {});
    const Tensor a = interpret(before, special_inputs(), 2).at("r");
    const Tensor b = interpret(after, special_inputs(), 2).at("r");
    ASSERT_EQ(a.type(), b.type()) << example.before;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(same_value(a.get(i), b.get(i)))
          << example.before << "\nelement " << i << ": " << a.get(i) << ", then " << b.get(i);
    }
  }
}

/// A loss over the windows of `pooling` (attributes) of relu(x), x a parameter; dims of the result.
Graph pool_behind_relu(const std::string& relu, const std::string& pooling,
                       const std::string& dims) {
  return parse_graph({"pool", fmt::format(R"(graph g batch=1 {{
    optimizer sgd {{momentum=0.0}}
    %x = input() {{name="x", role="parameter", type="f32[1,2,6,1]"}} : f32[1,2,6,1]
    %1 = {0}(%x) : f32[1,2,6,1]
    %2, %3 = maxpool(%1) {{{1}}} : f32{2}, u8{2}
    %4 = mul(%2, %2) : f32{2}
    %5 = add(%4, %2) : f32{2}
    %6 = reduce_sum(%5) {{axes=[0,1,2,3]}} : f32[]
    return loss=%6
  }})",
                                          relu, pooling, dims)},
                     OpTable::standard());
}

TEST(simplify, gradients_through_pool_and_relu_keep_their_bits) {
  const double nan = std::nan("");
  const std::vector<std::vector<double>> points = {
      {1, 1, -1, 2, -3, -2, 0, -0.0, -0.0, 0, 2, 2},
      {7, 6, -1, 8, 6, 6, nan, 3, 4, nan, nan, nan},
      {-1, -2, -3, -4, -5, -6, -7, 3e38, -1e-42, 1e-42, 0.5, 0.5}};
  for (const Graph& before : {
           pool_behind_relu("relu", "pad=[0,0,0,0], size=[1,2], stride=[1,2]", "[1,2,3,1]"),
           pool_behind_relu("relu", "pad=[0,0,0,0], size=[2,2], stride=[1,1]", "[1,1,5,1]"),
           pool_behind_relu("relu", "pad=[1,0,0,1], size=[2,3], stride=[1,2]", "[1,2,3,1]"),
           pool_behind_relu("relu6", "pad=[0,0,0,0], size=[1,2], stride=[1,2]", "[1,2,3,1]"),
           pool_behind_relu("relu6", "pad=[0,0,1,1], size=[2,3], stride=[1,1]", "[1,1,6,1]"),
       }) {
    const Graph a = differentiate_graph(before, {});
    const Graph b = differentiate_graph(simplify(before, {}), {});
    EXPECT_NE(print(a), print(b));
    for (const std::vector<double>& point : points) {
      std::map<std::string, Tensor> inputs;
      inputs.emplace("x", Tensor({ScalarType::f32, {1, 2, 6, 1}}));
      for (std::int64_t i = 0; i < 12; ++i)
        inputs.at("x").set(i, point[static_cast<std::size_t>(i)]);
      const Tensor left = interpret(a, inputs, 1).at("gradient.x");
      const Tensor right = interpret(b, inputs, 1).at("gradient.x");
      for (std::int64_t i = 0; i < 12; ++i)
        EXPECT_TRUE(same_value(left.get(i), right.get(i)))
            << print(before) << i << ": " << left.get(i) << ", then " << right.get(i);
    }
  }
}

TEST(simplify, is_idempotent) {
  for (const Example& example : examples()) {
    const Graph once = simplify(parse(example.before), {});
    EXPECT_EQ(print(simplify(once, {})), print(once)) << example.before;
  }
}

TEST(simplify, drops_what_no_output_needs_and_keeps_labels_and_optimizer) {
  const std::string text = R"(graph g batch=2 {
  optimizer sgd {momentum=0.9}
  %0 = input() {name="unused", role="data", type="f32[B]"} : f32[B]
  %1 = input() {name="w", role="parameter", type="f32[3]"} : f32[3]   @dense1
  %2 = exp(%0) : f32[B]   @dead
  %3 = exp(%1) : f32[3]   @dense1
  %4 = log(%3) : f32[3]   @dense2
  %5 = tanh(%4) : f32[3]   @dense3
  return y=%5, w=%1
}
)";
  EXPECT_EQ(print(simplify(parse_graph({"g", text}, OpTable::standard()), {})), R"(graph g batch=2 {
  optimizer sgd {momentum=0.9}
  %0 = input() {name="w", role="parameter", type="f32[3]"} : f32[3]   @dense1
  %1 = tanh(%0) : f32[3]   @dense3
  return y=%1, w=%0
}
)");
}

}  // namespace
}  // namespace cnnc
