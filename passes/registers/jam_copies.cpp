// jam_copies:
//   unroll x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] } }
//   unroll x in 0 .. 6 { rest[x] += a[x] * w[8] }
//     ->
//   unroll x in 0 .. 6 { vector l in 0 .. 8 { sum[x,l] += a[x] * w[l] }; rest[x] += a[x] * w[8] }
// The same within loops that were joined.
#include "passes/registers/jam_copies.h"

#include <algorithm>
#include <set>

#include "passes/analysis/footprint.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

class Joiner {
 public:
  explicit Joiner(const Program& program) : program_(program) {}

  void run(Block& block) const {
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) run(loop->body);
    for (std::size_t i = 0; i + 1 < block.size();)
      if (may_join(block[i], block[i + 1]))
        join(block, i);
      else
        ++i;
  }

 private:
  /// Whether two unrolled loops only add to registers, each to its own, and copies of one load what
  /// those of the other load, too.
  bool may_join(const Stmt& a, const Stmt& b) const {
    const auto *first = a.as<For>(), *second = b.as<For>();
    if (!first || !second || first->kind != LoopKind::unroll || second->kind != LoopKind::unroll ||
        !same(first->begin, second->begin) || !same(first->end, second->end))
      return false;
    const auto one = sums_of(a), other = sums_of(b);
    if (one.empty() || other.empty()) return false;
    std::set<BufferId> all = one;
    all.insert(other.begin(), other.end());
    return all.size() == one.size() + other.size() && !loads_from(program_, {a, b}, all) &&
           share_loads(*first, *second);
  }

  /// The registers that `stmt` adds to; nothing where it does something else as well.
  std::set<BufferId> sums_of(const Stmt& stmt) const {
    std::set<BufferId> sums;
    bool other = false;
    walk({stmt}, [&](const Stmt& each) {
      const auto* sum = each.as<Accumulate>();
      const auto* loop = each.as<For>();
      other |= !sum && !(loop && loop->kind != LoopKind::serial);
      other |= sum && program_.buffer(sum->buffer).memory != Memory::reg;
      if (sum) sums.insert(program_.storage(sum->buffer));
    });
    return other ? std::set<BufferId>{} : sums;
  }

  /// Whether copies of the one load what the same copies of the other load.
  static bool share_loads(const For& a, const For& b) {
    const Nest one = nest_of({a}), other = nest_of({b});
    Substitution same_copies;
    for (std::size_t i = 0; i < std::min(one.loops.size(), other.loops.size()); ++i)
      same_copies[other.loops[i].var] = Expr(one.loops[i].var);
    const auto loads = [&](const Block& block) {
      std::vector<Expr> result;
      walk_exprs(block, [&](const Expr& top) {
        walk(top, [&](const Expr& e) {
          if (e.as<Load>() && depends_on(e, a.var)) result.push_back(e);
        });
      });
      return result;
    };
    const auto others = loads(substitute(other.body, same_copies));
    return std::ranges::any_of(loads(one.body), [&](const Expr& load) {
      return std::ranges::any_of(others, [&](const Expr& each) { return same(load, each); });
    });
  }

  void join(Block& block, std::size_t at) const {
    auto& first = *block[at].as<For>();
    const auto& second = *block[at + 1].as<For>();
    Block more = substitute(second.body, {{second.var, Expr(first.var)}});
    std::ranges::move(more, std::back_inserter(first.body));
    run(first.body);
    block.erase(block.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }

  const Program& program_;
};

}  // namespace

Program jam_copies(const Program& program, const PassContext&) {
  Program result = program;
  const Joiner joiner(program);
  for (Kernel& kernel : result.kernels) joiner.run(kernel.body);
  return result;
}

}  // namespace cnnc
