// collapse_rows:
//   for x in 1 .. 29 { for c in 0 .. 3 { padded[y, x, c] = image[y - 1, x - 1, c] } }
//     ->
//   for x in 3 .. 87 { padded.rows[y, x] = image.rows[y - 1, x - 3] }
// and so on, as long as the loop that this makes fills no vector, or what is stored is a constant.
#include "passes/registers/collapse_rows.h"

#include <algorithm>

#include "passes/analysis/nest.h"
#include "passes/edit/collapse_loops.h"

namespace cnnc {

namespace {

/// Whether all that `body` loads or stores by channels has them in neighbouring elements.
bool has_channels_last(const Program& program, const Block& body, const Var& channels) {
  return std::ranges::all_of(accesses(body), [&](const BufferAccess& access) {
    const auto stride = memory_stride(program, access.buffer, access.index, channels);
    return stride == 0 || stride == 1;
  });
}

}  // namespace

std::optional<Stmt> collapse_rows(Program& program, const Stmt& stmt, const Target& target) {
  const Nest nest = nest_of(stmt);
  if (nest.loops.size() < 2 || nest.body.size() != 1) return std::nullopt;
  const auto* store = nest.body.front().as<Store>();
  const For &columns = nest.loops[nest.loops.size() - 2], &channels = nest.loops.back();
  if (!store || !is_plain(columns) || !is_plain(channels) || channels.begin.constant() != 0)
    return std::nullopt;
  const bool fills = *extent(channels) >= target.lanes(program.buffer(store->buffer).type.scalar);
  if (fills && !store->value.as<Const>()) return std::nullopt;
  if (!has_channels_last(program, nest.body, channels.var)) return std::nullopt;
  auto flat = collapse_loops(program, columns, channels, columns.var->name, nest.body);
  if (!flat) return std::nullopt;
  std::vector<For> loops(nest.loops.begin(), nest.loops.end() - 2);
  loops.push_back(std::move(flat->loop));
  const Stmt whole = wrap(loops, std::move(flat->body)).front();
  const auto more = collapse_rows(program, whole, target);
  return more ? more : whole;
}

}  // namespace cnnc
