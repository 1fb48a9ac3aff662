#include "passes/program_builder.h"

namespace cnnc {

BufferId ProgramBuilder::add_buffer(const std::string& name, TensorType type, Memory memory,
                                    std::optional<BufferId> view_of) {
  type.dims = concrete(type.dims, batch_);
  program.buffers.push_back({unique(name), std::move(type), memory, view_of, -1, {}});
  return static_cast<BufferId>(program.buffers.size()) - 1;
}

void ProgramBuilder::add_kernel(std::string name, const std::string& layer, Block body) {
  program.kernels.push_back({std::move(name),
                             layer.empty() ? std::vector<std::string>{} : std::vector{layer},
                             std::move(body)});
}

std::string ProgramBuilder::unique(std::string name) {
  if (names_.insert(name).second) return name;
  for (int i = 2;; ++i)
    if (auto next = fmt::format("{}.{}", name, i); names_.insert(next).second) return next;
}

Expr ProgramBuilder::count() const {
  return load(program.find("count").value(), ScalarType::i64, {});
}

}  // namespace cnnc
