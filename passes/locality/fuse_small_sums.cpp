// fuse_small_sums:
//   for y, x, c { even[y,x,c] = a[y,x,c] * w[c] }
//   for y, x, c { odd[y,x,c] = a[y,x,c] * v[c] }
//   for y, x, phase, c { image[y,x,phase,c] = select(phase < 1, even[y,x,c], odd[y,x,c]) }
//     ->
//   for y { for x, c { image[y,x,0,c] = a[y,x,c] * w[c] }
//           for x, c { image[y,x,1,c] = a[y,x,c] * v[c] } }
#include "passes/locality/fuse_small_sums.h"

#include <map>
#include <set>

#include "passes/analysis/nest.h"
#include "passes/cost/choose_tiling.h"
#include "passes/locality/forward_stores.h"
#include "passes/locality/fuse_row_loops.h"

namespace cnnc {

namespace {

/// What moves between the first two caches, there or back.
constexpr double kBytesACycle = 16;

/// The sums that fill an image.
struct Sums {
  double cycles = 0, bytes = 0;
  bool wide = true;  // whole vectors lie side by side in it
};

class SumsOfImages {
 public:
  SumsOfImages(const Program& program, const PassContext& context)
      : program_(program), context_(context) {
    for (const Kernel& kernel : program.kernels) look(kernel.body, 1);
  }

  /// Names of the images that take longer to be moved than to be made: forwarding numbers buffers
  /// anew.
  std::set<std::string> moved_longest() const {
    std::set<std::string> result;
    for (const auto& [image, sums] : images_)
      // What is stored is loaded before and written back.
      if (sums.wide && exceeds_first_cache(program_, image, context_.target) &&
          sums.cycles < 2 * sums.bytes / kBytesACycle)
        result.insert(program_.buffer(image).name);
    return result;
  }

 private:
  void look(const Block& block, double times) {
    for (const Stmt& stmt : block) {
      if (const auto nest = reduction_nest(program_, stmt))
        count(*nest, times);
      else if (const auto* loop = stmt.as<For>())
        look(loop->body, times * (is_plain(*loop) ? static_cast<double>(*extent(*loop)) : 1));
    }
  }

  void count(const ReductionNest& nest, double times) {
    const Store& store = nest.store;
    const Tiling tiling = choose_tiling(program_, nest, context_);
    Sums& sums = images_[program_.storage(store.buffer)];
    double results = times;  // of one sample, as the tiling's cycles are
    for (const For& axis : nest.axes) results *= static_cast<double>(extent(axis).value_or(1));
    sums.cycles += times * tiling.cycles;
    sums.bytes += results * static_cast<double>(size_of(store.value.type()));
    sums.wide &= tiling.vector >= 0 && lies_side_by_side(nest, tiling) &&
                 program_.buffer(store.buffer).type.dims.back() >= tiling.lanes;
  }

  bool lies_side_by_side(const ReductionNest& nest, const Tiling& tiling) const {
    const Var& lane = nest.axes[static_cast<std::size_t>(tiling.vector)].var;
    return memory_stride(program_, nest.store.buffer, nest.store.index, lane) == 1;
  }

  const Program& program_;
  const PassContext& context_;
  std::map<BufferId, Sums> images_;  // by storage
};

}  // namespace

Program fuse_small_sums(const Program& program, const PassContext& context) {
  const auto moved_longest =
      SumsOfImages(forward_stores(program, context), context).moved_longest();
  if (moved_longest.empty()) return program;
  const auto chosen = [&](const Buffer& image) { return moved_longest.contains(image.name); };
  const Program forwarded = forward_stores_into(program, chosen);
  return fuse_row_loops_where(
      forwarded, context.target,
      [&](const Stmt&, const Stmt&, BufferId image) { return chosen(forwarded.buffer(image)); });
}

}  // namespace cnnc
