#include <map>
#include <set>

#include "passes/cost/core_model.h"
#include "passes/cost/kernel_cost.h"
#include "runtime/pictures/graph_picture.h"

namespace cnnc {
namespace {

class ProgramDrawing {
 public:
  ProgramDrawing(const Program& program, std::int64_t count, const Target& target)
      : program_(program) {
    for (const Kernel& kernel : program.kernels) {
      costs_.push_back(cost_of(program, kernel, count, 1, target));
      total_ += costs_.back().work.cycles;
    }
    picture_.title =
        fmt::format("{}, {} row{}, {} kernel{}", program.name, count, count == 1 ? "" : "s",
                    program.kernels.size(), program.kernels.size() == 1 ? "" : "s");
  }

  BoxPicture draw() {
    for (kernel_ = 0; kernel_ < program_.kernels.size(); ++kernel_) {
      written_.clear();
      picture_.boxes.emplace_back();
      visit(program_.kernels[kernel_].body);
      if (written_.size() > 1) picture_.boxes.back().title = title_of(kernel_);
    }
    drop_single_boxes(picture_);
    return std::move(picture_);
  }

 private:
  using Nodes = std::set<std::size_t>;

  std::string title_of(std::size_t kernel) const {
    const Kernel& k = program_.kernels[kernel];
    return fmt::format("kernel {}: {} buffers, {} layer{}, {:.1f} % of the cycles", k.name,
                       written_.size(), k.layers.size(), k.layers.size() == 1 ? "" : "s",
                       100 * costs_[kernel].work.cycles / std::max(1.0, total_));
  }

  bool is_local(BufferId buffer) const {
    const Memory memory = program_.buffer(buffer).memory;
    return memory == Memory::reg || memory == Memory::stack;
  }

  void visit(const Block& block) {
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>()) visit(loop->body);
      if (const auto* branch = stmt.as<If>()) {
        visit(branch->then_body);
        visit(branch->else_body);
      }
      if (const auto* let = stmt.as<Let>()) collect(let->value, lets_[let->var] = {});
      if (const auto assigned = assignment(stmt)) visit(*assigned);
    }
  }

  void visit(const Assignment& assigned) {
    Nodes sources;
    collect(assigned.value, sources);
    for (const Expr& index : *assigned.index) collect(index, sources);
    if (is_local(assigned.buffer)) {
      registers_[assigned.buffer].merge(sources);
      return;
    }
    const std::size_t node = result_node(program_.storage(assigned.buffer));
    for (const std::size_t source : sources) connect(source, node);
  }

  /// Adds the nodes of what `expr` loads, directly or through a Let.
  void collect(const Expr& expr, Nodes& sources) {
    walk(expr, [&](const Expr& e) {
      if (const auto* load = e.as<Load>()) add_source(sources, load->buffer);
      if (const auto* var = e.as<Var>())
        if (const auto let = lets_.find(*var); let != lets_.end())
          sources.insert(let->second.begin(), let->second.end());
    });
  }

  void add_source(Nodes& sources, BufferId buffer) {
    if (is_local(buffer)) {
      const Nodes& known = registers_[buffer];
      sources.insert(known.begin(), known.end());
      return;
    }
    const BufferId storage = program_.storage(buffer);
    const Buffer& memory = program_.buffer(storage);
    if (const auto node = latest_.find(storage); node != latest_.end()) {
      sources.insert(node->second);
    } else if (!memory.type.dims.empty() && memory.memory != Memory::constant) {
      sources.insert(latest_[storage] = add_node(storage));
    }
  }

  std::size_t add_node(BufferId storage) {
    const Buffer& buffer = program_.buffer(storage);
    PictureNode node{.name = buffer.name, .details = "", .tooltip = shape_label(buffer.type)};
    if (buffer.memory == Memory::state) node.shape = NodeShape::memory;
    if (buffer.memory == Memory::input) node.shape = NodeShape::input;
    if (buffer.memory == Memory::output) node.shape = NodeShape::output;
    picture_.nodes.push_back(std::move(node));
    buffers_.push_back(storage);
    return picture_.nodes.size() - 1;
  }

  /// The node of what this kernel makes of a buffer.
  std::size_t result_node(BufferId storage) {
    const auto [known, fresh] = written_.try_emplace(storage, 0);
    if (!fresh) return known->second;
    const std::size_t id = add_node(storage);
    PictureNode& node = picture_.nodes[id];
    if (node.shape == NodeShape::memory) node.name = "new " + node.name;
    node.box = static_cast<int>(kernel_);
    const auto work = costs_[kernel_].by_result.find(storage);
    if (work != costs_[kernel_].by_result.end() && total_ > 0) {
      node.heat = work->second.cycles / total_;
      if (node.heat >= 0.001) node.details = fmt::format("{:.1f} % of the cycles", 100 * node.heat);
      node.tooltip += fmt::format(", {:.3f} MFLOP", work->second.flops / 1e6);
    }
    known->second = latest_[storage] = id;
    return id;
  }

  void connect(std::size_t from, std::size_t to) {
    // That a weight's new value comes from the old one goes without an arrow.
    const bool update = buffers_[from] == buffers_[to];
    if (update || !connected_.emplace(from, to).second) return;
    const Buffer& buffer = program_.buffer(buffers_[from]);
    picture_.edges.push_back({from, to, shape_label(buffer.type), buffer.memory == Memory::thread});
  }

  const Program& program_;
  std::vector<KernelCost> costs_;
  double total_ = 0;
  std::size_t kernel_ = 0;
  std::map<BufferId, std::size_t> written_;  // by this kernel: their nodes
  std::map<BufferId, std::size_t> latest_;   // the node of a buffer's present contents
  std::map<Var, Nodes> lets_;                // what variables are made of
  std::map<BufferId, Nodes> registers_;      // what sums in registers are made of
  std::vector<BufferId> buffers_;            // of the nodes
  std::set<std::pair<std::size_t, std::size_t>> connected_;
  BoxPicture picture_;
};

}  // namespace

BoxPicture picture_of(const Program& program, std::int64_t count, const Target& target) {
  return ProgramDrawing(program, count, target).draw();
}

}  // namespace cnnc
