#include "runtime/inspect/summary.h"

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "ir/target/target.h"
#include "passes/graph/differentiate.h"
#include "runtime/inspect/text_table.h"

namespace cnnc {
namespace {

/// 28x28x32
std::string shape_text(const Dims& dims) {
  std::string text;
  for (const auto dim : dims) {
    if (dim != kBatch) text += fmt::format("{}{}", text.empty() ? "" : "x", dim);
  }
  return text.empty() ? "1" : text;
}

/// conv(32, 3x3, pad=1): arguments that say more than the default does.
std::string call_text(const std::string& name, std::span<const ArgumentDef> definitions,
                      const Attributes& arguments) {
  std::string text;
  for (const auto& definition : definitions) {
    const AttributeValue* value = arguments.find(definition.name);
    if (!value || (definition.fallback && *value == *definition.fallback)) continue;
    if (!text.empty()) text += ", ";
    if (!definition.positional) text += definition.name + "=";
    text += argument_text(definition, *value);
  }
  return text.empty() ? name : fmt::format("{}({})", name, text);
}

std::int64_t parameter_count(std::span<const Parameter> parameters, const std::string& layer) {
  std::int64_t count = 0;
  for (const auto& parameter : parameters) {
    const bool of_layer = parameter.name.starts_with(layer + ".") &&
                          parameter.name.find('.', layer.size() + 1) == std::string::npos;
    if (of_layer) count += element_count(parameter.type.dims, 1);
  }
  return count;
}

std::string megabytes(std::int64_t bytes) {
  return bytes < 1 << 20 ? fmt::format("{:.1f} KB", static_cast<double>(bytes) / 1e3)
                         : fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

std::string mflop(std::int64_t flops) {
  return fmt::format("{:.3f}", static_cast<double>(flops) / 1e6);
}

std::string training_line(const Model& model, const Language& language) {
  const TrainSettings& train = *model.train;
  return fmt::format(
      "trained on {}: {}, {}, {}, batch {}, {} epoch{}\n", train.data,
      call_text(train.loss.name, language.losses.at(train.loss.name)->arguments,
                train.loss.arguments),
      call_text(train.optimizer.name, language.optimizers.at(train.optimizer.name)->arguments,
                train.optimizer.arguments),
      call_text(train.schedule.name, language.schedules.at(train.schedule.name)->arguments,
                train.schedule.arguments),
      train.batch, train.epochs, train.epochs == 1 ? "" : "s");
}

}  // namespace

std::string argument_text(const ArgumentDef& argument, const AttributeValue& value) {
  if (argument.kind == ArgumentKind::size2) {
    const auto& sizes = std::get<std::vector<std::int64_t>>(value);
    const bool square = std::ranges::adjacent_find(sizes, std::not_equal_to{}) == sizes.end();
    if (square && !argument.positional) return std::to_string(sizes.at(0));
    return fmt::format("{}", fmt::join(sizes, "x"));
  }
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return to_string(value);
}

std::int64_t node_flops(const Graph& graph, const Node& node) {
  if (!node.op->flops) return 0;
  std::vector<TensorType> operands;
  for (const Value value : node.operands) operands.push_back(graph.type(value));
  return node.op->flops(
      {.operands = operands, .results = node.types, .attributes = node.attributes});
}

std::int64_t graph_flops(const Graph& graph) {
  std::int64_t sum = 0;
  for (const auto& node : graph.nodes) sum += node_flops(graph, node);
  return sum;
}

std::int64_t graph_flops(const Graph& graph, std::string_view label) {
  std::int64_t sum = 0;
  for (const auto& node : graph.nodes) {
    if (node.label == label) sum += node_flops(graph, node);
  }
  return sum;
}

std::string summary(const Model& model, const Language& language) {
  const ModelGraph forward = build_graph(model, language, Mode::infer, 1, ScalarType::f32);
  std::vector<std::vector<std::string>> rows = {{"layer", "kind", "output", "parameters", "MFLOP"},
                                                {"", "input", shape_text(model.input), "", ""}};
  std::int64_t activations = 0;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const LayerUse& use = model.layers[i];
    const TensorType& type = forward.layer_types.at(i);
    const std::int64_t parameters = parameter_count(forward.parameters, use.name);
    const std::int64_t flops = graph_flops(forward.graph, use.name);
    rows.push_back({use.name,
                    call_text(use.layer, language.layers.at(use.layer)->arguments, use.arguments),
                    shape_text(type.dims), parameters == 0 ? "" : grouped(parameters),
                    flops == 0 ? "" : mflop(flops)});
    activations += element_count(type.dims, 1);
  }
  std::int64_t parameters = 0;
  for (const auto& parameter : forward.parameters)
    parameters += element_count(parameter.type.dims, 1);
  rows.push_back({"total", "", "", grouped(parameters), mflop(graph_flops(forward.graph))});

  std::string text =
      fmt::format("model {}\n\n{}\n", model.name, to_string(TextTable{rows, 3, true}));
  text += fmt::format(
      "weights {}; results of all layers {} an image (f32); FLOP count a multiply-add as two\n",
      megabytes(4 * parameters), megabytes(4 * activations));
  if (model.train) {
    const ModelGraph training = build_graph(model, language, Mode::train, 1, ScalarType::f32);
    text += training_line(model, language);
    text += fmt::format("one image costs {} MFLOP forward, {} to train\n",
                        mflop(graph_flops(forward.graph)),
                        mflop(graph_flops(differentiate_graph(training.graph, Target{}))));
  }
  return text;
}

}  // namespace cnnc
