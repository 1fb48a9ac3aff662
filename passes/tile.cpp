// tile:
//   for x in 0 .. 28 { for c in 0 .. 64 {
//     alloc sum : f32[]; sum[] = 0; for k { sum[] += a[x,k] * w[k,c] }; out[x,c] = sum[] } }
//     ->
//   for x.t in 0 .. 2 { for c.t in 0 .. 2 {
//     alloc sum : f32[14,2,16]; for x, c, l { sum[x,c,l] = 0 }
//     for k { for x, c, l { sum[x,c,l] += a[x.t*14 + x, k] * w[k, c.t*32 + c*16 + l] } }
//     for x, c, l { out[x.t*14 + x, c.t*32 + c*16 + l] = sum[x,c,l] } } }
// What does not fill a tile gets a smaller one of its own. The sizes are the tile model's choice
// (tile_model.h).
#include "passes/tile.h"

#include <algorithm>

#include "passes/nest.h"
#include "passes/tile_model.h"

namespace cnnc {

namespace {

/// for axes { alloc sum; sum[] = initial; for reduce { sum[] op= value }; stores, maybe with lets }
struct ReductionNest {
  std::vector<For> axes;
  BufferId sum;
  Expr initial;
  std::vector<For> reduce;
  Accumulate inner;
  Block epilogue;
  Store store;  // the epilogue's first
};

/// Whether the nest reads what it stores at the stored element only: a tile stores several at once.
bool reads_no_neighbour(const Program& program, const Nest& nest, const Store& store) {
  return std::ranges::all_of(accesses(nest.body), [&](const BufferAccess& access) {
    if (program.storage(access.buffer) != program.storage(store.buffer)) return true;
    return access.buffer == store.buffer &&
           std::ranges::equal(access.index, store.index,
                              [](const Expr& a, const Expr& b) { return same(a, b); });
  });
}

bool is_not_serial(const For& loop) { return loop.kind != LoopKind::serial; }

std::optional<ReductionNest> match(const Program& program, const Stmt& stmt) {
  Nest outer = nest_of(stmt);
  if (outer.body.size() < 4 || outer.loops.empty()) return std::nullopt;
  const auto* alloc = outer.body[0].as<Alloc>();
  const auto* initial = outer.body[1].as<Store>();
  if (!alloc || !initial || initial->buffer != alloc->buffer) return std::nullopt;
  const Block epilogue(outer.body.begin() + 3, outer.body.end());
  std::vector<const Store*> stores;
  for (const Stmt& each : epilogue) {
    const auto* store = each.as<Store>();
    if (store) stores.push_back(store);
    if (!store && !each.as<Let>()) return std::nullopt;
  }
  if (stores.empty()) return std::nullopt;
  if (!program.buffer(alloc->buffer).type.dims.empty()) return std::nullopt;
  Nest inner = nest_of(outer.body[2]);
  if (inner.body.size() != 1) return std::nullopt;
  const auto* accumulate = inner.body.front().as<Accumulate>();
  if (!accumulate || accumulate->buffer != alloc->buffer) return std::nullopt;
  for (const For& loop : outer.loops)
    if (is_not_serial(loop) || runs_over_groups(loop)) return std::nullopt;
  for (const Store* store : stores) {
    for (const For& loop : outer.loops)
      if (!separates(*store, loop, outer.loops)) return std::nullopt;
    if (!reads_no_neighbour(program, outer, *store)) return std::nullopt;
  }
  for (const auto* loops : {&inner.loops, &outer.loops})
    for (const For& loop : *loops)  // a bound that depends on an axis would differ within a tile
      for (const For& axis : outer.loops)
        if (depends_on(loop.begin, axis.var) || depends_on(loop.end, axis.var)) return std::nullopt;
  if (std::ranges::any_of(inner.loops, is_not_serial)) return std::nullopt;
  return ReductionNest{outer.loops, alloc->buffer, initial->value, inner.loops,
                       *accumulate, epilogue,      *stores.front()};
}

/// Lanes that are put together must promise to take less than this share of the time without.
constexpr double kWorthIt = 0.85;
/// Sums of fewer terms spend their time on what follows them: where that goes lane by lane, by code
/// of its own each, a tile in more registers than these is more code and no faster.
constexpr double kFewTerms = 16;
constexpr std::int64_t kFewRegisters = 6;
/// Cycles for storing one lane of a vector on its own.
constexpr double kStoreLane = 1.5;

class Tiler {
 public:
  Tiler(const Program& program, const Target& target) : program_(program), target_(target) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) kernel.body = tiled(kernel.body);
    return std::move(program_);
  }

 private:
  Block tiled(const Block& block) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto nest = match(program_, stmt)) {
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

  /// Elements of the widest type of the nest in one vector.
  std::int64_t lanes_of(const ReductionNest& nest) const {
    std::int64_t lanes = target_.lanes(program_.buffer(nest.sum).type.scalar);
    for (const BufferAccess& access : accesses({Stmt{nest.inner}}))
      if (!access.index.empty())
        lanes = std::min(lanes, target_.lanes(program_.buffer(access.buffer).type.scalar));
    return lanes;
  }

  /// Elements from neighbour to neighbour along an axis: in the result, and in each operand.
  struct Strides {
    std::int64_t result = 0;
    std::vector<std::int64_t> operands;
    bool contiguous() const {
      return result == 1 && std::ranges::all_of(operands, [](auto s) { return s == 0 || s == 1; });
    }
  };

  static bool is_operand(const ReductionNest& nest, const BufferAccess& access) {
    return access.buffer != nest.sum && !access.index.empty();
  }

  /// Nothing where the axis cannot be a vector: its elements are too far from each other.
  std::optional<Strides> strides_along(const ReductionNest& nest, const For& axis) const {
    if (!extent(axis) || *extent(axis) < 2) return std::nullopt;
    const auto result = memory_stride(program_, nest.store.buffer, nest.store.index, axis.var);
    if (!result || *result < 1) return std::nullopt;
    Strides strides{*result, {}};
    for (const BufferAccess& access : accesses({Stmt{nest.inner}})) {
      if (!is_operand(nest, access)) continue;
      const auto stride = memory_stride(program_, access.buffer, access.index, axis.var);
      const ScalarType type = program_.buffer(access.buffer).type.scalar;
      if (!stride || *stride < 0 || *stride > longest_stride(type)) return std::nullopt;
      strides.operands.push_back(*stride);
    }
    return strides;
  }

  /// The vector axis (-1: none) and the tile. Innermost first, an axis whose neighbours are
  /// neighbours in the result and in the operands; where that one fills no vector, whichever the
  /// model takes for the fastest, lanes being put together and taken apart included.
  std::pair<int, Tile> choose(const ReductionNest& nest) const {
    std::vector<std::pair<int, Strides>> candidates;
    for (std::size_t a = nest.axes.size(); a-- > 0;)
      if (const auto strides = strides_along(nest, nest.axes[a]))
        candidates.emplace_back(static_cast<int>(a), *strides);
    const auto best = std::ranges::find_if(
        candidates, [](const auto& candidate) { return candidate.second.contiguous(); });
    const bool found = best != candidates.end();
    std::pair<int, Tile> result{found ? best->first : -1, {}};
    result.second = model_tile(nest, result.first, found ? best->second : Strides{});
    const std::int64_t lanes = lanes_of(nest);
    if (found && *extent(nest.axes[static_cast<std::size_t>(best->first)]) >= lanes) return result;
    double least = kWorthIt * nest_cycles(nest, result, 1);
    for (const auto& [axis, strides] : candidates) {
      if (axis == result.first) continue;
      const std::pair other{axis, model_tile(nest, axis, strides)};
      const double cycles = nest_cycles(nest, other, strides.result);
      if (cycles >= least) continue;
      least = cycles;
      result = other;
    }
    return result;
  }

  static double terms_of(const ReductionNest& nest) {
    double terms = 1;
    for (const For& loop : nest.reduce)
      terms *= static_cast<double>(extent(loop).value_or(kGroupSize));
    return terms;
  }

  /// Cycles for all sums of a nest and for storing them.
  double nest_cycles(const ReductionNest& nest, const std::pair<int, Tile>& choice,
                     std::int64_t stride) const {
    double stores = 1;
    const std::int64_t lanes = choice.first < 0 ? 1 : lanes_of(nest);
    for (std::size_t a = 0; a < nest.axes.size(); ++a) {
      const std::int64_t length = extent(nest.axes[a]).value_or(kGroupSize);
      stores *= static_cast<double>(
          static_cast<int>(a) == choice.first ? (length + lanes - 1) / lanes : length);
    }
    stores *= static_cast<double>(std::ranges::count_if(
        accesses(nest.epilogue), [&](const auto& access) { return is_operand(nest, access); }));
    if (stride != 1) stores *= kStoreLane * static_cast<double>(lanes);
    return choice.second.cycles * terms_of(nest) + stores;
  }

  Tile model_tile(const ReductionNest& nest, int vector, const Strides& strides) const {
    std::vector<TileAxis> axes;
    for (std::size_t a = 0; a < nest.axes.size(); ++a)
      axes.push_back({extent(nest.axes[a]).value_or(0), static_cast<int>(a) == vector});
    std::vector<TileLoad> loads;
    for (const BufferAccess& access : accesses({Stmt{nest.inner}})) {
      if (!is_operand(nest, access)) continue;
      TileLoad load;
      for (const For& axis : nest.axes)
        load.varies.push_back(std::any_of(access.index.begin(), access.index.end(),
                                          [&](const Expr& e) { return depends_on(e, axis.var); }));
      if (loads.size() < strides.operands.size()) load.stride = strides.operands[loads.size()];
      loads.push_back(std::move(load));
    }
    Target target = target_;
    if (strides.result > 1 && terms_of(nest) < kFewTerms)
      target.registers = std::min(target.registers, kFewRegisters);
    return choose_tile(axes, loads, operations(nest.inner.value), lanes_of(nest), target);
  }

  /// Instructions of one accumulation: a product joins its sum in one. Those of an index are not
  /// among them: a tile computes it once.
  static std::int64_t operations(const Expr& value) {
    const Expr plain = transform(value, [](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      return l && !l->index.empty() ? load(l->buffer, e.type(), {}) : Expr();
    });
    std::int64_t count = 1;
    walk(plain, [&](const Expr& e) {
      const auto* binary = e.as<Binary>();
      if (e.as<Select>() || e.as<Unary>() || e.as<Cast>()) ++count;
      if (binary && (is_float(e.type()) || is_comparison(binary->op))) ++count;
    });
    const auto* product = plain.as<Binary>();
    return product && product->op == BinaryOp::mul ? count - 1 : count;
  }

  /// One axis within one tile: elements base + i, or, of the vector axis, base + block * lanes +
  /// lane.
  struct Part {
    Expr base;
    std::int64_t count = 1;  // of the vector axis: blocks
    std::int64_t lanes = 1;
  };

  Block tile_nest(const ReductionNest& nest) {
    const auto [vector, tile] = choose(nest);
    std::vector<Part> parts(nest.axes.size());
    return emit_axis(nest, vector, tile, parts, 0);
  }

  /// Loops over the tiles along axis `at` and the ones after it; the remainder after the full
  /// tiles.
  Block emit_axis(const ReductionNest& nest, int vector, const Tile& tile, std::vector<Part>& parts,
                  std::size_t at) {
    if (at == nest.axes.size()) return emit_tile(nest, vector, parts);
    const For& axis = nest.axes[at];
    const std::int64_t factor = tile.factors[at];
    const std::int64_t lanes =
        static_cast<int>(at) == vector ? std::min(lanes_of(nest), *extent(axis)) : 1;
    if (!extent(axis)) return emit_dynamic_axis(nest, vector, tile, parts, at);
    Block result;
    const auto emit_full = [&](std::int64_t begin, std::int64_t tiles, std::int64_t count,
                               std::int64_t width) {
      if (tiles == 0 || count == 0) return;
      const std::int64_t step = count * width;
      if (tiles == 1) {
        parts[at] = {axis.begin + begin, count, width};
        const Block body = emit_axis(nest, vector, tile, parts, at + 1);
        result.insert(result.end(), body.begin(), body.end());
        return;
      }
      const Var t = make_var(step == 1 ? axis.var->name : axis.var->name + ".t");
      parts[at] = {axis.begin + begin + Expr(t) * step, count, width};
      result.push_back(
          {For{t, 0, tiles, LoopKind::serial, emit_axis(nest, vector, tile, parts, at + 1)}});
    };
    const std::int64_t length = *extent(axis), full = length / (factor * lanes);
    emit_full(0, full, factor, lanes);
    std::int64_t done = full * factor * lanes;
    const std::int64_t rest = (length - done) / lanes;
    emit_full(done, 1, rest, lanes);
    done += rest * lanes;
    if (done < length) emit_full(done, 1, 1, length - done);  // fewer lanes than a vector has
    return result;
  }

  /// Full tiles, then single elements, along an axis whose extent is known at run time.
  Block emit_dynamic_axis(const ReductionNest& nest, int vector, const Tile& tile,
                          std::vector<Part>& parts, std::size_t at) {
    const For& axis = nest.axes[at];
    const std::int64_t factor = tile.factors[at];
    Block result;
    const Var tiles = make_var(axis.var->name + ".tiles");
    if (factor > 1) {
      result.push_back({Let{tiles, max(axis.end - axis.begin, 0) / factor}});
      const Var t = make_var(axis.var->name + ".t");
      parts[at] = {axis.begin + Expr(t) * factor, factor, 1};
      result.push_back(
          {For{t, 0, Expr(tiles), LoopKind::serial, emit_axis(nest, vector, tile, parts, at + 1)}});
    }
    const Var single = make_var(axis.var->name);
    parts[at] = {Expr(single), 1, 1};
    const Expr begin = factor > 1 ? axis.begin + Expr(tiles) * factor : axis.begin;
    result.push_back({For{single, begin, axis.end, LoopKind::serial,
                          emit_axis(nest, vector, tile, parts, at + 1)}});
    return result;
  }

  static void append(Block& block, Block more) {
    std::ranges::move(more, std::back_inserter(block));
  }

  Block emit_tile(const ReductionNest& nest, int vector, const std::vector<Part>& parts) {
    Buffer sum = program_.buffer(nest.sum);
    for (std::size_t a = 0; a < parts.size(); ++a)
      if (parts[a].count > 1) sum.type.dims.push_back(parts[a].count);
    if (vector >= 0) sum.type.dims.push_back(parts[static_cast<std::size_t>(vector)].lanes);
    const auto id = static_cast<BufferId>(program_.buffers.size());
    sum.name = fmt::format("{}.{}", sum.name, id);
    program_.buffers.push_back(sum);

    Block body;
    body.push_back({Alloc{id}});
    const auto everywhere =
        [&](const std::function<Block(const std::vector<Expr>& index, const Substitution& axes)>&
                make) { return over_tile(nest, vector, parts, make); };
    append(body, everywhere([&](const auto& index, const auto& axes) {
             return Block{Stmt{Store{id, index, substitute(nest.initial, axes)}}};
           }));
    Block reduce = everywhere([&](const auto& index, const auto& axes) {
      return Block{Stmt{Accumulate{nest.inner.op, id, index, substitute(nest.inner.value, axes)}}};
    });
    Substitution fresh;
    std::vector<For> loops = nest.reduce;
    for (For& loop : loops) {
      const Var var = make_var(loop.var->name);
      loop.begin = substitute(loop.begin, fresh);
      loop.end = substitute(loop.end, fresh);
      fresh[loop.var] = Expr(var);
      loop.var = var;
    }
    append(body, wrap(loops, substitute(reduce, fresh)));
    append(body, everywhere([&](const auto& index, const auto& axes) {
             return map_exprs(
                 with_fresh_lets(substitute(nest.epilogue, axes)), [&](const Expr& top) {
                   return transform(top, [&](const Expr& e) -> Expr {
                     const auto* l = e.as<Load>();
                     return l && l->buffer == nest.sum ? load(id, e.type(), index) : Expr();
                   });
                 });
           }));
    return body;
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
  const Target& target_;
};

}  // namespace

Program tile(const Program& program, const Target& target) { return Tiler(program, target).run(); }

}  // namespace cnnc
