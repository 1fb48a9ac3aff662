// pad_rows:
//   padded : f32[1,30,30,1]
//   for y, x in 0 .. 28 { sum += padded[0, y + ky, x + kx, 0] * w[ky, kx] }
//     ->
//   padded : f32[1,30,32,1]
// for vectors of 8 or 16 elements: where a row begins, a vector may begin.
#include "passes/layout/pad_rows.h"

#include <set>

#include "passes/analysis/nest.h"
#include "passes/analysis/reduction_nest.h"
#include "passes/cost/choose_tiling.h"

namespace cnnc {

namespace {

/// Whether elements a step apart along some dimension lie multiples of half a page apart.
bool rows_share_places(const TensorType& type) {
  constexpr std::int64_t kHalfPage = 2048;
  auto bytes = static_cast<std::int64_t>(size_of(type.scalar));
  for (std::size_t d = type.dims.size(); d-- > 1;) {
    bytes *= type.dims[d];
    if (bytes % kHalfPage == 0 && type.dims[d - 1] > 1) return true;
  }
  return false;
}

/// Adds the buffers along whose rows the vectors of sums slide.
void find_rows(const Program& program, const Block& block, const PassContext& context,
               std::set<BufferId>& found) {
  for (const Stmt& stmt : block) {
    const auto* loop = stmt.as<For>();
    if (!loop) continue;
    const auto nest = reduction_nest(program, stmt);
    if (!nest) {
      find_rows(program, loop->body, context, found);
      continue;
    }
    const Tiling tiling = choose_tiling(program, *nest, context);
    if (tiling.vector < 0) continue;
    const Var& lane = nest->axes[static_cast<std::size_t>(tiling.vector)].var;
    for (const BufferAccess& access : accesses({stmt})) {
      const Dims& dims = program.buffer(access.buffer).type.dims;
      if (access.write || dims.size() < 2) continue;
      const Expr& along = access.index[last_dimension(dims)];
      if (stride_in(along, lane) == 1 && !same(along, Expr(lane))) found.insert(access.buffer);
    }
  }
}

}  // namespace

Program pad_rows(const Program& program, const PassContext& context) {
  std::set<BufferId> found;
  for (const Kernel& kernel : program.kernels) find_rows(program, kernel.body, context, found);
  Program result = program;
  for (const BufferId id : found) {
    const Buffer& buffer = program.buffer(id);
    const bool own = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
    if (!own || buffer.view_of || has_views(program, id) || buffer.offset >= 0) continue;
    TensorType type = buffer.type;
    std::int64_t& row = type.dims[last_dimension(type.dims)];
    const std::int64_t lanes = context.target.lanes(type.scalar);
    if (2 * row < lanes) continue;  // most of the memory would be empty
    row = (row + lanes - 1) / lanes * lanes;
    if (element_count(type.dims, 1) <= kMaxElements && !rows_share_places(type))
      result.buffers[static_cast<std::size_t>(id)].type = type;
  }
  return result;
}

}  // namespace cnnc
