// The update rules against their formulas, through the graph interpreter; and the schedules.
#include "passes/graph/apply_optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "ir/language/layer.h"
#include "passes/graph/differentiate.h"

namespace cnnc {
namespace {

using Inputs = std::map<std::string, Tensor>;

Tensor scalar(ScalarType type, double value) {
  Tensor tensor({type, {}});
  tensor.set(0, value);
  return tensor;
}

Tensor vector(std::vector<double> values) {
  Tensor tensor({ScalarType::f64, {static_cast<std::int64_t>(values.size())}});
  for (std::size_t i = 0; i < values.size(); ++i)
    tensor.set(static_cast<std::int64_t>(i), values[i]);
  return tensor;
}

/// loss = sum(w * x): the gradient of w is x.
Graph training_graph(const OptimizerSpec& optimizer) {
  Builder builder(OpTable::standard(), "linear", 4);
  builder.set_label("linear1");
  const Value w = builder.input("linear1.weight", "parameter", {ScalarType::f64, {3}});
  const Value x = builder.input("x", "data", {ScalarType::f64, {3}});
  builder.output("loss", builder.reduce_sum(builder.mul(w, x), {0}));
  builder.set_optimizer(optimizer);
  return std::move(builder).build();
}

Graph step_of(const OptimizerSpec& optimizer) {
  Graph graph = apply_optimizer(differentiate_graph(training_graph(optimizer), {}), {});
  verify(graph, "apply_optimizer");
  return graph;
}

struct Sgd {
  double momentum = 0;
  bool nesterov = false;
  double decay = 0;
};

/// Five steps of the compiled graph beside five of the formula.
void expect_follows_formula(const Sgd& rule) {
  const Graph graph = step_of({"sgd",
                               {{"lr", 1.0},
                                {"momentum", rule.momentum},
                                {"nesterov", rule.nesterov},
                                {"weight_decay", rule.decay}}});
  std::vector<double> w{0.5, -2, 3}, v{0, 0, 0};
  Inputs inputs{{"linear1.weight", vector(w)}};
  if (rule.momentum != 0) inputs.emplace("linear1.weight.momentum", vector(v));
  for (int step = 1; step <= 5; ++step) {
    const double lr = 0.1 * step;
    const std::vector<double> x{1.0 * step, -0.5, 0.25 / step};
    inputs.insert_or_assign("x", vector(x));
    inputs.insert_or_assign("lr", scalar(ScalarType::f64, lr));
    auto outputs = interpret(graph, inputs, 1);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = x[i] + rule.decay * w[i];
      v[i] = rule.momentum * v[i] + g;
      w[i] -= lr * (rule.nesterov ? g + rule.momentum * v[i] : rule.momentum != 0 ? v[i] : g);
      EXPECT_NEAR(outputs.at("linear1.weight").get(static_cast<std::int64_t>(i)), w[i], 1e-13)
          << "step " << step;
    }
    for (auto& [name, tensor] : outputs)
      if (inputs.contains(name)) inputs.insert_or_assign(name, tensor);
  }
}

TEST(sgd, plain_step_follows_the_formula) { expect_follows_formula({}); }
TEST(sgd, weight_decay_pulls_towards_zero) { expect_follows_formula({.decay = 0.1}); }
TEST(sgd, momentum_carries_over_steps) { expect_follows_formula({.momentum = 0.9}); }
TEST(sgd, nesterov_looks_ahead) { expect_follows_formula({.momentum = 0.9, .nesterov = true}); }
TEST(sgd, all_together) {
  expect_follows_formula({.momentum = 0.5, .nesterov = true, .decay = 0.01});
}

TEST(apply_optimizer, plain_sgd_has_no_state) {
  const Graph graph = step_of({"sgd", {{"lr", 0.1}}});
  for (const Node& node : graph.nodes) {
    EXPECT_FALSE(is_input(node) && input_role(node) == "state") << input_name(node);
  }
}

TEST(apply_optimizer, outputs_are_new_values_and_no_gradients) {
  const Graph graph = step_of({"sgd", {{"lr", 0.1}, {"momentum", 0.5}}});
  std::vector<std::string> names;
  for (const Output& output : graph.outputs) names.push_back(output.name);
  EXPECT_EQ(names, (std::vector<std::string>{"loss", "linear1.weight", "linear1.weight.momentum"}));
  EXPECT_FALSE(graph.optimizer.has_value());
}

TEST(apply_optimizer, leaves_an_inference_graph_alone) {
  Graph graph = training_graph({"sgd", {{"lr", 0.1}}});
  graph.optimizer.reset();
  EXPECT_EQ(print(apply_optimizer(graph, {})), print(graph));
}

TEST(apply_optimizer, an_optimizer_from_outside_needs_no_table) {
  auto definition = std::make_shared<OptimizerDef>();
  definition->name = "sign_descent";
  definition->update = [](OptimizerContext& context) {
    Builder& builder = context.builder;
    const Value zero = builder.constant(ScalarType::f64, 0);
    const Value up = builder.op("less", {context.gradient, zero});
    const Value direction = builder.op(
        "select", {up, context.learning_rate, builder.op("neg", {context.learning_rate})});
    return builder.add(context.parameter, direction);
  };
  const Graph graph = step_of({"sign_descent", {}, definition});
  const auto outputs = interpret(graph,
                                 {{"linear1.weight", vector({1, 1, 1})},
                                  {"x", vector({3, -7, 1})},
                                  {"lr", scalar(ScalarType::f64, 0.5)}},
                                 1);
  EXPECT_EQ(outputs.at("linear1.weight").get(0), 0.5);
  EXPECT_EQ(outputs.at("linear1.weight").get(1), 1.5);
}

/// The Error that applying `spec` throws.
std::string complaint(const OptimizerSpec& spec) {
  try {
    step_of(spec);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(apply_optimizer, complains_about_what_it_cannot_apply) {
  EXPECT_EQ(complaint({"sdg", {{"lr", 0.1}}}), "no optimizer is called 'sdg'");
  EXPECT_EQ(complaint({"sgd", {}}), "optimizer sgd needs 'lr'");
  EXPECT_EQ(complaint({"sgd", {{"lr", 0.1}, {"mass", 0.1}}}), "optimizer sgd has no 'mass'");
  EXPECT_EQ(complaint({"sgd", {{"lr", 0.1}, {"momentum", "high"}}}),
            "optimizer sgd: 'momentum' cannot be \"high\"");
  EXPECT_EQ(complaint({"sgd", {{"lr", 0.1}, {"nesterov", true}}}),
            "sgd: nesterov needs a momentum above 0");
  EXPECT_THROW(apply_optimizer(training_graph({"sgd", {{"lr", 0.1}}}), {}), Error);
}

double one_cycle(std::int64_t step, std::int64_t total) {
  const auto schedule = Language::standard().schedules.at("one_cycle");
  return schedule->rate(0.5, step, total, {{"warmup", 0.3}, {"start", 25.0}, {"end", 1e4}});
}

TEST(one_cycle, starts_peaks_and_ends_where_it_should) {
  EXPECT_NEAR(one_cycle(0, 100), 0.5 / 25, 1e-15);
  EXPECT_NEAR(one_cycle(29, 100), 0.5, 1e-15);
  EXPECT_NEAR(one_cycle(99, 100), 0.5 / 25 / 1e4, 1e-15);
}

TEST(one_cycle, follows_cosines_between) {
  EXPECT_DOUBLE_EQ(one_cycle(10, 100),
                   0.02 + 0.48 / 2 * (1 - std::cos(std::numbers::pi * 10 / 29)));
  const double last = 0.5 / 25 / 1e4;
  EXPECT_NEAR(one_cycle(64, 100), last + (0.5 - last) / 2, 1e-15);
}

// PyTorch's OneCycleLR at max_lr 0.5, by its own two phases of `start + (end - start) * part`.
TEST(one_cycle, is_that_of_pytorch_however_short_the_warm_up) {
  struct Row {
    double warmup;
    std::int64_t total, step;
    double rate;
  };
  const std::vector<Row> rows = {{0.0, 12, 0, 0.49148149064644076},
                                 {0.0, 12, 1, 0.4665064849207059},
                                 {0.0, 12, 5, 0.25000099999999997},
                                 {0.0, 12, 11, 1.9999999999999999e-06},
                                 {0.05, 12, 0, 0.49848267539881003},
                                 {0.05, 12, 3, 0.39805922093099239},
                                 {0.05, 12, 11, 1.9999999999999999e-06},
                                 {0.3, 1, 0, 1.9999999999999999e-06},
                                 {0.3, 2, 0, 0.40587282697488147},
                                 {0.3, 2, 1, 1.9999999999999999e-06},
                                 {0.3, 3, 0, 0.49720771772545586},
                                 {0.3, 3, 1, 0.23131855133348753},
                                 {0.3, 3, 2, 1.9999999999999999e-06},
                                 {0.3, 4, 0, 0.020000000000000018},
                                 {0.3, 4, 1, 0.40587282697488147},
                                 {0.3, 4, 3, 1.9999999999999999e-06},
                                 {0.08, 13, 0, 0.020000000000000018},
                                 {0.08, 13, 1, 0.49209347668445086},
                                 {0.08, 13, 6, 0.25131436356035136},
                                 {0.08, 13, 12, 1.9999999999999999e-06},
                                 {0.5, 7, 0, 0.020000000000000018},
                                 {0.5, 7, 2, 0.45416407864998737},
                                 {0.5, 7, 3, 0.47524231600673683},
                                 {0.5, 7, 6, 1.9999999999999999e-06},
                                 {1.0, 5, 0, 0.020000000000000018},
                                 {1.0, 5, 2, 0.26000000000000001},
                                 {1.0, 5, 4, 0.5}};
  const auto schedule = Language::standard().schedules.at("one_cycle");
  for (const Row& row : rows) {
    const double rate = schedule->rate(0.5, row.step, row.total,
                                       {{"warmup", row.warmup}, {"start", 25.0}, {"end", 1e4}});
    EXPECT_NEAR(rate, row.rate, 1e-15) << row.warmup << ": " << row.step << " of " << row.total;
  }
}

TEST(one_cycle, is_finite_for_any_number_of_steps) {
  for (std::int64_t total = 1; total < 12; ++total)
    for (std::int64_t step = 0; step < total + 2; ++step) {
      const double rate = one_cycle(step, total);
      EXPECT_TRUE(rate > 0 && rate <= 0.5) << step << " of " << total << ": " << rate;
    }
}

TEST(constant_schedule, is_the_learning_rate) {
  const auto schedule = Language::standard().schedules.at("constant");
  EXPECT_EQ(schedule->rate(0.25, 7, 10, {}), 0.25);
}

}  // namespace
}  // namespace cnnc
