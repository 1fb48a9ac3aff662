#include "codegen/code_shape.h"

#include <array>
#include <bit>
#include <charconv>
#include <unordered_map>

namespace cnnc {

namespace {

/// Writes statements and expressions in prefix form, everything by number.
class ShapeWriter {
 public:
  explicit ShapeWriter(const Program& program) : program_(program) {}

  void add(const Block& block) {
    number(block.size());
    for (const Stmt& stmt : block) std::visit([&](const auto& each) { add(each); }, stmt.value);
  }

  CodeShape shape;

 private:
  template <class T>
  void number(T value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    shape.text.append(digits.begin(), end);
    shape.text += ' ';
  }
  template <class T>
  void kind(char letter, T which) {
    shape.text += letter;
    number(static_cast<int>(which));
  }

  void add(const For& loop) {
    kind('f', loop.kind);
    add(loop.begin);
    add(loop.end);
    add(loop.var);
    add(loop.body);
  }
  void add(const Store& store) {
    kind('s', 0);
    add(store.buffer, store.index);
    add(store.value);
  }
  void add(const Accumulate& accumulate) {
    kind('a', accumulate.op);
    add(accumulate.buffer, accumulate.index);
    add(accumulate.value);
  }
  void add(const Let& let) {
    kind('l', 0);
    add(let.value);
    add(let.var);
  }
  void add(const Alloc& alloc) {
    kind('r', 0);
    add(alloc.buffer);
  }
  void add(const If& branch) {
    kind('i', 0);
    add(branch.condition);
    add(branch.then_body);
    add(branch.else_body);
  }

  void add(const Var& var) {
    const auto [known, fresh] = variables_.try_emplace(var, variables_.size());
    number(known->second);
    if (fresh) kind('t', var->type);
  }

  void add(BufferId id) {
    const auto [known, fresh] = buffers_.try_emplace(id, buffers_.size());
    number(known->second);
    if (!fresh) return;
    const Buffer& buffer = program_.buffer(id);
    kind('b', buffer.type.scalar);
    kind('m', buffer.memory);
    number(buffer.type.dims.size());
    for (const std::int64_t dim : buffer.type.dims) number(dim);
    const BufferId storage = program_.storage(id);
    if (storage != id)
      add(storage);
    else if (buffer.memory != Memory::reg && buffer.memory != Memory::stack)
      shape.buffers.push_back(id);
  }
  void add(BufferId id, const std::vector<Expr>& index) {
    add(id);
    for (const Expr& each : index) add(each);
  }

  void add(const Expr& expr) {
    kind('e', expr.type());
    std::visit([&](const auto& node) { add_node(node); }, expr.node().value);
  }
  void add_node(const Const& node) {
    kind('c', 0);
    number(node.integer);
    number(std::bit_cast<std::uint64_t>(node.real));
  }
  void add_node(const Var& var) {
    kind('v', 0);
    add(var);
  }
  void add_node(const Load& node) {
    kind('o', 0);
    add(node.buffer, node.index);
  }
  void add_node(const Unary& node) {
    kind('u', node.op);
    add(node.x);
  }
  void add_node(const Binary& node) {
    kind('p', node.op);
    add(node.a);
    add(node.b);
  }
  void add_node(const Fma& node) {
    kind('x', 0);
    add(node.a);
    add(node.b);
    add(node.c);
  }
  void add_node(const Select& node) {
    kind('q', 0);
    add(node.condition);
    add(node.a);
    add(node.b);
  }
  void add_node(const Cast& node) {
    kind('k', node.bits);
    add(node.x);
  }

  const Program& program_;
  std::unordered_map<Var, std::size_t> variables_;
  std::unordered_map<BufferId, std::size_t> buffers_;
};

}  // namespace

CodeShape shape_of(const Program& program, const Block& block) {
  ShapeWriter writer(program);
  writer.add(block);
  return std::move(writer.shape);
}

}  // namespace cnnc
