#include "passes/analysis/kernel_index.h"

#include <algorithm>

namespace cnnc {

KernelIndex::KernelIndex(const Program& program) : footprints_(program.kernels.size()) {
  for (std::size_t k = 0; k < footprints_.size(); ++k)
    set(k, footprint(program, program.kernels[k].body));
}

void KernelIndex::set(std::size_t kernel, Footprint touched) {
  Footprint& mine = footprints_.at(kernel);
  for (const BufferId id : mine.reads) readers_[id].erase(kernel);
  for (const BufferId id : mine.writes) writers_[id].erase(kernel);
  mine = std::move(touched);
  for (const BufferId id : mine.reads) readers_[id].insert(kernel);
  for (const BufferId id : mine.writes) writers_[id].insert(kernel);
}

std::set<std::size_t> KernelIndex::users(BufferId storage) const {
  std::set<std::size_t> all = readers(storage);
  all.insert(writers(storage).begin(), writers(storage).end());
  return all;
}

bool KernelIndex::conflicts_between(std::size_t first, std::size_t last,
                                    const Footprint& touched) const {
  const auto any = [&](const std::set<std::size_t>& kernels) {
    const auto next = kernels.upper_bound(first);
    return next != kernels.end() && *next < last;
  };
  return std::ranges::any_of(touched.reads, [&](BufferId id) { return any(writers(id)); }) ||
         std::ranges::any_of(touched.writes,
                             [&](BufferId id) { return any(writers(id)) || any(readers(id)); });
}

const std::set<std::size_t>& KernelIndex::find(const Kernels& kernels, BufferId storage) {
  static const std::set<std::size_t> none;
  const auto found = kernels.find(storage);
  return found == kernels.end() ? none : found->second;
}

}  // namespace cnnc
