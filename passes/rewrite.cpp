#include "passes/rewrite.h"

#include "passes/rebuild.h"

namespace cnnc {

Rewriter::Rewriter(const Graph& graph, std::span<const RewriteRule> rules)
    : graph_(graph), rules_(rules), builder_(ops_of(graph), graph.name, graph.batch) {}

Value Rewriter::make(const OpRef& op, std::vector<Value> operands, Attributes attributes) {
  std::vector<TensorType> types;
  for (const Value operand : operands) types.push_back(builder_.type(operand));
  const auto results = op->type_rule({types, {}, attributes});
  if (results.size() == 1) {
    const Candidate candidate{op, operands, attributes, results[0]};
    for (const RewriteRule& rule : rules_) {
      const auto value = rule.apply(*this, candidate);
      if (!value) continue;
      CNNC_CHECK(builder_.type(*value) == results[0], "rule '{}' makes {} of {}", rule.name,
                 to_string(builder_.type(*value)), to_string(results[0]));
      return *value;
    }
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

Graph Rewriter::run() {
  std::vector<Value> made;  // of each node, its first result
  const auto mapped = [&](Value value) {
    const Value first = made[static_cast<std::size_t>(value.node)];
    return Value{first.node, first.result + value.result};  // a rewritten node has one result
  };
  for (const Node& node : graph_.nodes) {
    std::vector<Value> operands;
    for (const Value operand : node.operands) operands.push_back(mapped(operand));
    builder_.set_label(node.label);
    made.push_back(make(node.op, std::move(operands), node.attributes));
  }
  for (const Output& output : graph_.outputs) builder_.output(output.name, mapped(output.value));
  builder_.set_optimizer(graph_.optimizer);
  builder_.set_label("");
  return without_dead_nodes(std::move(builder_).build());
}

}  // namespace cnnc
