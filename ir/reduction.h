// What a reduction starts from.
#pragma once

#include "ir/loop.h"

namespace cnnc {

/// The constant that leaves every value as it is: 0 for add, -inf or the least value for max, +inf
/// or the greatest for min.
Expr identity(Reduction op, ScalarType type);

}  // namespace cnnc
