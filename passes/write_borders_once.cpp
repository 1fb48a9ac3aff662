// write_borders_once:
//   for n { for y in 0 .. 28 { padded[y, 0] = 0.0; for x in 1 .. 29 { padded[y, x] = ... } } ... }
//     ->
//   for y in 0 .. 28 { padded[y, 0] = 0.0 }
//   for n { for y in 0 .. 28 { for x in 1 .. 29 { padded[y, x] = ... } } ... }
#include "passes/write_borders_once.h"

#include <algorithm>
#include <optional>

#include "ir/integer_range.h"
#include "passes/nest.h"

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
  BorderWriter(const Program& program, const Target& target) : program_(program), target_(target) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) {
      if (!group_loop(kernel)) continue;
      auto& groups = *kernel.body.front().as<For>();
      kernel_ = &kernel;
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
    std::ranges::copy_if(found, std::back_inserter(borders),
                         [&](const Border& border) { return is_constant(border, found); });
    if (borders.empty()) return {Stmt{samples}};
    Block result;
    for (const Border& border : borders)
      result.push_back(wrap_in_fresh(border.loops, {Stmt{border.store}}).front());
    For rest = samples;
    rest.body = without(samples.body, borders);
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

  static bool is_same(const Store& a, const Store& b) {
    return a.buffer == b.buffer && same_index(a.index, b.index) && same(a.value, b.value);
  }

  /// Whether whatever else writes these elements is such a border, too, of the same constant.
  bool is_constant(const Border& border, const std::vector<Border>& borders) const {
    const RangeContext ranges = constant_ranges(program_, kernel_->body);
    bool good = true;
    const auto conflicts = [&](const std::vector<Expr>& index) {
      const auto box = box_of(index, ranges);
      return !box || overlap(*box, border.box);
    };
    for (const Kernel& kernel : program_.kernels)
      walk(kernel.body, [&](const Stmt& stmt) {
        if (const auto* add = stmt.as<Accumulate>(); add && add->buffer == border.store.buffer)
          good &= &kernel == kernel_ && !conflicts(add->index);
        const auto* store = stmt.as<Store>();
        if (!store || store->buffer != border.store.buffer) return;
        const bool other_border = same(store->value, border.store.value) &&
                                  std::ranges::any_of(borders, [&](const Border& each) {
                                    return is_same(each.store, *store);
                                  });
        good &= &kernel == kernel_ && (other_border || !conflicts(store->index));
      });
    return good;
  }

  static Block without(const Block& block, const std::vector<Border>& borders) {
    Block result;
    for (const Stmt& stmt : block) {
      if (const auto* store = stmt.as<Store>())
        if (std::ranges::any_of(borders,
                                [&](const Border& each) { return is_same(each.store, *store); }))
          continue;
      if (const auto* loop = stmt.as<For>()) {
        For copy = *loop;
        copy.body = without(loop->body, borders);
        if (!copy.body.empty() || loop->body.empty()) result.push_back({std::move(copy)});
        continue;
      }
      result.push_back(stmt);
    }
    return result;
  }

  Program program_;
  const Target& target_;
  const Kernel* kernel_ = nullptr;
};

}  // namespace

Program write_borders_once(const Program& program, const PassContext& context) {
  return BorderWriter(program, context.target).run();
}

}  // namespace cnnc
