// hoist_constant_stores:
//   for n { for y in 0 .. 28 { padded[y, 0] = 0.0; for x in 1 .. 29 { padded[y, x] = ... } } ... }
//     ->
//   for y in 0 .. 28 { padded[y, 0] = 0.0 }
//   for n { for y in 0 .. 28 { for x in 1 .. 29 { padded[y, x] = ... } } ... }
#include "passes/locality/hoist_constant_stores.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// A store of a constant, and the loops around it inside of the loop over samples.
struct Border {
  std::vector<For> loops;
  Store store;
  Box box;
};

class BorderWriter {
 public:
  BorderWriter(const Program& program, const Target& target) : program_(program), target_(target) {
    for (const Kernel& kernel : program_.kernels)
      walk(kernel.body, [&](const Stmt& stmt) {
        if (const auto* store = stmt.as<Store>())
          writes_[store->buffer].push_back({&kernel, store->index, store->value});
        if (const auto* add = stmt.as<Accumulate>())
          writes_[add->buffer].push_back({&kernel, add->index, {}});
      });
  }

  Program run() {
    for (Kernel& kernel : program_.kernels) {
      if (!group_loop(kernel)) continue;
      auto& groups = *kernel.body.front().as<For>();
      kernel_ = &kernel;
      ranges_ = constant_ranges(program_, kernel.body);
      Block body;
      for (const Stmt& stmt : groups.body) {
        const auto* loop = stmt.as<For>();
        if (loop && loop->axis == BatchAxis::samples)
          std::ranges::move(split(*loop), std::back_inserter(body));
        else
          body.push_back(stmt);
      }
      groups.body = std::move(body);
    }
    return std::move(program_);
  }

 private:
  /// The borders that `samples` writes, and that loop without them.
  Block split(const For& samples) const {
    std::vector<Border> found, borders;
    std::vector<For> loops;
    find(samples.body, loops, found);
    const Places places = by_buffer(found);
    std::ranges::copy_if(found, std::back_inserter(borders),
                         [&](const Border& border) { return is_constant(border, places); });
    if (borders.empty()) return {Stmt{samples}};
    Block result;
    for (const Border& border : borders)
      result.push_back(wrap_in_fresh(border.loops, {Stmt{border.store}}).front());
    For rest = samples;
    rest.body = without(samples.body, by_buffer(borders));
    result.push_back({std::move(rest)});
    return result;
  }

  void find(const Block& block, std::vector<For>& loops, std::vector<Border>& borders) const {
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>(); loop && is_plain(*loop) && *extent(*loop) > 0) {
        loops.push_back(with_body(*loop, {}));
        find(loop->body, loops, borders);
        loops.pop_back();
      }
      const auto* store = stmt.as<Store>();
      if (!store || !is_small_scratch(store->buffer) || !store->value.as<Const>()) continue;
      if (auto box = box_within(store->index, loops)) borders.push_back({loops, *store, *box});
    }
  }

  bool is_small_scratch(BufferId id) const {
    const Buffer& buffer = program_.buffer(id);
    return buffer.memory == Memory::thread && !buffer.view_of && !has_views(program_, id) &&
           2 * byte_count(buffer.type) <= target_.l1_bytes;
  }

  /// Nothing where an index depends on more than the loops, also where its range is known.
  std::optional<Box> box_within(const std::vector<Expr>& index,
                                const std::vector<For>& loops) const {
    RangeContext context{&program_, {}, {}};
    for (const For& loop : loops) {
      const std::int64_t begin = *loop.begin.constant();
      context.variables[loop.var] = {begin, begin + *extent(loop) - 1};
    }
    for (const Expr& each : index) {
      bool of_loops = true;
      walk(each, [&](const Expr& e) {
        const auto* var = e.as<Var>();
        of_loops &= !e.as<Load>() && (!var || context.variables.contains(*var));
      });
      if (!of_loops) return std::nullopt;
    }
    return box_of(index, context);
  }

  /// Borders by the buffer that they are part of.
  using Places = std::map<BufferId, std::vector<const Border*>>;

  static Places by_buffer(const std::vector<Border>& borders) {
    Places places;
    for (const Border& border : borders) places[border.store.buffer].push_back(&border);
    return places;
  }

  static bool is_among(const Places& borders, BufferId buffer, const std::vector<Expr>& index,
                       const Expr& value) {
    const auto found = borders.find(buffer);
    return found != borders.end() && std::ranges::any_of(found->second, [&](const Border* each) {
             return same_index(each->store.index, index) && same(each->store.value, value);
           });
  }

  /// Whether whatever else writes these elements is such a border, too, of the same constant.
  bool is_constant(const Border& border, const Places& borders) const {
    const BufferId buffer = border.store.buffer;
    return std::ranges::all_of(writes_.at(buffer), [&](const Write& write) {
      if (write.kernel != kernel_) return false;
      if (write.value && same(write.value, border.store.value) &&
          is_among(borders, buffer, write.index, write.value))
        return true;
      const auto box = box_of(write.index, ranges_);
      return box && !overlap(*box, border.box);
    });
  }

  static Block without(const Block& block, const Places& borders) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto* store = stmt.as<Store>())
        if (is_among(borders, store->buffer, store->index, store->value)) continue;
      if (const auto* loop = stmt.as<For>()) {
        For copy = with_body(*loop, without(loop->body, borders));
        if (!copy.body.empty() || loop->body.empty()) result.push_back({std::move(copy)});
        continue;
      }
      result.push_back(stmt);
    }
    return result;
  }

  /// What some statement stores; no value where it accumulates.
  struct Write {
    const Kernel* kernel;
    std::vector<Expr> index;
    Expr value;
  };

  Program program_;
  const Target& target_;
  std::map<BufferId, std::vector<Write>> writes_;  // in all of the program
  const Kernel* kernel_ = nullptr;
  RangeContext ranges_;  // in that kernel
};

}  // namespace

Program hoist_constant_stores(const Program& program, const PassContext& context) {
  return BorderWriter(program, context.target).run();
}

}  // namespace cnnc
