// route_gradients:
//   for n, oy, ky, ox, kx, c {
//     d[n,oy,ky,ox,kx,c] = select(place[n,oy,ox,c] == u8(ky*2 + kx), g[n,oy,ox,c], 0) }
//   for n { for i, c { alloc sum; sum[] = 0
//     for y in 0 .. 14, x in 0 .. 14 { sum[] += in[n,y,x,i] * d.view[n,y,x,c] }
//     total[i,c] = total[i,c] + sum[] } }
//     ->
//   for n { for c, i { alloc sum; sum[] = 0
//     for oy in 0 .. 7, ox in 0 .. 7 {
//       sum[] += in[n, oy*2 + place[n,oy,ox,c] / 2, ox*2 + place[n,oy,ox,c] % 2, i] * g[n,oy,ox,c]
//       }
//     total[c,i] = total[c,i] + sum[] } }
#include "passes/fuse/route_gradients.h"

#include <algorithm>
#include <map>
#include <utility>

#include "passes/analysis/nest.h"
#include "passes/edit/permute_buffer.h"
#include "passes/edit/prune_buffers.h"
#include "passes/fuse/pooled_gradient.h"
#include "passes/fuse/route_input_gradients.h"

namespace cnnc {

namespace {

/// for samples { for axes { alloc sum; sum[] = 0; for y, x { sum[] += value }; store } }
struct PixelSum {
  For* samples;
  std::vector<For> axes;
  Block body;  // alloc, initial, loop, store
  For y, x;
  Accumulate term;
  Store store;
};

class Router {
 public:
  explicit Router(const Program& program) : program_(program) {}

  Program run() {
    for (const PooledGradient& routing : pooled_gradients(program_)) {
      route_input_gradients(program_, routing);
      for (Kernel& kernel : program_.kernels) route(kernel, routing);
      for (const auto& [buffer, order] : std::exchange(orders_, {}))
        permute_buffer(program_, buffer, order);
      drop_if_unread(routing.scattered);
    }
    return std::move(program_);
  }

 private:
  /// Along an axis shorter than this a vector of x would be mostly empty, and the pixels' sum over
  /// full vectors of channels is faster.
  static constexpr std::int64_t kShortestVector = 16;

  void route(Kernel& kernel, const PooledGradient& routing) {
    const For* groups = group_loop(kernel);
    if (!groups) return;
    auto* body = &kernel.body.front().as<For>()->body;
    for (Stmt& stmt : *body) {
      auto* samples = stmt.as<For>();
      if (!samples || samples->axis != BatchAxis::samples || samples->body.size() != 1) continue;
      auto sum = match(*samples);
      if (sum) rewrite(std::move(*sum), routing);
    }
  }

  std::optional<PixelSum> match(For& samples) const {
    const Nest nest = nest_of(samples.body.front());
    const Block& inner = nest.body;
    if (inner.size() != 4) return std::nullopt;
    const Nest pixels = nest_of(inner[2]);
    const auto* store = inner[3].as<Store>();
    const auto* term = pixels.body.size() == 1 ? pixels.body.front().as<Accumulate>() : nullptr;
    if (!inner[0].as<Alloc>() || !store || !term || term->op != Reduction::add ||
        pixels.loops.size() != 2 || term->buffer != inner[0].as<Alloc>()->buffer)
      return std::nullopt;
    for (const For& loop : pixels.loops)
      if (loop.begin.constant() != 0 || !extent(loop)) return std::nullopt;
    return PixelSum{&samples, nest.loops, inner, pixels.loops[0], pixels.loops[1], *term, *store};
  }

  bool reads(const Expr& expr, BufferId storage) const {
    bool found = false;
    walk(expr, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      found |= l && program_.storage(l->buffer) == storage;
    });
    return found;
  }

  /// Whether `expr` is the scattered gradient's pixel (y, x), through a view [n, h, w, c].
  bool is_pixel(const Expr& expr, const PixelSum& sum, const PooledGradient& routing) const {
    const auto* l = expr.as<Load>();
    if (!l || !is_image_of(program_, routing, l->buffer)) return false;
    const Dims& image = program_.buffer(l->buffer).type.dims;
    return *extent(sum.y) == image[1] && *extent(sum.x) == image[2] &&
           same(l->index[0], Expr(sum.samples->var)) && same(l->index[1], Expr(sum.y.var)) &&
           same(l->index[2], Expr(sum.x.var)) && l->index[3].as<Var>() != nullptr;
  }

  void rewrite(PixelSum sum, const PooledGradient& routing) {
    const auto* product = sum.term.value.as<Binary>();
    Expr pixel = sum.term.value, other;
    if (product && product->op == BinaryOp::mul) {
      const bool first = reads(product->a, routing.scattered);
      pixel = first ? product->a : product->b;
      other = first ? product->b : product->a;
      if (reads(other, routing.scattered)) return;
    }
    if (!is_pixel(pixel, sum, routing)) return;
    const Expr channel = pixel.as<Load>()->index[3];
    if (other && !order_axes(sum, *channel.as<Var>(), other)) return;

    const Dims& own = program_.buffer(routing.scattered).type.dims;
    For oy{make_var("oy"), 0, own[1], LoopKind::serial, {}};
    For ox{make_var("ox"), 0, own[3], LoopKind::serial, {}};
    const Substitution window{{routing.at[0], Expr(sum.samples->var)},
                              {routing.at[1], Expr(oy.var)},
                              {routing.at[2], Expr(ox.var)},
                              {routing.at[3], channel}};
    const Expr place = cast(ScalarType::i64, substitute(routing.place, window));
    const Expr width(routing.window[1]);
    const Substitution pixels{{sum.y.var, Expr(oy.var) * routing.window[0] + place / width},
                              {sum.x.var, Expr(ox.var) * routing.window[1] + place % width}};
    const Expr gradient = substitute(routing.gradient, window);
    sum.term.value = other ? substitute(other, pixels) * gradient : gradient;
    sum.body[2] = wrap(std::vector{oy, ox}, {Stmt{sum.term}}).front();
    sum.samples->body = wrap(sum.axes, std::move(sum.body));
  }

  /// Puts the axes in the order (channel, others), the last of which x is contiguous along, and
  /// notes that the dimensions of the buffer that the sum goes to follow them. False where that
  /// cannot be.
  bool order_axes(PixelSum& sum, const Var& channel, const Expr& other) {
    const auto own = std::ranges::find(sum.axes, channel, &For::var);
    if (own == sum.axes.end()) return false;
    std::vector<For> axes = sum.axes;
    std::rotate(axes.begin(), axes.begin() + (own - sum.axes.begin()),
                axes.begin() + (own - sum.axes.begin()) + 1);
    const For& vector = axes.back();
    if (axes.size() < 2 || extent(vector).value_or(0) < kShortestVector) return false;
    bool contiguous = true;
    walk(other, [&](const Expr& e) {
      if (const auto* l = e.as<Load>())
        contiguous &= memory_stride(program_, l->buffer, l->index, vector.var) == 1;
    });
    std::vector<std::size_t> order;  // of the buffer's dimensions
    const auto place_of = [&](const Var& var) -> std::optional<std::size_t> {
      for (std::size_t i = 0; i < sum.store.index.size(); ++i)
        if (const auto* at = sum.store.index[i].as<Var>(); at && *at == var) return i;
      return std::nullopt;
    };
    for (std::size_t i = 0; i < sum.store.index.size(); ++i)
      if (std::ranges::none_of(axes, [&](const For& axis) { return place_of(axis.var) == i; }))
        order.push_back(i);
    for (const For& axis : axes) {
      const auto at = place_of(axis.var);
      if (!at) return false;
      order.push_back(*at);
    }
    if (!contiguous || !may_be_permuted(program_, sum.store.buffer) ||
        order.size() != program_.buffer(sum.store.buffer).type.dims.size() ||
        orders_.contains(sum.store.buffer))
      return false;
    sum.axes = axes;
    orders_[sum.store.buffer] = order;
    return true;
  }

  void drop_if_unread(BufferId scattered) {
    const auto touches = [&](const Kernel& kernel, bool write) {
      return std::ranges::any_of(accesses(kernel.body), [&](const BufferAccess& access) {
        return program_.storage(access.buffer) == scattered && access.write == write;
      });
    };
    if (std::ranges::none_of(program_.kernels, [&](const auto& k) { return touches(k, false); }))
      std::erase_if(program_.kernels, [&](const auto& k) { return touches(k, true); });
  }

  Program program_;
  std::map<BufferId, std::vector<std::size_t>>
      orders_;  // of dimensions, for buffers to lay out anew
};

}  // namespace

Program route_gradients(const Program& program, const PassContext&) {
  return prune_buffers(Router(program).run());
}

}  // namespace cnnc
