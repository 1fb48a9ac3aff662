// What a pass is told beside the IR that it changes.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ir/target/target.h"
#include "passes/context/reduction_order.h"

namespace cnnc {

/// What a compilation chooses, whatever the machine.
struct PassConfig {
  /// What a band of an image may take. Tests make it smaller, for small networks to have bands.
  std::int64_t band_bytes = kBandBytes;
  /// Register tiles to use in the place of the tile model's: one factor an axis, innermost last, 1
  /// for axes further out, each cut down to what its axis has. Empty: the model chooses. Results do
  /// not depend on it (tests try it at random), only speed does.
  std::vector<std::int64_t> tile = {};
};

/// The machine and the choices of one compilation.
struct PassContext {
  // NOLINTNEXTLINE(google-explicit-constructor): a target alone is a context
  PassContext(Target machine = {}, PassConfig choices = {})
      : target(std::move(machine)), config(std::move(choices)) {}

  Target target;
  PassConfig config;
};

}  // namespace cnnc
