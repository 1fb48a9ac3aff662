#include "passes/graph/rewriter.h"

#include <algorithm>

#include "passes/graph/rebuild.h"

namespace cnnc {

Rewriter::Rewriter(const Graph& graph, std::span<const RewriteRule> rules)
    : graph_(graph), rules_(rules), builder_(ops_of(graph), graph.name, graph.batch) {}

Value Rewriter::make(const OpRef& op, std::vector<Value> operands, Attributes attributes) {
  std::vector<TensorType> types;
  for (const Value operand : operands) types.push_back(builder_.type(operand));
  const auto results = op->type_rule({types, {}, attributes});
  const Candidate candidate{op, operands, attributes, results[0]};
  for (const RewriteRule& rule : rules_) {
    const auto value = rule.apply(*this, candidate);
    if (!value) continue;
    CNNC_CHECK(builder_.type(*value) == results[0], "rule '{}' makes {} of {}", rule.name,
               to_string(builder_.type(*value)), to_string(results[0]));
    return *value;
  }
  return builder_.add_node(op, std::move(operands), std::move(attributes));
}

Value Rewriter::make(std::string_view op, std::vector<Value> operands, Attributes attributes) {
  return make(builder_.ops().find(op), std::move(operands), std::move(attributes));
}

const Node* Rewriter::node_if(Value value, std::string_view op) const {
  const Node& node = builder_.graph().node(value);
  return node.op->name == op ? &node : nullptr;
}

std::optional<Value> Rewriter::argument_of(Value value, std::string_view op) const {
  const Node* node = node_if(value, op);
  return node == nullptr ? std::nullopt : std::optional(node->operands.at(0));
}

std::optional<double> Rewriter::number(Value value) const {
  const Node* node = node_if(value, "constant");
  return node == nullptr ? std::nullopt : std::optional(node->attributes.real("value"));
}

namespace {

/// Of each node, whether a user or an output needs a result other than the first.
std::vector<bool> nodes_with_further_results(const Graph& graph) {
  std::vector<bool> needed(graph.nodes.size());
  const auto note = [&](Value value) {
    if (value.result > 0) needed[static_cast<std::size_t>(value.node)] = true;
  };
  for (const Node& node : graph.nodes) std::ranges::for_each(node.operands, note);
  for (const Output& output : graph.outputs) note(output.value);
  return needed;
}

}  // namespace

Graph Rewriter::run() {
  const std::vector<bool> keep = nodes_with_further_results(graph_);
  std::vector<Value> made;  // of each node, its first result
  const auto mapped = [&](Value value) {
    const Value first = made[static_cast<std::size_t>(value.node)];
    return Value{first.node, first.result + value.result};  // only of a kept node beyond 0
  };
  for (const Node& node : graph_.nodes) {
    std::vector<Value> operands;
    for (const Value operand : node.operands) operands.push_back(mapped(operand));
    builder_.set_label(node.label);
    made.push_back(keep[made.size()]
                       ? builder_.add_node(node.op, std::move(operands), node.attributes)
                       : make(node.op, std::move(operands), node.attributes));
  }
  for (const Output& output : graph_.outputs) builder_.output(output.name, mapped(output.value));
  builder_.set_optimizer(graph_.optimizer);
  builder_.set_label("");
  return without_dead_nodes(std::move(builder_).build());
}

}  // namespace cnnc
