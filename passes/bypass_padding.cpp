// bypass_padding:
//   for x in 0 .. 30 { padded[x] = select(1 <= x & x < 29, image[...], 0) }
//   for x in 0 .. 28 { sum ... padded[x + kx] ... }                             (kx in 0 .. 3)
//     ->
//   for x in 0 .. 3   { padded[x] = select(...) }
//   for x in 27 .. 30 { padded[x] = select(...) }
//   for x in 0 .. 1   { sum ... padded[x + kx] ... }
//   for x in 1 .. 27  { sum ... image[x + kx - 1] ... }
//   for x in 27 .. 28 { sum ... padded[x + kx] ... }
// The same, row by row and column by column, where x is a loop that sums go over.
#include "passes/bypass_padding.h"

#include <algorithm>
#include <optional>
#include <set>

#include "passes/choose_tiling.h"
#include "passes/footprint.h"
#include "passes/integer_range.h"
#include "passes/nest.h"
#include "passes/reduction_nest.h"

namespace cnnc {

namespace {

/// The fill must take more than this share of the time, or what is gained is not worth the code.
constexpr double kWorthIt = 0.05;
/// Cycles for a vector that is loaded and stored.
constexpr double kFillCycles = 2;
/// Images of fewer channels are laid out otherwise (lay_out.h).
constexpr std::int64_t kFewestChannels = 4;

double volume(const Box& box) {
  double result = 1;
  for (const IntegerRange& range : box) result *= static_cast<double>(range.high - range.low + 1);
  return result;
}

/// A nest that fills `buffer` with the elements of an image and, around them, a constant.
struct Padding {
  BufferId buffer;
  BufferId image;
  Nest nest;
  Store store;
  std::vector<std::size_t> loops;      // of the nest: one a dimension, or its number of loops
  std::vector<std::size_t> dims;       // those that are padded
  std::vector<IntegerRange> interior;  // one a dimension
};

class Reader {
 public:
  Reader(const Program& program, const Padding& padding) : program_(program), padding_(padding) {}

  /// `stmt` in pieces, of which the interior ones read the image; nothing where that cannot be.
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
    if (!inside) return fail();
    return split(stmt, loop->var, *inside, done);
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

  /// The loop that goes furthest along a dimension.
  static const For* loop_along(const Stmt& stmt, const Expr& index) {
    const For* result = nullptr;
    std::int64_t longest = 0;
    walk({stmt}, [&](const Stmt& each) {
      const auto* loop = each.as<For>();
      if (!loop || !is_plain(*loop) || loop->kind != LoopKind::serial) return;
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
    Block result;
    if (begin < inside.low) result.push_back(piece(*loop, begin, inside.low));
    Block middle = pieces(piece(*loop, inside.low, inside.high + 1), done + 1);
    std::ranges::move(middle, std::back_inserter(result));
    if (inside.high + 1 < end) result.push_back(piece(*loop, inside.high + 1, end));
    return result;
  }

  /// Iterations `begin` .. `end` of `loop`.
  Stmt piece(const For& loop, std::int64_t begin, std::int64_t end) {
    const Var var = make_var(loop.var->name);
    ranges_.variables[var] = {begin, end - 1};
    return {For{var, begin, end, loop.kind, substitute(loop.body, {{loop.var, Expr(var)}})}};
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
  RangeContext ranges_;  // of all loops, those of pieces included
  bool failed_ = false;
};

class Bypass {
 public:
  Bypass(const Program& program, const Target& target) : program_(program), target_(target) {}

  Program run() {
    Program result = program_;
    for (Kernel& kernel : result.kernels) visit(kernel.body);
    return result;
  }

 private:
  void visit(Block& block) const {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (auto* loop = block[i].as<For>()) visit(loop->body);
      if (const auto padding = padding_of(block[i]))
        if (auto pieces = bypassed(block, i, *padding)) block = std::move(*pieces);
    }
  }

  std::optional<Padding> padding_of(const Stmt& stmt) const {
    Padding padding{};
    padding.nest = nest_of(stmt);
    const auto& body = padding.nest.body;
    const auto* store = only_store(body);
    const auto* value = store ? store->value.as<Select>() : nullptr;
    const auto* image = value ? value->a.as<Load>() : nullptr;
    if (!image || !std::ranges::all_of(padding.nest.loops, is_plain)) return std::nullopt;
    const Buffer& buffer = program_.buffer(store->buffer);
    const bool own = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
    if (!own || buffer.view_of || has_views(program_, store->buffer) ||
        buffer.type.dims.back() < kFewestChannels ||
        program_.storage(image->buffer) == store->buffer)
      return std::nullopt;
    padding.buffer = store->buffer;
    padding.image = program_.storage(image->buffer);
    padding.store = *store;
    return find_dimensions(padding, *value) ? std::optional(std::move(padding)) : std::nullopt;
  }

  /// Which loop goes along which dimension, and where `value` is an element of the image.
  bool find_dimensions(Padding& padding, const Select& value) const {
    const auto& loops = padding.nest.loops;
    std::set<std::size_t> used;
    for (std::size_t d = 0; d < padding.store.index.size(); ++d) {
      const Expr& index = padding.store.index[d];
      std::size_t at = 0;
      while (at < loops.size() && !same(index, Expr(loops[at].var))) ++at;
      if (at < loops.size() ? !used.insert(at).second : !index.constant()) return false;
      padding.loops.push_back(at);
      padding.interior.emplace_back();
      if (at == loops.size() || !depends_on(value.condition, loops[at].var)) continue;
      const auto interior = interior_along(loops[at], value.condition);
      if (!interior) return false;
      padding.interior.back() = *interior;
      padding.dims.push_back(d);
    }
    return used.size() == loops.size() && !padding.dims.empty();
  }

  /// Where `condition` is not false whatever the other variables are.
  std::optional<IntegerRange> interior_along(const For& loop, const Expr& condition) const {
    const std::int64_t begin = *loop.begin.constant(), end = begin + *extent(loop);
    std::optional<IntegerRange> result;
    for (std::int64_t i = begin; i < end; ++i) {
      if (simplified(substitute(condition, {{loop.var, Expr(i)}}), {&program_, {}, {}})
              .constant() == 0)
        continue;
      result = {result ? result->low : i, i};
    }
    return result;
  }

  /// `block` with less filled by the padding at `at`, and less read from it.
  std::optional<Block> bypassed(const Block& block, std::size_t at, const Padding& padding) const {
    const Block rest(block.begin() + static_cast<std::ptrdiff_t>(at) + 1, block.end());
    if (count_accesses(rest, padding.buffer) + 1 != count_accesses(program_, padding.buffer))
      return std::nullopt;
    const auto written = footprint(program_, rest).writes;
    if (written.contains(padding.image) || written.contains(padding.buffer)) return std::nullopt;
    Block readers;
    double sums = 0;
    for (const Stmt& stmt : rest) {
      if (count_accesses({stmt}, padding.buffer) == 0) {
        readers.push_back(stmt);
        continue;
      }
      const auto cycles = cycles_of(stmt, padding);
      auto pieces = cycles ? Reader(program_, padding).run(stmt) : std::nullopt;
      if (!pieces) return std::nullopt;
      sums += *cycles;
      std::ranges::move(*pieces, std::back_inserter(readers));
    }
    const auto boxes = boxes_of(readers, padding);
    if (!boxes) return std::nullopt;
    const double whole = fill_cycles(whole_box(padding), padding);
    double border = 0;
    for (const Box& box : *boxes) border += fill_cycles(box, padding);
    if (whole - border < kWorthIt * (sums + whole)) return std::nullopt;
    Block result(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(at));
    for (const Box& box : *boxes) result.push_back(filled(box, padding));
    std::ranges::move(readers, std::back_inserter(result));
    return result;
  }

  /// Cycles of the sums in `stmt`; nothing where one that reads the padded image does not take its
  /// channels for lanes, or what reads it is no sum.
  std::optional<double> cycles_of(const Stmt& stmt, const Padding& padding) const {
    if (const auto nest = reduction_nest(program_, stmt)) {
      const Tiling tiling = choose_tiling(program_, *nest, target_);
      if (tiling.vector < 0) return std::nullopt;
      const Var& lane = nest->axes[static_cast<std::size_t>(tiling.vector)].var;
      for (const BufferAccess& access : accesses({stmt}))
        if (access.buffer == padding.buffer && stride_in(access.index.back(), lane) != 1)
          return std::nullopt;
      return tiling.cycles;
    }
    const auto* loop = stmt.as<For>();
    if (!loop || !is_plain(*loop))
      return count_accesses({stmt}, padding.buffer) == 0 ? std::optional(0.0) : std::nullopt;
    double cycles = 0;
    for (const Stmt& inner : loop->body) {
      const auto more = cycles_of(inner, padding);
      if (!more) return std::nullopt;
      cycles += *more;
    }
    return cycles * static_cast<double>(*extent(*loop));
  }

  double fill_cycles(const Box& box, const Padding& padding) const {
    const auto lanes = std::min(target_.lanes(program_.buffer(padding.buffer).type.scalar),
                                program_.buffer(padding.buffer).type.dims.back());
    return kFillCycles * volume(box) / static_cast<double>(lanes);
  }

  Box whole_box(const Padding& padding) const {
    Box box;
    for (const std::size_t at : padding.loops) {
      if (at == padding.nest.loops.size()) {
        box.push_back({0, 0});
        continue;
      }
      const For& loop = padding.nest.loops[at];
      box.push_back({*loop.begin.constant(), *loop.begin.constant() + *extent(loop) - 1});
    }
    return box;
  }

  /// What `readers` read of the padded image.
  std::optional<std::vector<Box>> boxes_of(const Block& readers, const Padding& padding) const {
    std::vector<Box> boxes;
    for (const Stmt& stmt : readers) {
      const RangeContext ranges = constant_ranges(program_, {stmt});
      for (const BufferAccess& access : accesses({stmt})) {
        if (access.buffer != padding.buffer) continue;
        auto box = box_of(access.index, ranges);
        if (!box) return std::nullopt;
        if (std::ranges::find(boxes, *box) == boxes.end()) boxes.push_back(std::move(*box));
      }
    }
    return boxes;
  }

  static Stmt filled(const Box& box, const Padding& padding) {
    std::vector<For> loops = padding.nest.loops;
    for (std::size_t d = 0; d < box.size(); ++d) {
      if (padding.loops[d] == loops.size()) continue;
      For& loop = loops[padding.loops[d]];
      loop.begin = box[d].low, loop.end = box[d].high + 1;
    }
    return wrap_in_fresh(loops, padding.nest.body).front();
  }

  const Program& program_;
  const Target& target_;
};

}  // namespace

Program bypass_padding(const Program& program, const Target& target) {
  return Bypass(program, target).run();
}

}  // namespace cnnc
