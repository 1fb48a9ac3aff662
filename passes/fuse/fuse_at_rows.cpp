// fuse_at_rows (the image is 28 rows high, a band is 2):
//   for y in 0 .. 28 { for x, c { image[n,y,x,c] = ... } }
//   for y in 0 .. 14 { for x, c { for ky, kx { ... image[n, y*2 + ky, x*2 + kx, c] } } }
//     ->
//   for y in 0 .. 14 {
//     for row in 0 .. 2 { for x, c { image[n,row,x,c] = ... } }
//     for x, c { for ky, kx { ... image[n, ky, x*2 + kx, c] } } }
#include "passes/fuse/fuse_at_rows.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"
#include "passes/edit/permute_buffer.h"
#include "passes/edit/prune_buffers.h"

namespace cnnc {

namespace {

constexpr std::size_t kRow = 1;  // of [n, h, w, c]
/// Shorter rows would leave too few sums for a tile, which takes several rows then.
constexpr std::int64_t kShortestRow = 8;

bool is_rows_loop(const Stmt& stmt) {
  const auto* loop = stmt.as<For>();
  return loop && loop->kind == LoopKind::serial && loop->begin.constant() == 0 && extent(*loop);
}

class RowFuser {
 public:
  explicit RowFuser(const Program& program) : program_(program) {
    for (const Kernel& kernel : program.kernels)
      for (const BufferAccess& access : accesses(kernel.body)) ++accesses_[access.buffer];
  }

  Program run() {
    for (std::size_t k = 0; k < program_.kernels.size(); ++k) {
      const For* groups = group_loop(program_.kernels[k]);
      if (!groups) continue;
      for (std::size_t s = 0; s < groups->body.size(); ++s) {
        const auto* samples = groups->body[s].as<For>();
        if (!samples || samples->axis != BatchAxis::samples) continue;
        for (std::size_t i = 0; i + 1 < body(k, s).size(); ++i) fuse_at(k, s, i);
      }
    }
    return std::move(program_);
  }

 private:
  Block& body(std::size_t kernel, std::size_t samples) {
    return program_.kernels[kernel].body.front().as<For>()->body[samples].as<For>()->body;
  }

  void fuse_at(std::size_t kernel, std::size_t samples, std::size_t at) {
    Block& block = body(kernel, samples);
    const auto image = image_of(block[at]);
    if (!image) return;
    std::size_t end = at + 1;
    std::optional<std::int64_t> rows;  // of a band
    std::set<BufferId> made;           // by the readers so far
    while (end < block.size()) {
      const auto band = band_of(block[end], *image, made);
      if (!band || (rows && (*band != *rows ||
                             !same(block[end].as<For>()->end, block[at + 1].as<For>()->end))))
        break;
      rows = band;
      for (const BufferAccess& access : accesses({block[end]}))
        if (access.write) made.insert(program_.storage(access.buffer));
      ++end;
    }
    if (!rows || *extent(*block[at + 1].as<For>()) * *rows > *extent(*block[at].as<For>()) ||
        count_accesses({block.begin() + static_cast<std::ptrdiff_t>(at),
                        block.begin() + static_cast<std::ptrdiff_t>(end)},
                       *image) != accesses_.at(*image))
      return;
    Stmt fused = in_bands(block, at, end, *image, *rows);
    block.erase(block.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                block.begin() + static_cast<std::ptrdiff_t>(end));
    block[at] = std::move(fused);
    program_.buffers[static_cast<std::size_t>(*image)].type.dims[kRow] = *rows;
  }

  /// The one buffer [n, h, w, c] that `stmt` makes, row by row in its outermost loop.
  std::optional<BufferId> image_of(const Stmt& stmt) const {
    if (!is_rows_loop(stmt)) return std::nullopt;
    const Var& row = stmt.as<For>()->var;
    std::optional<BufferId> image;
    bool good = true;
    for (const BufferAccess& access : accesses({stmt})) {
      if (!access.write || program_.buffer(access.buffer).memory == Memory::reg) continue;
      good &= !image || image == access.buffer;
      image = access.buffer;
      good &= access.index.size() == 4 && same(access.index[kRow], Expr(row));
    }
    if (!good || !image) return std::nullopt;
    for (const BufferAccess& access : accesses({stmt}))
      if (!access.write && program_.storage(access.buffer) == program_.storage(*image))
        return std::nullopt;
    const bool own = may_be_permuted(program_, *image) &&
                     program_.buffer(*image).type.dims[kRow + 1] >= kShortestRow;
    return own ? image : std::nullopt;
  }

  /// The rows of each band, where iteration y of `stmt` reads the image in rows y*band ..
  /// y*band + band only, and what it and the nests before it make in row y only.
  std::optional<std::int64_t> band_of(const Stmt& stmt, BufferId image,
                                      const std::set<BufferId>& made) const {
    if (!is_rows_loop(stmt)) return std::nullopt;
    const For& loop = *stmt.as<For>();
    const RangeContext ranges = constant_ranges(program_, loop.body);
    std::set<BufferId> own = made;
    for (const BufferAccess& access : accesses({stmt}))
      if (access.write && program_.buffer(access.buffer).memory != Memory::reg)
        own.insert(program_.storage(access.buffer));
    std::optional<std::int64_t> band;
    for (const BufferAccess& access : accesses({stmt})) {
      if (access.buffer == image) {
        const auto rows = stride_in(access.index[kRow], loop.var);
        const auto within = range_of(substitute(access.index[kRow], {{loop.var, Expr(0)}}), ranges);
        if (access.write || !rows || !within || within->low < 0 || within->high >= *rows ||
            (band && *band != *rows))
          return std::nullopt;
        band = rows;
      } else if (own.contains(program_.storage(access.buffer)) &&
                 (access.index.size() <= kRow || program_.buffer(access.buffer).view_of ||
                  !same(access.index[kRow], Expr(loop.var)))) {
        return std::nullopt;
      }
    }
    return band;
  }

  /// The nests from `at` to `end` in one loop over bands; the image's rows count from the band's
  /// first.
  static Stmt in_bands(const Block& block, std::size_t at, std::size_t end, BufferId image,
                       std::int64_t rows) {
    const For &producer = *block[at].as<For>(), &reader = *block[at + 1].as<For>();
    const Var band = make_var(reader.var->name), variable = make_var("row");
    const Expr row = rows == 1 ? Expr(0) : Expr(variable);
    For result{band, 0, reader.end, LoopKind::serial, {}};
    result.body = with_rows(producer.body, image, [&](const Expr&) { return row; });
    result.body = substitute(result.body, {{producer.var, Expr(band) * rows + row}});
    if (rows > 1)
      result.body = {Stmt{For{variable, 0, rows, LoopKind::serial, std::move(result.body)}}};
    for (std::size_t i = at + 1; i < end; ++i) {
      const For& loop = *block[i].as<For>();
      Block take = with_rows(loop.body, image, [&](const Expr& e) {
        return substitute(e, {{loop.var, Expr(0)}});
      });
      take = substitute(take, {{loop.var, Expr(band)}});
      std::ranges::move(take, std::back_inserter(result.body));
    }
    return Stmt{std::move(result)};
  }

  /// `block` with another row in every index of `image`.
  static Block with_rows(const Block& block, BufferId image,
                         const std::function<Expr(const Expr&)>& row) {
    return map_indices(block, [&](BufferId buffer, std::vector<Expr> index) {
      if (buffer == image) index[kRow] = row(index[kRow]);
      return index;
    });
  }

  Program program_;
  std::map<BufferId, std::size_t> accesses_;  // to each buffer, by that name: fusing keeps them
};

}  // namespace

Program fuse_at_rows(const Program& program, const PassContext&) {
  return prune_buffers(RowFuser(program).run());
}

}  // namespace cnnc
