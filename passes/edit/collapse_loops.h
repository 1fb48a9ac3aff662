// Two loops that go along neighbouring dimensions of memory as one loop.
#pragma once

#include <optional>

#include "ir/loop/loop.h"

namespace cnnc {

struct MergedAxes {
  For loop;  // over both
  Block body;
};

/// `body`, of the loops `slow` and, inside of it, `fast`, which are plain and the latter from 0,
/// with one loop in their place, called `name`: all that it loads and stores goes along both as if
/// they were one, over all of the dimension that `fast` goes along, and through views in which it
/// and the one before are one dimension. Nothing where that is not so, or where something else
/// depends on either of them. Adds the views to `program`.
std::optional<MergedAxes> collapse_loops(Program& program, const For& slow, const For& fast,
                                         const std::string& name, const Block& body);

}  // namespace cnnc
