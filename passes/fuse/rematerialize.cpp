// rematerialize (x is kept until `backward` anyway):
//   kernel forward  { for g, n { for c { r[n,c] = max(x[n,c], 0) }  ... r[n,c] ... } }
//   kernel backward { for g, n { d[n] = sum of r[n,c] } }
//     ->
//   kernel forward  { ... }
//   kernel backward { for g, n { for c { r.again[n,c] = max(x[n,c], 0) }
//                                d[n] = sum of r.again[n,c] } }
// Of r nothing is alive between the kernels then; privatize moves both copies to scratch. (Method:
// rematerialisation; Griewank and Walther, Evaluating Derivatives, chapter 12, call it
// checkpointing.)
#include "passes/fuse/rematerialize.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "passes/analysis/elementwise_kernel.h"
#include "passes/analysis/footprint.h"
#include "passes/analysis/kernel_index.h"
#include "passes/analysis/live_ranges.h"
#include "passes/analysis/nest.h"
#include "passes/cost/expression_cost.h"
#include "passes/fuse/privatize.h"

namespace cnnc {

namespace {

/// An element that costs more instructions is kept: a vector of them would take longer to compute
/// than to store and load.
constexpr int kMostCost = 40;
/// Buffers below this part of the arena's fullest point stay.
constexpr std::int64_t kSmallestPart = 100;

/// The one statement that makes a buffer, element by element, in a loop over samples.
struct Definition {
  std::size_t kernel = 0;
  For samples;             // without its body
  std::vector<For> loops;  // inside
  Store store;
};

/// Where the arena is fullest, and what is alive there.
struct FullestPoint {
  std::size_t kernel = 0;
  std::int64_t bytes = 0;
  std::vector<LiveRange> alive;  // largest first
};

FullestPoint fullest_point(const std::map<BufferId, LiveRange>& ranges) {
  std::map<std::size_t, std::int64_t> bytes;  // alive from there on
  for (const auto& [id, range] : ranges) {
    bytes[range.first] += range.bytes;
    bytes[range.last + 1] -= range.bytes;
  }
  std::int64_t alive = 0;
  for (auto& [at, sum] : bytes) sum = alive += sum;
  FullestPoint result;
  for (const auto& [id, begin] : ranges)
    if (bytes.at(begin.first) > result.bytes) result = {begin.first, bytes.at(begin.first), {}};
  for (const auto& [id, range] : ranges)
    if (range.first <= result.kernel && result.kernel <= range.last) result.alive.push_back(range);
  std::ranges::stable_sort(result.alive, std::greater{}, &LiveRange::bytes);
  return result;
}

/// The variables that `stmt` takes from around itself.
std::set<Var> free_variables(const Stmt& stmt) {
  std::set<Var> used, bound;
  walk({stmt}, [&](const Stmt& inner) {
    if (const auto* loop = inner.as<For>()) bound.insert(loop->var);
    if (const auto* let = inner.as<Let>()) bound.insert(let->var);
  });
  walk_exprs({stmt}, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      if (const auto* var = e.as<Var>()) used.insert(*var);
    });
  });
  for (const Var& var : bound) used.erase(var);
  return used;
}

Block with_buffer(const Block& block, BufferId from, BufferId to) {
  return map_exprs(block, [&](const Expr& top) {
    return transform(top, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      return l && l->buffer == from ? load(to, e.type(), l->index) : Expr{};
    });
  });
}

class Recomputer {
 public:
  Recomputer(const Program& program, const PassContext& context)
      : program_(program), context_(context), index_(program) {}

  Program run() {
    for (const LiveRange& range : arena_live_ranges(privatize(program_, context_)))
      ranges_[range.buffer] = range;
    for (std::size_t k = 0; k < program_.kernels.size(); ++k) uses_.push_back(uses_in(k));
    while (lower_fullest_point()) {
    }
    return std::move(program_);
  }

 private:
  bool lower_fullest_point() {
    const FullestPoint point = fullest_point(ranges_);
    for (const LiveRange& range : point.alive)
      if (range.bytes * kSmallestPart >= point.bytes && make_again_after(point.kernel, range))
        return true;
    return false;
  }

  /// Kernels after `point` make the buffer again; false where they cannot.
  bool make_again_after(std::size_t point, const LiveRange& range) {
    if (range.first >= point || range.last < point) return false;
    auto definition = definition_of(range.buffer);
    if (!definition || definition->kernel != range.first) return false;
    std::size_t last = definition->kernel;  // that keeps using the buffer itself
    std::vector<std::size_t> users;
    for (const std::size_t k : index_.users(range.buffer)) {
      if (k <= definition->kernel) continue;
      if (k < point) {
        last = k;
        continue;
      }
      if (!uses_[k].at(range.buffer).reads_by_sample) return false;
      users.push_back(k);
    }
    const auto value = lasting_value(*definition, users.back());
    if (!value) return false;
    definition->store.value = *value;
    for (const std::size_t k : users) make_again_in(k, range.buffer, *definition);
    if (last == definition->kernel)
      ranges_.erase(range.buffer);  // privatize takes it
    else
      ranges_.at(range.buffer).last = last;
    return true;
  }

  bool writes(std::size_t kernel, BufferId storage) const {
    return index_.writers(storage).contains(kernel);
  }

  /// What a kernel does with a storage.
  struct Use {
    std::size_t writes = 0;
    bool by_view = false;
    /// All that it does is to read rows of the samples of its groups.
    bool reads_by_sample = true;
    std::optional<Definition> definition;  // the last one
  };
  using Uses = std::map<BufferId, Use>;

  Uses uses_in(std::size_t k) const {
    const Kernel& kernel = program_.kernels[k];
    const For* groups = group_loop(kernel);
    const auto samples = groups ? sample_variables(kernel.body) : std::set<Var>{};
    Uses result;
    for (const BufferAccess& access : accesses(kernel.body)) {
      Use& use = result[program_.storage(access.buffer)];
      use.writes += access.write;
      use.by_view |= access.buffer != program_.storage(access.buffer);
      use.reads_by_sample &= reads_sample(access, samples);
    }
    if (groups) find_definitions(k, *groups, result);
    return result;
  }

  static bool reads_sample(const BufferAccess& access, const std::set<Var>& samples) {
    const auto* first = access.index.empty() ? nullptr : access.index.front().as<Var>();
    return !access.write && first && samples.contains(*first);
  }

  static void find_definitions(std::size_t k, const For& groups, Uses& uses) {
    for (const Stmt& stmt : groups.body) {
      const auto* samples = stmt.as<For>();
      if (!samples || samples->axis != BatchAxis::samples) continue;
      for (const Stmt& nest : samples->body) {
        auto made = made_by(nest, *samples);
        if (!made) continue;
        made->kernel = k;
        uses[made->store.buffer].definition = std::move(made);
      }
    }
  }

  std::optional<Definition> definition_of(BufferId buffer) const {
    std::optional<Definition> result;
    std::size_t writes = 0;
    for (const std::size_t k : index_.users(buffer)) {
      const Use& use = uses_[k].at(buffer);
      if (use.by_view) return std::nullopt;
      writes += use.writes;
      if (use.definition) result = use.definition;
    }
    return writes == 1 ? result : std::nullopt;
  }

  /// What `stmt`, in the body of `samples`, does, if it stores each element of a sample of a buffer
  /// once, and does nothing else.
  static std::optional<Definition> made_by(const Stmt& stmt, const For& samples) {
    const Store* store = store_of_nest(stmt);
    if (!store || store->index.empty() || !same(store->index.front(), Expr(samples.var)) ||
        !std::ranges::all_of(free_variables(stmt),
                             [&](const Var& var) { return var == samples.var; }))
      return std::nullopt;
    const Nest nest = nest_of(stmt);
    Definition result{0, with_body(samples, {}), nest.loops, *store};
    std::vector<For> loops = nest.loops;
    loops.push_back(result.samples);
    if (!is_one_to_one(store->index, loops, nullptr)) return std::nullopt;
    return result;
  }

  /// The definition's value in terms of what is as it was until kernel `last`, and kept until then
  /// anyway: what is not, is made again as well. Nothing where it cannot be or is not cheap.
  std::optional<Expr> lasting_value(const Definition& definition, std::size_t last) const {
    bool good = true;
    Expr value = transform(definition.store.value, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      if (!l || !good) return {};
      if (is_kept(l->buffer, last)) {
        good &= is_settled(definition, *l, last);
        return {};
      }
      const auto input = definition_of(l->buffer);
      const auto again = input ? lasting_value(*input, last) : std::nullopt;
      good &= again.has_value();
      if (!good) return {};
      Substitution axes;
      for (std::size_t i = 0; i < l->index.size(); ++i)
        if (const auto* var = input->store.index[i].as<Var>()) axes[*var] = l->index[i];
      return substitute(*again, axes);
    });
    if (!good || expression_cost(value) > kMostCost) return std::nullopt;
    return value;
  }

  bool is_kept(BufferId buffer, std::size_t last) const {
    const BufferId storage = program_.storage(buffer);
    const auto range = ranges_.find(storage);
    return program_.buffer(storage).memory != Memory::arena ||
           (range != ranges_.end() && range->second.last >= last);
  }

  /// Whether what the definition reads there does not change between that and the end of kernel
  /// `last`.
  bool is_settled(const Definition& definition, const Load& read, std::size_t last) const {
    const BufferId storage = program_.storage(read.buffer);
    const Memory memory = program_.buffer(storage).memory;
    if (memory != Memory::input && memory != Memory::constant && memory != Memory::arena &&
        memory != Memory::state)
      return false;
    const auto& writers = index_.writers(storage);
    const auto change = writers.upper_bound(definition.kernel);
    if (change != writers.end() && *change <= last) return false;
    return is_ready(definition, read);
  }

  /// Whether the definition's own kernel does not change what it reads there afterwards: it writes
  /// it before, and in the same sample, or not at all.
  bool is_ready(const Definition& definition, const Load& read) const {
    const For& groups = *group_loop(program_.kernels[definition.kernel]);
    const BufferId storage = program_.storage(read.buffer);
    if (!writes(definition.kernel, storage)) return true;
    if (read.index.empty() || !same(read.index.front(), Expr(definition.samples.var)) ||
        !has_own_rows(program_, read.buffer))
      return false;
    bool before = true;
    for (const Stmt& stmt : groups.body) {
      const auto* samples = stmt.as<For>();
      const bool by_sample = samples && samples->axis == BatchAxis::samples;
      for (const Stmt& inner : by_sample ? samples->body : Block{stmt}) {
        before &= !footprint(program_, {inner}).writes.contains(definition.store.buffer);
        for (const BufferAccess& access : accesses({inner})) {
          if (!access.write || program_.storage(access.buffer) != storage) continue;
          if (!before || !by_sample || !has_own_rows(program_, access.buffer) ||
              access.index.empty() || !same(access.index.front(), Expr(samples->var)))
            return false;
        }
      }
    }
    return true;
  }

  void make_again_in(std::size_t k, BufferId buffer, const Definition& definition) {
    Kernel& kernel = program_.kernels[k];
    const auto again = static_cast<BufferId>(program_.buffers.size());
    Buffer copy = program_.buffer(buffer);
    copy.name = unused_name(program_, copy.name + ".again");
    program_.buffers.push_back(std::move(copy));

    const For& groups = *group_loop(kernel);
    const auto reads = [&](const Stmt& stmt) {
      return footprint(program_, {stmt}).reads.contains(buffer);
    };
    const auto first = std::ranges::find_if(groups.body, reads);
    const auto at = first - groups.body.begin();
    const bool alone = std::find_if(first + 1, groups.body.end(), reads) == groups.body.end();
    const auto* samples = first->as<For>();
    const bool inside = alone && samples && samples->axis == BatchAxis::samples &&
                        !wants_samples(*samples) && reads_own_row(*samples, buffer);
    const auto made_for = [&](const Var& sample) {
      Store store = definition.store;
      store.buffer = again;
      return substitute(wrap(definition.loops, {Stmt{store}}),
                        {{definition.samples.var, Expr(sample)}});
    };

    For changed = groups;
    changed.body = with_buffer(groups.body, buffer, again);
    if (inside) {
      Block made = made_for(samples->var);
      auto& body = changed.body[static_cast<std::size_t>(at)].as<For>()->body;
      body.insert(body.begin(), made.begin(), made.end());
    } else {
      const Var sample = make_var(definition.samples.var->name);
      changed.body.insert(changed.body.begin() + at,
                          Stmt{over_samples(program_, sample, groups.var, made_for(sample))});
    }
    kernel.body = {Stmt{std::move(changed)}};
    index_.set(k, footprint(program_, kernel.body));
    uses_[k] = uses_in(k);
    for (const std::string& layer : program_.kernels[definition.kernel].layers)
      if (serves(buffer, layer) && std::ranges::find(kernel.layers, layer) == kernel.layers.end())
        kernel.layers.push_back(layer);
  }

  /// Whether a buffer's name begins with that of the layer.
  bool serves(BufferId buffer, const std::string& layer) const {
    return program_.buffer(buffer).name.starts_with(layer + ".");
  }

  /// Whether `samples` reads the row of its own sample, and no inner loop over samples does.
  bool reads_own_row(const For& samples, BufferId buffer) const {
    return std::ranges::all_of(accesses(samples.body), [&](const BufferAccess& access) {
      return access.buffer != buffer || same(access.index.front(), Expr(samples.var));
    });
  }

  Program program_;
  const PassContext& context_;
  std::map<BufferId, LiveRange> ranges_;  // in the arena, after privatize
  KernelIndex index_;
  std::vector<Uses> uses_;  // of the kernels
};

}  // namespace

Program rematerialize(const Program& program, const PassContext& context) {
  return Recomputer(program, context).run();
}

}  // namespace cnnc
