// A scalar expression as graph nodes.
#include "ir/graph/rules.h"

namespace cnnc {

std::string_view op_name(UnaryOp op) {
  constexpr std::string_view kNames[] = {"neg", "abs", "sqrt", "floor",
                                         "exp", "log", "tanh", "logical_not"};
  return kNames[static_cast<std::size_t>(op)];
}

std::string_view op_name(BinaryOp op) {
  constexpr std::string_view kNames[] = {
      "add",        "sub",   "mul",       "div", "rem", "min", "max",        "less",
      "less_equal", "equal", "not_equal", "and", "or",  "xor", "shift_left", "shift_right"};
  return kNames[static_cast<std::size_t>(op)];
}

namespace {

class Emitter {
 public:
  Emitter(Builder& builder, std::span<const Value> arguments,
          std::unordered_map<const ExprNode*, Value> known)
      : builder_(builder), arguments_(arguments), known_(std::move(known)) {}

  Value emit(const Expr& expr) {
    if (const auto found = known_.find(&expr.node()); found != known_.end()) return found->second;
    const Value value =
        std::visit([&](const auto& node) { return make(node, expr.type()); }, expr.node().value);
    known_.emplace(&expr.node(), value);
    return value;
  }

 private:
  Value make(const Const& x, ScalarType type) {
    return builder_.constant(type, is_float(type) ? x.real : static_cast<double>(x.integer));
  }
  Value make(const Load& x, ScalarType) { return arguments_[static_cast<std::size_t>(x.buffer)]; }
  Value make(const Unary& x, ScalarType) { return builder_.op(op_name(x.op), {emit(x.x)}); }
  Value make(const Binary& x, ScalarType) {
    const Value a = emit(x.a), b = emit(x.b);
    return builder_.op(op_name(x.op), {a, b});
  }
  Value make(const Fma& x, ScalarType) {
    const Value product = builder_.mul(emit(x.a), emit(x.b));
    return builder_.add(product, emit(x.c));
  }
  Value make(const Select& x, ScalarType) {
    const Value condition = emit(x.condition), a = emit(x.a), b = emit(x.b);
    return builder_.op("select", {condition, a, b});
  }
  Value make(const Cast& x, ScalarType type) {
    CNNC_CHECK(!x.bits, "no graph op reinterprets bits");
    return builder_.cast(emit(x.x), type);
  }
  Value make(const Var& x, ScalarType) {
    check_failed(__FILE__, __LINE__, "emit", "no graph op stands for the variable " + x->name);
  }

  Builder& builder_;
  std::span<const Value> arguments_;
  std::unordered_map<const ExprNode*, Value> known_;
};

}  // namespace

Value emit_expr(Builder& builder, const Expr& expr, std::span<const Value> arguments,
                std::unordered_map<const ExprNode*, Value> known) {
  return Emitter(builder, arguments, std::move(known)).emit(expr);
}

}  // namespace cnnc
