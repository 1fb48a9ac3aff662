// pack (panels of 96 columns):
//   for m_t { for n_t in 0 .. 10 { for k { ... += x[m,k] * w[k, n_t*96 + n] } } }
//     ->
//   kernel w.packed { for k, p, c { w.packed[p, k, c] = w[k, p*96 + c] } }
//   for m_t { for n_t in 0 .. 10 { for k { ... += x[m,k] * w.packed[n_t, k, n] } } }
// (Goto, van de Geijn: Anatomy of High-Performance Matrix Multiplication, 2008.)
#include "passes/layout/pack_operands.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "ir/loop/integer_range.h"
#include "passes/analysis/elementwise_kernel.h"
#include "passes/analysis/footprint.h"
#include "passes/analysis/kernel_index.h"
#include "passes/analysis/nest.h"
#include "passes/edit/prune_buffers.h"

namespace cnnc {

namespace {

/// The copy reads each element once: that is a quarter of the sums' reading, at most.
constexpr std::int64_t kLeastReuse = 4;
/// Of loops over a group's samples, which end where the call's do, this many iterations are
/// expected.
constexpr std::int64_t kTilesOfGroup = 4;

/// `count` panels of `width` columns, from column `origin` on.
struct Panels {
  BufferId matrix = 0;
  std::int64_t origin = 0, width = 0, count = 1;

  auto operator<=>(const Panels&) const = default;
};

/// One load: which of the panels, and which of its columns.
struct PanelLoad {
  Panels panels;
  Expr panel, column;
};

/// e - number, where a constant among its summands takes that.
Expr less(const Expr& e, std::int64_t number) {
  if (const auto value = e.constant()) return *value - number;
  const auto* sum = e.as<Binary>();
  if (!sum || sum->op != BinaryOp::add) return e - number;
  const auto* right = sum->b.as<Binary>();
  const bool left = !sum->b.constant() && !(right && right->op == BinaryOp::add);
  return left ? less(sum->a, number) + sum->b : sum->a + less(sum->b, number);
}

class Packer {
 public:
  Packer(const Program& program, const Target& target)
      : program_(program), target_(target), index_(program) {
    for (BufferId id = 0; id < static_cast<BufferId>(program.buffers.size()); ++id)
      changes_states_ |= program.buffer(id).memory == Memory::state && !index_.writers(id).empty();
  }

  Program run() {
    std::vector<Kernel> all;
    for (std::size_t k = 0; k < program_.kernels.size(); ++k) {
      written_ = index_.touched_by(k).writes;
      for (const BufferId id : written_) {
        auto copy = copies_.lower_bound({id, std::numeric_limits<std::int64_t>::min()});
        while (copy != copies_.end() && copy->first.matrix == id) copy = copies_.erase(copy);
      }
      const For* groups = group_loop(program_.kernels[k]);
      group_ = groups ? std::optional(groups->var) : std::nullopt;
      made_.clear();
      loops_.clear();
      all.push_back(program_.kernels[k]);
      Block body = rewritten(program_.kernels[k].body, k);
      if (made_.empty()) continue;
      all.back().body = std::move(body);
      all.insert(all.end() - 1, made_.begin(), made_.end());
    }
    program_.kernels = std::move(all);
    drop_skipped();
    return prune_buffers(program_);
  }

 private:
  Block rewritten(const Block& block, std::size_t kernel) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>()) {
        loops_.push_back(with_body(*loop, {}));
        For changed = *loop;
        changed.body = rewritten(loop->body, kernel);
        loops_.pop_back();
        result.push_back({std::move(changed)});
      } else if (const auto* sum = stmt.as<Accumulate>()) {
        Accumulate changed = *sum;
        changed.value = transform(sum->value, [&](const Expr& e) -> Expr {
          const auto* l = e.as<Load>();
          const auto found = l ? panel_of(*l) : std::nullopt;
          if (!found) return {};
          std::vector<Expr> index{found->panel};
          index.insert(index.end(), l->index.begin(), l->index.end() - 1);
          index.push_back(found->column);
          return load(copy_of(found->panels, kernel), e.type(), std::move(index));
        });
        result.push_back({std::move(changed)});
      } else {
        result.push_back(stmt);
      }
    }
    return result;
  }

  std::optional<PanelLoad> panel_of(const Load& load) const {
    const Buffer& matrix = program_.buffer(load.buffer);
    const Dims& dims = matrix.type.dims;
    const bool lasts = matrix.memory == Memory::state || matrix.memory == Memory::constant;
    if (dims.size() < 2 || matrix.view_of || written_.contains(load.buffer) ||
        !(lasts || matrix.memory == Memory::arena) || byte_count(matrix.type) <= target_.l1_bytes)
      return std::nullopt;
    RangeContext ranges{&program_, {}, {}};
    for (const For& loop : loops_)
      if (loop.begin.constant() == 0 && extent(loop).value_or(0) > 0 && loop.var != group_)
        ranges.variables[loop.var] = {0, *extent(loop) - 1};
    const std::vector<Expr> rows(load.index.begin(), load.index.end() - 1);
    if (!std::ranges::all_of(rows, [&](const Expr& e) { return range_of(e, ranges).has_value(); }))
      return std::nullopt;
    const auto innermost = std::find_if(loops_.rbegin(), loops_.rend(), [&](const For& loop) {
      return std::ranges::any_of(rows, [&](const Expr& e) { return depends_on(e, loop.var); });
    });
    if (innermost == loops_.rend()) return std::nullopt;
    const std::span<const For> around(loops_.begin(), std::prev(innermost.base()));
    auto result = panels_in(load, ranges, around);
    if (!result || result->panels.width >= dims.back() ||
        (reuse(load, around) < kLeastReuse && !once(lasts)))
      return std::nullopt;
    return result;
  }

  /// The columns that a tile reads of a row, and the loop that goes from one such panel to the next
  /// among those `around` the one over rows.
  std::optional<PanelLoad> panels_in(const Load& load, const RangeContext& ranges,
                                     std::span<const For> around) const {
    const Expr& column = load.index.back();
    const auto all = range_of(column, ranges);
    if (!all) return std::nullopt;
    const For* across = nullptr;
    std::int64_t width = 0;
    for (const For& loop : around) {
      const auto step = stride_in(column, loop.var);
      if (!step) return std::nullopt;
      if (*step <= width) continue;
      across = &loop;
      width = *step;
    }
    if (!across)
      return PanelLoad{
          {load.buffer, all->low, all->high - all->low + 1, 1}, Expr(0), less(column, all->low)};
    const Expr rest = substitute(column, {{across->var, Expr(0)}});
    const auto within = range_of(rest, ranges);
    if (!within || within->high - within->low + 1 != width) return std::nullopt;
    return PanelLoad{{load.buffer, within->low, width, *extent(*across)},
                     Expr(across->var),
                     less(rest, within->low)};
  }

  /// How often the loops `around` that over rows come back to the same element.
  static std::int64_t reuse(const Load& load, std::span<const For> around) {
    std::int64_t times = 1;
    for (const For& loop : around)
      if (std::ranges::none_of(load.index, [&](const Expr& e) { return depends_on(e, loop.var); }))
        times *= std::min<std::int64_t>(extent(loop).value_or(kTilesOfGroup), 1 << 20);
    return times;
  }

  bool once(bool lasts) const { return lasts && !changes_states_; }

  BufferId copy_of(const Panels& panels, std::size_t kernel) {
    const auto known = copies_.find(panels);
    if (known != copies_.end()) return known->second;
    const Buffer matrix = program_.buffer(panels.matrix);
    Buffer packed{
        unused_name(program_, matrix.name + ".packed"), matrix.type, Memory::arena, {}, -1, {}};
    packed.type.dims.back() = panels.width;
    packed.type.dims.insert(packed.type.dims.begin(), panels.count);
    const auto id = static_cast<BufferId>(program_.buffers.size());
    program_.buffers.push_back(packed);
    made_.push_back(copying_kernel(panels, id, program_.kernels[kernel].layers, kernel));
    copies_.emplace(panels, id);
    return id;
  }

  /// for rows { for panels { for columns { packed[...] = matrix[...] } } }: goes through the matrix
  /// in its own order.
  Kernel copying_kernel(const Panels& panels, BufferId packed,
                        const std::vector<std::string>& layers, std::size_t user) {
    const Buffer& matrix = program_.buffer(panels.matrix);
    std::vector<For> loops;
    std::vector<Expr> from, to;
    const Var panel = make_var("p"), column = make_var("c");
    to.emplace_back(panel);
    for (std::size_t i = 0; i + 1 < matrix.type.dims.size(); ++i) {
      const Var row = make_var(fmt::format("k{}", i));
      loops.push_back({row, 0, matrix.type.dims[i], LoopKind::serial, {}});
      from.emplace_back(row);
      to.emplace_back(row);
    }
    loops.push_back({panel, 0, panels.count, LoopKind::serial, {}});
    loops.push_back({column, 0, panels.width, LoopKind::serial, {}});
    from.push_back(Expr(panel) * panels.width + Expr(column) + panels.origin);
    to.emplace_back(column);
    if (panels.count == 1) {
      std::erase_if(loops, [&](const For& loop) { return loop.var == panel; });
      to.front() = 0;
      from.back() = Expr(column) + panels.origin;
    }
    const Expr value = original(panels.matrix, from, user);
    if (value.as<Load>()->buffer != panels.matrix) skipped_.insert(panels.matrix);
    Kernel kernel{program_.buffer(packed).name, {}, {}, false};
    for (const std::string& layer : layers)
      if (matrix.name.starts_with(layer + ".")) kernel.layers.push_back(layer);
    if (kernel.layers.empty()) kernel.layers = layers;
    kernel.body = wrap(loops, {Stmt{Store{packed, to, value}}});
    return kernel;
  }

  /// matrix[index], or what it is a copy of, if that is still the same before kernel `user`.
  Expr original(BufferId matrix, const std::vector<Expr>& index, std::size_t user) const {
    const Expr plain = load(matrix, program_.buffer(matrix).type.scalar, index);
    if (program_.buffer(matrix).memory != Memory::arena) return plain;
    const auto& writers = index_.writers(matrix);
    const auto end = writers.lower_bound(user);
    if (std::distance(writers.begin(), end) != 1) return plain;
    const std::size_t writer = *writers.begin();
    const auto copying = elementwise_of(program_.kernels[writer]);
    const auto* source = copying ? copying->value.as<Load>() : nullptr;
    if (!source || copying->buffer != matrix) return plain;
    const auto& changes = index_.writers(program_.storage(source->buffer));
    const auto change = changes.upper_bound(writer);
    if (change != changes.end() && *change < user) return plain;
    Substitution axes;
    for (std::size_t i = 0; i < index.size(); ++i)
      if (const auto* var = copying->index[i].as<Var>()) axes[*var] = index[i];
    return substitute(copying->value, axes);
  }

  /// Copies that nobody reads any more are not made.
  void drop_skipped() {
    if (skipped_.empty()) return;
    std::set<BufferId> read;
    for (const Kernel& kernel : program_.kernels)
      read.merge(footprint(program_, kernel.body).reads);
    std::erase_if(program_.kernels, [&](const Kernel& kernel) {
      const auto made = elementwise_of(kernel);
      return made && made->value.as<Load>() && skipped_.contains(made->buffer) &&
             !read.contains(made->buffer);
    });
  }

  Program program_;
  const Target& target_;
  KernelIndex index_;  // of the kernels that there were
  bool changes_states_ = false;
  std::map<Panels, BufferId> copies_;  // that still are what the matrix is
  std::set<BufferId> skipped_;         // of which a copy was copied
  // Of the kernel at hand:
  std::set<BufferId> written_;
  std::optional<Var> group_;
  std::vector<Kernel> made_;  // before it
  std::vector<For> loops_;    // around the statement at hand, without bodies
};

}  // namespace

Program pack_operands(const Program& program, const PassContext& context) {
  return Packer(program, context.target).run();
}

}  // namespace cnnc
