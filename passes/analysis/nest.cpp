#include "passes/analysis/nest.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>

#include "passes/context/reduction_order.h"

namespace cnnc {

Nest nest_of(const Stmt& stmt) {
  Nest nest;
  const Stmt* at = &stmt;
  while (const auto* loop = at->as<For>()) {
    nest.loops.push_back(with_body(*loop, {}));
    if (loop->body.size() != 1 || !loop->body.front().as<For>()) {
      nest.body = loop->body;
      return nest;
    }
    at = &loop->body.front();
  }
  nest.body = {stmt};
  return nest;
}

Block wrap(std::span<const For> loops, Block body) {
  for (std::size_t i = loops.size(); i-- > 0;) {
    For loop = loops[i];
    loop.body = std::move(body);
    body = {Stmt{std::move(loop)}};
  }
  return body;
}

const Store* only_store(const Block& block) {
  return block.size() == 1 ? block.front().as<Store>() : nullptr;
}

const Store* store_of_nest(const Stmt& stmt) {
  const auto* loop = stmt.as<For>();
  if (!loop) return stmt.as<Store>();
  return loop->body.size() == 1 ? store_of_nest(loop->body.front()) : nullptr;
}

Block wrap_in_fresh(std::span<const For> loops, const Block& body) {
  std::vector<For> own;
  Substitution fresh;
  for (const For& loop : loops) {
    own.push_back({make_var(loop.var->name),
                   substitute(loop.begin, fresh),
                   substitute(loop.end, fresh),
                   loop.kind,
                   {},
                   loop.axis});
    fresh[loop.var] = Expr(own.back().var);
  }
  return wrap(own, substitute(body, fresh));
}

Block with_fresh_lets(const Block& block) {
  Block result;
  Substitution fresh;
  for (const Stmt& stmt : block) {
    result.push_back(std::move(substitute({stmt}, fresh).front()));
    if (auto* let = result.back().as<Let>()) {
      const Var var = make_var(let->var->name, let->var->type);
      fresh[let->var] = Expr(var);
      let->var = var;
    }
  }
  return result;
}

std::vector<BufferAccess> accesses(const Block& block) {
  std::vector<BufferAccess> all;
  walk_exprs(block, [&](const Expr& top) {
    walk(top, [&](const Expr& expr) {
      if (const auto* load = expr.as<Load>()) all.push_back({load->buffer, load->index, false});
    });
  });
  walk(block, [&](const Stmt& stmt) {
    if (const auto* store = stmt.as<Store>()) all.push_back({store->buffer, store->index, true});
    if (const auto* accumulate = stmt.as<Accumulate>()) {
      all.push_back({accumulate->buffer, accumulate->index, false});
      all.push_back({accumulate->buffer, accumulate->index, true});
    }
  });
  return all;
}

std::size_t count_accesses(const Block& block, BufferId buffer) {
  return static_cast<std::size_t>(
      std::ranges::count(accesses(block), buffer, &BufferAccess::buffer));
}

std::size_t count_accesses(const Program& program, BufferId buffer) {
  std::size_t count = 0;
  for (const Kernel& kernel : program.kernels) count += count_accesses(kernel.body, buffer);
  return count;
}

bool same_index(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  return std::ranges::equal(a, b, [](const Expr& x, const Expr& y) { return same(x, y); });
}

std::optional<std::int64_t> memory_stride(const Program& program, BufferId buffer,
                                          const std::vector<Expr>& index, const Var& var) {
  const Dims& dims = program.buffer(buffer).type.dims;
  std::int64_t scale = 1, total = 0;
  for (std::size_t i = dims.size(); i-- > 0; scale *= dims[i]) {
    const auto step = stride_in(index[i], var);
    if (!step) return std::nullopt;
    total += *step * scale;
  }
  return total;
}

std::int64_t longest_stride(ScalarType type) { return size_of(type) >= 4 ? 8 : 1; }

std::optional<std::int64_t> extent(const For& loop) { return constant_extent(loop); }

std::int64_t assumed_extent(const Program& program, const For& loop) {
  return extent(loop).value_or(program.group > 0 ? program.group : kGroupSize);
}

bool is_plain(const For& loop) {
  return loop.kind == LoopKind::serial && loop.axis == BatchAxis::none && loop.begin.constant() &&
         loop.end.constant() && extent(loop);
}

For part_of(const For& loop, std::int64_t begin, std::int64_t end) {
  const Var var = make_var(loop.var->name);
  return {var, begin, end, loop.kind, substitute(loop.body, {{loop.var, Expr(var)}})};
}

std::int64_t saturating_product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::numeric_limits<std::int64_t>::max() : result;
}

bool are_apart(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (a[i].constant() && b[i].constant() && *a[i].constant() != *b[i].constant()) return true;
  return false;
}

bool touches_written_elements_only(const Program& program, const Block& block) {
  const auto all = accesses(block);
  for (const BufferAccess& write : all) {
    if (!write.write) continue;
    for (const BufferAccess& other : all) {
      if (program.storage(other.buffer) != program.storage(write.buffer)) continue;
      if (other.buffer != write.buffer) return false;
      if (!same_index(write.index, other.index) && !are_apart(write.index, other.index))
        return false;
    }
  }
  return true;
}

bool separates(const Store& store, const For& axis, std::span<const For> axes) {
  return std::ranges::any_of(store.index, [&](const Expr& index) {
    return stride_in(index, axis.var).value_or(0) != 0 &&
           std::ranges::none_of(axes, [&](const For& other) {
             return other.var != axis.var && depends_on(index, other.var);
           });
  });
}

const For* group_loop(const Kernel& kernel) {
  if (kernel.body.size() != 1) return nullptr;
  const auto* loop = kernel.body.front().as<For>();
  return loop && loop->axis == BatchAxis::groups ? loop : nullptr;
}

SampleUse sample_use(const Block& body, const Var& sample) {
  SampleUse use;
  const auto depends = [&](const Expr& index) { return depends_on(index, sample); };
  for (const Stmt& stmt : body) {
    if (const auto* store = stmt.as<Store>())
      use.stores_sample |= std::ranges::any_of(store->index, depends);
    if (stmt.as<For>() && !use.shares_operand)
      use.shares_operand = std::ranges::any_of(accesses({stmt}), [&](const auto& access) {
        return !access.index.empty() && std::ranges::none_of(access.index, depends);
      });
  }
  return use;
}

bool wants_samples(const For& sample_loop) {
  const Block* body = &sample_loop.body;
  std::size_t loops = 1;
  for (; body->size() == 1 && body->front().as<For>(); ++loops)
    body = &body->front().as<For>()->body;
  if (loops > 2) return false;
  const SampleUse use = sample_use(*body, sample_loop.var);
  return use.stores_sample && use.shares_operand;
}

const For* only_sample_loop(const Kernel& kernel) {
  const For* groups = group_loop(kernel);
  const auto* loop = groups && groups->body.size() == 1 ? groups->body.front().as<For>() : nullptr;
  return loop && loop->axis == BatchAxis::samples ? loop : nullptr;
}

Block map_accesses(const Block& block, const std::function<std::pair<BufferId, std::vector<Expr>>(
                                           BufferId, const std::vector<Expr>&)>& rewrite) {
  Block result = map_exprs(block, [&](const Expr& top) {
    return transform(top, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      if (!l) return {};
      auto [buffer, index] = rewrite(l->buffer, l->index);
      return load(buffer, e.type(), std::move(index));
    });
  });
  const std::function<void(Block&)> writes = [&](Block& inner) {
    for (Stmt& stmt : inner) {
      if (auto* store = stmt.as<Store>())
        std::tie(store->buffer, store->index) = rewrite(store->buffer, store->index);
      if (auto* add = stmt.as<Accumulate>())
        std::tie(add->buffer, add->index) = rewrite(add->buffer, add->index);
      if (auto* loop = stmt.as<For>()) writes(loop->body);
      if (auto* branch = stmt.as<If>()) {
        writes(branch->then_body);
        writes(branch->else_body);
      }
    }
  };
  writes(result);
  return result;
}

Block map_indices(
    const Block& block,
    const std::function<std::vector<Expr>(BufferId, const std::vector<Expr>&)>& rewrite) {
  return map_accesses(block, [&](BufferId buffer, const std::vector<Expr>& index) {
    return std::pair(buffer, rewrite(buffer, index));
  });
}

std::string unused_name(const Program& program, const std::string& name) {
  std::string result = name;
  for (int i = 2; program.find(result); ++i) result = fmt::format("{}.{}", name, i);
  return result;
}

BufferId add_registers(Program& program, std::string_view name, TensorType type) {
  const auto id = static_cast<BufferId>(program.buffers.size());
  program.buffers.push_back(
      {fmt::format("{}.{}", name, id), std::move(type), Memory::reg, {}, -1, {}});
  return id;
}

std::size_t last_dimension(const Dims& dims) {
  std::size_t last = dims.size() - 1;
  while (last > 0 && dims[last] == 1) --last;
  return last;
}

bool can_be_viewed(Memory memory) {
  return memory != Memory::reg && memory != Memory::stack && memory != Memory::constant;
}

BufferId flat_view(Program& program, BufferId buffer, std::size_t from) {
  return merged_view(program, buffer, from, program.buffer(buffer).type.dims.size());
}

BufferId merged_view(Program& program, BufferId buffer, std::size_t from, std::size_t to) {
  if (from + 1 == to) return buffer;
  Buffer view = program.buffer(buffer);
  Dims& dims = view.type.dims;
  const auto first = dims.begin() + static_cast<std::ptrdiff_t>(from);
  const auto last = dims.begin() + static_cast<std::ptrdiff_t>(to);
  *first = std::accumulate(first, last, std::int64_t{1}, std::multiplies());
  dims.erase(first + 1, last);
  view.view_of = program.storage(buffer);
  for (BufferId known = 0; known < static_cast<BufferId>(program.buffers.size()); ++known) {
    const Buffer& other = program.buffer(known);
    if ((other.view_of == view.view_of || known == *view.view_of) && other.type == view.type &&
        other.memory == view.memory)
      return known;
  }
  view.name = unused_name(program, program.buffer(*view.view_of).name + ".rows");
  program.buffers.push_back(view);
  return static_cast<BufferId>(program.buffers.size()) - 1;
}

bool has_views(const Program& program, BufferId buffer) {
  return std::ranges::any_of(program.buffers,
                             [&](const Buffer& other) { return other.view_of == buffer; });
}

bool has_own_rows(const Program& program, BufferId buffer) {
  const Dims& mine = program.buffer(buffer).type.dims;
  const Dims& whole = program.buffer(program.storage(buffer)).type.dims;
  return !mine.empty() && !whole.empty() && mine.front() == whole.front();
}

std::set<Var> sample_variables(const Block& block) {
  std::set<Var> samples;
  walk(block, [&](const Stmt& stmt) {
    const auto* loop = stmt.as<For>();
    if (loop && loop->axis == BatchAxis::samples) samples.insert(loop->var);
  });
  return samples;
}

}  // namespace cnnc
