// collapse_loops:
//   for x in 1 .. 29 { for c in 0 .. 3 { padded[y, x, c] = image[y - 1, x - 1, c] } }
//     ->
//   for x in 3 .. 87 { padded.rows[y, x] = image.rows[y - 1, x - 3] }
#include "passes/edit/collapse_loops.h"

#include <algorithm>
#include <utility>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

class Merger {
 public:
  Merger(Program& program, const For& slow, const For& fast, Var merged)
      : program_(program),
        slow_(slow.var),
        fast_(fast.var),
        width_(*extent(fast)),
        merged_(std::move(merged)) {}

  std::optional<Block> run(const Block& body) {
    if (!std::ranges::all_of(accesses(body), [&](const auto& a) { return merges(a); }))
      return std::nullopt;
    Block result = map_accesses(body, [&](BufferId id, const std::vector<Expr>& index) {
      return varies(index) ? merged(id, index) : std::pair(id, index);
    });
    bool left = false;
    walk_exprs(result, [&](const Expr& e) { left |= varies(e); });
    return left ? std::nullopt : std::optional(std::move(result));
  }

 private:
  bool varies(const Expr& e) const { return depends_on(e, slow_) || depends_on(e, fast_); }
  bool varies(const std::vector<Expr>& index) const {
    return std::ranges::any_of(index, [&](const Expr& e) { return varies(e); });
  }

  /// The dimension that the slow axis goes along, before that of the fast one.
  std::optional<std::size_t> dimension(BufferId id, const std::vector<Expr>& index) const {
    const Dims& dims = program_.buffer(id).type.dims;
    for (std::size_t d = 0; d + 1 < index.size(); ++d)
      if (stride_in(index[d], slow_) == 1 && !depends_on(index[d], fast_) &&
          same(index[d + 1], Expr(fast_)) && dims[d + 1] == width_)
        return d;
    return std::nullopt;
  }

  bool merges(const BufferAccess& access) const {
    if (!varies(access.index)) return true;
    const auto at = dimension(access.buffer, access.index);
    if (!at || !can_be_viewed(program_.buffer(access.buffer).memory)) return false;
    for (std::size_t d = 0; d < access.index.size(); ++d)
      if (d != *at && d != *at + 1 && varies(access.index[d])) return false;
    return true;
  }

  /// Where both dimensions, and those of one element at the end, are one.
  std::pair<BufferId, std::vector<Expr>> merged(BufferId id, std::vector<Expr> index) {
    const Dims& dims = program_.buffer(id).type.dims;
    const std::size_t at = *dimension(id, index);
    std::size_t end = dims.size();
    for (std::size_t d = at + 2; d < dims.size(); ++d)
      if (dims[d] != 1 || index[d].constant() != 0) end = at + 2;
    index[at] = substitute(index[at], {{slow_, 0}}) * width_ + Expr(merged_);
    index.erase(index.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                index.begin() + static_cast<std::ptrdiff_t>(end));
    return {merged_view(program_, id, at, end), std::move(index)};
  }

  Program& program_;
  const Var slow_, fast_;
  const std::int64_t width_;
  const Var merged_;
};

}  // namespace

std::optional<MergedAxes> collapse_loops(Program& program, const For& slow, const For& fast,
                                         const std::string& name, const Block& body) {
  const Var var = make_var(name);
  const std::size_t buffers = program.buffers.size();
  auto merged = Merger(program, slow, fast, var).run(body);
  if (!merged) {
    program.buffers.resize(buffers);  // without the views
    return std::nullopt;
  }
  const std::int64_t width = *extent(fast);
  return MergedAxes{{var, slow.begin * width, slow.end * width, LoopKind::serial, {}},
                    std::move(*merged)};
}

}  // namespace cnnc
