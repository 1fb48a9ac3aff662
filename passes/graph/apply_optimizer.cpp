// Replaces gradients by updates, as the graph's optimizer says.
//
//   optimizer sgd {lr=0.1, momentum=0.5, ...}
//   %1 = input() {name="w", ...}               %1 = input() {name="w", ...}
//   %2 = ...                             =>    %2 = ...
//   return loss=%0, gradient.w=%2              %3 = input() {name="w.momentum", role="state", ...}
//                                              %4 = input() {name="lr", role="data", ...}
//                                              %6 = 0.5 * %3 + %2
//                                              %7 = %1 - %6 * %4
//                                              return loss=%0, w=%7, w.momentum=%6
#include "passes/graph/apply_optimizer.h"

#include <algorithm>

#include "ir/language/layer.h"
#include "passes/graph/rebuild.h"

namespace cnnc {

namespace {

constexpr std::string_view kGradient = "gradient.";

std::shared_ptr<const OptimizerDef> definition_of(const OptimizerSpec& spec) {
  if (spec.definition) return spec.definition;
  const Language language = Language::standard();
  const auto found = language.optimizers.find(spec.name);
  if (found == language.optimizers.end()) fail("no optimizer is called '{}'", spec.name);
  return found->second;
}

std::size_t index_of(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::integer: return AttributeValue(std::int64_t{0}).index();
    case ArgumentKind::real: return AttributeValue(0.0).index();
    case ArgumentKind::boolean: return AttributeValue(false).index();
    case ArgumentKind::word: return AttributeValue(std::string()).index();
    case ArgumentKind::size2: return AttributeValue(Dims()).index();
  }
  return std::variant_npos;
}

/// The arguments with fallbacks; those of a graph that a person wrote are unchecked.
Attributes complete(const OptimizerSpec& spec, const OptimizerDef& definition) {
  Attributes result;
  for (const ArgumentDef& argument : definition.arguments) {
    const AttributeValue* given = spec.arguments.find(argument.name);
    if (given == nullptr && !argument.fallback)
      fail("optimizer {} needs '{}'", spec.name, argument.name);
    const AttributeValue value = given != nullptr ? *given : *argument.fallback;
    if (value.index() != index_of(argument.kind))
      fail("optimizer {}: '{}' cannot be {}", spec.name, argument.name, to_string(value));
    result.set(argument.name, value);
  }
  for (const auto& [name, value] : spec.arguments.all()) {
    if (result.find(name) == nullptr) fail("optimizer {} has no '{}'", spec.name, name);
  }
  return result;
}

/// In the order of the nodes.
std::vector<Value> parameters_of(const Graph& graph) {
  std::vector<Value> result;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (is_input(node) && input_role(node) == "parameter")
      result.push_back({static_cast<int>(i), 0});
  }
  return result;
}

void update(Builder& builder, const OptimizerDef& optimizer, const Attributes& arguments,
            const std::string& name, Value parameter, Value gradient) {
  const TensorType type = builder.type(parameter);
  builder.set_label("");  // scalars belong to no layer
  const Value rate = builder.input("lr", "data", {type.scalar, {}});
  const Value step = builder.input("step", "data", {ScalarType::i64, {}});
  builder.set_label(builder.graph().node(parameter).label);
  std::vector<Output> states;
  OptimizerContext context{builder,
                           arguments,
                           rate,
                           step,
                           parameter,
                           gradient,
                           [&](std::string_view suffix) {
                             return builder.input(fmt::format("{}.{}", name, suffix), "state",
                                                  type);
                           },
                           [&](std::string_view suffix, Value value) {
                             states.push_back({fmt::format("{}.{}", name, suffix), value});
                           }};
  const Value updated = optimizer.update(context);
  CNNC_CHECK(builder.type(updated) == type, "optimizer {} makes {} of {} {}", optimizer.name,
             to_string(builder.type(updated)), name, to_string(type));
  builder.output(name, updated);
  for (const Output& state : states) builder.output(state.name, state.value);
}

}  // namespace

Graph apply_optimizer(const Graph& graph, const PassContext&) {
  if (!graph.optimizer) return graph;
  const auto optimizer = definition_of(*graph.optimizer);
  const Attributes arguments = complete(*graph.optimizer, *optimizer);
  if (optimizer->states)
    optimizer->states(arguments);  // throws where arguments contradict each other

  Graph rest = graph;
  rest.optimizer.reset();
  std::erase_if(rest.outputs,
                [](const Output& output) { return output.name.starts_with(kGradient); });
  Builder builder = copy_of(rest);
  for (const Value parameter : parameters_of(graph)) {
    const std::string& name = input_name(graph.node(parameter));
    const auto gradient = graph.output(std::string(kGradient) + name);
    if (!gradient)
      fail("apply_optimizer: the graph has no gradient of '{}'; differentiate it first", name);
    if (graph.type(*gradient) != graph.type(parameter))
      fail("apply_optimizer: the gradient of '{}' is {}, not {}", name,
           to_string(graph.type(*gradient)), to_string(graph.type(parameter)));
    update(builder, *optimizer, arguments, name, parameter, *gradient);
  }
  return without_dead_nodes(std::move(builder).build());
}

}  // namespace cnnc
