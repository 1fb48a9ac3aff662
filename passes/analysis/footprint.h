// What statements touch, buffer by buffer.
#pragma once

#include <set>

#include "ir/loop/loop.h"

namespace cnnc {

/// By storage: a view counts as what it views.
struct Footprint {
  std::set<BufferId> reads, writes;

  /// Whether one writes what the other one reads or writes: then their order matters.
  bool conflicts_with(const Footprint& other) const;
};

Footprint footprint(const Program& program, const Block& block);

/// Whether expressions in `block` load from one of these storages. What an Accumulate adds to is
/// not among the expressions.
bool loads_from(const Program& program, const Block& block, const std::set<BufferId>& storages);

}  // namespace cnnc
