// Rewrites that make a graph smaller. The table at the end says what becomes what:
//
//   %2 = exp(%1)          %5 = reshape(%1) {dims=[B,9]}            %5 = reshape(%1) {dims=[B,9]}
//   %3 = log(%2)          %6 = mul(%5, %one)              =>       %7 = conv2d(%5, ...)
//   %4 = reshape(%3)      %7 = conv2d(%6, ...)
#include "passes/graph/simplify.h"

#include <algorithm>
#include <cmath>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

using Result = std::optional<Value>;

/// Whether the op rounds alike everywhere: arithmetic, not exp and its kin.
bool folds(const OpDef& op, std::span<const TensorType> types) {
  if (op.name == "cast") return true;
  if (!op.scalar) return false;
  std::vector<Expr> arguments;
  for (std::size_t i = 0; i < types.size(); ++i) {
    arguments.push_back(load(static_cast<BufferId>(i), types[i].scalar, {}));
  }
  bool exact = true;
  walk(op.scalar(arguments), [&](const Expr& expr) {
    const Unary* unary = expr.as<Unary>();
    exact = exact && (unary == nullptr || (unary->op != UnaryOp::exp && unary->op != UnaryOp::log &&
                                           unary->op != UnaryOp::tanh));
  });
  return exact;
}

Result fold_constants(Rewriter& rewriter, const Candidate& c) {
  std::vector<Tensor> values;
  std::vector<TensorType> types;
  for (const Value operand : c.operands) {
    const auto value = rewriter.number(operand);
    if (!value) return std::nullopt;
    types.push_back(rewriter.type(operand));
    values.emplace_back(types.back()).set(0, *value);
  }
  if (values.empty() || !folds(*c.op, types)) return std::nullopt;
  const std::vector<TensorType> result = {c.type};
  const double value = evaluate(*c.op, values, types, result, c.attributes, 1)[0].get(0);
  // Not a NaN, which has no one text, nor what a double cannot hold.
  if (std::isnan(value) || (is_integer(c.type.scalar) && std::abs(value) > 0x1p53)) {
    return std::nullopt;
  }
  return rewriter.constant(c.type.scalar, value);
}

Result log_of_exp(Rewriter& rewriter, const Candidate& c) {
  return c.is("log") ? rewriter.argument_of(c.operands[0], "exp") : std::nullopt;
}

/// op(op(x)) for ops that are their own inverse.
Result undone_twice(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("neg") && !c.is("logical_not")) return std::nullopt;
  return rewriter.argument_of(c.operands[0], c.op->name);
}

/// op(op(x)) = op(x), and op(x, x) = x.
Result idempotent(Rewriter& rewriter, const Candidate& c) {
  if (c.is("relu") && rewriter.node_if(c.operands[0], "relu") != nullptr) return c.operands[0];
  const bool both = c.is("max") || c.is("min") || c.is("and") || c.is("or");
  return both && c.operands[0] == c.operands[1] ? Result(c.operands[0]) : std::nullopt;
}

Result times_one(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("mul") && !c.is("div")) return std::nullopt;
  if (rewriter.number(c.operands[1]) == 1) return c.operands[0];
  if (c.is("mul") && rewriter.number(c.operands[0]) == 1) return c.operands[1];
  return std::nullopt;
}

Result times_minus_one(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("mul")) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    if (rewriter.number(c.operands[i]) == -1) return rewriter.make("neg", {c.operands[1 - i]});
  }
  return std::nullopt;
}

/// x + 0 is not x where x is -0; x + -0 and x - 0 are.
Result plus_zero(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("add") && !c.is("sub")) return std::nullopt;
  const auto vanishes = [&](Value value) {
    const auto number = rewriter.number(value);
    return number == 0.0 && (!is_float(c.type.scalar) || std::signbit(*number) == c.is("add"));
  };
  if (vanishes(c.operands[1])) return c.operands[0];
  if (c.is("add") && vanishes(c.operands[0])) return c.operands[1];
  return std::nullopt;
}

Result add_of_neg(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("add") && !c.is("sub")) return std::nullopt;
  if (const auto y = rewriter.argument_of(c.operands[1], "neg")) {
    return rewriter.make(c.is("add") ? "sub" : "add", {c.operands[0], *y});
  }
  if (!c.is("add")) return std::nullopt;
  const auto x = rewriter.argument_of(c.operands[0], "neg");
  return x ? Result(rewriter.make("sub", {c.operands[1], *x})) : std::nullopt;
}

/// Division by 2^k, where 2^-k is a normal number too.
Result div_by_power_of_two(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("div")) return std::nullopt;
  const auto divisor = rewriter.number(c.operands[1]);
  int exponent = 0;
  if (!divisor || std::abs(std::frexp(*divisor, &exponent)) != 0.5 || std::abs(exponent) > 100) {
    return std::nullopt;
  }
  return rewriter.make("mul", {c.operands[0], rewriter.constant(c.type.scalar, 1 / *divisor)});
}

/// Ops that move or reduce elements, where they do nothing.
Result no_effect(Rewriter& rewriter, const Candidate& c) {
  const auto all_zero = [&](std::string_view name) {
    return std::ranges::all_of(c.attributes.integers(name), [](auto x) { return x == 0; });
  };
  const auto rising = [&](std::string_view name) {
    return std::ranges::is_sorted(c.attributes.integers(name));
  };
  bool nothing = false;
  if (c.is("cast") || c.is("reshape") || c.is("broadcast_to") || c.is("slice")) {
    nothing = rewriter.type(c.operands[0]) == c.type;
  } else if (c.is("transpose")) {
    nothing = rising("permutation");
  } else if (c.is("pad")) {
    nothing = all_zero("low") && all_zero("high");
  } else if (c.is("reduce_sum") || c.is("reduce_max")) {
    nothing = c.attributes.integers("axes").empty();
  } else if (c.is("concat")) {
    nothing = c.operands.size() == 1;
  }
  return nothing ? Result(c.operands[0]) : std::nullopt;
}

Result twice_reshaped(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("reshape") && !c.is("broadcast_to")) return std::nullopt;
  const auto x = rewriter.argument_of(c.operands[0], c.op->name);
  return x ? Result(rewriter.make(c.op, {*x}, c.attributes)) : std::nullopt;
}

Result twice_transposed(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("transpose")) return std::nullopt;
  const Node* inner = rewriter.node_if(c.operands[0], "transpose");
  if (inner == nullptr) return std::nullopt;
  const Dims first = inner->attributes.integers("permutation");
  Dims both;
  for (const std::int64_t axis : c.attributes.integers("permutation")) {
    both.push_back(first[static_cast<std::size_t>(axis)]);
  }
  return rewriter.make(c.op, {inner->operands[0]}, {{"permutation", both}});
}

Result same_branches(Rewriter& rewriter, const Candidate& c) {
  const bool same = c.is("select") && c.operands[1] == c.operands[2];
  return same && rewriter.type(c.operands[1]) == c.type ? Result(c.operands[1]) : std::nullopt;
}

Result known_branch(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("select")) return std::nullopt;
  const auto condition = rewriter.number(c.operands[0]);
  if (!condition) return std::nullopt;
  const Value taken = c.operands[*condition != 0 ? 1 : 2];
  return rewriter.type(taken) == c.type ? Result(taken) : std::nullopt;
}

Result negated_condition(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("select")) return std::nullopt;
  const auto condition = rewriter.argument_of(c.operands[0], "logical_not");
  if (!condition) return std::nullopt;
  return rewriter.make("select", {*condition, c.operands[2], c.operands[1]});
}

/// What broadcasts to the same shapes as `value`: the operand of a broadcast_to, or of a reshape
/// that puts ones in front.
Result less_broadcast(const Rewriter& rewriter, Value value) {
  if (const auto x = rewriter.argument_of(value, "broadcast_to")) return x;
  const auto x = rewriter.argument_of(value, "reshape");
  if (!x) return std::nullopt;
  const Dims& from = rewriter.type(*x).dims;
  const Dims& to = rewriter.type(value).dims;
  if (to.size() < from.size()) return std::nullopt;
  const auto added = static_cast<std::ptrdiff_t>(to.size() - from.size());
  const bool ones = std::all_of(to.begin(), to.begin() + added, [](auto dim) { return dim == 1; });
  return ones && std::equal(from.begin(), from.end(), to.begin() + added) ? x : std::nullopt;
}

/// Elementwise ops broadcast by themselves, where another operand has the shape.
Result broadcast_operand(Rewriter& rewriter, const Candidate& c) {
  if (!c.op->scalar && !c.is("broadcast_to")) return std::nullopt;
  for (std::size_t i = 0; i < c.operands.size(); ++i) {
    const Result less = less_broadcast(rewriter, c.operands[i]);
    if (!less) continue;
    std::vector<Value> operands = c.operands;
    operands[i] = *less;
    std::optional<Dims> dims = c.is("broadcast_to") ? c.type.dims : Dims{};
    for (const Value operand : operands) dims = broadcast(*dims, rewriter.type(operand).dims);
    if (dims == c.type.dims) return rewriter.make(c.op, std::move(operands), c.attributes);
  }
  return std::nullopt;
}

/// A window's maximum passes through relu, which is the identity but where it is flat. The arg-max,
/// which the gradient wants, may then be another one, but only where relu's derivative is zero.
Result relu_before_maxpool(Rewriter& rewriter, const Candidate& c) {
  if (!c.is("maxpool")) return std::nullopt;
  for (const char* relu : {"relu", "relu6"}) {
    if (const auto x = rewriter.argument_of(c.operands[0], relu)) {
      return rewriter.make(relu, {rewriter.make(c.op, {*x}, c.attributes)});
    }
  }
  return std::nullopt;
}

constexpr RewriteRule kRules[] = {
    {"log_of_exp", "log(exp(x))", "x", log_of_exp},
    {"fold_constants", "op(constant, ...)", "constant", fold_constants},
    {"undone_twice", "neg(neg(x)), logical_not(logical_not(x))", "x", undone_twice},
    {"idempotent", "relu(relu(x)), max(y, y)", "relu(x), y", idempotent},
    {"times_one", "x * 1, x / 1", "x", times_one},
    {"times_minus_one", "x * -1", "neg(x)", times_minus_one},
    {"plus_zero", "x - 0, x + -0", "x", plus_zero},
    {"add_of_neg", "x + neg(y), x - neg(y)", "x - y, x + y", add_of_neg},
    {"div_by_power_of_two", "x / 8", "x * 0.125", div_by_power_of_two},
    {"no_effect", "cast to the own type, reshape to the own dims, ...", "x", no_effect},
    {"twice_reshaped", "reshape(reshape(x)), broadcast_to(broadcast_to(x))", "reshape(x)",
     twice_reshaped},
    {"twice_transposed", "transpose(transpose(x))", "transpose(x)", twice_transposed},
    {"same_branches", "select(c, a, a)", "a", same_branches},
    {"known_branch", "select(true, a, b)", "a", known_branch},
    {"negated_condition", "select(logical_not(c), a, b)", "select(c, b, a)", negated_condition},
    {"broadcast_operand", "x + broadcast_to(y)", "x + y", broadcast_operand},
    {"relu_before_maxpool", "maxpool(relu(x))", "relu(maxpool(x))", relu_before_maxpool},
};

}  // namespace

std::span<const RewriteRule> simplify_rules() { return kRules; }

Graph simplify(const Graph& graph, const PassContext&) { return Rewriter(graph, kRules).run(); }

}  // namespace cnnc
