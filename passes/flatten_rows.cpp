// flatten_rows:
//   for x in 1 .. 29 { for c in 0 .. 3 { padded[y, x, c] = image[y - 1, x - 1, c] } }
//     ->
//   for x in 3 .. 87 { padded.rows[y, x] = image.rows[y - 1, x - 3] }
// and so on, as long as the loop that this makes fills no vector, or what is stored is a constant.
#include "passes/flatten_rows.h"

#include <algorithm>
#include <ranges>
#include <span>
#include <utility>

#include "passes/nest.h"

namespace cnnc {

namespace {

class Flattener {
 public:
  Flattener(Program& program, const For& columns, const For& channels)
      : program_(program),
        columns_(columns),
        channels_(channels),
        channel_count_(*extent(channels)),
        flat_(make_var(columns.var->name)) {}

  std::optional<Stmt> run(const Store& store) {
    if (!goes_along_rows(store.buffer, store.index) || !can_read(store.value)) return std::nullopt;
    const Expr value = transform(store.value, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      if (!l || !varies(l->index)) return {};
      const auto [rows, index] = flat(l->buffer, l->index);
      return load(rows, e.type(), index);
    });
    Block body;
    const auto [rows, index] = flat(store.buffer, store.index);
    body.push_back({Store{rows, index, value}});
    const std::vector<For> loops{{flat_,
                                  columns_.begin * channel_count_,
                                  columns_.end * channel_count_,
                                  LoopKind::serial,
                                  {}}};
    return wrap(loops, std::move(body)).front();
  }

 private:
  bool varies(const Expr& e) const {
    return depends_on(e, columns_.var) || depends_on(e, channels_.var);
  }
  bool varies(const std::vector<Expr>& index) const {
    return std::ranges::any_of(index, [&](const Expr& e) { return varies(e); });
  }

  /// Without dimensions of one element at the end.
  std::size_t rank_of(BufferId id, const std::vector<Expr>& index) const {
    const Dims& dims = program_.buffer(id).type.dims;
    std::size_t rank = dims.size();
    while (rank > 0 && dims[rank - 1] == 1 && index[rank - 1].constant() == 0) --rank;
    return rank;
  }

  /// [..., columns + something, channels], of a buffer with these channels and no more.
  bool goes_along_rows(BufferId id, const std::vector<Expr>& index) const {
    const Buffer& buffer = program_.buffer(id);
    const std::size_t rank = rank_of(id, index);
    return rank >= 2 && buffer.memory != Memory::reg && buffer.memory != Memory::stack &&
           buffer.memory != Memory::constant && buffer.type.dims[rank - 1] == channel_count_ &&
           same(index[rank - 1], Expr(channels_.var)) &&
           stride_in(index[rank - 2], columns_.var) == 1 &&
           !depends_on(index[rank - 2], channels_.var) &&
           std::ranges::none_of(index | std::views::take(rank - 2),
                                [&](const Expr& e) { return varies(e); });
  }

  /// Whether columns and channels occur in the indices of such loads alone.
  bool can_read(const Expr& value) const {
    bool good = true;
    const Expr rest = transform(value, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      if (!l || !varies(l->index)) return {};
      good &= goes_along_rows(l->buffer, l->index);
      return load(l->buffer, e.type(), {});
    });
    return good && !varies(rest);
  }

  /// The view in which a row is one dimension, and the index there.
  std::pair<BufferId, std::vector<Expr>> flat(BufferId id, std::vector<Expr> index) {
    const std::size_t rank = rank_of(id, index);
    index.resize(rank - 1);
    index.back() = substitute(index.back(), {{columns_.var, 0}}) * channel_count_ + Expr(flat_);
    return {flat_view(program_, id, rank - 2), index};
  }

  Program& program_;
  const For& columns_;
  const For& channels_;
  const std::int64_t channel_count_;
  const Var flat_;
};

}  // namespace

std::optional<Stmt> flatten_rows(Program& program, const Stmt& stmt, const Target& target) {
  const Nest nest = nest_of(stmt);
  if (nest.loops.size() < 2 || nest.body.size() != 1) return std::nullopt;
  const auto* store = nest.body.front().as<Store>();
  const For &columns = nest.loops[nest.loops.size() - 2], &channels = nest.loops.back();
  if (!store || !is_plain(columns) || !is_plain(channels) || channels.begin.constant() != 0)
    return std::nullopt;
  const bool fills = *extent(channels) >= target.lanes(program.buffer(store->buffer).type.scalar);
  if (fills && !store->value.as<Const>()) return std::nullopt;
  const auto flat = Flattener(program, columns, channels).run(*store);
  if (!flat) return std::nullopt;
  const std::span<const For> outside(nest.loops.begin(), nest.loops.end() - 2);
  const Stmt whole = wrap(outside, {*flat}).front();
  const auto more = flatten_rows(program, whole, target);
  return more ? more : whole;
}

}  // namespace cnnc
