// Looking things up in a graph.
#include "ir/graph/graph.h"

namespace cnnc {

std::optional<Value> Graph::output(std::string_view wanted) const {
  for (const Output& output : outputs) {
    if (output.name == wanted) return output.value;
  }
  return std::nullopt;
}

bool is_input(const Node& node) { return node.op->name == "input"; }
const std::string& input_name(const Node& node) { return node.attributes.text("name"); }
const std::string& input_role(const Node& node) { return node.attributes.text("role"); }

OpTable ops_of(const Graph& graph) {
  OpTable table = OpTable::standard();
  for (const Node& node : graph.nodes) table.add(node.op);
  return table;
}

}  // namespace cnnc
