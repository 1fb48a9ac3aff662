#include "passes/analysis/live_ranges.h"

#include <algorithm>
#include <map>

#include "ir/base/alignment.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// Positions of statements in one kernel, and the lives of its thread buffers among them.
class ThreadLives {
 public:
  ThreadLives(const Program& program, const Kernel& kernel) : program_(program) {
    visit(kernel.body);
  }
  std::map<BufferId, LiveRange> lives;

 private:
  using Uses = std::map<BufferId, std::pair<std::size_t, std::size_t>>;  // first and last position

  /// Within one block, a buffer that two of its statements use lives from the first to the last of
  /// them, each whole; one that a single statement uses lives as long as the block inside says.
  Uses visit(const Block& block) {
    std::map<BufferId, std::vector<std::pair<std::size_t, std::size_t>>>
        spans;  // of the statements that use it
    std::map<BufferId, std::pair<std::size_t, std::size_t>> inner;
    for (const Stmt& stmt : block) {
      const std::size_t begin = position_++;
      Uses uses;
      if (const auto* loop = stmt.as<For>()) uses = visit(loop->body);
      if (const auto* branch = stmt.as<If>()) {
        uses = visit(branch->then_body);
        for (const auto& [id, span] : visit(branch->else_body)) {
          auto [known, fresh] = uses.try_emplace(id, span);
          if (!fresh)
            known->second = {std::min(known->second.first, span.first),
                             std::max(known->second.second, span.second)};
        }
      }
      if (!stmt.as<For>() && !stmt.as<If>())
        for (const BufferAccess& access : accesses({stmt}))
          if (program_.buffer(program_.storage(access.buffer)).memory == Memory::thread)
            uses[program_.storage(access.buffer)] = {begin, begin};
      const std::size_t end = position_++;
      for (const auto& [id, span] : uses) {
        spans[id].push_back({begin, end});
        inner[id] = span;
      }
    }
    Uses result;
    for (const auto& [id, list] : spans) {
      result[id] =
          list.size() == 1 ? inner.at(id) : std::pair(list.front().first, list.back().second);
      LiveRange life;
      life.buffer = id;
      life.bytes = bytes_with_alignment(program_.buffer(id));
      life.extend(result[id].first, result[id].second);
      lives[id] = life;  // the outermost block is visited last and sees the whole
    }
    return result;
  }

  const Program& program_;
  std::size_t position_ = 0;
};

}  // namespace

std::int64_t bytes_with_alignment(const Buffer& buffer) {
  return readable_bytes(byte_count(buffer.type));
}

void LiveRange::extend(std::size_t from, std::size_t to) {
  first = std::min(first, from);
  last = std::max(last, to);
}

std::vector<LiveRange> arena_live_ranges(const Program& program) {
  std::map<BufferId, LiveRange> lives;
  for (std::size_t k = 0; k < program.kernels.size(); ++k)
    for (const BufferAccess& access : accesses(program.kernels[k].body)) {
      const BufferId id = program.storage(access.buffer);
      if (program.buffer(id).memory != Memory::arena) continue;
      LiveRange& life = lives[id];
      life.buffer = id;
      life.bytes = bytes_with_alignment(program.buffer(id));
      life.extend(k, k);
      if (program.kernels[k].once) life.extend(0, program.kernels.size());
    }
  std::vector<LiveRange> result;
  for (const auto& [id, life] : lives) result.push_back(life);
  return result;
}

std::vector<LiveRange> scratch_live_ranges(const Program& program, const Kernel& kernel) {
  std::vector<LiveRange> result;
  for (const auto& [id, life] : ThreadLives(program, kernel).lives) result.push_back(life);
  return result;
}

std::int64_t most_bytes_alive(const std::vector<LiveRange>& ranges) {
  std::map<std::size_t, std::int64_t> changes;
  for (const LiveRange& range : ranges) {
    changes[range.first] += range.bytes;
    changes[range.last + 1] -= range.bytes;
  }
  std::int64_t alive = 0, most = 0;
  for (const auto& [at, change] : changes) most = std::max(most, alive += change);
  return most;
}

}  // namespace cnnc
