#pragma once

#include "ir/loop/loop.h"
#include "passes/context/pass_context.h"

namespace cnnc {

/// Makes fused multiply-adds of floating-point products that are added or subtracted, where the
/// target has the instruction. Each sum loses one rounding: results differ from those without the
/// pass by at most the rounding of the products.
Program contract_fma(const Program& program, const PassContext& context);

}  // namespace cnnc
