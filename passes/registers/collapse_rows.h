// Loops over the columns and channels of an image's rows as one loop.
#pragma once

#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// `stmt`, where it is a nest around one store whose two innermost loops go along the last two
/// dimensions of what it stores and loads and over all of the last one, with one loop in their
/// place, through views in which these two dimensions are one: where the last one fills no whole
/// vectors, many part vectors become a few whole ones. Nothing for any other statement. Adds the
/// views to `program`. A step of `vectorize`. Preserves bits.
std::optional<Stmt> collapse_rows(Program& program, const Stmt& stmt, const Target& target);

}  // namespace cnnc
