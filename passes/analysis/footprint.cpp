#include "passes/analysis/footprint.h"

#include <algorithm>
#include <tuple>

#include "passes/analysis/nest.h"

namespace cnnc {

bool Footprint::conflicts_with(const Footprint& other) const {
  const auto meet = [](const std::set<BufferId>& a, const std::set<BufferId>& b) {
    const auto& [few, many] = a.size() < b.size() ? std::tie(a, b) : std::tie(b, a);
    return std::ranges::any_of(few, [&](BufferId id) { return many.contains(id); });
  };
  return meet(writes, other.writes) || meet(writes, other.reads) || meet(reads, other.writes);
}

Footprint footprint(const Program& program, const Block& block) {
  Footprint result;
  for (const BufferAccess& access : accesses(block))
    (access.write ? result.writes : result.reads).insert(program.storage(access.buffer));
  return result;
}

bool loads_from(const Program& program, const Block& block, const std::set<BufferId>& storages) {
  bool found = false;
  walk_exprs(block, [&](const Expr& top) {
    walk(top, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      found |= l && storages.contains(program.storage(l->buffer));
    });
  });
  return found;
}

}  // namespace cnnc
