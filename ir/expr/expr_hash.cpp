#include "ir/expr/expr_hash.h"

#include <bit>

namespace cnnc {

namespace {

std::size_t mix(std::size_t hash, std::size_t more) {
  return (hash ^ more) * std::size_t{0x9e3779b97f4a7c15} + (hash >> 29);
}

/// What tells two nodes of one kind and type apart, but for variables.
struct NodeHash {
  std::size_t operator()(const Const& node) const {
    return mix(static_cast<std::size_t>(node.integer), std::bit_cast<std::uint64_t>(node.real));
  }
  std::size_t operator()(const Var&) const { return 0; }
  std::size_t operator()(const Load& node) const {
    std::size_t hash = static_cast<std::size_t>(node.buffer);
    for (const Expr& index : node.index) hash = mix(hash, hash_of(index));
    return hash;
  }
  std::size_t operator()(const Unary& node) const {
    return mix(static_cast<std::size_t>(node.op), hash_of(node.x));
  }
  std::size_t operator()(const Binary& node) const {
    return mix(mix(static_cast<std::size_t>(node.op), hash_of(node.a)), hash_of(node.b));
  }
  std::size_t operator()(const Fma& node) const {
    return mix(mix(hash_of(node.a), hash_of(node.b)), hash_of(node.c));
  }
  std::size_t operator()(const Select& node) const {
    return mix(mix(hash_of(node.condition), hash_of(node.a)), hash_of(node.b));
  }
  std::size_t operator()(const Cast& node) const { return mix(node.bits, hash_of(node.x)); }
};

}  // namespace

std::size_t hash_of(const Expr& expr) {
  const ExprNode& node = expr.node();
  return mix(mix(node.value.index(), static_cast<std::size_t>(node.type)),
             std::visit(NodeHash{}, node.value));
}

}  // namespace cnnc
