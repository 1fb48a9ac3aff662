// Whether a program says what it computes: it runs, and neither what memory held before nor the
// order of iterations that may run side by side shows in its results. Only of such a program can a
// pass keep the results.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ir/loop/loop.h"

namespace cnnc::fuzz {

using Tensors = std::map<std::string, Tensor, std::less<>>;

/// Statements that a program may take: a kernel of it.
inline constexpr std::int64_t kMostSteps = 500'000;

/// Whether all its memory together is less than a megabyte.
bool is_small(const Program& program);
/// States and outputs after a run; nothing where it fails.
std::optional<Tensors> results_of(const Program& program, const Tensors& inputs,
                                  std::int64_t most_steps = kMostSteps);
/// Parallel and vector loops from their ends.
Program reversed(const Program& program);
/// Those results where `program` is well defined on these inputs.
std::optional<Tensors> defined_results(const Program& program, const Tensors& inputs);

}  // namespace cnnc::fuzz
