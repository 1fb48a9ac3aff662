#include "passes/lower/lower_stage.h"

#include <algorithm>

#include "ir/expr/reduction.h"
#include "passes/analysis/nest.h"
#include "passes/context/reduction_order.h"
#include "passes/lower/split_sums.h"

namespace cnnc {

namespace {

class StageLowering {
 public:
  explicit StageLowering(ProgramBuilder& build) : build_(build) {}

  void run(const Stage& stage, BufferId buffer, const std::string& layer) {
    const auto is_batch = [](const Axis& axis) { return axis.extent == kBatch; };
    const bool over_batch = std::any_of(stage.reduce.begin(), stage.reduce.end(), is_batch);
    const std::int64_t results = element_count(stage.dims(), build_.batch());
    std::int64_t terms = 1;  // of one sample
    for (const Axis& axis : stage.reduce)
      if (!is_batch(axis)) terms *= axis.extent;
    if (over_batch &&
        results <= (terms >= kLongTerms ? kMaxLongGroupedResults : kMaxGroupedResults)) {
      if (!goes_by_columns(stage)) return emit_grouped(stage, buffer, layer);
      const Stage total = by_columns(stage, buffer, layer);
      return build_.add_kernel(build_.program.buffer(buffer).name, layer, nest(total, buffer));
    }
    build_.add_kernel(build_.program.buffer(buffer).name, layer, nest(stage, buffer));
  }

  Block nest(const Stage& stage, BufferId buffer) {
    const auto store = [&](const Expr& value) {
      return Stmt{Store{buffer, index_of(stage.axes), value}};
    };
    if (stage.reduce.empty()) return loops(stage.axes, {store(stage.value)});
    if (const auto blocked = split_sum(stage)) return blocked_nest(stage, *blocked, buffer);
    return loops(stage.axes, reduction(stage, identity(stage.op, stage.type), stage.reduce, store));
  }

 private:
  /// Whether a sum over samples, rows and columns makes too few neighbours in memory for vectors.
  bool goes_by_columns(const Stage& stage) const {
    if (stage.op != Reduction::add || !is_float(stage.type) || stage.reduce.size() < 3)
      return false;
    const Axis& columns = stage.reduce.back();
    if (columns.extent < kFewestColumns || columns.extent > kMostColumns) return false;
    std::int64_t results = 1, neighbours = 1, apart = 1;
    for (const Axis& axis : stage.axes) {
      results *= axis.extent;
      if (axis.extent > 1) neighbours = axis.extent;
    }
    bool regular = true;
    walk(stage.value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (!l) return;
      const auto stride = memory_stride(build_.program, l->buffer, l->index, columns.var);
      regular &= stride && *stride >= 0;
      apart = std::max(apart, stride.value_or(0));
    });
    const bool waits = results / neighbours <= kFewVectors;
    return regular && results <= kMaxResultsByColumn &&
           neighbours * apart <= (waits ? kMaxWaitingNeighbours : kMaxNeighbours);
  }

  /// Makes the sums by columns; the stage that is left adds those up.
  Stage by_columns(const Stage& stage, BufferId buffer, const std::string& layer) {
    Stage columns = stage;
    columns.axes.push_back(columns.reduce.back());
    columns.reduce.pop_back();
    const BufferId sums = build_.add_buffer(build_.program.buffer(buffer).name + ".columns",
                                            {stage.type, columns.dims()}, Memory::arena);
    emit_grouped(columns, sums, layer);
    Stage total{stage.name, stage.type, columns.axes, {}, stage.op, {}};
    for (Axis& axis : total.axes) axis.var = make_var(axis.var->name);
    total.value = load(sums, stage.type, index_of(total.axes));
    total.reduce = {total.axes.back()};
    total.axes.pop_back();
    return total;
  }

  /// Loops over axes around `body`; the batch axis goes outermost, over the samples of group `g`.
  /// Axes of extent 1 need no loop.
  Block inner_loops(const std::vector<Axis>& axes, Block body, const Var& g) const {
    Substitution units;
    for (std::size_t i = axes.size(); i-- > 0;) {
      if (axes[i].extent == kBatch) continue;
      if (axes[i].extent == 1)
        units[axes[i].var] = 0;
      else
        body = {Stmt{For{axes[i].var, 0, axes[i].extent, LoopKind::serial, std::move(body)}}};
    }
    for (const Axis& axis : axes)
      if (axis.extent == kBatch)
        body = {Stmt{over_samples(build_.program, axis.var, g, std::move(body))}};
    return units.empty() ? body : substitute(body, units);
  }

  /// The same, with a loop over groups around a batch axis.
  Block loops(const std::vector<Axis>& axes, Block body) const {
    const Var g = make_var("g");
    const bool by_sample = std::any_of(axes.begin(), axes.end(),
                                       [](const Axis& axis) { return axis.extent == kBatch; });
    body = inner_loops(axes, std::move(body), g);
    if (!by_sample) return body;
    return {Stmt{over_groups(build_.program, g, std::move(body))}};
  }

  static std::vector<Expr> index_of(const std::vector<Axis>& axes) {
    std::vector<Expr> index;
    for (const Axis& axis : axes) index.emplace_back(axis.var);
    return index;
  }

  /// alloc sum; sum[] = initial; for reduce { sum[] op= value }; store
  Block reduction(const Stage& stage, const Expr& initial, const std::vector<Axis>& reduce,
                  const std::function<Stmt(Expr)>& finish) {
    const BufferId sum = build_.add_buffer("sum", {stage.type, {}}, Memory::reg);
    Block body;
    body.push_back({Alloc{sum}});
    body.push_back({Store{sum, {}, initial}});
    Block loop{Stmt{Accumulate{stage.op, sum, {}, stage.value}}};
    Substitution units;
    for (std::size_t i = reduce.size(); i-- > 0;) {
      if (reduce[i].extent == 1) {
        units[reduce[i].var] = 0;
        continue;
      }
      const Expr end = reduce[i].extent == kBatch ? build_.count() : Expr(reduce[i].extent);
      loop = {Stmt{For{reduce[i].var, 0, end, LoopKind::serial, std::move(loop)}}};
    }
    if (!units.empty()) loop = substitute(loop, units);
    body.insert(body.end(), loop.begin(), loop.end());
    body.push_back(finish(load(sum, stage.type, {})));
    return body;
  }

  /// out = 0, then out += one block's sum, block after block; the loops over blocks go outside of
  /// those over results, but inside of the group's.
  Block blocked_nest(const Stage& stage, const BlockedSum& sum, BufferId buffer) {
    Stage one = stage;
    one.value = substitute(stage.value, sum.axes);
    const auto index = index_of(stage.axes);
    const Expr zero = identity(stage.op, stage.type);
    const auto add = [&](const Expr& value) {
      return Stmt{Store{buffer, index, load(buffer, stage.type, index) + value}};
    };
    const bool by_sample = std::any_of(stage.axes.begin(), stage.axes.end(),
                                       [](const Axis& a) { return a.extent == kBatch; });
    const Var g = make_var("g");
    Block body = inner_loops(stage.axes, {Stmt{Store{buffer, index, zero}}}, g);
    for (Stmt& stmt :
         wrap(sum.blocks, inner_loops(stage.axes, reduction(one, zero, sum.terms, add), g)))
      body.push_back(std::move(stmt));
    if (!by_sample) return body;
    return {Stmt{over_groups(build_.program, g, std::move(body))}};
  }

  /// partial[...] op= the reduction of one sample. A sample's own sum is added as a whole, so that
  /// rounding errors do not grow with samples times terms.
  Block sample_sum(const Stage& stage, const std::vector<Axis>& reduce, BufferId partial,
                   const std::vector<Expr>& index) {
    const Expr so_far = load(partial, stage.type, index);
    const bool sum = stage.op == Reduction::add;
    return reduction(stage, sum ? identity(stage.op, stage.type) : so_far, reduce,
                     [&](const Expr& value) {
                       return Stmt{Store{partial, index, sum ? so_far + value : value}};
                     });
  }

  /// partial[g, ...] over the samples of each group, then the groups' sum. A sum over samples alone
  /// stays in a register; one over a sample's own terms, too, is added up sample by sample.
  void emit_grouped(const Stage& stage, BufferId buffer, const std::string& layer) {
    const std::string name = build_.program.buffer(buffer).name;
    Dims dims = stage.dims();
    dims.insert(dims.begin(), build_.program.groups());
    const BufferId partial =
        build_.add_buffer(name + ".partial", {stage.type, dims}, Memory::arena);
    const Var g = make_var("g");
    std::vector<Expr> index = index_of(stage.axes);
    index.insert(index.begin(), Expr(g));

    std::vector<Axis> inner;
    Var sample;
    for (const Axis& axis : stage.reduce) {
      if (axis.extent == kBatch)
        sample = axis.var;
      else
        inner.push_back(axis);
    }
    const Expr none = identity(stage.op, stage.type);
    Block body;
    if (inner.empty()) {
      const BufferId sum = build_.add_buffer("sum", {stage.type, {}}, Memory::reg);
      body =
          loops(stage.axes, {Stmt{Alloc{sum}}, Stmt{Store{sum, {}, none}},
                             Stmt{over_samples(build_.program, sample, g,
                                               {Stmt{Accumulate{stage.op, sum, {}, stage.value}}})},
                             Stmt{Store{partial, index, load(sum, stage.type, {})}}});
    } else {
      body = loops(stage.axes, {Stmt{Store{partial, index, none}}});
      body.push_back({over_samples(build_.program, sample, g,
                                   loops(stage.axes, sample_sum(stage, inner, partial, index)))});
    }
    build_.add_kernel(name + ".partial", layer,
                      {Stmt{over_groups(build_.program, g, std::move(body))}});

    Stage total = stage;
    const Var group = make_var("g");
    index[0] = group;
    total.reduce = {{group, build_.program.groups()}};
    total.value = load(partial, stage.type, index);
    build_.add_kernel(name, layer, nest(total, buffer));
  }

  ProgramBuilder& build_;
};

}  // namespace

void lower_stage(ProgramBuilder& build, const Stage& stage, BufferId buffer,
                 const std::string& layer) {
  StageLowering(build).run(stage, buffer, layer);
}

void lower_stage_as(ProgramBuilder& build, std::string name, const Stage& stage, BufferId buffer,
                    const std::string& layer) {
  build.add_kernel(std::move(name), layer, StageLowering(build).nest(stage, buffer));
}

}  // namespace cnnc
