// route_input_gradients:
//   for n { for y, x, c { border[n,y,x,c] = select(inside, d.view[n, y - 1, x - 1, c], 0) } }
//   for n { for y, x, i { alloc sum; sum[] = 0
//     for fy, fx, c { sum[] += border[n, y + fy, x + fx, c] * w[fy,fx,c,i] }
//     dx[n,y,x,i] = sum[] } }
//     ->
//   for n { for y, x, i { reached[n,y,x,i] = 0 }
//     for c.block, oy, ox { for p in 0 .. 4 { lengths[p] = 0 }
//       for c { let p = place[n,oy,ox,c]; let g = gradient[n,oy,ox,c]
//         channels[p, lengths[p]] = c; gradients[p, lengths[p]] = g; lengths[p] += g != 0 }
//       for p in 0 .. 4 { let length = lengths[p]
//         for fy, fx, i { alloc sum; sum[] = 0
//           for k in 0 .. length { sum[] += gradients[p,k] * w[channels[p,k],fy,fx,i] }
//           reached[n, oy*2 + p/2 + 2 - fy, ox*2 + p%2 + 2 - fx, i] += sum[] } } } }
//   for n { for y, x, i { dx[n,y,x,i] = reached[n, y + 1, x + 1, i] } }
// The channels are sorted by the place of their arg-max so that all products that go to the same
// pixels are added up in registers.
#include "passes/fuse/route_input_gradients.h"

#include <algorithm>

#include "passes/analysis/nest.h"
#include "passes/context/reduction_order.h"
#include "passes/edit/permute_buffer.h"
#include "passes/fuse/input_gradient_nest.h"

namespace cnnc {

namespace {

/// Sorting channels and adding up twice costs about as much again as the products: fewer pixels
/// would not save enough of them.
constexpr std::int64_t kFewestPixels = 4;
/// Products of one arg-max: with fewer, finding the place costs more than is saved.
constexpr std::int64_t kFewestProducts = 128;
/// Along an axis shorter than this vectors would be mostly empty.
constexpr std::int64_t kShortestVector = 16;
/// Windows of the pool that products with one pixel of dx may come from, along one axis.
std::int64_t windows_along(std::int64_t taps, std::int64_t dilation, std::int64_t window) {
  return ((taps - 1) * dilation + window - 1) / window + 1;
}

/// Bytes of the lists of one window, which are on the stack.
constexpr std::int64_t kMostListed = 64 << 10;

/// Channels of a block: a divisor of all of them. At least as many as a window has pixels, where
/// there are: each pixel's sums are added to memory once a block.
std::int64_t block_of(const Dims& weight, ScalarType type, std::int64_t pixels) {
  const std::int64_t each =
      weight[0] * weight[1] * weight[3] * static_cast<std::int64_t>(size_of(type));
  std::int64_t block = 1;
  for (std::int64_t length = 1; length <= weight[2]; ++length)
    if (weight[2] % length == 0 && (block < pixels || length * each <= kRoutedBlockBytes))
      block = length;
  return block;
}

bool pays(const Program& program, const InputGradientNest& found, const PooledGradient& pooled) {
  const Dims& weight = program.buffer(found.weight).type.dims;
  std::int64_t terms = weight[2];
  for (std::size_t axis = 0; axis < 2; ++axis)
    terms *= windows_along(weight[axis], found.dilation[axis], pooled.window[axis]);
  const ScalarType type = program.buffer(found.weight).type.scalar;
  const std::int64_t pixels = pooled.window[0] * pooled.window[1];
  const std::int64_t listed = pixels * block_of(weight, type, pixels) *
                              static_cast<std::int64_t>(size_of(ScalarType::i32) + size_of(type));
  return listed <= kMostListed && pixels >= kFewestPixels && weight[3] >= kShortestVector &&
         weight[0] * weight[1] * weight[3] >= kFewestProducts && terms <= kLongestSum;
}

class Rewriter {
 public:
  Rewriter(Program& program, const InputGradientNest& found, const Border& border,
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
    Buffer reached;
    reached.name = unused_name(program_, program_.buffer(found_.result).name + ".reached");
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
  /// for g { for n in the group { body } }, with variables of their own.
  Block grouped(const For& groups, Block body) const {
    For samples = found_.samples;
    samples.body = std::move(body);
    const Stmt whole{with_body(groups, {Stmt{std::move(samples)}})};
    return wrap_in_fresh(nest_of(whole).loops, nest_of(whole).body);
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

  static For loop(std::string name, Expr size) {
    return {make_var(std::move(name)), 0, std::move(size), LoopKind::serial, {}};
  }

  BufferId add_local(std::string_view name, TensorType type, Memory memory) {
    Buffer buffer;
    buffer.name = unused_name(program_, fmt::format("{}.{}", program_.buffer(reached_).name, name));
    buffer.type = std::move(type);
    buffer.memory = memory;
    program_.buffers.push_back(std::move(buffer));
    return static_cast<BufferId>(program_.buffers.size()) - 1;
  }

  /// The channels of a window that have a gradient, by the place of their arg-max.
  struct Lists {
    BufferId channels, gradients;  // [place, up to its length]
    BufferId lengths;
  };

  /// Adds the products of the arg-maxes to the pixels that they reach, window by window. The
  /// weights' dimensions are still in their old order.
  Stmt products(const Dims& weight, ScalarType type) {
    const Dims own = program_.buffer(pooled_.scattered).type.dims;
    const std::int64_t pixels = pooled_.window[0] * pooled_.window[1];
    const std::int64_t block = block_of(weight, type, pixels);
    std::vector windows{loop("oy", own[1]), loop("ox", own[3])};
    const Expr oy = windows[0].var, ox = windows[1].var;
    const For co = loop("co", block);
    Expr channel = co.var;
    if (block < weight[2]) {
      windows.insert(windows.begin(), loop("co.block", weight[2] / block));
      channel = Expr(windows[0].var) * block + channel;
    }
    const Lists lists{
        .channels = add_local("channels", {ScalarType::i32, {pixels, block}}, Memory::stack),
        .gradients = add_local("gradients", {type, {pixels, block}}, Memory::stack),
        .lengths = add_local("lengths", {ScalarType::i32, {pixels}}, Memory::stack)};
    For empty = loop("p", pixels);
    empty.body = {Stmt{Store{lists.lengths, {empty.var}, constant(ScalarType::i32, 0)}}};
    Block body;
    for (const BufferId list : {lists.channels, lists.gradients, lists.lengths})
      body.push_back({Alloc{list}});
    body.push_back({std::move(empty)});
    body.push_back(wrap(std::span(&co, 1), listed(oy, ox, channel, lists)).front());
    body.push_back(sums(oy, ox, weight, lists));
    return std::move(wrap(windows, std::move(body)).front());
  }

  /// Puts a channel of a window at the end of its list, where the next one overwrites it if its
  /// gradient is zero.
  Block listed(const Expr& oy, const Expr& ox, const Expr& channel, const Lists& lists) const {
    const Substitution window{{pooled_.at[0], Expr(found_.samples.var)},
                              {pooled_.at[1], oy},
                              {pooled_.at[2], ox},
                              {pooled_.at[3], channel}};
    const Var place = make_var("place"), gradient = make_var("gradient", pooled_.gradient.type());
    const Expr length = load(lists.lengths, ScalarType::i32, {place});
    const std::vector<Expr> end{place, cast(ScalarType::i64, length)};
    const Expr counts = binary(BinaryOp::not_equal, gradient, constant(gradient->type, 0));
    return {Stmt{Let{place, cast(ScalarType::i64, substitute(pooled_.place, window))}},
            Stmt{Let{gradient, substitute(pooled_.gradient, window)}},
            Stmt{Store{lists.channels, end, cast(ScalarType::i32, channel)}},
            Stmt{Store{lists.gradients, end, gradient}},
            Stmt{Store{lists.lengths, {place}, length + cast(ScalarType::i32, counts)}}};
  }

  /// Adds up each list's products, and those sums to the pixels around their place.
  Stmt sums(const Expr& oy, const Expr& ox, const Dims& weight, const Lists& lists) {
    const ScalarType type = program_.buffer(reached_).type.scalar;
    For places = loop("p", pooled_.window[0] * pooled_.window[1]);
    const Expr place = places.var, width(pooled_.window[1]);
    const Var length = make_var("length");
    const std::vector taps{loop("fy", weight[0]), loop("fx", weight[1]), loop("ci", weight[3])};

    For terms = loop("k", length);
    const std::vector<Expr> entry{place, Expr(terms.var)};
    const Expr channel = cast(ScalarType::i64, load(lists.channels, ScalarType::i32, entry));
    const Expr product =
        load(lists.gradients, type, entry) *
        load(found_.weight, type, {taps[0].var, taps[1].var, channel, taps[2].var});
    const BufferId sum = add_local("sum", {type, {}}, Memory::reg);
    terms.body = {Stmt{Accumulate{Reduction::add, sum, {}, product}}};

    const std::array corner{oy * pooled_.window[0] + place / width,
                            ox * pooled_.window[1] + place % width};
    std::vector<Expr> pixel{found_.samples.var};
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const std::int64_t dilation = found_.dilation[axis];
      pixel.push_back(corner.at(axis) + Expr((weight[axis] - 1) * dilation) -
                      Expr(taps[axis].var) * dilation);
    }
    pixel.emplace_back(taps[2].var);

    Block body{Stmt{Alloc{sum}}, Stmt{Store{sum, {}, constant(type, 0)}}, Stmt{std::move(terms)},
               Stmt{Store{reached_, pixel, load(reached_, type, pixel) + load(sum, type, {})}}};
    const Expr entries = load(lists.lengths, ScalarType::i32, {place});
    places.body = {Stmt{Let{length, cast(ScalarType::i64, entries)}},
                   wrap(taps, std::move(body)).front()};
    return {std::move(places)};
  }

  Program& program_;
  const InputGradientNest& found_;
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
  for (const Border& border : borders_of(program, pooled)) {
    for (std::size_t at = 0; at < program.kernels.size(); ++at) {
      if (!reads(program, program.kernels[at], program.storage(border.buffer))) continue;
      const auto found = input_gradient_of(program, program.kernels[at], border);
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
