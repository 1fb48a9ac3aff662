// A whole network of every kind of layer: its symbolic gradients against central differences, in
// f64 through the graph interpreter.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ir/language/layer.h"
#include "passes/graph/apply_optimizer.h"
#include "passes/graph/differentiate.h"
#include "passes/graph/simplify.h"

namespace cnnc {
namespace {

constexpr std::int64_t kRows = 3;

class Network {
 public:
  Network() : builder_(language_.ops, "net", 4) {
    x_ = builder_.input("image", "data", {ScalarType::f64, {kBatch, 6, 6, 2}});
  }

  Value layer(const std::string& kind, std::vector<Value> inputs, const Attributes& given = {}) {
    const LayerDef& def = *language_.layers.at(kind);
    Attributes arguments;
    for (const ArgumentDef& argument : def.arguments) {
      const AttributeValue* value = given.find(argument.name);
      arguments.set(argument.name, value != nullptr ? *value : argument.fallback.value());
    }
    const std::string name = fmt::format("{}{}", kind, ++layers_);
    builder_.set_label(name);
    LayerContext context(builder_, Mode::train, ScalarType::f64, name, arguments, std::move(inputs),
                         parameters_);
    return def.build(context);
  }

  /// conv, batch_norm, relu, maxpool; a depthwise branch, added and concatenated; avgpool, dropout,
  /// dense, softmax.
  Graph training_graph() {
    Value y = layer("conv", {x_}, {{"channels", 4}, {"size", Dims{3, 3}}, {"pad", Dims{1, 1}}});
    y = layer("relu", {layer("batch_norm", {y})});
    y = layer("maxpool", {y}, {{"size", Dims{2, 2}}});
    const Value branch = layer(
        "conv", {y}, {{"channels", 4}, {"size", Dims{3, 3}}, {"pad", Dims{1, 1}}, {"groups", 4}});
    y = layer("concat", {layer("add", {y, branch}), branch});
    y = layer("avgpool", {y}, {{"size", Dims{2, 2}}, {"stride", Dims{1, 1}}});
    y = layer("dropout", {y}, {{"rate", 0.25}});
    y = layer("softmax", {layer("dense", {layer("flatten", {y})}, {{"units", 3}})});
    builder_.set_label("loss");
    const Value label = builder_.input("label", "data", {ScalarType::i32, {kBatch}});
    language_.losses.at("cross_entropy")->build(builder_, y, label, {});
    builder_.set_optimizer(OptimizerSpec{"sgd", {{"lr", 0.1}, {"momentum", 0.9}}});
    return builder_.graph();
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  Language language_ = Language::standard();
  Builder builder_;
  Value x_;
  int layers_ = 0;
  std::vector<Parameter> parameters_;
};

Tensor filled(const TensorType& type, const std::function<double(std::int64_t)>& value) {
  Tensor tensor({type.scalar, concrete(type.dims, kRows)});
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, value(i));
  return tensor;
}

std::map<std::string, Tensor> inputs_of(const Graph& graph) {
  std::map<std::string, Tensor> inputs;
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (const Node& node : graph.nodes) {
    if (!is_input(node)) continue;
    const TensorType& type = node.types[0];
    inputs[input_name(node)] = filled(type, [&](std::int64_t i) {
      if (is_float(type.scalar)) return input_role(node) == "state" ? 1.0 : uniform(random);
      return static_cast<double>(type.dims.empty() ? kRows : i);
    });
  }
  return inputs;
}

TEST(network, gradients_are_those_of_central_differences) {
  Network network;
  const Graph forward = network.training_graph();
  const Graph graph = differentiate_graph(forward, {});
  verify(graph, "differentiate");
  auto inputs = inputs_of(forward);
  const auto outputs = interpret(graph, inputs, kRows);
  for (const Parameter& parameter : network.parameters()) {
    if (!parameter.trained) continue;
    const Tensor& gradient = outputs.at("gradient." + parameter.name);
    Tensor& tensor = inputs.at(parameter.name);
    const std::int64_t step = std::max<std::int64_t>(1, tensor.size() / 5);
    for (std::int64_t i = 0; i < tensor.size(); i += step) {
      const double h = 1e-6, at = tensor.get(i);
      tensor.set(i, at + h);
      const double above = interpret(forward, inputs, kRows).at("loss").get(0);
      tensor.set(i, at - h);
      const double below = interpret(forward, inputs, kRows).at("loss").get(0);
      tensor.set(i, at);
      EXPECT_NEAR(gradient.get(i), (above - below) / (2 * h), 1e-7) << parameter.name << " " << i;
    }
  }
}

TEST(network, simplifying_the_step_changes_no_result) {
  Network network;
  const Graph step = apply_optimizer(differentiate_graph(network.training_graph(), {}), {});
  const Graph simple = simplify(step, {});
  verify(simple, "simplify");
  const auto inputs = inputs_of(step);
  const auto before = interpret(step, inputs, kRows), after = interpret(simple, inputs, kRows);
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before)
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      EXPECT_NEAR(after.at(name).get(i), tensor.get(i), 1e-13) << name;
}

}  // namespace
}  // namespace cnnc
