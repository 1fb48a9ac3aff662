// Kernels for one stage of an op's compute.
#pragma once

#include "ir/graph/op.h"
#include "passes/lower/program_builder.h"

namespace cnnc {

/// Adds the kernels that make `stage` in `buffer`, and the buffers of their own: one kernel, or for
/// a sum over the batch with few results, partial sums of groups of samples and their sum. The
/// stage's loads name the program's buffers. The order of every sum is fixed here (lower.h).
void lower_stage(ProgramBuilder& build, const Stage& stage, BufferId buffer,
                 const std::string& layer);

/// The same in one kernel called `name`.
void lower_stage_as(ProgramBuilder& build, std::string name, const Stage& stage, BufferId buffer,
                    const std::string& layer);

}  // namespace cnnc
