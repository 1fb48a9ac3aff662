// slide_window:
//   for y in 0 .. 30 { for x { padded[y,x] = ... } }
//   for t in 0 .. 7 { ... padded[t*4 + ky, x] ... }                      (ky in 0 .. 5)
//     ->
//   for y in 0 .. 1 { for x { padded[y,x] = ... } }
//   for t in 0 .. 7 {
//     for row in 0 .. 4 { for x { padded[1 + t*4 + row, x] = ... } }
//     ... padded[t*4 + ky, x] ... }
//   for y in 29 .. 30 { for x { padded[y,x] = ... } }
#include "passes/locality/slide_window.h"

#include <algorithm>
#include <optional>

#include "ir/loop/integer_range.h"
#include "passes/analysis/footprint.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

bool goes_through_rows(const For& loop) { return is_plain(loop) && *extent(loop) > 0; }

/// What a producer makes: `buffer`, whose dimension `row` is indexed by its loop's variable alone.
struct Image {
  BufferId buffer;
  std::size_t row;
};

/// The rows that iteration t (from 0) of a consumer reads end at end + t*step.
struct Window {
  std::int64_t step, end;
};

class Slider {
 public:
  Slider(Program program, const Target& target) : program_(std::move(program)), target_(target) {}

  Program run() {
    for (Kernel& kernel : program_.kernels) slide(kernel.body);
    return std::move(program_);
  }

 private:
  void slide(Block& block) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (auto* loop = block[i].as<For>()) slide(loop->body);
      if (i + 1 < block.size()) slide_at(block, i);
    }
  }

  void slide_at(Block& block, std::size_t at) {
    const auto image = image_of(block[at]);
    if (!image) return;
    const For producer = *block[at].as<For>();
    const auto window = window_of(block[at + 1], producer, *image);
    if (!window) return;
    const std::int64_t begin = *producer.begin.constant(), end = begin + *extent(producer);
    const std::int64_t ahead = window->end - window->step;
    const std::int64_t done = ahead + *extent(*block[at + 1].as<For>()) * window->step;
    if (ahead < begin || done > end) return;

    auto& consumer = *block[at + 1].as<For>();
    const Var row = make_var("row");
    const Expr first = ahead + (Expr(consumer.var) - consumer.begin) * window->step;
    Block rows = substitute(with_fresh_lets(producer.body),
                            {{producer.var, window->step == 1 ? first : first + Expr(row)}});
    if (window->step > 1)
      rows = {Stmt{For{row, 0, window->step, LoopKind::serial, std::move(rows)}}};
    consumer.body.insert(consumer.body.begin(), rows.begin(), rows.end());
    const auto rest = [&](std::int64_t from, std::int64_t to) {
      const Var var = make_var(producer.var->name);
      return Stmt{For{var, from, to, LoopKind::serial,
                      substitute(with_fresh_lets(producer.body), {{producer.var, Expr(var)}})}};
    };
    const auto here = block.begin() + static_cast<std::ptrdiff_t>(at);
    if (done < end) block.insert(here + 2, rest(done, end));
    if (begin < ahead)
      block[at] = rest(begin, ahead);
    else
      block.erase(block.begin() + static_cast<std::ptrdiff_t>(at));
  }

  /// The one buffer that `stmt` fills, a row an iteration, and that the first-level cache does not
  /// hold as a whole.
  std::optional<Image> image_of(const Stmt& stmt) const {
    const auto* loop = stmt.as<For>();
    if (!loop || !goes_through_rows(*loop)) return std::nullopt;
    std::optional<Image> image;
    for (const BufferAccess& access : accesses({stmt})) {
      if (!access.write) continue;
      const auto row = std::ranges::find_if(
          access.index, [&](const Expr& e) { return same(e, Expr(loop->var)); });
      if (row == access.index.end() || program_.buffer(access.buffer).view_of) return std::nullopt;
      const Image found{access.buffer, static_cast<std::size_t>(row - access.index.begin())};
      if (image && (image->buffer != found.buffer || image->row != found.row)) return std::nullopt;
      image = found;
    }
    if (!image || footprint(program_, {stmt}).reads.contains(image->buffer)) return std::nullopt;
    return byte_count(program_.buffer(image->buffer).type) > target_.l1_bytes ? image
                                                                              : std::nullopt;
  }

  /// The rows that `stmt` reads, where its iterations go down the image in equal steps, and may
  /// change places with the producer's.
  std::optional<Window> window_of(const Stmt& stmt, const For& producer, const Image& image) const {
    const auto* loop = stmt.as<For>();
    if (!loop || !goes_through_rows(*loop) || *extent(*loop) < 2) return std::nullopt;
    const Footprint made = footprint(program_, {Stmt{producer}}),
                    used = footprint(program_, {stmt});
    if (used.writes.contains(image.buffer) ||
        std::ranges::any_of(made.reads, [&](BufferId id) { return used.writes.contains(id); }))
      return std::nullopt;
    const RangeContext ranges = constant_ranges(program_, loop->body);
    std::optional<Window> window;
    for (const BufferAccess& access : accesses({stmt})) {
      if (program_.storage(access.buffer) != image.buffer) continue;
      if (access.buffer != image.buffer) return std::nullopt;
      const Expr& index = access.index[image.row];
      const auto step = stride_in(index, loop->var);
      const auto first = range_of(substitute(index, {{loop->var, loop->begin}}), ranges);
      if (!step || *step < 1 || !first || (window && window->step != *step)) return std::nullopt;
      const std::int64_t end = first->high + 1;
      window = Window{*step, window ? std::max(window->end, end) : end};
    }
    return window;
  }

  Program program_;
  const Target& target_;
};

}  // namespace

Program slide_window(const Program& program, const PassContext& context) {
  return Slider(program, context.target).run();
}

}  // namespace cnnc
