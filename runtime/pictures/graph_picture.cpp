#include "runtime/pictures/graph_picture.h"

#include <map>
#include <set>

#include "runtime/inspect/summary.h"

namespace cnnc {
namespace {

std::string without_layer(const std::string& name, const std::string& layer) {
  return !layer.empty() && name.starts_with(layer + ".") ? name.substr(layer.size() + 1) : name;
}

class GraphDrawing {
 public:
  explicit GraphDrawing(const Graph& graph) : graph_(graph), forward_(forward_nodes(graph)) {}

  BoxPicture draw() {
    picture_.title = fmt::format("{}, B = {}", graph_.name, graph_.batch);
    const auto total = static_cast<double>(std::max<std::int64_t>(1, graph_flops(graph_)));
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (is_folded(node)) continue;
      ids_[static_cast<int>(i)] = picture_.nodes.size();
      picture_.nodes.push_back(is_input(node)
                                   ? input_node(node)
                                   : op_node(node, total, forward_.contains(static_cast<int>(i))));
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      for (const Value operand : graph_.nodes[i].operands) connect(operand, static_cast<int>(i));
    for (const Output& output : graph_.outputs) add_output(output);
    drop_single_boxes(picture_);
    return std::move(picture_);
  }

 private:
  /// What the loss and the model's output depend on; everything where a graph has neither.
  static std::set<int> forward_nodes(const Graph& graph) {
    std::vector<int> open;
    for (const Output& output : graph.outputs)
      if (output.name == "output" || output.name == "loss" || output.name == "correct")
        open.push_back(output.value.node);
    if (open.empty())
      for (std::size_t i = 0; i < graph.nodes.size(); ++i) open.push_back(static_cast<int>(i));
    std::set<int> found;
    while (!open.empty()) {
      const int node = open.back();
      open.pop_back();
      if (!found.insert(node).second) continue;
      for (const Value operand : graph.nodes[static_cast<std::size_t>(node)].operands)
        open.push_back(operand.node);
    }
    return found;
  }

  static bool is_folded(const Node& node) {
    if (node.op->name == "constant") return node.types.front().dims.empty();
    return is_input(node) && input_role(node) == "data" && node.types.front().dims.empty();
  }

  static std::string folded_text(const Node& node) {
    if (is_input(node)) return input_name(node);
    const AttributeValue* value = node.attributes.find("value");
    const auto* number = value ? std::get_if<double>(value) : nullptr;
    return number ? fmt::format("{:g}", *number) : "?";
  }

  int box_of(const Node& node, bool forward) {
    if (node.label.empty()) return -1;
    const auto [known, fresh] =
        boxes_.try_emplace({node.label, forward}, static_cast<int>(picture_.boxes.size()));
    if (fresh)
      picture_.boxes.push_back({node.label + (forward ? "" : ", backward"), /*warm=*/!forward});
    return known->second;
  }

  PictureNode input_node(const Node& node) {
    const bool data = input_role(node) == "data";
    return {.name = data ? input_name(node) : without_layer(input_name(node), node.label),
            .details = shape_label(node.types.front()),
            .tooltip = input_name(node),
            .shape = data ? NodeShape::input : NodeShape::memory,
            .box = box_of(node, true)};
  }

  PictureNode op_node(const Node& node, double total, bool forward) {
    const auto flops = static_cast<double>(node_flops(graph_, node));
    std::string name = node.op->name, arguments;
    bool folded = false;
    for (const Value operand : node.operands) {
      const Node& other = graph_.node(operand);
      folded |= is_folded(other);
      arguments += fmt::format("{}{}", arguments.empty() ? "" : ", ",
                               is_folded(other) ? folded_text(other) : "·");
    }
    if (folded) name += fmt::format("({})", arguments);
    std::string tooltip = node.op->name;
    for (const auto& [attribute, value] : node.attributes.all())
      tooltip += fmt::format(" {}={}", attribute, to_string(value));
    return {.name = std::move(name),
            .details = flops > 0 ? fmt::format("{:.3f} MFLOP", flops / 1e6) : "",
            .tooltip = std::move(tooltip),
            .heat = flops / total,
            .box = box_of(node, forward)};
  }

  void connect(Value from, int to) {
    const auto source = ids_.find(from.node), target = ids_.find(to);
    if (source == ids_.end() || target == ids_.end()) return;
    const bool kept = forward_.contains(from.node) && !forward_.contains(to);
    picture_.edges.push_back(
        {source->second, target->second, shape_label(graph_.type(from)), kept});
  }

  void add_output(const Output& output) {
    const auto source = ids_.find(output.value.node);
    if (source == ids_.end()) return;
    PictureNode node{.name = output.name, .details = "", .tooltip = output.name};
    node.shape = NodeShape::output;
    for (const Node& other : graph_.nodes) {
      if (!is_input(other) || input_name(other) != output.name) continue;
      node.name = "new " + without_layer(output.name, other.label);
      node.shape = NodeShape::memory;
      node.box = picture_.nodes[source->second].box;
    }
    picture_.edges.push_back(
        {source->second, picture_.nodes.size(), shape_label(graph_.type(output.value))});
    picture_.nodes.push_back(std::move(node));
  }

  const Graph& graph_;
  std::set<int> forward_;
  std::map<int, std::size_t> ids_;  // of a node's box in the picture
  std::map<std::pair<std::string, bool>, int> boxes_;
  BoxPicture picture_;
};

}  // namespace

std::string shape_label(const TensorType& type) {
  std::string text;
  for (const auto dim : type.dims)
    text += (text.empty() ? "" : "×") + (dim == kBatch ? std::string("B") : std::to_string(dim));
  if (type.scalar == ScalarType::f32) return text.empty() ? "scalar" : text;
  return text.empty() ? std::string(name_of(type.scalar))
                      : fmt::format("{} {}", name_of(type.scalar), text);
}

BoxPicture picture_of(const Graph& graph) { return GraphDrawing(graph).draw(); }

}  // namespace cnnc
