#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Replaces exp, log and tanh (and floor, where the target has no instruction for it) by
/// arithmetic; see passes/finish/math_functions.h for the errors.
Program expand_math(const Program& program, const PassContext& context);

}  // namespace cnnc
