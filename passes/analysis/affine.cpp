#include "passes/analysis/affine.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

constexpr std::int64_t kNoEnd = LinearRange::kNoEnd;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

bool is_end(std::int64_t x) { return x > -kNoEnd && x < kNoEnd; }

/// Beyond what any index reaches, an end is none.
std::int64_t clipped(std::int64_t x) { return std::clamp(x, -kNoEnd, kNoEnd); }

std::int64_t plus(std::int64_t a, std::int64_t b) {
  if (!is_end(a)) return a;
  return is_end(b) ? clipped(a + b) : b;
}

std::int64_t times(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (!__builtin_mul_overflow(a, b, &result)) return clipped(result);
  return (a < 0) == (b < 0) ? kNoEnd : -kNoEnd;
}

LinearRange sum(const LinearRange& a, const LinearRange& b) {
  return {clipped(a.scale + b.scale), plus(a.low, b.low), plus(a.high, b.high)};
}

LinearRange product(const LinearRange& a, std::int64_t factor) {
  LinearRange result{times(a.scale, factor), times(a.low, factor), times(a.high, factor)};
  if (factor < 0) std::swap(result.low, result.high);
  return factor == 0 ? LinearRange{0, 0, 0} : result;
}

/// min(a, b): where the scales differ, no more than that it is at most the one that has an end.
LinearRange least(const LinearRange& a, const LinearRange& b) {
  if (a.scale == b.scale) return {a.scale, std::min(a.low, b.low), std::min(a.high, b.high)};
  const LinearRange& bound = is_end(a.high) && (a.scale != 0 || !is_end(b.high)) ? a : b;
  return {bound.scale, -kNoEnd, bound.high};
}

LinearRange negated(const LinearRange& a) { return product(a, -1); }

LinearRange quotient(const LinearRange& a, std::int64_t divisor) {
  if (a.scale != 0 || divisor <= 0) return {};
  return {0, is_end(a.low) ? a.low / divisor : a.low, is_end(a.high) ? a.high / divisor : a.high};
}

LinearRange remainder(const LinearRange& a, std::int64_t divisor) {
  if (divisor <= 0) return {};
  const bool negative = a.scale != 0 || a.low < 0;
  const std::int64_t most = divisor - 1;
  return {0, negative ? -most : 0, negative ? most : std::min(most, a.high)};
}

LinearRange of_binary(const Binary& node, const LinearRanges& variables) {
  const LinearRange a = range_of(node.a, variables), b = range_of(node.b, variables);
  const auto constant_b = node.b.constant(), constant_a = node.a.constant();
  switch (node.op) {
    case BinaryOp::add: return sum(a, b);
    case BinaryOp::sub: return sum(a, negated(b));
    case BinaryOp::mul:
      return constant_b   ? product(a, *constant_b)
             : constant_a ? product(b, *constant_a)
                          : LinearRange{};
    case BinaryOp::min: return least(a, b);
    case BinaryOp::max: return negated(least(negated(a), negated(b)));
    case BinaryOp::div: return constant_b ? quotient(a, *constant_b) : LinearRange{};
    case BinaryOp::rem: return constant_b ? remainder(a, *constant_b) : LinearRange{};
    default: return {};
  }
}

class Collector {
 public:
  explicit Collector(const Var& var) { variables_[var] = {1, 0, 0}; }

  void visit(const Block& block) {
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>()) {
        add({Stmt{with_body(*loop, {})}});
        variables_[loop->var] = values_of(*loop);
        visit(loop->body);
      } else if (const auto* branch = stmt.as<If>()) {
        add({Stmt{If{branch->condition, {}, {}}}});
        visit(branch->then_body);
        visit(branch->else_body);
      } else {
        add({stmt});
        const auto* let = stmt.as<Let>();
        if (let && is_integer(let->var->type))
          variables_[let->var] = range_of(let->value, variables_);
      }
    }
  }

  std::vector<RangedAccess> all;

 private:
  LinearRange values_of(const For& loop) const {
    const LinearRange begin = range_of(loop.begin, variables_),
                      end = range_of(loop.end, variables_);
    if (begin.scale != end.scale) return {begin.scale, begin.low, kNoEnd};
    return {begin.scale, begin.low, plus(end.high, -1)};
  }

  void add(const Block& one) {
    for (const BufferAccess& access : accesses(one)) {
      RangedAccess ranged{access.buffer, access.write, {}};
      for (const Expr& index : access.index) ranged.index.push_back(range_of(index, variables_));
      all.push_back(std::move(ranged));
    }
  }

  LinearRanges variables_;
};

}  // namespace

std::optional<std::int64_t> LinearRange::window() const {
  if (scale <= 0 || !is_end(low) || !is_end(high)) return std::nullopt;
  const std::int64_t first = floor_div(low, scale);
  return first == floor_div(high, scale) ? std::optional(first) : std::nullopt;
}

LinearRange range_of(const Expr& expr, const LinearRanges& variables) {
  if (const auto value = expr.constant()) return {0, *value, *value};
  if (const auto* var = expr.as<Var>()) {
    const auto found = variables.find(*var);
    return found == variables.end() ? LinearRange{} : found->second;
  }
  if (expr.type() != ScalarType::i64) return {};
  if (const auto* node = expr.as<Binary>()) return of_binary(*node, variables);
  return {};
}

std::vector<RangedAccess> ranged_accesses(const For& loop) {
  Collector collector(loop.var);
  collector.visit(loop.body);
  return std::move(collector.all);
}

}  // namespace cnnc
