// Rewriting graphs node by node through a table of rules.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ir/graph/graph.h"

namespace cnnc {

class Rewriter;

/// A node that is about to be made, of which only the first result is used.
struct Candidate {
  const OpRef& op;
  const std::vector<Value>& operands;
  const Attributes& attributes;
  const TensorType& type;  // of the first result

  bool is(std::string_view name) const { return op->name == name; }
};

/// One row. `before` and `after` say what `apply` does; it returns the value that takes the
/// candidate's place, or nothing.
struct RewriteRule {
  std::string_view name;
  std::string_view before, after;
  std::optional<Value> (*apply)(Rewriter&, const Candidate&);
};

/// Builds a graph whose nodes have gone through the rules.
class Rewriter {
 public:
  Rewriter(const Graph& graph, std::span<const RewriteRule> rules);

  /// The op's first result: what the first rule that applies makes of it, or a new node's. What
  /// rules make goes through the rules too.
  Value make(const OpRef& op, std::vector<Value> operands, Attributes attributes = {});
  Value make(std::string_view op, std::vector<Value> operands, Attributes attributes = {});
  Value constant(ScalarType type, double value) { return builder_.constant(type, value); }

  const TensorType& type(Value value) const { return builder_.type(value); }
  /// The node of `value` where that is its op, otherwise null. Not valid after the next make.
  const Node* node_if(Value value, std::string_view op) const;
  /// The operand of `value`, where its op is the unary `op`.
  std::optional<Value> argument_of(Value value, std::string_view op) const;
  /// The number, where `value` is a constant.
  std::optional<double> number(Value value) const;

  /// The graph with every node made again, dead ones left out.
  Graph run();

 private:
  const Graph& graph_;
  std::span<const RewriteRule> rules_;
  Builder builder_;
};

}  // namespace cnnc
