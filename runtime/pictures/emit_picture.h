// Pictures among the things that --emit shows.
#pragma once

#include <string>
#include <vector>

#include "runtime/compile.h"

namespace cnnc {

/// dot, svg, memory-map.
std::vector<std::string> list_pictures();

/// The picture of `ir` at a stage (empty: as it is; a memory map of a graph is that of its final
/// program). Throws Error for a stage that a program is past, where SVG needs a graphviz that is
/// not there, and for a memory map before memory is planned.
std::string emit_picture(const Ir& ir, const std::string& picture, const std::string& stage,
                         const CompileOptions& options);

}  // namespace cnnc
