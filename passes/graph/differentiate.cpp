// Adds the gradients of the loss to a training graph.
//
//   %2 = mul(%0, %1)              %2 = mul(%0, %1)
//   %3 = reduce_sum(%2)           %3 = reduce_sum(%2)
//   return loss=%3          =>    %4 = constant() {value=1.0}
//                                 %5 = broadcast_to(%4)
//                                 %6 = mul(%5, %0)
//                                 return loss=%3, gradient.w=%6      (the parameter w is %1)
//
// Nodes are visited from the last to the first; a value's gradients are added in the order in which
// its users are met, so the sum's order is fixed.
#include "passes/graph/differentiate.h"

#include <algorithm>

#include "passes/graph/rebuild.h"

namespace cnnc {

namespace {

bool is_real_parameter(const Node& node) {
  return is_input(node) && input_role(node) == "parameter" && is_float(node.types[0].scalar);
}

/// Which nodes a parameter feeds, as a real number.
std::vector<bool> fed_by_parameters(const Graph& graph) {
  std::vector<bool> fed(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    fed[i] = is_real_parameter(node);
    for (const Value operand : node.operands) {
      fed[i] = fed[i] || (fed[static_cast<std::size_t>(operand.node)] &&
                          is_float(graph.type(operand).scalar));
    }
  }
  return fed;
}

using Gradients = std::map<Value, Value>;  // of a value of the forward graph

/// Takes the gradients of `node`'s results to those of its operands.
void propagate(Builder& builder, const Graph& graph, int index, const std::vector<bool>& fed,
               Gradients& gradients) {
  const Node& node = graph.nodes[static_cast<std::size_t>(index)];
  std::vector<Value> results;
  std::vector<std::optional<Value>> own;
  bool any = false;
  for (std::size_t i = 0; i < node.types.size(); ++i) {
    const Value result{index, static_cast<int>(i)};
    const auto found = gradients.find(result);
    results.push_back(result);
    own.push_back(found == gradients.end() ? std::nullopt : std::optional(found->second));
    any = any || own.back().has_value();
  }
  if (!any) return;
  if (!node.op->gradient) {
    fail("{} has no gradient{}, but a parameter reaches the loss through it", node.op->name,
         node.label.empty() ? "" : fmt::format(" (layer '{}')", node.label));
  }
  builder.set_label(node.label);
  const auto operands = node.op->gradient(builder, node, results, own);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Value operand = node.operands[i];
    if (!operands[i] || !fed[static_cast<std::size_t>(operand.node)]) continue;
    CNNC_CHECK(builder.type(*operands[i]) == graph.type(operand),
               "gradient of {} for operand {} is {}, not {}", node.op->name, i,
               to_string(builder.type(*operands[i])), to_string(graph.type(operand)));
    const auto [place, first] = gradients.emplace(operand, *operands[i]);
    if (!first) place->second = builder.add(place->second, *operands[i]);
  }
}

std::string gradient_name(const Node& parameter) { return "gradient." + input_name(parameter); }

/// As a graph that comes from behind this pass, maybe by way of its text.
bool has_all_gradients(const Graph& graph) {
  const auto has_gradient = [&](const Node& node) {
    return graph.output(gradient_name(node)).has_value();
  };
  return std::ranges::any_of(graph.nodes, is_real_parameter) &&
         std::ranges::all_of(graph.nodes, [&](const Node& node) {
           return !is_real_parameter(node) || has_gradient(node);
         });
}

}  // namespace

Graph differentiate_graph(const Graph& graph, const PassContext&) {
  if (!graph.optimizer) return graph;
  const auto loss = graph.output("loss");
  if (!loss || !graph.type(*loss).dims.empty() || !is_float(graph.type(*loss).scalar)) {
    fail("graph '{}' has an optimizer but no real scalar output 'loss'", graph.name);
  }
  if (has_all_gradients(graph)) return graph;
  // The forward nodes keep their numbers, so a Value of `graph` is also one of the builder's.
  Builder builder = copy_of(graph);
  const std::vector<bool> fed = fed_by_parameters(graph);
  Gradients gradients;
  builder.set_label(graph.node(*loss).label);
  if (fed[static_cast<std::size_t>(loss->node)]) {
    gradients.emplace(*loss, builder.constant(graph.type(*loss).scalar, 1));
  }
  for (int i = loss->node; i >= 0; --i) {
    const std::size_t at = static_cast<std::size_t>(i);
    if (fed[at] && !is_input(graph.nodes[at])) propagate(builder, graph, i, fed, gradients);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_real_parameter(node)) continue;
    builder.set_label(node.label);
    if (graph.output(gradient_name(node)))
      fail("graph '{}' has an output '{}' already", graph.name, gradient_name(node));
    const auto found = gradients.find({static_cast<int>(i), 0});
    const Value gradient =
        found != gradients.end()
            ? found->second
            : builder.op("broadcast_to", {builder.constant(node.types[0].scalar, 0)},
                         {{"dims", node.types[0].dims}});
    builder.output(gradient_name(node), gradient);
  }
  return without_dead_nodes(std::move(builder).build());
}

}  // namespace cnnc
