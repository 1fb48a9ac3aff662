// register_tile:
//   for x in 0 .. 28 { for c in 0 .. 64 {
//     alloc sum : f32[]; sum[] = 0; for k { sum[] += a[x,k] * w[k,c] }; out[x,c] = sum[] } }
//     ->
//   for x.t in 0 .. 2 { for c.t in 0 .. 2 {
//     alloc sum : f32[14,2,16]; for x, c, l { sum[x,c,l] = 0 }
//     for k { for x, c, l { sum[x,c,l] += a[x.t*14 + x, k] * w[k, c.t*32 + c*16 + l] } }
//     for x, c, l { out[x.t*14 + x, c.t*32 + c*16 + l] = sum[x,c,l] } } }
// What does not fill a tile gets a smaller one of its own. The sizes are the tile model's choice
// (choose_tiling.h).
#include "passes/registers/register_tile.h"

#include <algorithm>

#include "passes/analysis/nest.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/cost/choose_tiling.h"

namespace cnnc {

namespace {

class Tiler {
 public:
  Tiler(const Program& program, const PassContext& context)
      : program_(program), context_(context) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) kernel.body = tiled(kernel.body);
    return std::move(program_);
  }

 private:
  Block tiled(const Block& block) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto nest = reduction_nest(program_, stmt)) {
        const Block replacement = tile_nest(*nest);
        result.insert(result.end(), replacement.begin(), replacement.end());
      } else if (const auto* loop = stmt.as<For>()) {
        For copy = *loop;
        copy.body = tiled(loop->body);
        result.push_back({std::move(copy)});
      } else {
        result.push_back(stmt);
      }
    }
    return result;
  }

  /// One axis within one tile: elements base + i, or, of the vector axis, base + block * lanes +
  /// lane, and behind these blocks one of fewer lanes.
  struct Part {
    Expr base;
    std::int64_t count = 1;  // of the vector axis: blocks
    std::int64_t lanes = 1;
    std::int64_t tail = 0;  // lanes of the last block; 0: there is none
  };

  Block tile_nest(const ReductionNest& nest) {
    std::vector<Part> parts(nest.axes.size());
    return emit_axis(nest, choose_tiling(program_, nest, context_), parts, 0);
  }

  /// Loops over the tiles along axis `at` and the ones after it; the remainder after the full
  /// tiles.
  Block emit_axis(const ReductionNest& nest, const Tiling& tiling, std::vector<Part>& parts,
                  std::size_t at) {
    if (at == nest.axes.size()) return emit_tile(nest, tiling.vector, parts);
    const For& axis = nest.axes[at];
    const std::int64_t factor = tiling.tile.factors[at];
    const std::int64_t lanes =
        static_cast<int>(at) == tiling.vector ? std::min(tiling.lanes, *extent(axis)) : 1;
    if (!extent(axis)) return emit_dynamic_axis(nest, tiling, parts, at);
    Block result;
    const auto emit_full = [&](std::int64_t begin, std::int64_t tiles, std::int64_t count,
                               std::int64_t width, std::int64_t tail = 0) {
      if (tiles == 0 || count == 0) return;
      const std::int64_t step = count * width;
      if (tiles == 1) {
        parts[at] = {axis.begin + begin, count, width, tail};
        const Block body = emit_axis(nest, tiling, parts, at + 1);
        result.insert(result.end(), body.begin(), body.end());
        return;
      }
      const Var t = make_var(step == 1 ? axis.var->name : axis.var->name + ".t");
      parts[at] = {axis.begin + begin + Expr(t) * step, count, width};
      result.push_back(
          {For{t, 0, tiles, LoopKind::serial, emit_axis(nest, tiling, parts, at + 1)}});
    };
    const std::int64_t length = *extent(axis), full = length / (factor * lanes);
    emit_full(0, full, factor, lanes);
    const std::int64_t done = full * factor * lanes;
    const std::int64_t rest = (length - done) / lanes, tail = (length - done) % lanes;
    if (rest > 0)
      emit_full(done, 1, rest, lanes, tail);
    else if (tail > 0)
      emit_full(done, 1, 1, tail);
    return result;
  }

  /// Full tiles, then single elements, along an axis whose extent is known at run time.
  Block emit_dynamic_axis(const ReductionNest& nest, const Tiling& tiling, std::vector<Part>& parts,
                          std::size_t at) {
    const For& axis = nest.axes[at];
    const std::int64_t factor = tiling.tile.factors[at];
    Block result;
    const Var tiles = make_var(axis.var->name + ".tiles");
    if (factor > 1) {
      result.push_back({Let{tiles, max(axis.end - axis.begin, 0) / factor}});
      const Var t = make_var(axis.var->name + ".t");
      parts[at] = {axis.begin + Expr(t) * factor, factor, 1};
      result.push_back(
          {For{t, 0, Expr(tiles), LoopKind::serial, emit_axis(nest, tiling, parts, at + 1)}});
    }
    const Var single = make_var(axis.var->name);
    parts[at] = {Expr(single), 1, 1};
    const Expr begin = factor > 1 ? axis.begin + Expr(tiles) * factor : axis.begin;
    result.push_back(
        {For{single, begin, axis.end, LoopKind::serial, emit_axis(nest, tiling, parts, at + 1),
             factor > 1 ? BatchAxis::none : axis.axis}});
    return result;
  }

  static void append(Block& block, Block more) {
    std::ranges::move(more, std::back_inserter(block));
  }

  /// Sums of one shape: all of a tile, or the blocks of whole vectors, or those of fewer lanes.
  struct Sums {
    BufferId buffer;
    std::vector<Part> parts;
  };

  std::vector<Sums> sums_of(const ReductionNest& nest, int vector, std::vector<Part> parts) {
    std::vector<Sums> sums;
    const auto add = [&] {
      Buffer sum = program_.buffer(nest.sum);
      for (const Part& part : parts)
        if (part.count > 1) sum.type.dims.push_back(part.count);
      if (vector >= 0) sum.type.dims.push_back(parts[static_cast<std::size_t>(vector)].lanes);
      const auto id = static_cast<BufferId>(program_.buffers.size());
      sum.name = fmt::format("{}.{}", sum.name, id);
      program_.buffers.push_back(sum);
      sums.push_back({id, parts});
    };
    add();
    if (vector < 0) return sums;
    Part& part = parts[static_cast<std::size_t>(vector)];
    if (part.tail == 0) return sums;
    part = {part.base + part.count * part.lanes, 1, part.tail};
    add();
    return sums;
  }

  Block emit_tile(const ReductionNest& nest, int vector, const std::vector<Part>& parts) {
    Block body;
    const std::vector<Sums> all = sums_of(nest, vector, parts);
    for (const auto& [sum, where] : all) {
      body.push_back({Alloc{sum}});
      append(body, over_tile(nest, vector, where, [&](const auto& index, const auto& axes) {
               return Block{Stmt{Store{sum, index, substitute(nest.initial, axes)}}};
             }));
    }
    append(body, terms_of_tile(nest, vector, all, nest.terms));
    for (const auto& [sum, where] : all)
      append(body, over_tile(nest, vector, where, [&](const auto& index, const auto& axes) {
               return map_exprs(
                   with_fresh_lets(substitute(nest.epilogue, axes)), [&](const Expr& top) {
                     return transform(top, [&](const Expr& e) -> Expr {
                       const auto* l = e.as<Load>();
                       return l && l->buffer == nest.sum ? load(sum, e.type(), index) : Expr();
                     });
                   });
             }));
    return body;
  }

  /// `terms` with each accumulation for all sums, and loops with variables of their own.
  Block terms_of_tile(const ReductionNest& nest, int vector, const std::vector<Sums>& all,
                      const Block& terms) {
    Block result;
    for (const Stmt& stmt : terms) {
      if (const auto* loop = stmt.as<For>()) {
        const Var var = make_var(loop->var->name);
        Block body = terms_of_tile(nest, vector, all, loop->body);
        For copy = with_body(*loop, substitute(std::move(body), {{loop->var, Expr(var)}}));
        copy.var = var;
        result.push_back({std::move(copy)});
        continue;
      }
      const auto& one = *stmt.as<Accumulate>();
      for (const auto& [sum, where] : all)
        append(result, over_tile(nest, vector, where, [&](const auto& index, const auto& axes) {
                 return Block{Stmt{Accumulate{one.op, sum, index, substitute(one.value, axes)}}};
               }));
    }
    return result;
  }

  /// Loops over the elements of a tile around make(index into the tile's sums, values of the axes).
  static Block over_tile(
      const ReductionNest& nest, int vector, const std::vector<Part>& parts,
      const std::function<Block(const std::vector<Expr>&, const Substitution&)>& make) {
    std::vector<For> loops;
    std::vector<Expr> index;
    Substitution axes;
    for (std::size_t a = 0; a < parts.size(); ++a) {
      Expr value = parts[a].base;
      if (parts[a].count > 1) {
        const Var i = make_var(nest.axes[a].var->name);
        loops.push_back({i, 0, parts[a].count, LoopKind::serial, {}});
        index.emplace_back(i);
        value = value + Expr(i) * parts[a].lanes;
      }
      axes[nest.axes[a].var] = value;
    }
    if (vector >= 0) {
      const For& axis = nest.axes[static_cast<std::size_t>(vector)];
      const Var lane = make_var("lane");
      loops.push_back(
          {lane, 0, parts[static_cast<std::size_t>(vector)].lanes, LoopKind::serial, {}});
      index.emplace_back(lane);
      axes[axis.var] = axes[axis.var] + Expr(lane);
    }
    return wrap(loops, make(index, axes));
  }

  Program program_;
  const PassContext& context_;
};

}  // namespace

Program register_tile(const Program& program, const PassContext& context) {
  return Tiler(program, context).run();
}

}  // namespace cnnc
