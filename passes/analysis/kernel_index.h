// Which kernels of a program touch which buffers, by storage: so that a pass need not look at every
// kernel for each one that it changes.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "ir/loop/loop.h"
#include "passes/analysis/footprint.h"

namespace cnnc {

class KernelIndex {
 public:
  explicit KernelIndex(const Program& program);

  /// Kernel `kernel` touches this now; nothing, where it is gone.
  void set(std::size_t kernel, Footprint touched);

  const Footprint& touched_by(std::size_t kernel) const { return footprints_.at(kernel); }
  const std::set<std::size_t>& readers(BufferId storage) const { return find(readers_, storage); }
  const std::set<std::size_t>& writers(BufferId storage) const { return find(writers_, storage); }
  /// Those that read or write it, in their order.
  std::set<std::size_t> users(BufferId storage) const;
  /// Whether a kernel after `first` and before `last` conflicts with `touched`.
  bool conflicts_between(std::size_t first, std::size_t last, const Footprint& touched) const;

 private:
  using Kernels = std::map<BufferId, std::set<std::size_t>>;

  static const std::set<std::size_t>& find(const Kernels& kernels, BufferId storage);

  std::vector<Footprint> footprints_;
  Kernels readers_, writers_;
};

}  // namespace cnnc
