// A key to look expressions up by.
#pragma once

#include <cstddef>

#include "ir/expr/expr.h"

namespace cnnc {

/// Equal for expressions that are the same under some renaming of variables (ir/expr/expr.h).
std::size_t hash_of(const Expr& expr);

}  // namespace cnnc
