// forward_stores:
//   for y { for x { even[y,x] = sum[y,x] } }
//   for y { for x { for phase in 0 .. 2 {
//     image[y,x,phase] = select(phase < 1, even[y,x], odd[y,x]) } } }
//     ->
//   for y { for x { image[y,x,0] = sum[y,x] } }
//   for y { for x { image[y,x,1] = odd[y,x] } }
// The parts of a strided convolution's input gradient are put together so.
#include "passes/locality/forward_stores.h"

#include <algorithm>

#include "passes/analysis/exact_box.h"
#include "passes/analysis/nest.h"
#include "passes/edit/prune_buffers.h"

namespace cnnc {

namespace {

/// `to` = load(from), inside `loops`, each of which runs over one axis of `from`.
struct Copy {
  BufferId from;
  Store to;
  std::vector<Expr> index;  // of from
};

class Forwarder {
 public:
  Forwarder(const Program& program, const std::function<bool(const Buffer&)>& into)
      : program_(program), into_(into) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) {
      kernel.body = without_choices(kernel.body);
      forward(kernel.body);
    }
    return prune_buffers(program_);
  }

 private:
  /// Loops of few iterations whose variable alone decides what is stored, written out, unless that
  /// is the same constant in all of them.
  Block without_choices(const Block& block) const {
    Block result;
    for (const Stmt& stmt : block) {
      const auto* loop = stmt.as<For>();
      if (!loop) {
        result.push_back(stmt);
        continue;
      }
      if (!chooses(*loop)) {
        result.push_back({with_body(*loop, without_choices(loop->body))});
        continue;
      }
      std::vector<Block> chosen;
      for (std::int64_t i = 0; i < *extent(*loop); ++i)
        chosen.push_back(decided(substitute(loop->body, {{loop->var, loop->begin + i}})));
      if (const auto constant = common_constant(chosen)) {
        result.push_back({with_body(*loop, with_value(loop->body, *constant))});
        continue;
      }
      for (const Block& each : chosen)
        std::ranges::move(without_choices(each), std::back_inserter(result));
    }
    return result;
  }

  static Block decided(const Block& block) {
    return map_exprs(block, [](const Expr& top) {
      return transform(top, [](const Expr& e) -> Expr {
        const auto* select = e.as<Select>();
        const auto condition = select ? select->condition.constant() : std::nullopt;
        return !condition ? Expr() : *condition != 0 ? select->a : select->b;
      });
    });
  }

  /// What all that is stored is, where that is one constant.
  static std::optional<Expr> common_constant(const std::vector<Block>& blocks) {
    std::optional<Expr> constant;
    bool common = true;
    for (const Block& block : blocks)
      walk(block, [&](const Stmt& stmt) {
        const auto* store = stmt.as<Store>();
        if (!store) return;
        common &= store->value.as<Const>() && (!constant || same(*constant, store->value));
        constant = store->value;
      });
    return common ? constant : std::nullopt;
  }

  static Block with_value(Block block, const Expr& value) {
    for (Stmt& stmt : block) {
      if (auto* loop = stmt.as<For>()) loop->body = with_value(std::move(loop->body), value);
      if (auto* store = stmt.as<Store>()) store->value = value;
    }
    return block;
  }

  bool is_wanted(BufferId image) const { return into_(program_.buffer(program_.storage(image))); }

  bool chooses(const For& loop) const {
    constexpr std::int64_t kFew = 8;
    if (!is_plain(loop) || *extent(loop) > kFew) return false;
    bool found = false, plain = true;
    walk(loop.body, [&](const Stmt& stmt) {
      const auto* store = stmt.as<Store>();
      plain &= stmt.as<For>() || (store && is_wanted(store->buffer));
    });
    walk_exprs(loop.body, [&](const Expr& top) {
      walk(top, [&](const Expr& e) {
        const auto* select = e.as<Select>();
        found |= select && depends_on(select->condition, loop.var) &&
                 substitute(select->condition, {{loop.var, loop.begin}}).constant();
      });
    });
    return found && plain;
  }

  void forward(Block& block) {
    for (Stmt& stmt : block)
      if (auto* loop = stmt.as<For>()) forward(loop->body);
    for (std::size_t at = 0; at < block.size(); ++at) {
      std::vector<Copy> copies;
      std::vector<For> loops;
      find(block[at], loops, copies);
      for (const Copy& copy : copies)
        if (may_forward(block, at, copy)) apply(block, at, copy);
    }
    std::erase_if(block, is_empty);
  }

  /// The copies in `stmt`, of buffers that nothing else reads.
  void find(const Stmt& stmt, std::vector<For>& loops, std::vector<Copy>& copies) const {
    if (const auto* loop = stmt.as<For>()) {
      loops.push_back(with_body(*loop, {}));
      for (const Stmt& inner : loop->body) find(inner, loops, copies);
      loops.pop_back();
    }
    const auto* store = stmt.as<Store>();
    const auto* source = store ? store->value.as<Load>() : nullptr;
    if (!source || !is_wanted(store->buffer) || !is_temporary(source->buffer) ||
        !covers(*source, loops) || !keeps_neighbours(*store, *source))
      return;
    copies.push_back({source->buffer, *store, source->index});
  }

  bool is_temporary(BufferId id) const {
    const Buffer& buffer = program_.buffer(id);
    return (buffer.memory == Memory::arena || buffer.memory == Memory::thread) && !buffer.view_of &&
           !has_views(program_, id);
  }

  /// Whether each loop runs over one axis, and together they reach every element.
  bool covers(const Load& source, const std::vector<For>& loops) const {
    const Dims& dims = program_.buffer(source.buffer).type.dims;
    std::size_t axes = 0;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      if (source.index[i].constant() == 0 && dims[i] == 1) continue;
      const auto loop = std::ranges::find_if(
          loops, [&](const For& each) { return same(source.index[i], Expr(each.var)); });
      if (loop == loops.end() || loop->begin.constant() != 0 || loop->end.constant() != dims[i] ||
          loop->kind != LoopKind::serial)
        return false;
      for (std::size_t other = 0; other < i; ++other)
        if (same(source.index[other], source.index[i])) return false;
      ++axes;
    }
    return axes == loops.size() && axes > 0;
  }

  /// Not where rows become columns: that goes by blocks (transpose_blocks.h).
  bool keeps_neighbours(const Store& to, const Load& from) const {
    const auto stride = [&](const Expr& index) -> std::int64_t {
      const auto* var = index.as<Var>();
      return var ? memory_stride(program_, to.buffer, to.index, *var).value_or(0) : 0;
    };
    return stride(from.index.back()) == 1 ||
           std::ranges::none_of(from.index, [&](const Expr& e) { return stride(e) == 1; });
  }

  /// Whether all that happens to the buffer is that `block` stores to all of it before the copy in
  /// statement `at`, and nothing between looks at the elements that the copy writes.
  bool may_forward(const Block& block, std::size_t at, const Copy& copy) const {
    std::size_t loads = 0, stores = 0;
    for (const Kernel& kernel : program_.kernels)
      for (const BufferAccess& access : accesses(kernel.body))
        if (access.buffer == copy.from) ++(access.write ? stores : loads);
    if (loads != 1) return false;  // an accumulation reads, too
    const std::size_t first = first_store(block, at, copy.from);
    std::size_t here = 0, own = 0;
    for (std::size_t i = first; i <= at; ++i) {
      for (const BufferAccess& access : accesses({block[i]})) {
        if (access.buffer == copy.from && access.write && i < at) ++here;
        if (program_.storage(access.buffer) != program_.storage(copy.to.buffer)) continue;
        if (access.buffer != copy.to.buffer || !access.write) return false;
        if (!are_apart(access.index, copy.to.index)) ++own;
      }
    }
    return here == stores && own == 1 && in_scope(block, copy) &&
           fill(stored({block.begin() + static_cast<std::ptrdiff_t>(first),
                        block.begin() + static_cast<std::ptrdiff_t>(at)},
                       copy.from),
                program_.buffer(copy.from).type.dims);
  }

  /// What `block` stores to all of, whatever happens.
  static std::vector<Box> stored(const Block& block, BufferId buffer) {
    std::vector<Box> boxes;
    std::vector<For> loops;
    const std::function<void(const Block&)> look = [&](const Block& inside) {
      for (const Stmt& stmt : inside) {
        if (const auto* loop = stmt.as<For>()) {
          loops.push_back({loop->var, loop->begin, loop->end, LoopKind::serial, {}});
          look(loop->body);
          loops.pop_back();
        }
        const auto* store = stmt.as<Store>();
        if (!store || store->buffer != buffer) continue;
        if (auto box = exact_box(store->index, loops)) boxes.push_back(std::move(*box));
      }
    };
    look(block);
    return boxes;
  }

  static std::size_t first_store(const Block& block, std::size_t at, BufferId buffer) {
    std::size_t first = 0;
    while (first < at && std::ranges::none_of(accesses({block[first]}), [&](const auto& access) {
             return access.buffer == buffer;
           }))
      ++first;
    return first;
  }

  /// Whether the copy's index means the same where its values are made.
  static bool in_scope(const Block& block, const Copy& copy) {
    bool good = true;
    for (const Expr& index : copy.to.index) {
      walk(index, [&](const Expr& e) { good &= e.as<Load>() == nullptr; });
      walk(block, [&](const Stmt& stmt) {
        if (const auto* let = stmt.as<Let>()) good &= !depends_on(index, let->var);
      });
    }
    return good;
  }

  void apply(Block& block, std::size_t at, const Copy& copy) {
    for (std::size_t i = 0; i < at; ++i) redirect(block[i], copy);
    remove(block[at], copy);
  }

  static void redirect(Stmt& stmt, const Copy& copy) {
    if (auto* store = stmt.as<Store>(); store && store->buffer == copy.from) {
      Substitution axes;
      for (std::size_t i = 0; i < copy.index.size(); ++i)
        if (const auto* var = copy.index[i].as<Var>()) axes[*var] = store->index[i];
      store->buffer = copy.to.buffer;
      store->index = substitute(copy.to.index, axes);
    }
    if (auto* loop = stmt.as<For>())
      for (Stmt& inner : loop->body) redirect(inner, copy);
    if (auto* branch = stmt.as<If>()) {
      for (Stmt& inner : branch->then_body) redirect(inner, copy);
      for (Stmt& inner : branch->else_body) redirect(inner, copy);
    }
  }

  static bool is_empty(const Stmt& stmt) {
    const auto* loop = stmt.as<For>();
    return loop && loop->body.empty();
  }

  /// Leaves an empty loop where nothing else is in it.
  static void remove(Stmt& stmt, const Copy& copy) {
    auto* loop = stmt.as<For>();
    if (!loop) return;
    std::erase_if(loop->body, [&](const Stmt& inner) {
      const auto* store = inner.as<Store>();
      const auto* source = store ? store->value.as<Load>() : nullptr;
      return source && source->buffer == copy.from;
    });
    for (Stmt& inner : loop->body) remove(inner, copy);
    std::erase_if(loop->body, is_empty);
  }

  Program program_;
  std::function<bool(const Buffer&)> into_;
};

}  // namespace

Program forward_stores(const Program& program, const PassContext&) {
  return forward_stores_into(program, [](const Buffer&) { return true; });
}

Program forward_stores_into(const Program& program,
                            const std::function<bool(const Buffer&)>& into) {
  return Forwarder(program, into).run();
}

}  // namespace cnnc
