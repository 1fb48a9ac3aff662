// fold_batch_norm:
//   %3 = conv2d(%x, %w)                              %5 = mul(%w, %scale)
//   %4 = sub(%3, %mean)                       ->     %6 = conv2d(%x, %5)
//   %5 = mul(%4, %scale)                             %7 = mul(neg(%mean), %scale)
//   %6 = add(%5, %bias)                              %8 = add(%6, add(%7, %bias))
// What is left to do per element is one addition; what depends on weights alone is computed once
// (passes/finish/run_once.h).
#include "passes/graph/fold_batch_norm.h"

#include <algorithm>

namespace cnnc {

namespace {

/// A linear op that is about to be made, and what per-channel arithmetic has followed it so far:
/// op(operands) * scale + shift.
struct Chain {
  const Node* linear = nullptr;
  std::vector<Value> operands;
  std::optional<Value> scale, shift;
};

class Folder {
 public:
  explicit Folder(const Graph& graph)
      : graph_(graph),
        build_(ops_of(graph), graph.name, graph.batch),
        uses_(graph.nodes.size()),
        fixed_(graph.nodes.size()) {
    for (const Node& node : graph.nodes)
      for (const Value operand : node.operands) ++uses_[static_cast<std::size_t>(operand.node)];
    for (const Output& output : graph.outputs)
      uses_[static_cast<std::size_t>(output.value.node)] += 2;  // never inside a chain
  }

  Graph run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      build_.set_label(node.label);
      fixed_[i] = is_input(node)
                      ? input_role(node) != "data"
                      : std::ranges::all_of(node.operands, [&](Value v) { return fixed(v); });
      auto chain = begun(node);
      if (!chain) chain = continued(node);
      if (chain && uses_[i] == 1) {
        chains_[static_cast<int>(i)] = std::move(*chain);
        continue;
      }
      if (chain) {
        made_[{static_cast<int>(i), 0}] = finish(*chain);
        continue;
      }
      std::vector<Value> operands;
      for (const Value operand : node.operands) operands.push_back(made(operand));
      const Value first = build_.add_node(node.op, std::move(operands), node.attributes);
      for (int r = 0; r < static_cast<int>(node.types.size()); ++r)
        made_[{static_cast<int>(i), r}] = {first.node, r};
    }
    for (const Output& output : graph_.outputs) build_.output(output.name, made(output.value));
    return std::move(build_).build();
  }

 private:
  /// Whether a value depends on parameters and states alone.
  bool fixed(Value value) const { return fixed_[static_cast<std::size_t>(value.node)]; }

  /// An op that is linear in its second operand, whose last axis is that of the result.
  std::optional<Chain> begun(const Node& node) {
    const bool linear = node.op->name == "conv2d" ||
                        (node.op->name == "matmul" && !node.attributes.boolean("transpose_b"));
    if (!linear || fixed(node.operands[0]) || !fixed(node.operands[1])) return std::nullopt;
    return Chain{&node, {made(node.operands[0]), made(node.operands[1])}, {}, {}};
  }

  /// One value a channel (or one for all), from weights alone.
  bool per_channel(Value value, const TensorType& of) const {
    const Dims& dims = graph_.type(value).dims;
    return fixed(value) && (dims.empty() || (dims.size() == 1 && dims[0] == of.dims.back()));
  }

  std::optional<Chain> continued(const Node& node) {
    const std::string& op = node.op->name;
    const bool symmetric = op == "add" || op == "mul";
    if (!symmetric && op != "sub" && op != "div") return std::nullopt;
    std::size_t side = 0;
    if (symmetric && !chains_.contains(node.operands[0].node)) side = 1;
    const auto found = chains_.find(node.operands[side].node);
    const Value other = node.operands[1 - side];
    if (found == chains_.end() || !per_channel(other, graph_.type(node.operands[side])))
      return std::nullopt;
    Chain chain = std::move(found->second);
    chains_.erase(found);
    const Value value = made(other);
    if (op == "add" || op == "sub") {
      if (chain.shift)
        chain.shift = build_.op(op, {*chain.shift, value});
      else
        chain.shift = op == "add" ? value : build_.op("neg", {value});
    } else {
      const auto inverse = [&] {
        return build_.div(build_.constant(build_.type(value).scalar, 1), value);
      };
      chain.scale = chain.scale   ? build_.op(op, {*chain.scale, value})
                    : op == "mul" ? value
                                  : inverse();
      if (chain.shift) chain.shift = build_.op(op, {*chain.shift, value});
    }
    return chain;
  }

  Value finish(const Chain& chain) {
    const std::string outer = build_.label();
    build_.set_label(chain.linear->label);
    std::vector<Value> operands = chain.operands;
    if (chain.scale) operands[1] = build_.mul(operands[1], *chain.scale);
    Value result = build_.add_node(chain.linear->op, operands, chain.linear->attributes);
    if (chain.shift) result = build_.add(result, *chain.shift);
    build_.set_label(outer);
    return result;
  }

  /// The new value of an old one; a chain that something else uses ends here.
  Value made(Value old) {
    const auto chain = chains_.find(old.node);
    if (chain != chains_.end()) {
      made_[old] = finish(chain->second);
      chains_.erase(chain);
    }
    return made_.at(old);
  }

  const Graph& graph_;
  Builder build_;
  std::vector<int> uses_;
  std::vector<bool> fixed_;
  std::map<int, Chain> chains_;  // by old node
  std::map<Value, Value> made_;
};

}  // namespace

Graph fold_batch_norm(const Graph& graph, const PassContext&) {
  const bool trains =
      graph.optimizer || std::ranges::any_of(graph.outputs, [](const Output& output) {
        return output.name == "loss";
      });
  return trains ? graph : Folder(graph).run();
}

}  // namespace cnnc
