#include "passes/fuse/inline_elementwise.h"

#include <algorithm>
#include <limits>
#include <set>

#include "passes/analysis/elementwise_kernel.h"
#include "passes/analysis/footprint.h"
#include "passes/analysis/kernel_index.h"
#include "passes/analysis/nest.h"
#include "passes/cost/expression_cost.h"
#include "passes/edit/prune_buffers.h"

namespace cnnc {

namespace {

/// A kernel that may move into its consumers: it computes an arena buffer, from other ones.
std::optional<ElementwiseKernel> producer_of(const Program& program, const Kernel& kernel) {
  const auto found = elementwise_of(kernel);
  if (!found || program.buffer(found->buffer).memory != Memory::arena ||
      program.buffer(found->buffer).view_of)
    return std::nullopt;
  for (const BufferAccess& access : accesses(kernel.body))
    if (!access.write && program.storage(access.buffer) == found->buffer) return std::nullopt;
  return found;
}

/// Nodes of the tree that `expr` is when written out.
std::size_t tree_size(const Expr& expr) {
  std::size_t size = 0;
  walk(expr, [&](const Expr&) { ++size; });
  return size;
}

bool is_free(const Expr& value) { return expression_cost(value) == 0; }

/// Whether where an element is decides what it is made of: which phase of a strided convolution's
/// gradient it belongs to, say.
bool chooses_by_place(const Expr& value) {
  bool found = false;
  walk(value, [&](const Expr& e) {
    const auto* choice = e.as<Select>();
    if (!choice) return;
    walk(choice->condition, [&](const Expr& part) {
      const auto* binary = part.as<Binary>();
      found |= binary && is_comparison(binary->op) && binary->a.type() == ScalarType::i64;
    });
  });
  return found;
}

/// The index of `producer.buffer` that holds element `index` of `view`; nothing where that needs
/// division in the last dimension, or would make a choice by a quotient for each element.
std::optional<std::vector<Expr>> in_producer(const Program& program,
                                             const ElementwiseKernel& producer, BufferId view,
                                             const std::vector<Expr>& index) {
  const Dims& from = program.buffer(view).type.dims;
  const Dims& to = program.buffer(producer.buffer).type.dims;
  if (from == to) return index;
  if (chooses_by_place(producer.value)) return std::nullopt;
  if (from.empty() || to.empty() || from.back() != to.back() || from.front() != to.front())
    return std::nullopt;
  Expr flat = 0;
  for (std::size_t i = 1; i + 1 < from.size(); ++i) flat = flat * from[i] + index[i];
  std::vector<Expr> result(to.size());
  result.front() = index.front();
  result.back() = index.back();
  for (std::size_t i = to.size() - 1; i-- > 1;) {
    result[i] = i == 1 ? flat : flat % to[i];
    flat = flat / to[i];
  }
  return result;
}

/// How often, relative to the size of `elements`, the statements of `block` evaluate a load of
/// `storage`; infinite where unknown.
class UseCounter {
 public:
  UseCounter(const Program& program, BufferId storage) : program_(program), storage_(storage) {}

  double count(const Block& block, double times) {
    double worst = 0;
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>()) {
        // Loops whose extent is unknown go over the samples of a group, or over all of them.
        const double unknown =
            loop->axis == BatchAxis::samples ? static_cast<double>(program_.group) : 1e6;
        const double trips = extent(*loop) ? static_cast<double>(*extent(*loop)) : unknown;
        worst = std::max(worst, count(loop->body, times * trips));
      } else if (const auto* branch = stmt.as<If>()) {
        worst = std::max({worst, count(branch->then_body, times), count(branch->else_body, times)});
      } else {
        walk_exprs({stmt}, [&](const Expr& top) {
          walk(top, [&](const Expr& e) {
            const auto* l = e.as<Load>();
            if (l && program_.storage(l->buffer) == storage_) worst = std::max(worst, times);
          });
        });
      }
    }
    return worst;
  }

 private:
  const Program& program_;
  BufferId storage_;
};

class Inliner {
 public:
  explicit Inliner(const Program& program) : program_(program), index_(program) {}

  Program run() {
    std::vector<Kernel> left;
    for (std::size_t i = 0; i < program_.kernels.size(); ++i) {
      const auto producer = producer_of(program_, program_.kernels[i]);
      if (producer && try_inline(i, *producer))
        index_.set(i, {});
      else
        left.push_back(std::move(program_.kernels[i]));
    }
    program_.kernels = std::move(left);
    return std::move(program_);
  }

 private:
  bool try_inline(std::size_t at, const ElementwiseKernel& producer) {
    std::set<BufferId> reads;
    walk(producer.value, [&](const Expr& e) {
      if (const auto* l = e.as<Load>()) reads.insert(program_.storage(l->buffer));
    });
    std::set<std::size_t> concerned = index_.users(producer.buffer);
    for (const BufferId read : reads)
      concerned.insert(index_.writers(read).begin(), index_.writers(read).end());
    concerned.erase(at);
    std::vector<std::pair<std::size_t, Block>> rewritten;
    bool overwritten = false;  // something the producer reads has changed since it ran
    const double elements = evaluations(at, producer);
    for (const std::size_t k : concerned) {
      const Kernel& kernel = program_.kernels[k];
      const Footprint& touched = index_.touched_by(k);
      if (touched.writes.contains(producer.buffer)) return false;
      const bool used = touched.reads.contains(producer.buffer);
      if (used && k < at) return false;
      const bool in_place = k > at && std::ranges::any_of(reads, [&](BufferId read) {
                              return touched.writes.contains(read);
                            });
      if (used) {
        if (overwritten) return false;
        if (!pays(producer, kernel, elements) || grows_too_much(producer, kernel)) return false;
        auto body = inlined(producer, kernel.body);
        if (!body || (in_place &&
                      !(is_one_statement(*body) && touches_written_elements_only(program_, *body))))
          return false;
        rewritten.emplace_back(k, std::move(*body));
      }
      overwritten |= in_place;
    }
    if (rewritten.empty() ||
        (rewritten.size() > 1 && expression_cost(producer.value) > kSharedCost))
      return false;
    const auto& layers = program_.kernels[at].layers;
    for (auto& [k, body] : rewritten) {
      Kernel& kernel = program_.kernels[k];
      kernel.body = std::move(body);
      index_.set(k, footprint(program_, kernel.body));
      for (const std::string& layer : layers)
        if (std::find(kernel.layers.begin(), kernel.layers.end(), layer) == kernel.layers.end())
          kernel.layers.push_back(layer);
    }
    return true;
  }

  /// How often kernel `at` evaluates its value, by the measure of UseCounter: every group of
  /// samples counts as full.
  double evaluations(std::size_t at, const ElementwiseKernel& producer) const {
    Dims dims = program_.buffer(producer.buffer).type.dims;
    if (group_loop(program_.kernels[at]) && !dims.empty())
      dims.front() = (dims.front() + program_.group - 1) / program_.group * program_.group;
    return static_cast<double>(element_count(dims, 1));
  }

  /// A producer with several consumers is evaluated in each of them, up to this cost.
  static constexpr int kSharedCost = 12;

  bool pays(const ElementwiseKernel& producer, const Kernel& kernel, double elements) const {
    if (is_free(producer.value)) return true;
    // A little more than once is fine: a zero border around the elements, say.
    return UseCounter(program_, producer.buffer).count(kernel.body, 1) <=
           1.5 * std::max(elements, 1.0);
  }

  /// An expression that uses its operand twice doubles with every producer that is put into it: a
  /// chain of such ones would grow without bound.
  static constexpr std::size_t kMaxGrowth = 1000;

  bool grows_too_much(const ElementwiseKernel& producer, const Kernel& kernel) const {
    std::size_t loads = 0;
    walk_exprs(kernel.body, [&](const Expr& top) {
      walk(top, [&](const Expr& e) {
        const auto* l = e.as<Load>();
        loads += l && program_.storage(l->buffer) == producer.buffer;
      });
    });
    return loads > 1 && loads * tree_size(producer.value) > kMaxGrowth;
  }

  std::optional<Block> inlined(const ElementwiseKernel& producer, const Block& block) const {
    bool possible = true;
    auto result = map_exprs(block, [&](const Expr& top) {
      return transform(top, [&](const Expr& e) -> Expr {
        const auto* l = e.as<Load>();
        if (!l || program_.storage(l->buffer) != producer.buffer) return {};
        const auto index = in_producer(program_, producer, l->buffer, l->index);
        if (!index) {
          possible = false;
          return {};
        }
        Substitution values;
        for (std::size_t i = 0; i < index->size(); ++i)
          if (const auto* var = producer.index[i].as<Var>()) values[*var] = (*index)[i];
        return substitute(producer.value, values);
      });
    });
    if (!possible) return std::nullopt;
    return result;
  }

  static bool is_one_statement(const Block& block) {
    if (block.size() != 1) return false;
    const Block body = nest_of(block.front()).body;
    return body.size() == 1 && (body.front().as<Store>() || body.front().as<Accumulate>());
  }

  Program program_;
  KernelIndex index_;  // without those that are gone
};

}  // namespace

Program inline_elementwise(const Program& program, const PassContext&) {
  return prune_buffers(Inliner(program).run());
}

}  // namespace cnnc
