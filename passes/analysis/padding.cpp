#include "passes/analysis/padding.h"

#include <algorithm>
#include <set>

namespace cnnc {

namespace {

bool loads_any(const Expr& expr) {
  bool found = false;
  walk(expr, [&](const Expr& e) { found |= e.as<Load>() != nullptr; });
  return found;
}

/// Where `condition` is not false whatever the other variables are.
std::optional<IntegerRange> interior_along(const Program& program, const For& loop,
                                           const Expr& condition) {
  const std::int64_t begin = *loop.begin.constant(), end = begin + *extent(loop);
  std::optional<IntegerRange> result;
  for (std::int64_t i = begin; i < end; ++i) {
    if (simplified(substitute(condition, {{loop.var, Expr(i)}}), {&program, {}, {}}).constant() ==
        0)
      continue;
    result = {result ? result->low : i, i};
  }
  return result;
}

/// Which loop goes along which dimension, and where `value` is an element of the image.
bool find_dimensions(const Program& program, const Select& value, Padding& padding) {
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
    const auto interior = interior_along(program, loops[at], value.condition);
    if (!interior) return false;
    padding.interior.back() = *interior;
    padding.dims.push_back(d);
  }
  return used.size() == loops.size() && !padding.dims.empty();
}

}  // namespace

std::optional<Padding> find_padding(const Program& program, const Stmt& stmt) {
  Padding padding{};
  padding.nest = nest_of(stmt);
  const auto& body = padding.nest.body;
  const auto* store = only_store(body);
  const auto* value = store ? store->value.as<Select>() : nullptr;
  const auto* image = value ? value->a.as<Load>() : nullptr;
  if (!image || !value->b.as<Const>() || loads_any(value->condition) ||
      std::ranges::any_of(image->index, loads_any) ||
      !std::ranges::all_of(padding.nest.loops, is_plain))
    return std::nullopt;
  const Buffer& buffer = program.buffer(store->buffer);
  const bool own = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
  if (!own || buffer.view_of || has_views(program, store->buffer) ||
      program.storage(image->buffer) == store->buffer)
    return std::nullopt;
  padding.buffer = store->buffer;
  padding.image = program.storage(image->buffer);
  padding.store = *store;
  return find_dimensions(program, *value, padding) ? std::optional(std::move(padding))
                                                   : std::nullopt;
}

}  // namespace cnnc
