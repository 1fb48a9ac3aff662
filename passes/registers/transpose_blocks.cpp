#include "passes/registers/transpose_blocks.h"

#include <algorithm>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// for k { middle { for n { store } } }, and the loads in the store's value that run along k.
struct TurningNest {
  For k, n;
  std::vector<For> middle;
  Store store;
  std::vector<Expr> turned;
  std::int64_t lanes = 1;  // of a block's rows, and its rows
};

/// Lanes of a vector of the widest type, as many as leave registers for two blocks at a time.
std::int64_t block_size(std::size_t widest, const Target& target) {
  std::int64_t lanes = 1;
  const std::int64_t most =
      std::min(target.vector_bytes / static_cast<std::int64_t>(widest), target.registers / 2);
  while (2 * lanes <= most) lanes *= 2;
  return lanes;
}

std::optional<TurningNest> match(const Program& program, const For& loop, const Target& target) {
  const Nest nest = nest_of(Stmt{loop});
  if (nest.loops.size() < 2 || nest.body.size() != 1 || !std::ranges::all_of(nest.loops, is_plain))
    return std::nullopt;
  const auto* store = nest.body.front().as<Store>();
  TurningNest result{nest.loops.front(), nest.loops.back(), {}, {}, {}};
  result.middle.assign(nest.loops.begin() + 1, nest.loops.end() - 1);
  const Var &k = result.k.var, &n = result.n.var;
  if (!store || memory_stride(program, store->buffer, store->index, n) != 1 ||
      !touches_written_elements_only(program, nest.body))
    return std::nullopt;
  for (const For& each :
       nest.loops)  // the order of loops is free where each element is stored once
    if (!separates(*store, each, nest.loops)) return std::nullopt;
  std::size_t widest = size_of(program.buffer(store->buffer).type.scalar);
  bool good = true;
  walk(store->value, [&](const Expr& e) {
    const auto* l = e.as<Load>();
    if (!l) return;
    widest = std::max(widest, size_of(e.type()));
    const auto along_n = memory_stride(program, l->buffer, l->index, n);
    if (along_n == 0 || along_n == 1) return;
    const bool along_k = memory_stride(program, l->buffer, l->index, k) == 1;
    good &= along_n && along_k && e.type() != ScalarType::boolean;
    result.turned.push_back(e);
  });
  result.store = *store;
  result.lanes = block_size(widest, target);
  if (!good || result.turned.empty() || result.lanes < 2 || *extent(result.k) < result.lanes ||
      *extent(result.n) < result.lanes)
    return std::nullopt;
  return result;
}

class Transposer {
 public:
  Transposer(Program& program, const TurningNest& nest) : program_(program), nest_(nest) {}

  Block run() {
    const Var kt = make_var(nest_.k.var->name + ".t"), nt = make_var(nest_.n.var->name + ".t");
    const Expr k = begin_of(nest_.k, kt), n = begin_of(nest_.n, nt);
    const std::int64_t k_done = blocks(nest_.k) * nest_.lanes,
                       n_done = blocks(nest_.n) * nest_.lanes;
    Block inner{{For{nt, 0, blocks(nest_.n), LoopKind::serial, block(k, n)}}};
    if (n_done < *extent(nest_.n))
      inner.push_back(single(k, k + nest_.lanes, nest_.n.begin + n_done, nest_.n.end));
    Block result{
        {For{kt, 0, blocks(nest_.k), LoopKind::serial, wrap(nest_.middle, std::move(inner))}}};
    if (k_done < *extent(nest_.k))
      result.push_back(
          single(nest_.k.begin + k_done, nest_.k.end, nest_.n.begin, nest_.n.end, true));
    return result;
  }

 private:
  /// Whether what is stored may be stored twice: then the last block along an axis overlaps the one
  /// before it, and no elements are left over.
  bool may_overlap() const {
    bool reads = false;
    walk(nest_.store.value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      reads |= l && program_.storage(l->buffer) == program_.storage(nest_.store.buffer);
    });
    return !reads;
  }

  std::int64_t blocks(const For& axis) const {
    return (*extent(axis) + (may_overlap() ? nest_.lanes - 1 : 0)) / nest_.lanes;
  }

  /// Of block `t` along an axis.
  Expr begin_of(const For& axis, const Var& t) const {
    const Expr begin = Expr(t) * nest_.lanes;
    if (!may_overlap() || *extent(axis) % nest_.lanes == 0) return axis.begin + begin;
    return axis.begin + min(begin, *extent(axis) - nest_.lanes);
  }

  /// One element after the other, for k and n between those bounds.
  Stmt single(const Expr& k_begin, const Expr& k_end, const Expr& n_begin, const Expr& n_end,
              bool middle = false) const {
    const Var k = make_var(nest_.k.var->name), n = make_var(nest_.n.var->name);
    std::vector<For> loops{{k, k_begin, k_end, LoopKind::serial, {}}};
    if (middle) loops.insert(loops.end(), nest_.middle.begin(), nest_.middle.end());
    loops.push_back({n, n_begin, n_end, LoopKind::serial, {}});
    return wrap(loops,
                {substitute({Stmt{nest_.store}}, {{nest_.k.var, Expr(k)}, {nest_.n.var, Expr(n)}})})
        .front();
  }

  /// for row { vector lane { make(row, lane) } }
  Stmt rows(const std::function<Stmt(const Expr& row, const Expr& lane)>& make) const {
    const Var row = make_var("row"), lane = make_var("lane");
    return {For{row,
                0,
                nest_.lanes,
                LoopKind::serial,
                {Stmt{For{lane, 0, nest_.lanes, LoopKind::vector, {make(row, lane)}}}}}};
  }

  Block block(const Expr& k, const Expr& n) {
    Block body;
    std::vector<std::pair<Expr, BufferId>> blocks;
    std::int64_t steps = 0;
    for (std::int64_t bit = 1; bit < nest_.lanes; bit *= 2) ++steps;
    for (const Expr& from : nest_.turned) {
      const BufferId id =
          add_registers(program_, "turned", {from.type(), {steps + 1, nest_.lanes, nest_.lanes}});
      blocks.emplace_back(from, id);
      body.push_back({Alloc{id}});
      body.push_back(rows([&](const Expr& row, const Expr& lane) {
        return Stmt{Store{id,
                          {0, row, lane},
                          substitute(from, {{nest_.n.var, n + row}, {nest_.k.var, k + lane}})}};
      }));
      // Where a bit of row and lane differs, the element comes from where both bits are swapped.
      for (std::int64_t step = 0; step < steps; ++step) {
        const Expr bit(std::int64_t{1} << step);
        body.push_back(rows([&](const Expr& row, const Expr& lane) {
          const auto at = [&](const Expr& r, const Expr& l) {
            return load(id, from.type(), {step, r, l});
          };
          return Stmt{Store{id,
                            {step + 1, row, lane},
                            select(equal(row & bit, lane & bit), at(row, lane),
                                   at(binary(BinaryOp::bit_xor, row, bit),
                                      binary(BinaryOp::bit_xor, lane, bit)))}};
        }));
      }
    }
    body.push_back(rows([&](const Expr& row, const Expr& lane) {
      const Expr value = transform(nest_.store.value, [&](const Expr& e) -> Expr {
        for (const auto& [from, id] : blocks)
          if (same(e, from)) return load(id, e.type(), {steps, row, lane});
        return {};
      });
      const Substitution axes{{nest_.k.var, k + row}, {nest_.n.var, n + lane}};
      return substitute({Stmt{Store{nest_.store.buffer, nest_.store.index, value}}}, axes).front();
    }));
    return body;
  }

  Program& program_;
  const TurningNest& nest_;
};

}  // namespace

std::optional<Block> transpose_blocks(Program& program, const For& loop, const Target& target) {
  const auto nest = match(program, loop, target);
  if (!nest) return std::nullopt;
  return Transposer(program, *nest).run();
}

}  // namespace cnnc
