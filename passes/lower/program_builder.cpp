#include "passes/lower/program_builder.h"

namespace cnnc {

BufferId ProgramBuilder::add_buffer(const std::string& name, TensorType type, Memory memory,
                                    std::optional<BufferId> view_of) {
  type.dims = concrete(type.dims, batch_);
  const auto id = static_cast<BufferId>(program.buffers.size());
  program.buffers.push_back({{}, std::move(type), memory, view_of, -1, {}});
  rename(id, name);
  return id;
}

void ProgramBuilder::rename(BufferId buffer, const std::string& name) {
  std::string mine = unique(name);
  named_[mine] = buffer;
  program.buffers.at(static_cast<std::size_t>(buffer)).name = std::move(mine);
}

std::optional<BufferId> ProgramBuilder::find(const std::string& name) const {
  const auto found = named_.find(name);
  const bool known = found != named_.end() && program.buffer(found->second).name == name;
  return known ? std::optional(found->second) : std::nullopt;
}

void ProgramBuilder::add_kernel(std::string name, const std::string& layer, Block body) {
  program.kernels.push_back({std::move(name),
                             layer.empty() ? std::vector<std::string>{} : std::vector{layer},
                             std::move(body)});
}

std::string ProgramBuilder::unique(std::string name) {
  if (names_.insert(name).second) return name;
  for (int& i = numbers_.try_emplace(name, 1).first->second;;)
    if (auto next = fmt::format("{}.{}", name, ++i); names_.insert(next).second) return next;
}

Expr ProgramBuilder::count() const { return load(find("count").value(), ScalarType::i64, {}); }

}  // namespace cnnc
