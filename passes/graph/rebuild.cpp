#include "passes/graph/rebuild.h"

namespace cnnc {

namespace {

void finish(Builder& builder, const Graph& graph, const std::vector<Value>& first) {
  for (const Output& output : graph.outputs) {
    const Value value = first[static_cast<std::size_t>(output.value.node)];
    builder.output(output.name, {value.node, output.value.result});
  }
  builder.set_optimizer(graph.optimizer);
  builder.set_label("");
}

void add_copy(Builder& builder, const Node& node, std::vector<Value>& first) {
  std::vector<Value> operands;
  for (const Value operand : node.operands) {
    operands.push_back({first[static_cast<std::size_t>(operand.node)].node, operand.result});
  }
  builder.set_label(node.label);
  first.push_back(builder.add_node(node.op, std::move(operands), node.attributes));
}

}  // namespace

Builder copy_of(const Graph& graph) {
  Builder builder(ops_of(graph), graph.name, graph.batch);
  std::vector<Value> first;  // result of each node
  for (const Node& node : graph.nodes) {
    add_copy(builder, node, first);
    CNNC_CHECK(first.back().node == static_cast<int>(first.size()) - 1, "{} occurs twice in '{}'",
               node.op->name, graph.name);
  }
  finish(builder, graph, first);
  return builder;
}

Graph without_dead_nodes(const Graph& graph) {
  std::vector<bool> live(graph.nodes.size());
  for (const Output& output : graph.outputs)
    live[static_cast<std::size_t>(output.value.node)] = true;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (const Value operand : graph.nodes[i].operands) {
      live[static_cast<std::size_t>(operand.node)] = true;
    }
  }
  Builder builder(ops_of(graph), graph.name, graph.batch);
  std::vector<Value> first;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (live[i]) {
      add_copy(builder, graph.nodes[i], first);
    } else {
      first.emplace_back();
    }
  }
  finish(builder, graph, first);
  return std::move(builder).build();
}

}  // namespace cnnc
