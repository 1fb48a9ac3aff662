// choose_layout:
//   padded : f32[1,32,32,3]
//   for y, x { for c in 0 .. 3 { padded[0,y,x,c] = ... } }
//   for y, x { for co in 0 .. 3 { ... padded[0, y*2 + ky, x*2 + kx, ci] ... } }
//     ->
//   padded : f32[1,32,3,2,16]
//   for y { for c in 0 .. 3 { for x in 0 .. 16 { padded[0,y,c,0,x] = ... }        (x*2)
//                             for x in 0 .. 16 { padded[0,y,c,1,x] = ... } } }    (x*2 + 1)
//   for y, x { for co in 0 .. 3 { ... padded[0, y*2 + ky, ci, kx % 2, x + kx/2] ... } }
#include "passes/layout/choose_layout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/cost/choose_tiling.h"

namespace cnnc {

namespace {

/// The new layout must promise to take less than this share of the time.
constexpr double kWorthIt = 0.9;

/// Dimension `dim` goes innermost; where readers step by more than one element along it, the
/// elements of each remainder of that step (its phase) lie together.
struct Layout {
  BufferId buffer = -1;
  std::size_t dim = 0;
  std::int64_t step = 1;

  bool operator<(const Layout& other) const {
    return std::tie(buffer, dim, step) < std::tie(other.buffer, other.dim, other.step);
  }
};

/// A nest that reads or fills images, as it now is.
struct Part {
  Block block;                                           // what it has become
  std::optional<Tiling> tiling;                          // of a sum, which reads
  std::optional<Nest> filling;                           // of an image, by one store
  std::map<BufferId, std::size_t> accesses, understood;  // the latter: as reader or as filling
};

/// Who uses a buffer, as far as it is understood.
struct Uses {
  std::vector<const Part*> readers, writers;
};

class Layouter {
 public:
  Layouter(const Program& program, const PassContext& context)
      : program_(program), context_(context) {}

  Program run() {
    for (const Kernel& kernel : program_.kernels) {
      find_parts(kernel.body);
      ranges_.merge(constant_ranges(program_, kernel.body).variables);
      for (const BufferAccess& access : accesses(kernel.body)) ++accesses_[access.buffer];
    }
    bool changed = false;
    for (BufferId id = 0; id < static_cast<BufferId>(program_.buffers.size()); ++id)
      if (const auto uses = uses_of(id))
        if (const auto layout = best(id, *uses)) changed |= apply(*layout, *uses);
    if (changed) put_parts_back();
    return std::move(program_);
  }

 private:
  void find_parts(const Block& block) {
    for (const Stmt& stmt : block) {
      const auto* loop = stmt.as<For>();
      if (!loop) continue;
      Part part = looked_at({stmt});
      if (!part.tiling && !part.filling) {
        find_parts(loop->body);
        continue;
      }
      for (const auto& [id, count] : part.understood) users_[id].push_back(parts_.size());
      places_[&stmt] = parts_.size();
      parts_.push_back(std::move(part));
    }
  }

  Part looked_at(Block block) const {
    Part part{std::move(block), {}, {}, {}, {}};
    const auto all = accesses(part.block);
    for (const BufferAccess& access : all) ++part.accesses[access.buffer];
    if (part.block.size() != 1) return part;
    const Stmt& stmt = part.block.front();
    if (const auto reduction = reduction_nest(program_, stmt)) {
      part.tiling = choose_tiling(program_, *reduction, context_);
      for (const BufferAccess& access : all)
        if (!access.write) ++part.understood[access.buffer];
    } else if (const Store* store = store_of_nest(stmt)) {
      part.filling = nest_of(stmt);
      part.understood[store->buffer] = 1;
    }
    return part;
  }

  /// Nothing where a buffer is used in other ways, too.
  std::optional<Uses> uses_of(BufferId id) const {
    const auto users = users_.find(id);
    if (users == users_.end()) return std::nullopt;
    Uses uses;
    std::size_t understood = 0;
    for (const std::size_t i : users->second) {
      const Part& part = parts_[i];
      (part.tiling ? uses.readers : uses.writers).push_back(&part);
      understood += part.understood.at(id);
    }
    if (understood != accesses_.at(id)) return std::nullopt;
    return uses;
  }

  std::optional<Layout> best(BufferId id, const Uses& uses) {
    const Buffer& buffer = program_.buffer(id);
    const bool own = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
    if (!own || uses.readers.empty() || uses.writers.size() != 1 || buffer.view_of ||
        has_views(program_, id) || std::ranges::all_of(uses.readers, [](const Part* reader) {
          return reader->tiling->fills_vectors;
        }))
      return std::nullopt;
    double now = filling(present(id));
    for (const Part* reader : uses.readers) now += reader->tiling->cycles;
    double least = kWorthIt * now;
    std::optional<Layout> result;
    for (const Layout& layout : candidates(id, uses)) {
      if (!can_fill(layout, *uses.writers.front()->filling)) continue;
      const auto readers = reading(layout, uses);
      if (!readers || filling(layout) + *readers >= least) continue;
      least = filling(layout) + *readers;
      result = layout;
    }
    return result;
  }

  /// The dimension along which neighbours lie now.
  Layout present(BufferId id) const {
    return {id, last_dimension(program_.buffer(id).type.dims), 1};
  }

  /// Every dimension that an axis of a reader goes along alone, by a constant step.
  std::set<Layout> candidates(BufferId id, const Uses& uses) const {
    std::set<Layout> result;
    const Dims& dims = program_.buffer(id).type.dims;
    for (const Part* reader : uses.readers)
      for (const BufferAccess& access : accesses(reader->block)) {
        if (access.buffer != id) continue;
        for (const For& axis : nest_of(reader->block.front()).loops)
          for (std::size_t d = 0; d < dims.size(); ++d) {
            const auto step = stride_in(access.index[d], axis.var);
            if (extent(axis) && step && *step >= 1 && (d != present(id).dim || *step > 1))
              result.insert({id, d, *step});
          }
      }
    return result;
  }

  /// The loop of a writer that goes through all of the dimension.
  static std::optional<std::size_t> loop_along(const Layout& layout, const Nest& writer,
                                               std::int64_t extent) {
    const auto& index = writer.body.front().as<Store>()->index;
    for (std::size_t i = 0; i < writer.loops.size(); ++i) {
      const For& loop = writer.loops[i];
      if (same(index[layout.dim], Expr(loop.var)) && is_plain(loop) && loop.begin.constant() == 0 &&
          loop.end.constant() == extent)
        return i;
    }
    return std::nullopt;
  }

  bool can_fill(const Layout& layout, const Nest& writer) const {
    const auto at = loop_along(layout, writer, dim(layout));
    const auto& store = *writer.body.front().as<Store>();
    if (!at || !touches_written_elements_only(program_, writer.body)) return false;
    // Loops inside of it go outside.
    return std::ranges::all_of(std::span(writer.loops).subspan(*at), [&](const For& loop) {
      return is_plain(loop) && separates(store, loop, writer.loops);
    });
  }

  std::int64_t dim(const Layout& layout) const {
    return program_.buffer(layout.buffer).type.dims[layout.dim];
  }

  /// Elements between neighbours along the dimension in what an image is filled from.
  std::int64_t apart(const Layout& layout) const {
    const Dims& dims = program_.buffer(layout.buffer).type.dims;
    std::int64_t result = layout.step;
    for (std::size_t d = layout.dim + 1; d < dims.size(); ++d) result *= dims[d];
    return result;
  }

  /// Whether filling the image goes by blocks, transposed in registers.
  bool by_blocks(const Layout& layout) const {
    const auto lanes = context_.target.lanes(program_.buffer(layout.buffer).type.scalar);
    return layout.step == 1 && apart(layout) >= lanes && dim(layout) >= lanes &&
           dim(present(layout.buffer)) >= lanes;
  }

  /// Cycles for filling the image: by blocks, by vectors put together from what lies some elements
  /// apart, or lane by lane where that is far.
  double filling(const Layout& layout) const {
    const TensorType& type = program_.buffer(layout.buffer).type;
    double elements = 1;
    for (std::size_t d = 1; d < type.dims.size(); ++d)
      elements *= static_cast<double>(type.dims[d]);
    const auto lanes = context_.target.lanes(type.scalar);
    const bool stays = layout.dim == present(layout.buffer).dim && layout.step == 1;
    // Rows of few channels are filled as one (collapse_rows.h).
    const std::int64_t row =
        dim(layout) * (stays && layout.dim > 0 ? type.dims[layout.dim - 1] : 1);
    const auto together = static_cast<double>(std::min(lanes, row));
    if (by_blocks(layout)) return elements * (2 + std::log2(static_cast<double>(lanes))) / together;
    if (apart(layout) > longest_stride(type.scalar)) return 3 * elements;
    return 2 * static_cast<double>(apart(layout)) * elements / together;
  }

  /// Cycles of the readers; nothing where one cannot be given the layout.
  std::optional<double> reading(const Layout& layout, const Uses& uses) {
    std::vector<Block> blocks;
    for (const Part* reader : uses.readers) {
      auto block = rewritten(reader->block, layout);
      if (!block) return std::nullopt;
      blocks.push_back(std::move(*block));
    }
    Dims& dims = program_.buffers[static_cast<std::size_t>(layout.buffer)].type.dims;
    const Dims present = std::exchange(dims, dims_of(layout));
    std::optional<double> cycles = 0;
    for (const Block& block : blocks) {
      const auto nest = reduction_nest(program_, block.front());
      if (!nest) cycles.reset();
      if (!cycles) break;
      *cycles += choose_tiling(program_, *nest, context_).cycles;
    }
    dims = present;
    return cycles;
  }

  Dims dims_of(const Layout& layout) const {
    Dims dims = program_.buffer(layout.buffer).type.dims;
    const std::int64_t extent = dims[layout.dim];
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(layout.dim));
    if (layout.step > 1) dims.push_back(layout.step);
    dims.push_back((extent + layout.step - 1) / layout.step);
    return dims;
  }

  /// `block` with the indices of the layout; nothing where an index may not be taken apart.
  std::optional<Block> rewritten(const Block& block, const Layout& layout) const {
    bool good = true;
    Block result = map_indices(block, [&](BufferId id, std::vector<Expr> index) {
      if (id != layout.buffer) return index;
      const Expr along = index[layout.dim];
      index.erase(index.begin() + static_cast<std::ptrdiff_t>(layout.dim));
      if (layout.step == 1) {
        index.push_back(along);
        return index;
      }
      const auto [position, offset] = taken_apart(along, layout.step);
      const auto range = range_of(offset, {&program_, {}, ranges_});
      good &= range && range->low >= 0;
      index.push_back(offset % Expr(layout.step));
      index.push_back(position + offset / Expr(layout.step));
      return index;
    });
    return good ? std::optional(std::move(result)) : std::nullopt;
  }

  /// position * step + offset.
  static std::pair<Expr, Expr> taken_apart(const Expr& along, std::int64_t step) {
    std::pair<Expr, Expr> result{Expr(0), along};
    walk(along, [&](const Expr& e) {
      const auto* var = e.as<Var>();
      if (!var || stride_in(result.second, *var) != step) return;
      result = {result.first + e, substitute(result.second, {{*var, Expr(0)}})};
    });
    return result;
  }

  /// False where an index may not be taken apart.
  bool apply(const Layout& layout, const Uses& uses) {
    const Block filled = phase_by_phase(layout, *uses.writers.front()->filling);
    std::vector<Block> blocks;
    const std::vector<std::size_t>& users = users_.at(layout.buffer);
    for (const std::size_t i : users) {
      auto block = rewritten(parts_[i].tiling ? parts_[i].block : filled, layout);
      if (!block) return false;
      blocks.push_back(std::move(*block));
    }
    program_.buffers[static_cast<std::size_t>(layout.buffer)].type.dims = dims_of(layout);
    for (std::size_t u = 0; u < users.size(); ++u) {
      Part& part = parts_[users[u]];
      for (const auto& [id, count] : part.accesses) accesses_[id] -= count;
      part = looked_at(std::move(blocks[u]));
      for (const auto& [id, count] : part.accesses) accesses_[id] += count;
    }
    return true;
  }

  void put_parts_back() {
    std::vector<Block> bodies;
    for (const Kernel& kernel : program_.kernels) bodies.push_back(with_parts(kernel.body));
    for (std::size_t k = 0; k < bodies.size(); ++k) program_.kernels[k].body = std::move(bodies[k]);
  }

  Block with_parts(const Block& block) const {
    Block result;
    for (const Stmt& stmt : block) {
      const auto place = places_.find(&stmt);
      const auto* loop = stmt.as<For>();
      if (place != places_.end())
        std::ranges::copy(parts_[place->second].block, std::back_inserter(result));
      else if (loop)
        result.push_back({with_body(*loop, with_parts(loop->body))});
      else
        result.push_back(stmt);
    }
    return result;
  }

  /// The loop along the dimension goes innermost, once for each phase. Where filling goes by
  /// blocks it stays outside: its border is no part of a block.
  Block phase_by_phase(const Layout& layout, const Nest& writer) {
    if (by_blocks(layout)) return wrap(writer.loops, writer.body);
    const std::size_t at = *loop_along(layout, writer, dim(layout));
    std::vector<For> loops = writer.loops;
    const For along = loops[at];
    loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(at));
    Block phases;
    for (std::int64_t phase = 0; phase < std::min(layout.step, dim(layout)); ++phase) {
      const Var position = make_var(along.var->name);
      const std::int64_t count = (dim(layout) - phase + layout.step - 1) / layout.step;
      ranges_[position] = {0, count - 1};
      phases.push_back(
          {For{position, 0, count, LoopKind::serial,
               substitute(writer.body, {{along.var, Expr(position) * layout.step + phase}})}});
    }
    return wrap(loops, std::move(phases));
  }

  Program program_;
  const PassContext& context_;
  std::unordered_map<Var, IntegerRange> ranges_;
  std::map<BufferId, std::size_t> accesses_;  // to each buffer, by that name
  std::vector<Part> parts_;
  std::unordered_map<const Stmt*, std::size_t> places_;  // of the parts, in the program as it was
  std::map<BufferId, std::vector<std::size_t>> users_;   // parts, in their order
};

}  // namespace

Program choose_layout(const Program& program, const PassContext& context) {
  return Layouter(program, context).run();
}

}  // namespace cnnc
