#include "passes/fuse/input_gradient_nest.h"

#include <algorithm>
#include <map>
#include <set>

#include "passes/analysis/nest.h"
#include "passes/edit/permute_buffer.h"

namespace cnnc {

namespace {

using Loops = std::map<Var, For>;

Loops loops_of(const Block& block) {
  Loops loops;
  walk(block, [&](const Stmt& stmt) {
    if (const auto* loop = stmt.as<For>()) loops[loop->var] = with_body(*loop, {});
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
  const For* samples = only_sample_loop(kernel);
  if (!samples) return std::nullopt;
  const Nest nest = nest_of(Stmt{*samples});
  const auto* store = only_store(nest.body);
  const auto* choice = store ? store->value.as<Select>() : nullptr;
  const auto* zero = choice ? choice->b.as<Const>() : nullptr;
  const auto* pixel = choice ? choice->a.as<Load>() : nullptr;
  if (!zero || zero->real != 0 || !is_float(store->value.type()) || !pixel ||
      !is_image_of(program, pooled, pixel->buffer) || nest.loops.size() != 4 ||
      store->index.size() != 4 || !may_be_permuted(program, store->buffer))
    return std::nullopt;
  const Dims& dims = program.buffer(store->buffer).type.dims;
  const Dims image = pooled.image(program);
  const Loops loops = loops_of({Stmt{*samples}});
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

class Matcher {
 public:
  Matcher(const Program& program, const Kernel& kernel, const Border& border)
      : program_(program), kernel_(kernel), border_(border), loops_(loops_of(kernel.body)) {}

  std::optional<InputGradientNest> run() {
    const For* groups = group_loop(kernel_);
    if (!groups || !collect() || !term_ || term_->op != Reduction::add || !result_ ||
        result_->buffer == border_.buffer || result_->index.size() != 4)
      return std::nullopt;
    const auto* n = result_->index[0].as<Var>();
    if (!n || !loops_.contains(*n) || loops_.at(*n).axis != BatchAxis::samples ||
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
        !same_index(before->index, result_->index))
      return false;
    const auto* n = zero_->index[0].as<Var>();
    const Nest first = nest_of(groups.body.front());
    const auto* zero = only_store(first.body);
    return n && loops_.at(*n).axis == BatchAxis::samples && zero && is_zero(zero->value);
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

  std::optional<InputGradientNest> product(const For& samples) const {
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
    InputGradientNest found{samples, result_->buffer, b->buffer};
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

}  // namespace

std::vector<Border> borders_of(const Program& program, const PooledGradient& pooled) {
  std::vector<Border> borders;
  for (const Kernel& kernel : program.kernels)
    if (const auto border = border_of(program, kernel, pooled)) borders.push_back(*border);
  for (std::size_t id = 0; id < program.buffers.size(); ++id)
    if (is_image_of(program, pooled, static_cast<BufferId>(id)))
      borders.push_back({static_cast<BufferId>(id)});
  return borders;
}

std::optional<InputGradientNest> input_gradient_of(const Program& program, const Kernel& kernel,
                                                   const Border& border) {
  return Matcher(program, kernel, border).run();
}

}  // namespace cnnc
