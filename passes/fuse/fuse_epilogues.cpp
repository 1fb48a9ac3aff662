// fuse_epilogues:
//   kernel gradient { for i { alloc sum; sum[] = 0; for g { sum[] += part[g,i] }; d[i] = sum[] } }
//   kernel momentum { for i { v[i] = v[i] * 0.9 + d[i] } }
//   kernel weight   { for i { w[i] = w[i] - v[i] * lr[] } }
//     ->
//   kernel gradient..weight { for i { alloc sum; sum[] = 0; for g { sum[] += part[g,i] }
//     let d = sum[]; let v = v[i] * 0.9 + d; v[i] = v; w[i] = w[i] - v * lr[] } }
#include "passes/fuse/fuse_epilogues.h"

#include <algorithm>
#include <optional>
#include <set>

#include "passes/analysis/elementwise_kernel.h"
#include "passes/analysis/footprint.h"
#include "passes/analysis/kernel_index.h"
#include "passes/analysis/nest.h"
#include "passes/edit/prune_buffers.h"

namespace cnnc {

namespace {

/// for axes { alloc sum; sum[] = initial; for terms { ... }; result[axes] = ... }
struct Sums {
  Nest nest;
  Store result;
};

std::optional<Sums> sums_of(const Program& program, const Kernel& kernel) {
  if (kernel.body.size() != 1 || group_loop(kernel)) return std::nullopt;
  Nest nest = nest_of(kernel.body.front());
  if (nest.loops.empty() || nest.body.size() != 4 || !nest.body[0].as<Alloc>() ||
      !nest.body[1].as<Store>() || !nest.body[2].as<For>())
    return std::nullopt;
  const auto* result = nest.body[3].as<Store>();
  if (!result || program.buffer(result->buffer).view_of ||
      !is_one_to_one(result->index, nest.loops, nullptr))
    return std::nullopt;
  return Sums{nest, *result};
}

/// Whether one index goes through the same elements, by its loops, as the other by its own.
bool same_elements(const std::vector<Expr>& a, const std::vector<For>& a_loops,
                   const std::vector<Expr>& b, const std::vector<For>& b_loops) {
  const auto loop_of = [](const Expr& index, const std::vector<For>& loops) {
    const auto* var = index.as<Var>();
    const auto found =
        std::ranges::find_if(loops, [&](const For& loop) { return var && loop.var == *var; });
    return found == loops.end() ? nullptr : &*found;
  };
  return std::ranges::equal(a, b, [&](const Expr& x, const Expr& y) {
    const For *p = loop_of(x, a_loops), *q = loop_of(y, b_loops);
    return p && q ? same(p->begin, q->begin) && same(p->end, q->end) : p == q;
  });
}

/// The last part of a buffer's name that is not a number: add of conv2.add.3.
std::string short_name(const std::string& name) {
  const std::size_t end = name.find_last_not_of(".0123456789") + 1;
  const std::size_t dot = name.rfind('.', end == 0 ? 0 : end - 1);
  return name.substr(dot == std::string::npos ? 0 : dot + 1, end - (dot + 1));
}

class Fuser {
 public:
  explicit Fuser(const Program& program)
      : program_(program), index_(program), taken_(program.kernels.size()) {}

  Program run() {
    std::vector<Kernel> left;
    for (std::size_t at = 0; at < program_.kernels.size(); ++at) {
      if (taken_[at]) continue;
      if (const auto sums = sums_of(program_, program_.kernels[at])) extend(at, *sums);
      left.push_back(std::move(program_.kernels[at]));
    }
    program_.kernels = std::move(left);
    return std::move(program_);
  }

 private:
  /// Takes into kernel `at` what may follow its sums.
  void extend(std::size_t at, const Sums& sums) {
    Block epilogue{Stmt{sums.result}};
    std::vector<std::size_t> taken;
    const Block start(sums.nest.body.begin(), sums.nest.body.begin() + 3);
    const Footprint started = footprint(program_, start);
    std::set<std::size_t> fed = fed_by(sums.result, at);
    while (!fed.empty()) {
      const std::size_t k = fed.extract(fed.begin()).value();
      const auto store = next_store(k, sums);
      if (!store || index_.conflicts_between(at, k, index_.touched_by(k))) continue;
      Block longer = epilogue;
      longer.push_back(Stmt{*store});
      if (started.conflicts_with(footprint(program_, {Stmt{*store}})) ||
          !touches_written_elements_only(program_, longer))
        continue;
      epilogue = std::move(longer);
      taken.push_back(k);
      taken_[k] = true;
      index_.set(k, {});
      fed.merge(fed_by(*store, k));
    }
    if (taken.empty()) return;
    Kernel& kernel = program_.kernels[at];
    for (const std::size_t k : taken)
      for (const std::string& layer : program_.kernels[k].layers)
        if (std::ranges::find(kernel.layers, layer) == kernel.layers.end())
          kernel.layers.push_back(layer);
    kernel.name += ".." + program_.kernels[taken.back()].name;
    Block body = start;
    const Block rest = with_lets(at, epilogue);
    body.insert(body.end(), rest.begin(), rest.end());
    program_.kernels[at].body = wrap(sums.nest.loops, std::move(body));
    index_.set(at, footprint(program_, program_.kernels[at].body));
  }

  /// The kernels after `at` that read what `store` writes.
  std::set<std::size_t> fed_by(const Store& store, std::size_t at) const {
    const auto& readers = index_.readers(program_.storage(store.buffer));
    return {readers.upper_bound(at), readers.end()};
  }

  /// What kernel `k` stores, in terms of the loops of `sums`, if it is elementwise over the same
  /// elements.
  std::optional<Store> next_store(std::size_t k, const Sums& sums) const {
    const Kernel& kernel = program_.kernels[k];
    const auto elementwise = elementwise_of(kernel);
    if (!elementwise || group_loop(kernel) || program_.buffer(elementwise->buffer).view_of ||
        !same_elements(elementwise->index, nest_of(kernel.body.front()).loops, sums.result.index,
                       sums.nest.loops) ||
        program_.buffer(elementwise->buffer).type.dims !=
            program_.buffer(sums.result.buffer).type.dims)
      return std::nullopt;
    Substitution axes;
    for (std::size_t i = 0; i < elementwise->index.size(); ++i)
      if (const auto* var = elementwise->index[i].as<Var>()) axes[*var] = sums.result.index[i];
    return Store{elementwise->buffer, sums.result.index, substitute(elementwise->value, axes)};
  }

  /// `epilogue` with each value under a name: an element is read from memory at most once more, and
  /// a buffer that nothing outside kernel `at` reads is not stored.
  Block with_lets(std::size_t at, const Block& epilogue) const {
    Block result;
    std::vector<std::pair<BufferId, Var>> names;
    const auto named = [&](const Expr& value) {
      return transform(value, [&](const Expr& e) -> Expr {
        const auto* l = e.as<Load>();
        if (!l) return {};
        for (std::size_t i = names.size(); i-- > 0;)
          if (names[i].first == l->buffer) return names[i].second;
        return {};
      });
    };
    for (const Stmt& stmt : epilogue) {
      const Store& store = *stmt.as<Store>();
      const Buffer& buffer = program_.buffer(store.buffer);
      const Var var = make_var(short_name(buffer.name), buffer.type.scalar);
      const Expr value = named(store.value);
      if (&stmt == &epilogue.back()) {
        result.push_back(Stmt{Store{store.buffer, store.index, value}});
        break;
      }
      result.push_back(Stmt{Let{var, value}});
      names.emplace_back(store.buffer, var);
      if (buffer.memory != Memory::arena || read_elsewhere(at, store.buffer))
        result.push_back(Stmt{Store{store.buffer, store.index, Expr(var)}});
    }
    return result;
  }

  bool read_elsewhere(std::size_t at, BufferId buffer) const {
    const auto& readers = index_.readers(program_.storage(buffer));
    return readers.size() > readers.count(at);
  }

  Program program_;
  KernelIndex index_;        // without those that are taken
  std::vector<bool> taken_;  // into another kernel
};

}  // namespace

Program fuse_epilogues(const Program& program, const PassContext&) {
  return prune_buffers(Fuser(program).run());
}

}  // namespace cnnc
