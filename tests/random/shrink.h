// Makes a failing network as small as it can be made.
#pragma once

#include <functional>

#include "tests/random/trial.h"

namespace cnnc::testing {

/// Whether a trial still fails in the way that is looked for.
using Fails = std::function<bool(const Trial&)>;

/// Delta debugging over the network's structure (layers, blocks, arguments, sizes, batch) and the
/// trial's (rows, configurations): a trial that fails and of which no single step of these can be
/// taken away. `trial.text` must be that of `network`. Asks `fails` at most `attempts` times.
Trial shrink(Network network, Trial trial, const Language& language, const Fails& fails,
             int attempts = 2000);

}  // namespace cnnc::testing
