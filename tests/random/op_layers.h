// The language of the random tests: the standard one, and rows that let a model text reach every op
// of the op table.
#pragma once

#include "ir/language/layer.h"

namespace cnnc::testing {

/// Standard rows, a layer for every elementwise op (called `op_` and its name), layers for ops that
/// move elements or reduce them, and the loss `linear`, which is exact on whole numbers.
Language random_language();

/// Whether that language's row is one of these, not of the standard language.
bool is_op_layer(std::string_view name);

}  // namespace cnnc::testing
