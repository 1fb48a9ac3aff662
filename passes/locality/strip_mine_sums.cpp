// strip_mine_sums:
//   for n { for k { for c {
//     alloc sum; sum[] = 0; for y in 0 .. 28 { for x { sum[] += a[n,y+k,x] * b[n,y,x,c] } }
//     total[k,c] = total[k,c] + sum[] } } }
//     ->
//   for n { for y.band in 0 .. 14 { for k { for c {
//     alloc sum; sum[] = 0; for y in 0 .. 2 { for x { sum[] += a[n,y.band*2 + y+k,x] * ... } }
//     total[k,c] = total[k,c] + sum[] } } } }
// The loop over bands goes inside of those over results with which a band would be too large.
#include "passes/locality/strip_mine_sums.h"

#include <algorithm>

#include "ir/expr/reduction.h"
#include "passes/analysis/nest.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/analysis/touched_bytes.h"
#include "passes/context/reduction_order.h"

namespace cnnc {

namespace {

struct Bands {
  std::size_t depth;  // axes outside of the loop over bands
  std::int64_t rows;  // of a band
};

bool is_load_of(const Expr& e, BufferId buffer, const std::vector<Expr>& index) {
  const auto* l = e.as<Load>();
  return l && l->buffer == buffer && same_index(l->index, index);
}

/// Whether all that a nest does with its sums is to add them to what is stored already.
bool adds_up(const ReductionNest& nest) {
  if (nest.inner.op != Reduction::add ||
      !same(nest.initial, identity(Reduction::add, nest.initial.type())) ||
      nest.epilogue.size() != 1)
    return false;
  const auto* total = nest.store.value.as<Binary>();
  return total && total->op == BinaryOp::add && is_float(nest.store.value.type()) &&
         is_load_of(total->a, nest.store.buffer, nest.store.index) &&
         is_load_of(total->b, nest.sum, {});
}

class Banding {
 public:
  Banding(const Program& program, const PassConfig& config)
      : program_(program), band_bytes_(static_cast<double>(config.band_bytes)) {}

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) kernel.body = in_bands(kernel.body);
    return result;
  }

 private:
  Block in_bands(const Block& block) {
    Block result;
    for (const Stmt& stmt : block) {
      const auto* loop = stmt.as<For>();
      const auto nest = reduction_nest(program_, stmt);
      if (const auto bands = nest ? bands_of(*nest) : std::nullopt) {
        result.push_back(banded(*nest, *bands));
      } else if (loop && !nest) {
        outside_.push_back(*loop);
        For copy = *loop;
        copy.body = in_bands(loop->body);
        outside_.pop_back();
        result.push_back({std::move(copy)});
      } else {
        result.push_back(stmt);
      }
    }
    return result;
  }

  /// Whether `nest` stands in a loop over samples that all add to its results.
  bool sums_samples(const ReductionNest& nest) const {
    return outside_.size() == 2 && outside_[1].axis == BatchAxis::samples &&
           !std::ranges::any_of(nest.store.index,
                                [&](const Expr& e) { return depends_on(e, outside_[1].var); });
  }

  std::optional<Bands> bands_of(const ReductionNest& nest) const {
    if (nest.parts != 1 || nest.reduce.size() < 2 || !sums_samples(nest) || !adds_up(nest))
      return std::nullopt;
    double results = static_cast<double>(size_of(program_.buffer(nest.sum).type.scalar));
    std::int64_t row_terms = 1;
    for (const auto* loops : {&nest.axes, &nest.reduce})
      for (const For& loop : *loops)
        if (!is_plain(loop)) return std::nullopt;
    for (const For& axis : nest.axes) results *= static_cast<double>(*extent(axis));
    for (std::size_t i = 1; i < nest.reduce.size(); ++i) row_terms *= *extent(nest.reduce[i]);
    const std::int64_t rows = *extent(nest.reduce.front());
    if (operand_bytes(nest, 0, rows) <= band_bytes_) return std::nullopt;
    for (std::size_t depth = 0; depth < nest.axes.size(); ++depth) {
      if (depth > 0 && is_innermost(nest, nest.axes[depth - 1].var)) break;
      if (results <= static_cast<double>(kBandResultBytes))
        for (std::int64_t band = rows / 2; band > 0 && band * row_terms >= kFewestTermsOfBand;
             --band)
          if (rows % band == 0 &&
              band_bytes(nest, depth, band) <= band_bytes_ * (band == 1 ? kOneRow : 1))
            return Bands{depth, band};
      results /= static_cast<double>(*extent(nest.axes[depth]));
    }
    return std::nullopt;
  }

  /// Whether neighbours along `axis` are neighbours in an operand: then they share cache lines, and
  /// an operand for one of them alone is not smaller.
  static bool is_innermost(const ReductionNest& nest, const Var& axis) {
    return std::ranges::any_of(accesses({Stmt{nest.inner}}), [&](const BufferAccess& access) {
      return !access.index.empty() && depends_on(access.index.back(), axis);
    });
  }

  /// Rows between those of a strided convolution are in the box around them, but not read.
  double band_bytes(const ReductionNest& nest, std::size_t depth, std::int64_t rows) const {
    return std::min(operand_bytes(nest, depth, rows),
                    static_cast<double>(rows) * operand_bytes(nest, depth, 1));
  }

  /// What the terms of the first `rows` rows read, for one value of each of the first `depth` axes
  /// and all of the others.
  double operand_bytes(const ReductionNest& nest, std::size_t depth, std::int64_t rows) const {
    RangeContext context{&program_, {}, {}};
    const auto set = [&](const For& loop, std::int64_t count) {
      const std::int64_t begin = *loop.begin.constant();
      context.variables[loop.var] = {begin, begin + count - 1};
    };
    for (const For& loop : outside_) context.variables[loop.var] = {0, 0};
    for (std::size_t a = 0; a < nest.axes.size(); ++a)
      set(nest.axes[a], a < depth ? 1 : *extent(nest.axes[a]));
    for (std::size_t i = 0; i < nest.reduce.size(); ++i)
      set(nest.reduce[i], i == 0 ? rows : *extent(nest.reduce[i]));
    TouchedBytes touched(program_);
    for (const BufferAccess& access : accesses({Stmt{nest.inner}}))
      if (!access.write && access.buffer != nest.sum)
        touched.touch(access.buffer, access.index, context);
    return touched.bytes();
  }

  static Stmt banded(const ReductionNest& nest, const Bands& bands) {
    std::vector<For> reduce = nest.reduce;
    For& rows = reduce.front();
    const Var band = make_var(rows.var->name + ".band"), row = make_var(rows.var->name);
    const std::int64_t count = *extent(rows) / bands.rows;
    const Expr at = rows.begin + Expr(band) * bands.rows + Expr(row);
    Accumulate inner = nest.inner;
    inner.value = substitute(inner.value, {{rows.var, at}});
    rows = {row, 0, bands.rows, LoopKind::serial, {}};
    Block body{Stmt{Alloc{nest.sum}}, Stmt{Store{nest.sum, {}, nest.initial}}};
    std::ranges::move(wrap(reduce, {Stmt{std::move(inner)}}), std::back_inserter(body));
    body.push_back(nest.epilogue.front());
    const std::span<const For> axes = nest.axes;
    body = wrap(axes.subspan(bands.depth), std::move(body));
    body = {Stmt{For{band, 0, count, LoopKind::serial, std::move(body)}}};
    return wrap(axes.first(bands.depth), std::move(body)).front();
  }

  const Program& program_;
  const double band_bytes_;
  std::vector<For> outside_;  // loops around the statement looked at
};

}  // namespace

Program strip_mine_sums(const Program& program, const PassContext& context) {
  return Banding(program, context.config).run();
}

}  // namespace cnnc
