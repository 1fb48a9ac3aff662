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
#include "passes/route_gradients.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "passes/integer_range.h"
#include "passes/nest.h"

namespace cnnc {

namespace {

/// d[n, oy, ky, ox, kx, c] = select(place == ky * width + kx, gradient, 0), one pixel a (ky, kx).
struct Routing {
  BufferId scattered;
  std::array<Var, 4> at;               // n, oy, ox, c
  std::array<std::int64_t, 2> window;  // extents of ky and kx
  Expr place, gradient;                // in terms of `at`
};

/// Whether `value` is the row-major place of (ky, kx) in its window.
bool is_place(const Expr& value, const For& ky, const For& kx) {
  const Expr plain = value.as<Cast>() ? value.as<Cast>()->x : value;
  return same(plain, Expr(ky.var) * *extent(kx) + Expr(kx.var));
}

/// The values that the one kernel which computes `buffer` as a least or greatest of integers gives
/// it; nothing where it may hold others.
std::optional<IntegerRange> stored_range(const Program& program, BufferId buffer) {
  std::optional<IntegerRange> result;
  for (const Kernel& kernel : program.kernels) {
    bool writes = false;
    for (const BufferAccess& access : accesses(kernel.body))
      writes |= access.write && program.storage(access.buffer) == program.storage(buffer);
    if (!writes) continue;
    if (result || kernel.body.size() != 1) return std::nullopt;
    const Nest nest = nest_of(kernel.body.front());
    if (nest.body.size() != 4) return std::nullopt;
    const Nest inner = nest_of(nest.body[2]);
    const auto* initial = nest.body[1].as<Store>();
    const auto* store = nest.body[3].as<Store>();
    const auto* least = inner.body.size() == 1 ? inner.body.front().as<Accumulate>() : nullptr;
    if (!initial || !store || !least || least->op != Reduction::min ||
        initial->buffer != least->buffer || !store->value.as<Load>() ||
        store->value.as<Load>()->buffer != least->buffer)
      return std::nullopt;
    RangeContext context{&program, 1, {}};
    for (const For& loop : inner.loops) {
      if (!loop.begin.constant() || extent(loop).value_or(0) < 1) return std::nullopt;
      context.variables[loop.var] = {*loop.begin.constant(),
                                     *loop.begin.constant() + *extent(loop) - 1};
    }
    const auto first = range_of(initial->value, context), each = range_of(least->value, context);
    if (!first || !each) return std::nullopt;
    result = IntegerRange{std::min(first->low, each->low), each->high};
  }
  return result;
}

std::optional<Routing> routing_of(const Program& program, const Kernel& kernel) {
  const For* groups = group_loop(kernel);
  if (!groups || groups->body.size() != 1 || !groups->body.front().as<For>() ||
      !is_sample_loop(*groups->body.front().as<For>(), groups->var))
    return std::nullopt;
  const Nest nest = nest_of(groups->body.front());
  const auto* store = nest.body.size() == 1 ? nest.body.front().as<Store>() : nullptr;
  if (!store || nest.loops.size() != 6 || store->index.size() != 6 ||
      program.buffer(store->buffer).memory != Memory::arena ||
      program.buffer(store->buffer).view_of)
    return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto* var = store->index[i].as<Var>();
    if (!var || *var != nest.loops[i].var) return std::nullopt;
    if (i > 0 && (nest.loops[i].begin.constant() != 0 || !extent(nest.loops[i])))
      return std::nullopt;
  }
  const For &ky = nest.loops[2], &kx = nest.loops[4];
  const auto* choice = store->value.as<Select>();
  const auto* zero = choice ? choice->b.as<Const>() : nullptr;
  const auto* hit = choice ? choice->condition.as<Binary>() : nullptr;
  if (!zero || !is_float(store->value.type()) || zero->real != 0 || !hit ||
      hit->op != BinaryOp::equal || !hit->a.as<Load>() || !is_place(hit->b, ky, kx))
    return std::nullopt;
  for (const For* loop : {&ky, &kx})
    if (depends_on(hit->a, loop->var) || depends_on(choice->a, loop->var)) return std::nullopt;
  const std::array<std::int64_t, 2> window{*extent(ky), *extent(kx)};
  const auto places = stored_range(program, hit->a.as<Load>()->buffer);
  if (!places || places->low < 0 || places->high >= window[0] * window[1]) return std::nullopt;
  return Routing{store->buffer,
                 {nest.loops[0].var, nest.loops[1].var, nest.loops[3].var, nest.loops[5].var},
                 window,
                 hit->a,
                 choice->a};
}

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
    std::vector<Routing> routings;
    for (const Kernel& kernel : program_.kernels)
      if (auto routing = routing_of(program_, kernel)) routings.push_back(std::move(*routing));
    for (const Routing& routing : routings) {
      for (Kernel& kernel : program_.kernels) route(kernel, routing);
      for (const auto& [buffer, order] : std::exchange(orders_, {})) permute(buffer, order);
      drop_if_unread(routing.scattered);
    }
    return std::move(program_);
  }

 private:
  /// Along an axis shorter than this a vector of x would be mostly empty, and the pixels' sum over
  /// full vectors of channels is faster.
  static constexpr std::int64_t kShortestVector = 16;

  void route(Kernel& kernel, const Routing& routing) {
    const For* groups = group_loop(kernel);
    if (!groups) return;
    auto* body = &kernel.body.front().as<For>()->body;
    for (Stmt& stmt : *body) {
      auto* samples = stmt.as<For>();
      if (!samples || !is_sample_loop(*samples, groups->var) || samples->body.size() != 1) continue;
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
  bool is_pixel(const Expr& expr, const PixelSum& sum, const Routing& routing) const {
    const auto* l = expr.as<Load>();
    if (!l || program_.storage(l->buffer) != routing.scattered || l->index.size() != 4)
      return false;
    const Dims& view = program_.buffer(l->buffer).type.dims;
    const Dims& own = program_.buffer(routing.scattered).type.dims;
    return view == Dims{own[0], own[1] * own[2], own[3] * own[4], own[5]} &&
           *extent(sum.y) == view[1] && *extent(sum.x) == view[2] &&
           same(l->index[0], Expr(sum.samples->var)) && same(l->index[1], Expr(sum.y.var)) &&
           same(l->index[2], Expr(sum.x.var)) && l->index[3].as<Var>() != nullptr;
  }

  void rewrite(PixelSum sum, const Routing& routing) {
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
    if (other && !lay_out(sum, *channel.as<Var>(), other)) return;

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
  bool lay_out(PixelSum& sum, const Var& channel, const Expr& other) {
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
    const Buffer& buffer = program_.buffer(sum.store.buffer);
    if (!contiguous || buffer.memory != Memory::arena || buffer.view_of ||
        order.size() != buffer.type.dims.size() || has_views(sum.store.buffer) ||
        orders_.contains(sum.store.buffer))
      return false;
    sum.axes = axes;
    orders_[sum.store.buffer] = order;
    return true;
  }

  bool has_views(BufferId id) const {
    return std::ranges::any_of(program_.buffers,
                               [&](const Buffer& buffer) { return buffer.view_of == id; });
  }

  template <class T>
  static std::vector<T> permuted(const std::vector<T>& values,
                                 const std::vector<std::size_t>& order) {
    std::vector<T> result;
    for (const std::size_t i : order) result.push_back(values[i]);
    return result;
  }

  static Expr permuted_loads(const Expr& expr, BufferId id, const std::vector<std::size_t>& order) {
    return transform(expr, [&](const Expr& e) -> Expr {
      const auto* l = e.as<Load>();
      return l && l->buffer == id ? load(id, e.type(), permuted(l->index, order)) : Expr();
    });
  }

  /// Lays buffer `id` out with its dimensions in `order`, everywhere.
  void permute(BufferId id, const std::vector<std::size_t>& order) {
    Buffer& buffer = program_.buffers[static_cast<std::size_t>(id)];
    buffer.type.dims = permuted(buffer.type.dims, order);
    const std::function<void(Block&)> stores = [&](Block& block) {
      for (Stmt& stmt : block) {
        if (auto* store = stmt.as<Store>(); store && store->buffer == id)
          store->index = permuted(store->index, order);
        if (auto* accumulate = stmt.as<Accumulate>(); accumulate && accumulate->buffer == id)
          accumulate->index = permuted(accumulate->index, order);
        if (auto* branch = stmt.as<If>()) {
          stores(branch->then_body);
          stores(branch->else_body);
        }
        auto* loop = stmt.as<For>();
        if (!loop) continue;
        stores(loop->body);
        stmt = in_memory_order(stmt, id);
      }
    };
    for (Kernel& kernel : program_.kernels) {
      kernel.body =
          map_exprs(kernel.body, [&](const Expr& e) { return permuted_loads(e, id, order); });
      stores(kernel.body);
    }
  }

  /// Loops around nothing but a store of a constant to `id`, in the order of its index.
  static Stmt in_memory_order(const Stmt& stmt, BufferId id) {
    const Nest nest = nest_of(stmt);
    const auto* store = nest.body.size() == 1 ? nest.body.front().as<Store>() : nullptr;
    if (!store || store->buffer != id || !store->value.as<Const>()) return stmt;
    std::vector<For> loops;
    for (const Expr& index : store->index)
      for (const For& loop : nest.loops)
        if (const auto* var = index.as<Var>(); var && *var == loop.var && extent(loop))
          loops.push_back(loop);
    return loops.size() == nest.loops.size() ? wrap(loops, nest.body).front() : stmt;
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

Program route_gradients(const Program& program) { return Router(program).run(); }

}  // namespace cnnc
