// What it takes to compute an element again instead of loading it.
#pragma once

#include "ir/expr/expr.h"

namespace cnnc {

/// Rough count of instructions of `expr` written out as a tree; loads of whole tensors count, loads
/// of scalars and the arithmetic of indices do not.
int expression_cost(const Expr& expr);

}  // namespace cnnc
