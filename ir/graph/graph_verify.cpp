// What holds of every graph between passes.
#include <algorithm>
#include <set>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  std::vector<Fault> run() {
    if (graph_.batch < 1) complain("batch is {}", graph_.batch);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      part_ = {Part::Kind::node, i};
      node(static_cast<int>(i));
    }
    std::set<std::string> names;
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      part_ = {Part::Kind::output, i};
      const Output& output = graph_.outputs[i];
      if (!names.insert(output.name).second) complain("output '{}' is given twice", output.name);
      if (!exists(output.value, static_cast<int>(graph_.nodes.size()))) {
        complain("output '{}' is no value of the graph", output.name);
      } else {
        check_update(output);
      }
    }
    return std::move(faults_);
  }

 private:
  template <class... Args>
  void complain(fmt::format_string<Args...> format, Args&&... args) {
    faults_.push_back({part_, fmt::format(format, std::forward<Args>(args)...)});
  }

  bool exists(Value value, int before) const {
    return value.node >= 0 && value.node < before && value.result >= 0 &&
           value.result < static_cast<int>(graph_.node(value).types.size());
  }

  void node(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    if (node.op == nullptr) return complain("node {} has no op", index);
    std::vector<TensorType> operands;
    for (const Value operand : node.operands) {
      if (!exists(operand, index)) {
        return complain("node {} ({}) has an operand that is not defined before it", index,
                        node.op->name);
      }
      operands.push_back(graph_.type(operand));
    }
    try {
      check_attributes(*node.op, node.attributes);
      const auto types = node.op->type_rule({operands, {}, node.attributes});
      for (const TensorType& type : types) check_result(*node.op, type, graph_.batch);
      if (types != node.types) {
        complain("node {}: {} has other types than its rule says", index,
                 describe(node.op->name, operands));
      }
    } catch (const Error& error) {
      complain("node {}: {}", index, error.what());
    }
    if (!is_input(node)) return;
    if (!inputs_.emplace(input_name(node), index).second)
      complain("there are two inputs '{}'", input_name(node));
    if (input_name(node) == "count") check_count(node);
  }

  /// Lowering reads the number of a call's rows by that name.
  void check_count(const Node& node) {
    const TensorType rows{ScalarType::i64, {}};
    if (input_role(node) != "data" || (!node.types.empty() && node.types[0] != rows))
      complain("the input 'count' is the number of rows; expected data of type {}",
               to_string(rows));
  }

  /// An output named as a parameter or state is its new value, and so of its type.
  void check_update(const Output& output) {
    const auto input = inputs_.find(output.name);
    if (input == inputs_.end()) return;
    const Node& node = graph_.nodes[static_cast<std::size_t>(input->second)];
    if (input_role(node) == "data") {
      complain("output '{}' has the name of a data input", output.name);
    } else if (!node.types.empty() && graph_.type(output.value) != node.types[0]) {
      complain("output '{}' is {}, its input {}", output.name, to_string(graph_.type(output.value)),
               to_string(node.types[0]));
    }
  }

  const Graph& graph_;
  std::map<std::string, int> inputs_;
  Part part_;
  std::vector<Fault> faults_;
};

}  // namespace

std::vector<Fault> find_faults(const Graph& graph) { return Verifier(graph).run(); }

std::vector<std::string> verify_errors(const Graph& graph) {
  return messages_of(find_faults(graph));
}

void verify(const Graph& graph, std::string_view stage) {
  const auto errors = verify_errors(graph);
  CNNC_CHECK(errors.empty(), "graph '{}' is broken after {}: {}{}", graph.name, stage,
             errors.empty() ? "" : errors.front(),
             errors.size() > 1 ? fmt::format(" (and {} more)", errors.size() - 1) : "");
}

}  // namespace cnnc
