// lower: every stage of every op's compute becomes a kernel.
//   %5 = matmul(%3, %4) : f32[B,10]
//     ->
//   kernel dense1.matmul { for g in 0 .. 8 { for n in g*16 .. min(g*16 + 16, count[]) {
//     for o in 0 .. 10 {
//       alloc sum; sum[] = 0
//       for k { sum[] += x[n,k] * w[k,o] }
//       out[n,o] = sum[] } } } }
#include "passes/lower/lower.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/expr/expr_hash.h"
#include "passes/analysis/nest.h"
#include "passes/edit/prune_buffers.h"
#include "passes/edit/renumber_buffers.h"
#include "passes/lower/lower_stage.h"
#include "passes/lower/program_builder.h"

namespace cnnc {

namespace {

class Lowering {
 public:
  explicit Lowering(const Graph& graph)
      : graph_(graph), build_(graph.name, graph.batch), program_(build_.program) {}

  Program run() {
    const auto live = live_nodes();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (is_input(graph_.nodes[i])) add_input(static_cast<int>(i));
    if (!build_.find("count")) build_.add_buffer("count", {ScalarType::i64, {}}, Memory::input);
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

  void add_input(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    const Memory memory = input_role(node) == "data" ? Memory::input : Memory::state;
    buffers_[{index, 0}] = build_.add_buffer(input_name(node), node.types[0], memory);
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
      buffers.push_back(buffer_of(computation.stages[i], buffers,
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
    return build_.add_buffer(program_.buffer(storage).name + ".view", type,
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
    const auto [first, last] = stages_.equal_range(hash_of(stage.value));
    for (auto at = first; at != last; ++at) {
      const auto& [known, buffer] = at->second;
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

  BufferId buffer_of(const Stage& own, const std::vector<BufferId>& buffers,
                     const std::string& name, const std::string& layer) {
    const Stage stage = rebound(own, buffers);
    if (const auto known = find_equal(stage)) return *known;
    const BufferId buffer = build_.add_buffer(name, {stage.type, stage.dims()}, Memory::arena);
    lower_stage(build_, stage, buffer, layer);
    stages_.emplace(hash_of(stage.value), std::pair(stage, buffer));
    return buffer;
  }

  bool is_state(BufferId buffer) const {
    return program_.buffer(program_.storage(buffer)).memory == Memory::state;
  }

  /// What is the old value of a state is copied ahead of the new values.
  void lower_outputs() {
    std::vector<std::pair<const Output*, BufferId>> later;
    for (const Output& output : graph_.outputs) {
      BufferId buffer = buffers_.at(output.value);
      const auto target = build_.find(output.name);
      if (is_state(buffer) && !(target && is_state(*target))) {
        lower_output(output, buffer);
        continue;
      }
      if (is_state(buffer) && program_.storage(buffer) != *target) {
        const BufferId old =
            build_.add_buffer(output.name + ".old", graph_.type(output.value), Memory::arena);
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
    const auto target = build_.find(output.name);
    if (!target && source.memory == Memory::arena && !source.view_of &&
        !has_views(program_, buffer)) {
      source.memory = Memory::output;
      build_.rename(buffer, output.name);
      return;
    }
    if (!target && source.memory == Memory::arena && source.view_of && is_only_view(buffer)) {
      Buffer& made = program_.buffers[static_cast<std::size_t>(*source.view_of)];
      source.memory = made.memory = Memory::output;
      build_.rename(buffer, output.name);
      source.view_of.reset();
      made.view_of = buffer;
      return;
    }
    const TensorType& type = graph_.type(output.value);
    const BufferId destination =
        target ? *target : build_.add_buffer(output.name, type, Memory::output);
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
    lower_stage_as(build_, build_.unique(fmt::format("{}{}", output.name, suffix)), copy, to,
                   layer);
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
  }

  const Graph& graph_;
  ProgramBuilder build_;
  Program& program_;  // of build_
  std::map<Value, BufferId> buffers_;
  std::multimap<std::size_t, std::pair<Stage, BufferId>> stages_;  // by the hash of their value
};

}  // namespace

Program lower(const Graph& graph, const PassContext&) {
  return prune_buffers(Lowering(graph).run());
}

}  // namespace cnnc
