// lower: every stage of every op's compute becomes a kernel.
//   %5 = matmul(%3, %4) : f32[B,10]
//     ->
//   kernel dense1.matmul { for g in 0 .. 8 { for n in g*16 .. min(g*16 + 16, count[]) {
//     for o in 0 .. 10 {
//       alloc sum; sum[] = 0
//       for k { sum[] += x[n,k] * w[k,o] }
//       out[n,o] = sum[] } } } }
#include "passes/lower.h"

#include <algorithm>
#include <limits>
#include <set>

#include "ir/reduction.h"
#include "passes/drop_unused_buffers.h"
#include "passes/long_sums.h"
#include "passes/nest.h"
#include "passes/renumber_buffers.h"

namespace cnnc {

namespace {

/// Above this many results a sum over the batch is not split into groups: partial sums would cost
/// more than they gain.
constexpr std::int64_t kMaxGroupedResults = std::int64_t{1} << 16;
/// The same where a sample alone sums up that many terms, which pays for adding a sample's sums to
/// a group's; not doing so would read all samples again for every few results.
constexpr std::int64_t kLongTerms = 64, kMaxLongGroupedResults = std::int64_t{1} << 20;

/// Sums of few results go by columns (the last axis summed over): one sum for each result and
/// column, over rows and samples, which makes vectors of columns, then the sum of each result's
/// columns.
/// That is worth it up to this many results,
constexpr std::int64_t kMaxResultsByColumn = 512;
/// for that many columns,
constexpr std::int64_t kFewestColumns = 8, kMostColumns = 64;
/// and where results that are neighbours in memory, times the elements between neighbouring columns
/// of what is loaded, are no more than this: the part of a vector that results would fill against
/// the work of putting columns together.
constexpr std::int64_t kMaxNeighbours = 12;
/// The same where so few vectors of results wait for one another term after term.
constexpr std::int64_t kFewVectors = 3, kMaxWaitingNeighbours = 20;

Expr load_count(BufferId count) { return load(count, ScalarType::i64, {}); }

class Lowering {
 public:
  explicit Lowering(const Graph& graph) : graph_(graph) { program_.name = graph.name; }

  Program run() {
    const auto live = live_nodes();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (is_input(graph_.nodes[i])) add_input(static_cast<int>(i));
    if (!program_.find("count")) add_buffer("count", {ScalarType::i64, {}}, Memory::input);
    count_ = *program_.find("count");
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (live[i] && !is_input(graph_.nodes[i])) lower_node(static_cast<int>(i));
    lower_outputs();
    put_views_last();
    drop_dead_kernels();
    return std::move(program_);
  }

 private:
  std::vector<bool> live_nodes() const {
    std::vector<bool> live(graph_.nodes.size());
    for (const Output& output : graph_.outputs)
      live[static_cast<std::size_t>(output.value.node)] = true;
    for (std::size_t i = live.size(); i-- > 0;)
      if (live[i])
        for (const Value& operand : graph_.nodes[i].operands)
          live[static_cast<std::size_t>(operand.node)] = true;
    return live;
  }

  std::string unique(std::string name) {
    if (names_.insert(name).second) return name;
    for (int i = 2;; ++i)
      if (auto next = fmt::format("{}.{}", name, i); names_.insert(next).second) return next;
  }

  BufferId add_buffer(const std::string& name, TensorType type, Memory memory,
                      std::optional<BufferId> view_of = {}) {
    type.dims = concrete(type.dims, graph_.batch);
    program_.buffers.push_back({unique(name), std::move(type), memory, view_of, -1, {}});
    return static_cast<BufferId>(program_.buffers.size()) - 1;
  }

  void add_input(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    const Memory memory = input_role(node) == "data" ? Memory::input : Memory::state;
    buffers_[{index, 0}] = add_buffer(input_name(node), node.types[0], memory);
  }

  void lower_node(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    std::vector<TensorType> operands;
    std::vector<BufferId> buffers;  // of the computation's operands, then of its stages
    for (const Value& operand : node.operands) {
      operands.push_back(graph_.type(operand));
      buffers.push_back(buffers_.at(operand));
    }
    const Computation computation = node.op->compute({operands, node.types, node.attributes});
    const std::string base = node.label.empty() ? node.op->name : node.label + "." + node.op->name;
    for (std::size_t i = 0; i < computation.stages.size(); ++i) {
      const bool last = i + 1 == computation.stages.size();
      buffers.push_back(lower_stage(computation.stages[i], buffers,
                                    last ? base : base + "." + computation.stages[i].name,
                                    node.label));
    }
    for (std::size_t r = 0; r < node.types.size(); ++r) {
      const ResultSource& source = computation.results.at(r);
      const std::size_t slot =
          static_cast<std::size_t>(source.index) + (source.is_operand ? 0 : operands.size());
      buffers_[{index, static_cast<int>(r)}] = viewed(buffers.at(slot), node.types[r]);
    }
  }

  BufferId viewed(BufferId buffer, const TensorType& type) {
    const Dims dims = concrete(type.dims, graph_.batch);
    if (program_.buffer(buffer).type.dims == dims) return buffer;
    const BufferId storage = program_.storage(buffer);
    return add_buffer(program_.buffer(storage).name + ".view", type,
                      program_.buffer(storage).memory, storage);
  }

  /// `stage` with the program's buffers in the place of the computation's own.
  static Stage rebound(const Stage& stage, const std::vector<BufferId>& buffers) {
    Stage result = stage;
    result.value = transform(stage.value, [&](const Expr& expr) {
      const auto* l = expr.as<Load>();
      return l ? load(buffers.at(static_cast<std::size_t>(l->buffer)), expr.type(), l->index)
               : Expr();
    });
    return result;
  }

  /// A stage that equals an earlier one (the zero-padded input of a convolution and of its weight
  /// gradient) is that one.
  std::optional<BufferId> find_equal(const Stage& stage) const {
    for (const auto& [known, buffer] : stages_) {
      if (known.type != stage.type || known.op != stage.op || known.dims() != stage.dims() ||
          known.reduce.size() != stage.reduce.size())
        continue;
      std::unordered_map<Var, Var> renaming;
      bool equal = true;
      const auto pair_up = [&](const std::vector<Axis>& a, const std::vector<Axis>& b) {
        for (std::size_t i = 0; i < a.size(); ++i) {
          equal &= a[i].extent == b[i].extent;
          renaming[a[i].var] = b[i].var;
        }
      };
      pair_up(known.axes, stage.axes);
      pair_up(known.reduce, stage.reduce);
      if (equal && same(known.value, stage.value, renaming)) return buffer;
    }
    return std::nullopt;
  }

  BufferId lower_stage(const Stage& own, const std::vector<BufferId>& buffers,
                       const std::string& name, const std::string& layer) {
    const Stage stage = rebound(own, buffers);
    if (const auto known = find_equal(stage)) return *known;
    const BufferId buffer = add_buffer(name, {stage.type, stage.dims()}, Memory::arena);
    emit(stage, buffer, layer);
    stages_.emplace_back(stage, buffer);
    return buffer;
  }

  void emit(const Stage& stage, BufferId buffer, const std::string& layer) {
    const auto is_batch = [](const Axis& axis) { return axis.extent == kBatch; };
    const bool over_batch = std::any_of(stage.reduce.begin(), stage.reduce.end(), is_batch);
    const std::int64_t results = element_count(stage.dims(), graph_.batch);
    std::int64_t terms = 1;  // of one sample
    for (const Axis& axis : stage.reduce)
      if (!is_batch(axis)) terms *= axis.extent;
    if (over_batch &&
        results <= (terms >= kLongTerms ? kMaxLongGroupedResults : kMaxGroupedResults)) {
      if (!goes_by_columns(stage)) return emit_grouped(stage, buffer, layer);
      const Stage total = by_columns(stage, buffer, layer);
      return add_kernel(program_.buffer(buffer).name, layer, nest(total, buffer));
    }
    add_kernel(program_.buffer(buffer).name, layer, nest(stage, buffer));
  }

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
      const auto stride = memory_stride(program_, l->buffer, l->index, columns.var);
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
    const BufferId sums = add_buffer(program_.buffer(buffer).name + ".columns",
                                     {stage.type, columns.dims()}, Memory::arena);
    emit_grouped(columns, sums, layer);
    Stage total{stage.name, stage.type, columns.axes, {}, stage.op, {}};
    for (Axis& axis : total.axes) axis.var = make_var(axis.var->name);
    total.value = load(sums, stage.type, index_of(total.axes));
    total.reduce = {total.axes.back()};
    total.axes.pop_back();
    return total;
  }

  // The name by value: making the body adds buffers, and a buffer's own name may move then.
  void add_kernel(std::string name, const std::string& layer, Block body) {
    program_.kernels.push_back({std::move(name),
                                layer.empty() ? std::vector<std::string>{} : std::vector{layer},
                                std::move(body)});
  }

  std::int64_t groups() const { return (graph_.batch + kGroupSize - 1) / kGroupSize; }

  /// for var in the samples of group g { body }
  Stmt sample_loop(const Var& var, const Var& group, Block body) const {
    const Expr begin = Expr(group) * kGroupSize;
    return {For{var, begin, min(begin + kGroupSize, load_count(count_)), LoopKind::serial,
                std::move(body)}};
  }
  Stmt group_loop_of(const Var& group, Block body) const {
    return {For{group, 0, groups(), LoopKind::serial, std::move(body)}};
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
      if (axis.extent == kBatch) body = {sample_loop(axis.var, g, std::move(body))};
    return units.empty() ? body : substitute(body, units);
  }

  /// The same, with a loop over groups around a batch axis.
  Block loops(const std::vector<Axis>& axes, Block body) const {
    const Var g = make_var("g");
    const bool by_sample = std::any_of(axes.begin(), axes.end(),
                                       [](const Axis& axis) { return axis.extent == kBatch; });
    body = inner_loops(axes, std::move(body), g);
    if (!by_sample) return body;
    return {group_loop_of(g, std::move(body))};
  }

  static std::vector<Expr> index_of(const std::vector<Axis>& axes) {
    std::vector<Expr> index;
    for (const Axis& axis : axes) index.emplace_back(axis.var);
    return index;
  }

  /// alloc sum; sum[] = initial; for reduce { sum[] op= value }; store
  Block reduction(const Stage& stage, const Expr& initial, const std::vector<Axis>& reduce,
                  const std::function<Stmt(Expr)>& finish) {
    const BufferId sum = add_buffer("sum", {stage.type, {}}, Memory::reg);
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
      const Expr end = reduce[i].extent == kBatch ? load_count(count_) : Expr(reduce[i].extent);
      loop = {Stmt{For{reduce[i].var, 0, end, LoopKind::serial, std::move(loop)}}};
    }
    if (!units.empty()) loop = substitute(loop, units);
    body.insert(body.end(), loop.begin(), loop.end());
    body.push_back(finish(load(sum, stage.type, {})));
    return body;
  }

  Block nest(const Stage& stage, BufferId buffer) {
    const auto store = [&](const Expr& value) {
      return Stmt{Store{buffer, index_of(stage.axes), value}};
    };
    if (stage.reduce.empty()) return loops(stage.axes, {store(stage.value)});
    if (const auto blocked = split_long_sum(stage)) return blocked_nest(stage, *blocked, buffer);
    return loops(stage.axes, reduction(stage, identity(stage.op, stage.type), stage.reduce, store));
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
    return {group_loop_of(g, std::move(body))};
  }

  /// partial[...] op= the reduction of one sample. A sample's own sum is added as a whole, so that
  /// rounding errors do not grow with samples times terms.
  Block sample_sum(const Stage& stage, const std::vector<Axis>& reduce, BufferId partial,
                   const std::vector<Expr>& index) {
    if (reduce.empty()) return {Stmt{Accumulate{stage.op, partial, index, stage.value}}};
    const Expr so_far = load(partial, stage.type, index);
    const bool sum = stage.op == Reduction::add;
    return reduction(stage, sum ? identity(stage.op, stage.type) : so_far, reduce,
                     [&](const Expr& value) {
                       return Stmt{Store{partial, index, sum ? so_far + value : value}};
                     });
  }

  /// partial[g, ...] over the samples of each group, then the groups' sum.
  void emit_grouped(const Stage& stage, BufferId buffer, const std::string& layer) {
    const std::string name = program_.buffer(buffer).name;
    Dims dims = stage.dims();
    dims.insert(dims.begin(), groups());
    const BufferId partial = add_buffer(name + ".partial", {stage.type, dims}, Memory::arena);
    const Var g = make_var("g");
    std::vector<Expr> index = index_of(stage.axes);
    index.insert(index.begin(), Expr(g));

    Block body = loops(stage.axes, {Stmt{Store{partial, index, identity(stage.op, stage.type)}}});
    std::vector<Axis> inner;
    Var sample;
    for (const Axis& axis : stage.reduce) {
      if (axis.extent == kBatch)
        sample = axis.var;
      else
        inner.push_back(axis);
    }
    Block one = loops(stage.axes, sample_sum(stage, inner, partial, index));
    body.push_back(sample_loop(sample, g, std::move(one)));
    add_kernel(name + ".partial", layer, {group_loop_of(g, std::move(body))});

    Stage total = stage;
    const Var group = make_var("g");
    index[0] = group;
    total.reduce = {{group, groups()}};
    total.value = load(partial, stage.type, index);
    add_kernel(name, layer, nest(total, buffer));
  }

  bool is_state(BufferId buffer) const {
    return program_.buffer(program_.storage(buffer)).memory == Memory::state;
  }

  /// What is the old value of a state is copied ahead of the new values.
  void lower_outputs() {
    std::vector<std::pair<const Output*, BufferId>> later;
    for (const Output& output : graph_.outputs) {
      BufferId buffer = buffers_.at(output.value);
      const auto target = program_.find(output.name);
      if (is_state(buffer) && !(target && is_state(*target))) {
        lower_output(output, buffer);
        continue;
      }
      if (is_state(buffer) && program_.storage(buffer) != *target) {
        const BufferId old =
            add_buffer(output.name + ".old", graph_.type(output.value), Memory::arena);
        copy(output, buffer, old, ".old");
        buffer = old;
      }
      later.emplace_back(&output, buffer);
    }
    for (const auto& [output, buffer] : later) lower_output(*output, buffer);
  }

  /// An output that has a buffer of its own takes that one, also where it views it alone, which
  /// then is the view; a new value of a state, and whatever shares its buffer, is copied at the
  /// end.
  void lower_output(const Output& output, BufferId buffer) {
    Buffer& source = program_.buffers[static_cast<std::size_t>(buffer)];
    const auto target = program_.find(output.name);
    if (!target && source.memory == Memory::arena && !source.view_of && !has_views(buffer)) {
      source.memory = Memory::output;
      source.name = unique(output.name);
      return;
    }
    if (!target && source.memory == Memory::arena && source.view_of && is_only_view(buffer)) {
      Buffer& made = program_.buffers[static_cast<std::size_t>(*source.view_of)];
      source.memory = made.memory = Memory::output;
      source.name = unique(output.name);
      source.view_of.reset();
      made.view_of = buffer;
      return;
    }
    const TensorType& type = graph_.type(output.value);
    const BufferId destination = target ? *target : add_buffer(output.name, type, Memory::output);
    if (program_.storage(buffer) != destination) copy(output, buffer, destination, ".update");
  }

  void copy(const Output& output, BufferId from, BufferId to, std::string_view suffix) {
    const TensorType& type = graph_.type(output.value);
    Stage copy;
    copy.type = type.scalar;
    std::vector<Expr> index;
    for (std::size_t i = 0; i < type.dims.size(); ++i) {
      copy.axes.push_back(
          {make_var(i == 0 && type.dims[0] == kBatch ? "n" : fmt::format("i{}", i)), type.dims[i]});
      index.emplace_back(copy.axes.back().var);
    }
    copy.value = load(from, type.scalar, index);
    const std::string layer = graph_.node(output.value).label;
    add_kernel(unique(fmt::format("{}{}", output.name, suffix)), layer, nest(copy, to));
  }

  /// Some results of an op may have no use (where the maximum was, in inference), and then the
  /// stages that make them.
  void drop_dead_kernels() {
    std::set<BufferId> needed;
    for (std::size_t k = program_.kernels.size(); k-- > 0;) {
      const auto all = accesses(program_.kernels[k].body);
      const bool live = std::any_of(all.begin(), all.end(), [&](const BufferAccess& access) {
        const BufferId id = program_.storage(access.buffer);
        const Memory memory = program_.buffer(id).memory;
        return access.write &&
               (memory == Memory::state || memory == Memory::output || needed.contains(id));
      });
      if (live)
        for (const BufferAccess& access : all) needed.insert(program_.storage(access.buffer));
      else
        program_.kernels.erase(program_.kernels.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }

  bool is_only_view(BufferId view) const {
    return std::ranges::count(program_.buffers, program_.buffer(view).view_of, &Buffer::view_of) ==
           1;
  }

  /// The text of a program names a buffer ahead of its views.
  void put_views_last() {
    std::vector<Buffer> ordered;
    std::vector<BufferId> numbers(program_.buffers.size());
    for (const bool views : {false, true})
      for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
        if (program_.buffers[i].view_of.has_value() != views) continue;
        numbers[i] = static_cast<BufferId>(ordered.size());
        ordered.push_back(program_.buffers[i]);
      }
    program_.buffers = std::move(ordered);
    renumber_buffers(program_, numbers);
    count_ = numbers[static_cast<std::size_t>(count_)];
  }

  bool has_views(BufferId buffer) const {
    return std::any_of(program_.buffers.begin(), program_.buffers.end(),
                       [&](const Buffer& b) { return b.view_of == buffer; });
  }

  const Graph& graph_;
  Program program_;
  BufferId count_ = -1;
  std::map<Value, BufferId> buffers_;
  std::vector<std::pair<Stage, BufferId>> stages_;
  std::set<std::string> names_;
};

}  // namespace

Program lower(const Graph& graph, const Target&) {
  return drop_unused_buffers(Lowering(graph).run());
}

}  // namespace cnnc
