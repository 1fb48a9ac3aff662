#include "ir/loop/integer_range.h"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace cnnc {

namespace {

using Maybe = std::optional<IntegerRange>;

/// The range that the results of `combine` on the corners span; right where it is monotonic in each
/// operand. `combine` returns true on overflow.
template <class Combine>
Maybe corners(const IntegerRange& a, const IntegerRange& b, const Combine& combine) {
  std::array<std::int64_t, 4> values{};
  std::size_t i = 0;
  for (const auto x : {a.low, a.high})
    for (const auto y : {b.low, b.high})
      if (combine(x, y, &values[i++])) return std::nullopt;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return IntegerRange{*low, *high};
}

Maybe compare(BinaryOp op, const IntegerRange& a, const IntegerRange& b) {
  bool always = false, never = false;
  switch (op) {
    case BinaryOp::less: always = a.high < b.low, never = a.low >= b.high; break;
    case BinaryOp::less_equal: always = a.high <= b.low, never = a.low > b.high; break;
    default: {
      never = a.high < b.low || b.high < a.low;
      always = a.single() && a == b;
      if (op == BinaryOp::not_equal) std::swap(always, never);
    }
  }
  return IntegerRange{always ? 1 : 0, never ? 0 : 1};
}

Maybe divide(const IntegerRange& a, const IntegerRange& b) {
  if (b.low <= 0 && b.high >= 0) return std::nullopt;
  if (a.low == INT64_MIN) return std::nullopt;
  return corners(a, b, [](std::int64_t x, std::int64_t y, std::int64_t* result) {
    *result = x / y;
    return false;
  });
}

Maybe remainder(const IntegerRange& a, const IntegerRange& b) {
  if (a.single() && b.single() && b.low != 0 && b.low != -1)
    return IntegerRange{a.low % b.low, a.low % b.low};
  if (a.low < 0 || b.low <= 0) return std::nullopt;
  return IntegerRange{0, std::min(a.high, b.high - 1)};
}

Maybe combine(BinaryOp op, const IntegerRange& a, const IntegerRange& b) {
  using enum BinaryOp;
  const auto overflowing = [&](auto function) { return corners(a, b, function); };
  switch (op) {
    case add:
      return overflowing([](auto x, auto y, auto* r) { return __builtin_add_overflow(x, y, r); });
    case sub:
      return overflowing([](auto x, auto y, auto* r) { return __builtin_sub_overflow(x, y, r); });
    case mul:
      return overflowing([](auto x, auto y, auto* r) { return __builtin_mul_overflow(x, y, r); });
    case min: return IntegerRange{std::min(a.low, b.low), std::min(a.high, b.high)};
    case max: return IntegerRange{std::max(a.low, b.low), std::max(a.high, b.high)};
    case div: return divide(a, b);
    case rem: return remainder(a, b);
    case less:
    case less_equal:
    case equal:
    case not_equal: return compare(op, a, b);
    case bit_and:
      if (a.low < 0 || b.low < 0) return std::nullopt;
      if (a.single() && b.single()) return IntegerRange{a.low & b.low, a.low & b.low};
      return IntegerRange{0, std::min(a.high, b.high)};
    default: return std::nullopt;
  }
}

/// Whether an integer of that type can be each of these values: what leaves them wraps around.
bool holds(ScalarType type, const IntegerRange& range) {
  const auto within = [&](std::int64_t low, std::int64_t high) {
    return low <= range.low && range.high <= high;
  };
  switch (type) {
    case ScalarType::boolean: return within(0, 1);
    case ScalarType::u8: return within(0, UINT8_MAX);
    case ScalarType::i8: return within(INT8_MIN, INT8_MAX);
    case ScalarType::i32: return within(INT32_MIN, INT32_MAX);
    case ScalarType::u32: return within(0, UINT32_MAX);
    case ScalarType::i64: return true;
    default: return false;
  }
}

Expr truth(bool value) { return integer_constant(ScalarType::boolean, value ? 1 : 0); }

/// What `e` is, where the ranges of its variables decide it.
Expr decided(const Expr& e, const RangeContext& ranges) {
  if (const auto* s = e.as<Select>()) {
    if (const auto condition = s->condition.constant()) return *condition ? s->a : s->b;
    return {};
  }
  const auto* binary = e.as<Binary>();
  if (!binary) return {};
  if (e.type() == ScalarType::boolean && binary->op == BinaryOp::bit_and) {
    const auto a = binary->a.constant(), b = binary->b.constant();
    if (a) return *a ? binary->b : truth(false);
    if (b) return *b ? binary->a : truth(false);
    return {};
  }
  const bool comparison = binary->op == BinaryOp::less || binary->op == BinaryOp::less_equal;
  const bool clamp = binary->op == BinaryOp::min || binary->op == BinaryOp::max;
  if (binary->a.type() != ScalarType::i64 || !(comparison || clamp)) return {};
  const auto a = range_of(binary->a, ranges), b = range_of(binary->b, ranges);
  if (!a || !b) return {};
  switch (binary->op) {
    case BinaryOp::less:
      if (a->high < b->low) return truth(true);
      if (a->low >= b->high) return truth(false);
      return {};
    case BinaryOp::less_equal:
      if (a->high <= b->low) return truth(true);
      if (a->low > b->high) return truth(false);
      return {};
    case BinaryOp::min:
      if (a->high <= b->low) return binary->a;
      if (b->high <= a->low) return binary->b;
      return {};
    default:
      if (a->low >= b->high) return binary->a;
      if (b->low >= a->high) return binary->b;
      return {};
  }
}

}  // namespace

Expr simplified(const Expr& expr, const RangeContext& ranges) {
  return transform(expr, [&](const Expr& e) { return decided(e, ranges); });
}

std::optional<IntegerRange> range_of(const Expr& expr, const RangeContext& context) {
  if (const auto value = expr.constant()) return IntegerRange{*value, *value};
  if (const auto* var = expr.as<Var>()) {
    const auto known = context.variables.find(*var);
    return known == context.variables.end() ? std::nullopt : Maybe(known->second);
  }
  if (const auto* load = expr.as<Load>()) {
    if (load->index.empty() && context.program->buffer(load->buffer).name == "count")
      return context.count ? Maybe({*context.count, *context.count}) : std::nullopt;
    if (expr.type() == ScalarType::u8) return IntegerRange{0, 255};
    if (expr.type() == ScalarType::boolean) return IntegerRange{0, 1};
    return std::nullopt;
  }
  if (const auto* binary = expr.as<Binary>()) {
    const auto a = range_of(binary->a, context), b = range_of(binary->b, context);
    const auto result = a && b ? combine(binary->op, *a, *b) : std::nullopt;
    return result && holds(expr.type(), *result) ? result : std::nullopt;
  }
  if (const auto* choice = expr.as<Select>()) {
    const auto condition = range_of(choice->condition, context);
    if (condition && condition->single())
      return range_of(condition->low != 0 ? choice->a : choice->b, context);
    const auto a = range_of(choice->a, context), b = range_of(choice->b, context);
    if (!a || !b) return std::nullopt;
    return IntegerRange{std::min(a->low, b->low), std::max(a->high, b->high)};
  }
  if (const auto* cast = expr.as<Cast>()) {
    if (cast->bits || is_float(cast->x.type())) return std::nullopt;
    const auto range = range_of(cast->x, context);
    return range && holds(expr.type(), *range) ? range : std::nullopt;
  }
  return std::nullopt;
}

std::optional<Box> box_of(const std::vector<Expr>& index, const RangeContext& context) {
  Box box;
  for (const Expr& e : index) {
    const auto range = range_of(e, context);
    if (!range) return std::nullopt;
    box.push_back(*range);
  }
  return box;
}

bool overlap(const Box& a, const Box& b) {
  for (std::size_t d = 0; d < a.size(); ++d)
    if (a[d].high < b[d].low || b[d].high < a[d].low) return false;
  return true;
}

double volume(const Box& box) {
  double result = 1;
  for (const IntegerRange& range : box) result *= static_cast<double>(range.high - range.low + 1);
  return result;
}

RangeContext constant_ranges(const Program& program, const Block& block) {
  RangeContext context{&program, {}, {}};
  std::unordered_set<Var> unknown;
  walk(block, [&](const Stmt& stmt) {
    const auto* loop = stmt.as<For>();
    if (!loop) return;
    const auto begin = loop->begin.constant(), extent = constant_extent(*loop);
    if (!begin || !extent) unknown.insert(loop->var);
    if (!begin || extent.value_or(0) <= 0) return;
    const IntegerRange range{*begin, *begin + *extent - 1};
    const auto [known, fresh] = context.variables.try_emplace(loop->var, range);
    IntegerRange& all = known->second;
    if (!fresh) all = {std::min(all.low, range.low), std::max(all.high, range.high)};
  });
  for (const Var& var : unknown) context.variables.erase(var);
  return context;
}

}  // namespace cnnc
