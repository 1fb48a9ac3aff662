// partition_loops:
//   for x in 0 .. 30 {
//     padded[x] = select(1 <= x & x < 29, image[min(max(x - 1, 0), 27)], 0.0) }
//     ->
//   padded[0] = 0.0
//   for x in 1 .. 29 { padded[x] = image[x - 1] }
//   padded[29] = 0.0
#include "passes/locality/partition_loops.h"

#include <algorithm>
#include <set>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// a / b, the next whole number from it on; b is positive.
std::int64_t rounded_up(std::int64_t a, std::int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

/// Where inside begin .. end a comparison of `var` alone with a constant, in `block`, changes its
/// value.
std::set<std::int64_t> changes(const Block& block, const Var& var, std::int64_t begin,
                               std::int64_t end) {
  std::set<std::int64_t> points;
  walk_exprs(block, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      const auto* binary = e.as<Binary>();
      if (!binary || (binary->op != BinaryOp::less && binary->op != BinaryOp::less_equal)) return;
      const bool var_left = depends_on(binary->a, var);
      const Expr& side = var_left ? binary->a : binary->b;
      const auto limit = (var_left ? binary->b : binary->a).constant();
      const auto step = stride_in(side, var);
      if (!limit || !step || *step < 1) return;
      const auto offset =
          substitute(side, {{var, Expr(0)}}).constant();  // side = var*step + offset
      if (!offset) return;
      // side < limit and limit <= side change where side reaches the limit, the other two where it
      // passes it.
      const bool reaches = (binary->op == BinaryOp::less) == var_left;
      const std::int64_t point = rounded_up(*limit - *offset + (reaches ? 0 : 1), *step);
      if (begin < point && point < end) points.insert(point);
    });
  });
  return points;
}

class Splitter {
 public:
  explicit Splitter(const Program& program) : ranges_{&program, {}, {}} {}

  Block run(const Block& block) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>())
        split(*loop, result);
      else if (const auto* branch = stmt.as<If>())
        result.push_back({If{simplified(branch->condition, ranges_), run(branch->then_body),
                             run(branch->else_body)}});
      else
        for (Stmt& one : map_exprs({stmt}, [&](const Expr& e) { return simplified(e, ranges_); }))
          result.push_back(std::move(one));
    }
    return result;
  }

 private:
  /// More pieces than this would be more code than the tests cost.
  static constexpr std::size_t kMaxPieces = 3;

  /// Whether `block` declares what lasts to its end: two such pieces need a scope each.
  static bool declares(const Block& block) {
    return std::ranges::any_of(block,
                               [](const Stmt& stmt) { return stmt.as<Alloc>() || stmt.as<Let>(); });
  }

  void split(const For& loop, Block& result) {
    const auto begin = loop.begin.constant(), end = loop.end.constant();
    if (!begin || !end || loop.kind != LoopKind::serial || loop.axis != BatchAxis::none) {
      For copy = loop;
      copy.body = run(loop.body);
      result.push_back({std::move(copy)});
      return;
    }
    auto points = changes(loop.body, loop.var, *begin, *end);
    if (points.size() >= kMaxPieces) points.clear();
    points.insert(*end);
    std::int64_t from = *begin;
    const bool whole = points.size() == 1;
    for (const std::int64_t to : points) {
      add_piece(loop, from, to, whole, result);
      from = to;
    }
  }

  void add_piece(const For& loop, std::int64_t from, std::int64_t to, bool whole, Block& result) {
    if (!whole && to - from == 1 && !declares(loop.body)) {
      const Block body = run(substitute(loop.body, {{loop.var, Expr(from)}}));
      result.insert(result.end(), body.begin(), body.end());
      return;
    }
    const For piece = whole ? loop : part_of(loop, from, to);
    ranges_.variables[piece.var] = {from, to - 1};
    result.push_back({with_body(piece, run(piece.body))});
    ranges_.variables.erase(piece.var);
  }

  RangeContext ranges_;
};

}  // namespace

Program partition_loops(const Program& program, const PassContext&) {
  Program result = program;
  for (Kernel& kernel : result.kernels) kernel.body = Splitter(program).run(kernel.body);
  return result;
}

}  // namespace cnnc
