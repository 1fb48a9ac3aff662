// The canonical text of a graph.
#include "ir/base/lexer.h"
#include "ir/graph/graph.h"

namespace cnnc {

namespace {

std::string name_text(std::string_view name) {
  return is_plain_word(name) ? std::string(name) : quoted(name);
}

std::string attributes_text(const Attributes& attributes) {
  if (attributes.all().empty()) return "";
  std::string text = " {";
  for (const auto& [name, value] : attributes.all()) {
    if (text.size() > 2) text += ", ";
    text += fmt::format("{}={}", name_text(name), to_string(value));
  }
  return text + "}";
}

/// Numbers values in the order of nodes and results.
class Printer {
 public:
  explicit Printer(const Graph& graph) : graph_(graph) {
    int next = 0;
    for (const Node& node : graph.nodes) {
      first_.push_back(next);
      next += static_cast<int>(node.types.size());
    }
  }

  std::string text() const {
    std::string text = fmt::format("graph {} batch={} {{\n", name_text(graph_.name), graph_.batch);
    if (graph_.optimizer) {
      text += fmt::format("  optimizer {}{}\n", name_text(graph_.optimizer->name),
                          attributes_text(graph_.optimizer->arguments));
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) text += line(static_cast<int>(i));
    text += "  return";
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const Output& output = graph_.outputs[i];
      text += fmt::format("{} {}={}", i > 0 ? "," : "", name_text(output.name), name(output.value));
    }
    return text + "\n}\n";
  }

 private:
  std::string name(Value value) const {
    return fmt::format("%{}", first_.at(static_cast<std::size_t>(value.node)) + value.result);
  }

  std::string line(int index) const {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    std::string results, operands, types;
    for (std::size_t i = 0; i < node.types.size(); ++i) {
      results += (i > 0 ? ", " : "") + name({index, static_cast<int>(i)});
      types += (i > 0 ? ", " : "") + to_string(node.types[i]);
    }
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      operands += (i > 0 ? ", " : "") + name(node.operands[i]);
    }
    std::string label;
    if (!node.label.empty()) {
      label = is_plain_word(node.label) ? "   @" + node.label : "   label " + quoted(node.label);
    }
    return fmt::format("  {} = {}({}){} : {}{}\n", results, node.op->name, operands,
                       attributes_text(node.attributes), types, label);
  }

  const Graph& graph_;
  std::vector<int> first_;
};

}  // namespace

std::string print(const Graph& graph) { return Printer(graph).text(); }

}  // namespace cnnc
