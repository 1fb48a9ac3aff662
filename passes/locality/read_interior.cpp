#include "passes/locality/read_interior.h"

#include <algorithm>

#include "passes/analysis/reduction_nest.h"

namespace cnnc {

namespace {

class InteriorReader {
 public:
  InteriorReader(const Program& program, const Padding& padding, bool within_bands)
      : program_(program), padding_(padding), within_bands_(within_bands) {}

  std::optional<Block> run(const Stmt& stmt) {
    ranges_ = constant_ranges(program_, {stmt});
    const Block result = pieces(stmt, 0);
    return failed_ ? std::nullopt : std::optional(result);
  }

 private:
  Block fail() {
    failed_ = true;
    return {};
  }

  /// Splits dimension after dimension; what is inside of all of them reads the image.
  Block pieces(const Stmt& stmt, std::size_t done) {
    if (failed_) return {};
    if (done == padding_.dims.size()) return {from_image(stmt)};
    const auto index = only_index(stmt);
    if (!index) return fail();
    const std::size_t dim = padding_.dims[done];
    const For* loop = loop_along(stmt, (*index)[dim]);
    if (!loop) return fail();
    const auto inside = interior_of(*loop, (*index)[dim], padding_.interior[dim]);
    if (inside) return split(stmt, loop->var, *inside, done);
    const std::int64_t begin = *loop->begin.constant();
    return within_bands_ ? split(stmt, loop->var, {begin, begin - 1}, done) : fail();
  }

  /// Iterations of a loop that reach into the border along dimension `done`.
  Block border(const For& loop, std::int64_t begin, std::int64_t end, std::size_t done) {
    if (begin == end) return {};
    const Stmt whole = piece(loop, begin, end);
    if (!within_bands_ || !rows_of(whole, done)) return {whole};
    Block result;
    for (std::int64_t i = begin; i < end; ++i) {
      Block rows = split_band(piece(loop, i, i + 1), done);
      std::ranges::move(rows, std::back_inserter(result));
    }
    return result;
  }

  Block split_band(const Stmt& band, std::size_t done) {
    const For* rows = rows_of(band, done);
    const std::size_t dim = padding_.dims[done];
    const auto inside = interior_of(*rows, (*only_index(band))[dim], padding_.interior[dim]);
    return inside ? split(band, rows->var, *inside, done) : Block{band};
  }

  /// The rows that `stmt` goes over band by band: a loop inside of it that ends where the next
  /// iteration of `stmt` begins. Null where there is none.
  const For* rows_of(const Stmt& stmt, std::size_t done) const {
    const auto index = only_index(stmt);
    if (!index) return nullptr;
    const Expr& row = (*index)[padding_.dims[done]];
    const Var& band = stmt.as<For>()->var;
    const For* rows = loop_along(stmt, row, band);
    return rows && *stride_in(row, rows->var) * *extent(*rows) == stride_in(row, band) ? rows
                                                                                       : nullptr;
  }

  /// The index at which `stmt` reads the padded image, where there is but one.
  std::optional<std::vector<Expr>> only_index(const Stmt& stmt) const {
    std::optional<std::vector<Expr>> result;
    for (const BufferAccess& access : accesses({stmt})) {
      if (access.buffer != padding_.buffer) continue;
      if (result && !same_index(*result, access.index)) return std::nullopt;
      result = access.index;
    }
    return result;
  }

  /// The loop, but for one over `apart_from`, that goes furthest along a dimension.
  static const For* loop_along(const Stmt& stmt, const Expr& index, const Var& apart_from = {}) {
    const For* result = nullptr;
    std::int64_t longest = 0;
    walk({stmt}, [&](const Stmt& each) {
      const auto* loop = each.as<For>();
      if (!loop || !is_plain(*loop) || loop->kind != LoopKind::serial || loop->var == apart_from)
        return;
      const auto step = stride_in(index, loop->var);
      if (!step || *step < 1 || *step * *extent(*loop) <= longest) return;
      longest = *step * *extent(*loop);
      result = find(stmt, loop->var);
    });
    return result;
  }

  static const For* find(const Stmt& stmt, const Var& var) {
    const auto* loop = stmt.as<For>();
    if (!loop || loop->var == var) return loop;
    for (const Stmt& inner : loop->body)
      if (const For* found = find(inner, var); found && found->var == var) return found;
    return nullptr;
  }

  /// The iterations, from the first to the last, in which the index stays in the interior.
  std::optional<IntegerRange> interior_of(const For& loop, const Expr& index,
                                          const IntegerRange& interior) const {
    const std::int64_t step = *stride_in(index, loop.var);
    const auto rest = range_of(substitute(index, {{loop.var, Expr(0)}}), ranges_);
    if (!rest) return std::nullopt;
    const std::int64_t begin = *loop.begin.constant(), end = begin + *extent(loop);
    IntegerRange result{end, begin - 1};
    for (std::int64_t i = begin; i < end; ++i)
      if (interior.low <= i * step + rest->low && i * step + rest->high <= interior.high)
        result = {std::min(result.low, i), std::max(result.high, i)};
    return result.low <= result.high ? std::optional(result) : std::nullopt;
  }

  /// The loop over `var` in three: iterations before the interior, in it, and behind it.
  Block split(const Stmt& stmt, const Var& var, const IntegerRange& inside, std::size_t done) {
    const auto* loop = stmt.as<For>();
    if (!loop) return fail();
    if (loop->var != var) {
      For copy = *loop;
      copy.body.clear();
      for (const Stmt& inner : loop->body) {
        if (!find(inner, var)) {
          copy.body.push_back(inner);
          continue;
        }
        Block more = split(inner, var, inside, done);
        std::ranges::move(more, std::back_inserter(copy.body));
      }
      return {Stmt{std::move(copy)}};
    }
    const std::int64_t begin = *loop->begin.constant(), end = begin + *extent(*loop);
    Block result = border(*loop, begin, inside.low, done);
    const auto append = [&](Block more) { std::ranges::move(more, std::back_inserter(result)); };
    if (inside.low <= inside.high)
      append(pieces(piece(*loop, inside.low, inside.high + 1), done + 1));
    append(border(*loop, inside.high + 1, end, done));
    return result;
  }

  /// Iterations `begin` .. `end` of `loop`.
  Stmt piece(const For& loop, std::int64_t begin, std::int64_t end) {
    For part = part_of(loop, begin, end);
    ranges_.variables[part.var] = {begin, end - 1};
    return {std::move(part)};
  }

  Stmt from_image(const Stmt& stmt) {
    return map_exprs({stmt},
                     [&](const Expr& top) {
                       return transform(top, [&](const Expr& e) -> Expr {
                         const auto* l = e.as<Load>();
                         if (!l || l->buffer != padding_.buffer) return {};
                         Substitution at;
                         for (std::size_t d = 0; d < l->index.size(); ++d)
                           if (padding_.loops[d] < padding_.nest.loops.size())
                             at[padding_.nest.loops[padding_.loops[d]].var] = l->index[d];
                         Expr value = simplified(substitute(padding_.store.value, at), ranges_);
                         failed_ |= !value.as<Load>();
                         return value;
                       });
                     })
        .front();
  }

  const Program& program_;
  const Padding& padding_;
  const bool within_bands_;
  RangeContext ranges_;  // of all loops, those of pieces included
  bool failed_ = false;
};

}  // namespace

std::optional<Block> read_interior(const Program& program, const Padding& padding, const Stmt& stmt,
                                   bool within_bands) {
  return InteriorReader(program, padding, within_bands).run(stmt);
}

}  // namespace cnnc
