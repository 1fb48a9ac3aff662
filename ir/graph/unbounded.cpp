#include "ir/graph/unbounded.h"

#include <algorithm>
#include <vector>

namespace cnnc {
namespace {

/// Whether `expr` is of any size where the operands flagged in `unbounded` are.
bool carries(const Expr& expr, const std::vector<bool>& unbounded) {
  const auto of = [&](const Expr& part) { return carries(part, unbounded); };
  if (const auto* load = expr.as<Load>())
    return unbounded.at(static_cast<std::size_t>(load->buffer));
  if (const auto* unary = expr.as<Unary>())
    return unary->op != UnaryOp::exp && unary->op != UnaryOp::logical_not && of(unary->x);
  if (const auto* select = expr.as<Select>()) return of(select->a) || of(select->b);
  if (const auto* fma = expr.as<Fma>()) return of(fma->a) || of(fma->b) || of(fma->c);
  if (const auto* cast = expr.as<Cast>()) return !cast->bits && of(cast->x);
  const auto* binary = expr.as<Binary>();
  if (!binary) return false;
  switch (binary->op) {
    case BinaryOp::add:
    case BinaryOp::sub:
    case BinaryOp::mul:
    case BinaryOp::min:
    case BinaryOp::max: return of(binary->a) || of(binary->b);
    default: return false;
  }
}

bool carries(const Graph& graph, const Node& node, const std::vector<bool>& unbounded) {
  if (!node.op->scalar)
    return node.op->carries_size && std::ranges::find(unbounded, true) != unbounded.end();
  std::vector<Expr> arguments;
  for (std::size_t i = 0; i < node.operands.size(); ++i)
    arguments.push_back(load(static_cast<BufferId>(i), graph.type(node.operands[i]).scalar, {}));
  return carries(node.op->scalar(arguments), unbounded);
}

}  // namespace

bool is_unbounded(const Graph& graph, Value value) {
  std::vector<bool> known;  // of the nodes in order: operands come first
  for (int i = 0; i <= value.node; ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    if (is_input(node)) {
      known.push_back(input_role(node) != "data");
      continue;
    }
    std::vector<bool> operands;
    for (const Value operand : node.operands)
      operands.push_back(known[static_cast<std::size_t>(operand.node)]);
    known.push_back(carries(graph, node, operands));
  }
  return known.back();
}

}  // namespace cnnc
