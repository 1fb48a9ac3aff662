// Runs a graph node by node: the oracle for what the compiler makes of it.
#include "ir/base/interpreter_memory.h"
#include "ir/graph/graph.h"

namespace cnnc {

namespace {

Tensor take_input(const Node& node, const std::map<std::string, Tensor>& inputs,
                  std::int64_t count) {
  const std::string& name = input_name(node);
  const TensorType type{node.types[0].scalar, concrete(node.types[0].dims, count)};
  const auto found = inputs.find(name);
  if (found == inputs.end() && name == "count" && type.dims.empty()) {
    Tensor rows(type);
    rows.set(0, static_cast<double>(count));
    return rows;
  }
  if (found == inputs.end()) fail("input '{}' ({}) is missing", name, to_string(type));
  if (found->second.type() != type) {
    fail("input '{}' is {}; the graph takes {}", name, to_string(found->second.type()),
         to_string(type));
  }
  return found->second;
}

std::vector<Tensor> results_of(const Graph& graph, const Node& node,
                               const std::vector<std::vector<Tensor>>& values, std::int64_t count) {
  std::vector<Tensor> operands;
  std::vector<TensorType> types;
  for (const Value operand : node.operands) {
    operands.push_back(
        values[static_cast<std::size_t>(operand.node)][static_cast<std::size_t>(operand.result)]);
    types.push_back(graph.type(operand));
  }
  return evaluate(*node.op, operands, types, node.types, node.attributes, count);
}

}  // namespace

std::map<std::string, Tensor> interpret(const Graph& graph,
                                        const std::map<std::string, Tensor>& inputs,
                                        std::int64_t count) {
  if (count < 1 || count > graph.batch) fail("{} rows in a batch of {}", count, graph.batch);
  check_interpreter_memory(graph, count);
  std::vector<std::vector<Tensor>> values;  // of each node
  for (const Node& node : graph.nodes) {
    if (is_input(node)) {
      values.push_back({take_input(node, inputs, count)});
      continue;
    }
    try {
      values.push_back(results_of(graph, node, values, count));
    } catch (const Error& error) {
      throw PartError({Part::Kind::node, values.size()},
                      fmt::format("{}: {}", node.op->name, error.what()));
    }
  }
  std::map<std::string, Tensor> outputs;
  for (const Output& output : graph.outputs) {
    outputs.emplace(output.name, values[static_cast<std::size_t>(output.value.node)]
                                       [static_cast<std::size_t>(output.value.result)]);
  }
  return outputs;
}

void check_interpreter_memory(const Graph& graph, std::int64_t rows) {
  std::int64_t total = 0;
  for (const Node& node : graph.nodes)
    for (const TensorType& type : node.types) {
      total += interpreter_bytes({type.scalar, concrete(type.dims, rows)});
      require_interpreter_memory("graph", graph.name, total);
    }
}

}  // namespace cnnc
