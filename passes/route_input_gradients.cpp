// route_input_gradients:
//   for n { for y, x, c { border[n,y,x,c] = select(inside, d.view[n, y - 1, x - 1, c], 0) } }
//   for n { for y, x, i { alloc sum; sum[] = 0
//     for fy, fx, c { sum[] += border[n, y + fy, x + fx, c] * w[fy,fx,c,i] }
//     dx[n,y,x,i] = sum[] } }
//     ->
//   for n { for y, x, i { reached[n,y,x,i] = 0 }
//     for c.block, oy, ox, c { let p = place[n,oy,ox,c]; let g = gradient[n,oy,ox,c]
//       for fy, fx, i {
//         reached[n, oy*2 + p/2 + 2 - fy, ox*2 + p%2 + 2 - fx, i] += g * w[c,fy,fx,i] } } }
//   for n { for y, x, i { dx[n,y,x,i] = reached[n, y + 1, x + 1, i] } }
#include "passes/route_input_gradients.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "passes/long_sums.h"
#include "passes/nest.h"
#include "passes/permute_buffer.h"

namespace cnnc {

namespace {

/// Adding to memory is about half as fast as adding to registers: fewer pixels would not save
/// enough products.
constexpr std::int64_t kFewestPixels = 4;
/// Products of one arg-max: with fewer, finding the place costs more than is saved.
constexpr std::int64_t kFewestProducts = 128;
/// Along an axis shorter than this vectors would be mostly empty.
constexpr std::int64_t kShortestVector = 16;
/// Weights of a block of channels, which all windows read in turn: half of what the smallest
/// first-level caches hold. Part of the meaning of a program (it fixes the order of sums), so that
/// it does not depend on the target.
constexpr std::int64_t kBlockBytes = 16 << 10;

using Loops = std::map<Var, For>;

Loops loops_of(const Block& block) {
  Loops loops;
  walk(block, [&](const Stmt& stmt) {
    if (const auto* loop = stmt.as<For>())
      loops[loop->var] = {loop->var, loop->begin, loop->end, loop->kind, {}};
  });
  return loops;
}

/// Whether `index` runs over 0 .. size once: a loop's variable, or block * length + term.
bool covers(const Expr& index, std::int64_t size, const Loops& loops) {
  const auto length = [&](const Expr& e) -> std::int64_t {
    const auto* var = e.as<Var>();
    const auto found = var ? loops.find(*var) : loops.end();
    if (found == loops.end() || found->second.begin.constant() != 0) return 0;
    return extent(found->second).value_or(0);
  };
  if (index.constant()) return *index.constant() == 0 && size == 1;
  if (length(index) == size) return true;
  const auto* sum = index.as<Binary>();
  const auto* scaled = sum && sum->op == BinaryOp::add ? sum->a.as<Binary>() : nullptr;
  if (!scaled || scaled->op != BinaryOp::mul) return false;
  const std::int64_t terms = length(sum->b);
  return terms > 0 && scaled->b.constant() == terms && length(scaled->a) * terms == size;
}

/// A buffer [n, h, w, c] that is the pooled gradient's image inside a border of zeros.
struct Border {
  BufferId buffer = 0;
  std::array<std::int64_t, 2> before{0, 0};  // rows and columns of zeros
};

/// Where position `at` of the border's axis `var` lies in the image, by `inside` and `index`; -1
/// for zeros. Nothing where that is not decided by `var`.
std::optional<std::int64_t> position(const std::vector<Expr>& inside, const Expr& index,
                                     const Var& var, std::int64_t at) {
  const Substitution value{{var, Expr(at)}};
  for (const Expr& condition : inside) {
    if (!depends_on(condition, var)) continue;
    const auto holds = substitute(condition, value).constant();
    if (!holds) return std::nullopt;
    if (*holds == 0) return -1;
  }
  return substitute(index, value).constant();
}

/// The zeros before the image along one axis, where nothing but zeros and the image is there.
std::optional<std::int64_t> zeros_before(const std::vector<Expr>& inside, const Expr& index,
                                         const Var& var, std::int64_t size, std::int64_t image) {
  std::optional<std::int64_t> before;
  for (std::int64_t at = 0; at < size; ++at) {
    const auto pixel = position(inside, index, var, at);
    if (!pixel) return std::nullopt;
    if (!before && *pixel == 0) before = at;
    const bool within = before && at - *before < image;
    if (*pixel != (within ? at - *before : -1)) return std::nullopt;
  }
  return before && *before + image <= size ? before : std::nullopt;
}

void conjuncts(const Expr& expr, std::vector<Expr>& all) {
  const auto* both = expr.as<Binary>();
  if (!both || both->op != BinaryOp::bit_and) return all.push_back(expr);
  conjuncts(both->a, all);
  conjuncts(both->b, all);
}

/// The border that `kernel` puts around the image, if that is what it does.
std::optional<Border> border_of(const Program& program, const Kernel& kernel,
                                const PooledGradient& pooled) {
  const For* groups = group_loop(kernel);
  if (!groups || groups->body.size() != 1 || !groups->body.front().as<For>() ||
      !is_sample_loop(*groups->body.front().as<For>(), groups->var))
    return std::nullopt;
  const Nest nest = nest_of(groups->body.front());
  const auto* store = nest.body.size() == 1 ? nest.body.front().as<Store>() : nullptr;
  const auto* choice = store ? store->value.as<Select>() : nullptr;
  const auto* zero = choice ? choice->b.as<Const>() : nullptr;
  const auto* pixel = choice ? choice->a.as<Load>() : nullptr;
  if (!zero || zero->real != 0 || !is_float(store->value.type()) || !pixel ||
      !is_image_of(program, pooled, pixel->buffer) || nest.loops.size() != 4 ||
      store->index.size() != 4 || !may_be_permuted(program, store->buffer))
    return std::nullopt;
  const Dims& dims = program.buffer(store->buffer).type.dims;
  const Dims image = pooled.image(program);
  const Loops loops = loops_of(groups->body);
  for (std::size_t i = 0; i < 4; ++i)
    if (!same(store->index[i], Expr(nest.loops[i].var)) ||
        (i > 0 && !covers(store->index[i], dims[i], loops)))
      return std::nullopt;
  if (!same(pixel->index[0], store->index[0]) || !same(pixel->index[3], store->index[3]) ||
      dims[3] != image[3])
    return std::nullopt;
  std::vector<Expr> inside;
  conjuncts(choice->condition, inside);
  Border border{store->buffer};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto before = zeros_before(inside, pixel->index[axis + 1], nest.loops[axis + 1].var,
                                     dims[axis + 1], image[axis + 1]);
    if (!before) return std::nullopt;
    border.before[axis] = *before;
  }
  for (const Expr& condition : inside)  // each was decided by y or by x
    if (depends_on(condition, nest.loops[1].var) == depends_on(condition, nest.loops[2].var))
      return std::nullopt;
  return border;
}

/// dx[n,y,x,i] = sum over fy, fx, c of border[n, y + fy*dilation, x + fx*dilation, c] *
/// weight[fy,fx,c,i], all at once or block by block.
struct InputGradient {
  For samples;
  BufferId result = 0, weight = 0;
  std::array<std::int64_t, 2> dilation{1, 1};
};

class Matcher {
 public:
  Matcher(const Program& program, const Kernel& kernel, const Border& border)
      : program_(program), kernel_(kernel), border_(border), loops_(loops_of(kernel.body)) {}

  std::optional<InputGradient> run() {
    const For* groups = group_loop(kernel_);
    if (!groups || !collect() || !term_ || term_->op != Reduction::add || !result_ ||
        result_->buffer == border_.buffer || result_->index.size() != 4)
      return std::nullopt;
    const auto* n = result_->index[0].as<Var>();
    if (!n || !loops_.contains(*n) || !is_sample_loop(loops_.at(*n), groups->var) ||
        !is_whole_result(*result_) || !starts_at_zero(*groups))
      return std::nullopt;
    return product(loops_.at(*n));
  }

 private:
  /// Takes the statements apart; false where there is one that does not belong.
  bool collect() {
    bool good = true;
    walk(kernel_.body, [&](const Stmt& stmt) {
      if (const auto* term = stmt.as<Accumulate>()) {
        good &= !term_;
        term_ = term;
      } else if (const auto* alloc = stmt.as<Alloc>()) {
        good &= !sum_;
        sum_ = alloc->buffer;
      } else if (const auto* store = stmt.as<Store>()) {
        if (sum_ && store->buffer == *sum_) {
          good &= is_zero(store->value);
        } else if (is_zero(store->value)) {
          good &= !zero_;
          zero_ = store;
        } else {
          good &= !result_;
          result_ = store;
        }
      } else {
        good &= stmt.as<For>() != nullptr;
      }
    });
    return good && sum_ && term_ && term_->buffer == *sum_;
  }

  static bool is_zero(const Expr& value) {
    const auto* zero = value.as<Const>();
    return zero && is_float(value.type()) && zero->real == 0;
  }

  bool is_sum(const Expr& value) const {
    const auto* l = value.as<Load>();
    return l && l->buffer == *sum_;
  }

  bool is_whole_result(const Store& store) const {
    const Dims& dims = program_.buffer(store.buffer).type.dims;
    for (std::size_t i = 1; i < 4; ++i)
      if (!store.index[i].as<Var>() || !covers(store.index[i], dims[i], loops_)) return false;
    return true;
  }

  /// Whether a result is its sum, or zero, which comes first, plus all of its blocks' sums.
  bool starts_at_zero(const For& groups) const {
    if (is_sum(result_->value)) return !zero_;
    const auto* sum = result_->value.as<Binary>();
    const auto* before = sum && sum->op == BinaryOp::add ? sum->a.as<Load>() : nullptr;
    if (!before || !is_sum(sum->b) || before->buffer != result_->buffer || !zero_ ||
        zero_->buffer != result_->buffer || !is_whole_result(*zero_) ||
        !std::ranges::equal(before->index, result_->index,
                            [](const Expr& a, const Expr& b) { return same(a, b); }))
      return false;
    const auto* n = zero_->index[0].as<Var>();
    const Nest first = nest_of(groups.body.front());
    const auto* zero = first.body.size() == 1 ? first.body.front().as<Store>() : nullptr;
    return n && is_sample_loop(loops_.at(*n), groups.var) && zero && is_zero(zero->value);
  }

  /// Whether each loop runs over an axis of its own of the results or of the weights: no product is
  /// summed twice.
  bool has_no_other_loop(const std::vector<Expr>& weight) const {
    std::set<Var> all;
    const auto variables = [&](const std::vector<Expr>& index, std::size_t count) {
      std::size_t found = 0;
      for (std::size_t i = 0; i < count; ++i)
        walk(index[i], [&](const Expr& e) {
          if (const auto* var = e.as<Var>()) found += all.insert(*var).second ? 1 : 2;
        });
      return found;
    };
    const std::size_t used = variables(result_->index, 4) + variables(weight, 3);
    const bool own = used == all.size();
    if (zero_) variables(zero_->index, 4);
    return own && all.size() + 1 == loops_.size();
  }

  std::optional<InputGradient> product(const For& samples) const {
    const auto* product = term_->value.as<Binary>();
    const auto* a = product && product->op == BinaryOp::mul ? product->a.as<Load>() : nullptr;
    const auto* b = product ? product->b.as<Load>() : nullptr;
    if (!a || !b) return std::nullopt;
    if (a->buffer != border_.buffer) std::swap(a, b);
    if (a->buffer != border_.buffer || b->buffer == border_.buffer || b->index.size() != 4 ||
        !may_be_permuted(program_, b->buffer))
      return std::nullopt;
    const Dims& from = program_.buffer(border_.buffer).type.dims;
    const Dims& to = program_.buffer(result_->buffer).type.dims;
    const Dims& weight = program_.buffer(b->buffer).type.dims;
    InputGradient found{samples, result_->buffer, b->buffer};
    if (!same(a->index[0], result_->index[0]) || !same(a->index[3], b->index[2]) ||
        !same(b->index[3], result_->index[3]) || weight[2] != from[3] || weight[3] != to[3] ||
        !covers(b->index[2], weight[2], loops_) || !has_no_other_loop(b->index))
      return std::nullopt;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const Expr& tap = b->index[axis];
      const std::int64_t taps = weight[axis], beyond = from[axis + 1] - to[axis + 1];
      if (taps > 1) found.dilation[axis] = beyond / (taps - 1);
      if (beyond != (taps - 1) * found.dilation[axis] || !covers(tap, taps, loops_) ||
          !same(a->index[axis + 1], result_->index[axis + 1] + tap * found.dilation[axis]))
        return std::nullopt;
    }
    return found;
  }

  const Program& program_;
  const Kernel& kernel_;
  const Border& border_;
  const Loops loops_;
  std::optional<BufferId> sum_;
  const Accumulate* term_ = nullptr;
  const Store *zero_ = nullptr, *result_ = nullptr;
};

/// Windows of the pool that products with one pixel of dx may come from, along one axis.
std::int64_t windows_along(std::int64_t taps, std::int64_t dilation, std::int64_t window) {
  return ((taps - 1) * dilation + window - 1) / window + 1;
}

bool pays(const Program& program, const InputGradient& found, const PooledGradient& pooled) {
  const Dims& weight = program.buffer(found.weight).type.dims;
  std::int64_t terms = weight[2];
  for (std::size_t axis = 0; axis < 2; ++axis)
    terms *= windows_along(weight[axis], found.dilation[axis], pooled.window[axis]);
  return pooled.window[0] * pooled.window[1] >= kFewestPixels && weight[3] >= kShortestVector &&
         weight[0] * weight[1] * weight[3] >= kFewestProducts && terms <= kLongestSum;
}

/// Channels of a block: a divisor of all of them.
std::int64_t block_of(const Dims& weight, ScalarType type) {
  const std::int64_t each =
      weight[0] * weight[1] * weight[3] * static_cast<std::int64_t>(size_of(type));
  std::int64_t block = 1;
  for (std::int64_t length = 1; length <= weight[2] && length * each <= kBlockBytes; ++length)
    if (weight[2] % length == 0) block = length;
  return block;
}

class Rewriter {
 public:
  Rewriter(Program& program, const InputGradient& found, const Border& border,
           const PooledGradient& pooled)
      : program_(program), found_(found), border_(border), pooled_(pooled) {}

  /// Replaces kernel `at`.
  void run(std::size_t at) {
    const For& groups = *group_loop(program_.kernels[at]);
    const Dims weight = program_.buffer(found_.weight).type.dims;
    const TensorType result = program_.buffer(found_.result).type;
    TensorType margin{result.scalar, result.dims};
    const Dims image = pooled_.image(program_);
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const std::int64_t beyond = (weight[axis] - 1) * found_.dilation[axis];
      shift_[axis] = beyond - border_.before[axis];
      margin.dims[axis + 1] =
          std::max(image[axis + 1] + beyond, result.dims[axis + 1] + shift_[axis]);
    }
    reached_ = static_cast<BufferId>(program_.buffers.size());
    const std::string name = program_.buffer(found_.result).name;
    Buffer reached;
    reached.name = name + ".reached";
    reached.type = margin;
    program_.buffers.push_back(std::move(reached));
    Block body{nest(margin.dims, [&](const std::vector<Expr>& index) {
      return Stmt{Store{reached_, index, constant(result.scalar, 0)}};
    })};
    body.push_back(products(weight, result.scalar));
    Kernel take = program_.kernels[at];
    const auto inside = [&](const std::vector<Expr>& index) {
      std::vector<Expr> from = index;
      for (std::size_t axis = 0; axis < 2; ++axis) from[axis + 1] = index[axis + 1] + shift_[axis];
      return Stmt{Store{found_.result, index, load(reached_, result.scalar, from)}};
    };
    take.body = grouped(groups, {nest(result.dims, inside)});
    Kernel& add = program_.kernels[at];
    add.name += ".reached";
    add.body = grouped(groups, std::move(body));
    program_.kernels.insert(program_.kernels.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                            std::move(take));
    permute_buffer(program_, found_.weight, {2, 0, 1, 3});
  }

 private:
  /// for g { for n in the group { body } }, with loops of its own.
  Block grouped(const For& groups, Block body) const {
    For samples = found_.samples;
    samples.body = std::move(body);
    For outer{make_var(groups.var->name), groups.begin, groups.end, groups.kind, {}};
    const Var n = make_var(samples.var->name);
    outer.body = substitute({Stmt{For{n, samples.begin, samples.end, samples.kind,
                                      substitute(samples.body, {{samples.var, Expr(n)}})}}},
                            {{groups.var, Expr(outer.var)}});
    return {Stmt{std::move(outer)}};
  }

  /// Loops over the pixels and channels of a sample.
  Stmt nest(const Dims& dims, const std::function<Stmt(const std::vector<Expr>&)>& make) const {
    std::vector<For> loops;
    std::vector<Expr> index{found_.samples.var};
    for (std::size_t i = 1; i < 4; ++i) {
      constexpr std::array kNames{"n", "y", "x", "ci"};
      loops.push_back({make_var(kNames.at(i)), 0, dims[i], LoopKind::serial, {}});
      index.emplace_back(loops.back().var);
    }
    return std::move(wrap(loops, {make(index)}).front());
  }

  /// Adds each arg-max's products to the pixels that they reach. The weights' dimensions are still
  /// in their old order.
  Stmt products(const Dims& weight, ScalarType type) const {
    const Dims& own = program_.buffer(pooled_.scattered).type.dims;
    const std::int64_t block = block_of(weight, type);
    const auto loop = [](std::string name, std::int64_t size) {
      return For{make_var(std::move(name)), 0, size, LoopKind::serial, {}};
    };
    std::vector windows{loop("oy", own[1]), loop("ox", own[3]), loop("co", block)};
    const Expr oy = windows[0].var, ox = windows[1].var;
    Expr channel = windows[2].var;
    if (block < weight[2]) {
      windows.insert(windows.begin(), loop("co.block", weight[2] / block));
      channel = Expr(windows[0].var) * block + channel;
    }
    const std::vector taps{loop("fy", weight[0]), loop("fx", weight[1]), loop("ci", weight[3])};
    const Substitution window{{pooled_.at[0], Expr(found_.samples.var)},
                              {pooled_.at[1], oy},
                              {pooled_.at[2], ox},
                              {pooled_.at[3], channel}};
    const Var place = make_var("place"), gradient = make_var("gradient", type);
    const Expr width(pooled_.window[1]);
    const std::array corner{oy * pooled_.window[0] + Expr(place) / width,
                            ox * pooled_.window[1] + Expr(place) % width};
    std::vector<Expr> reached{found_.samples.var};
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const std::int64_t dilation = found_.dilation[axis];
      reached.push_back(corner.at(axis) + Expr((weight[axis] - 1) * dilation) -
                        Expr(taps[axis].var) * dilation);
    }
    reached.emplace_back(taps[2].var);
    const Stmt add{Accumulate{
        Reduction::add, reached_, reached,
        Expr(gradient) *
            load(found_.weight, type, {taps[0].var, taps[1].var, channel, taps[2].var})}};
    Block body{Stmt{Let{place, cast(ScalarType::i64, substitute(pooled_.place, window))}},
               Stmt{Let{gradient, substitute(pooled_.gradient, window)}}};
    body.push_back(wrap(taps, {add}).front());
    return std::move(wrap(windows, std::move(body)).front());
  }

  Program& program_;
  const InputGradient& found_;
  const Border& border_;
  const PooledGradient& pooled_;
  BufferId reached_ = 0;
  std::array<std::int64_t, 2> shift_{0, 0};  // of a pixel of dx, in the scratch with a margin
};

bool reads(const Program& program, const Kernel& kernel, BufferId storage) {
  return std::ranges::any_of(accesses(kernel.body), [&](const BufferAccess& access) {
    return !access.write && program.storage(access.buffer) == storage;
  });
}

}  // namespace

void route_input_gradients(Program& program, const PooledGradient& pooled) {
  std::vector<Border> borders;
  for (const Kernel& kernel : program.kernels)
    if (const auto border = border_of(program, kernel, pooled)) borders.push_back(*border);
  for (std::size_t id = 0; id < program.buffers.size(); ++id)
    if (is_image_of(program, pooled, static_cast<BufferId>(id)))
      borders.push_back({static_cast<BufferId>(id)});
  for (const Border& border : borders) {
    for (std::size_t at = 0; at < program.kernels.size(); ++at) {
      if (!reads(program, program.kernels[at], program.storage(border.buffer))) continue;
      const auto found = Matcher(program, program.kernels[at], border).run();
      if (found && pays(program, *found, pooled))
        Rewriter(program, *found, border, pooled).run(at++);
    }
    if (program.storage(border.buffer) != pooled.scattered &&
        std::ranges::none_of(program.kernels, [&](const Kernel& kernel) {
          return reads(program, kernel, border.buffer);
        }))
      std::erase_if(program.kernels, [&](const Kernel& kernel) {
        return std::ranges::any_of(accesses(kernel.body), [&](const BufferAccess& access) {
          return access.write && access.buffer == border.buffer;
        });
      });
  }
}

}  // namespace cnnc
