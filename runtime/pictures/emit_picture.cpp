#include "runtime/pictures/emit_picture.h"

#include <algorithm>

#include "passes/finish/plan_memory.h"
#include "runtime/pictures/graph_picture.h"
#include "runtime/pictures/memory_picture.h"

namespace cnnc {
namespace {}  // namespace

std::vector<std::string> list_pictures() { return {"dot", "svg", "memory-map"}; }

std::string emit_picture(const Ir& given, const std::string& picture, const std::string& stage,
                         const CompileOptions& options) {
  const auto* graph = std::get_if<Graph>(&given);
  const bool is_map = picture == "memory-map";
  if (!graph && !stage.empty())
    fail("a program of loops is past the stage {}: use --run {}", stage, stage);
  const std::string at = stage.empty() ? (is_map ? "loops" : "graph") : stage;
  Ir ir = graph ? ir_at(*graph, at, options) : given;
  const auto* program = std::get_if<Program>(&ir);
  if (is_map) {
    if (!graph && !is_planned(*program)) ir = plan_memory(*program, options.target);
    if (!program) fail("a memory map needs a program of loops; {} is a stage of the graph", at);
    return memory_map(*program);
  }
  const BoxPicture boxes =
      program ? picture_of(*program, std::max<std::int64_t>(program->batch, 1), options.target)
              : picture_of(std::get<Graph>(ir));
  const std::string dot = to_dot(boxes);
  return picture == "svg" ? svg_of(dot) : dot;
}

}  // namespace cnnc
