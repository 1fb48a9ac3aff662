// Graph IR: whole tensors in SSA form. Immutable once built; a pass builds another.
//
//   graph mnist batch=128 {
//     %0 = input() {name="image", role="data", type="u8[B,28,28,1]"} : u8[B,28,28,1]
//     %1 = input() {name="conv1.weight", role="parameter", type="f32[3,3,1,8]"} : f32[3,3,1,8]
//     %2 = conv2d(%0, %1) {...} : f32[B,28,28,8]   @conv1
//     %3, %4 = maxpool(%2) {...} : f32[B,14,14,8], u8[B,14,14,8]   @maxpool1
//     return loss=%9, conv1.weight=%12
//   }
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/base/places.h"
#include "ir/graph/op.h"

namespace cnnc {

/// Result `result` of node `node`.
struct Value {
  int node = -1;
  int result = 0;

  auto operator<=>(const Value&) const = default;
};

struct Node {
  OpRef op;
  std::vector<Value> operands;
  Attributes attributes;
  std::vector<TensorType> types;  // one a result
  std::string label;              // the layer that it serves; empty: none
};

/// An output. Named as a parameter or state, it is that one's new value.
struct Output {
  std::string name;
  Value value;
};

struct OptimizerDef;

/// The update rule that apply_optimizer applies: a row of the optimizer table with its arguments.
/// Absent in inference graphs.
struct OptimizerSpec {
  std::string name;
  Attributes arguments;
  /// Not printed; null in a graph that was read: then the standard language's.
  std::shared_ptr<const OptimizerDef> definition = nullptr;

  bool operator==(const OptimizerSpec& other) const {
    return name == other.name && arguments == other.arguments;
  }
};

struct Graph {
  std::string name;
  std::int64_t batch = 1;   // the most that kBatch can be
  std::vector<Node> nodes;  // operands before users
  std::vector<Output> outputs;
  std::optional<OptimizerSpec> optimizer;  // printed `optimizer sgd {...}` before the nodes

  const Node& node(Value value) const { return nodes.at(static_cast<std::size_t>(value.node)); }
  const TensorType& type(Value value) const {
    return node(value).types.at(static_cast<std::size_t>(value.result));
  }
  std::optional<Value> output(std::string_view name) const;
};

/// Roles of inputs: `data` (batch rows and run-time scalars), `parameter` (trained), `state`
/// (running statistics, momentum).
bool is_input(const Node& node);
const std::string& input_name(const Node& node);
const std::string& input_role(const Node& node);

/// The standard ops, and those of the graph's nodes: what a pass builds with.
OpTable ops_of(const Graph& graph);

/// Builds a graph. Equal nodes (op, operands, attributes) are made once. Types come from the ops'
/// rules, whose Errors pass through.
class Builder {
 public:
  Builder(OpTable ops, std::string name, std::int64_t batch);

  const OpTable& ops() const { return ops_; }
  std::int64_t batch() const { return graph_.batch; }

  Value input(std::string name, std::string role, TensorType type);
  Value constant(ScalarType type, double value);  // no dimensions
  Value op(std::string_view name, std::vector<Value> operands, Attributes attributes = {});
  std::vector<Value> ops_of(std::string_view name, std::vector<Value> operands,
                            Attributes attributes = {});  // all results
  Value add_node(OpRef op, std::vector<Value> operands, Attributes attributes = {});

  // Shorthands.
  Value add(Value a, Value b) { return op("add", {a, b}); }
  Value sub(Value a, Value b) { return op("sub", {a, b}); }
  Value mul(Value a, Value b) { return op("mul", {a, b}); }
  Value div(Value a, Value b) { return op("div", {a, b}); }
  Value cast(Value x, ScalarType type) {
    return op("cast", {x}, {{"type", std::string(name_of(type))}});
  }
  Value reduce_sum(Value x, Dims axes) {
    return op("reduce_sum", {x}, {{"axes", std::move(axes)}});
  }  // drops the axes
  Value reshape(Value x, Dims dims) { return op("reshape", {x}, {{"dims", std::move(dims)}}); }
  /// Sums `x` over the axes that broadcasting to its shape added or widened, so that the result has
  /// `dims`.
  Value sum_to(Value x, const Dims& dims);
  /// The nodes that compute a scalar expression whose Loads of buffer i stand for arguments[i]
  /// (index ignored).
  Value emit(const Expr& expr, std::span<const Value> arguments);
  /// The number of rows in this call, as `type`, without dimensions.
  Value count(ScalarType type);

  const TensorType& type(Value value) const { return graph_.type(value); }
  const Graph& graph() const { return graph_; }

  void set_label(std::string label) { label_ = std::move(label); }  // of the nodes made from now on
  const std::string& label() const { return label_; }
  void set_optimizer(std::optional<OptimizerSpec> optimizer) {
    graph_.optimizer = std::move(optimizer);
  }
  void output(std::string name, Value value);
  Graph build() &&;

  /// A use number that no other random op of this graph has.
  std::int64_t next_use();

 private:
  OpTable ops_;
  Graph graph_;
  std::string label_;
  std::unordered_map<std::string, int> known_;  // key of a node -> its index
  std::int64_t uses_ = 0;
};

/// d expr / d (Load of buffer `argument`), as an expression of the same arguments. Select
/// conditions count as constants.
Expr differentiate(const Expr& expr, BufferId argument);

std::string print(const Graph& graph);
/// Reads that text with the ops of `ops`. Throws Error with positions. `places` (may be null) says
/// where each node and output stands.
Graph parse_graph(const SourceText& source, const OpTable& ops, Places* places = nullptr);
/// Types as the rules say, operands before users, inputs and outputs unique. Throws InternalError
/// naming `stage`: what fails here is a pass's mistake. A text that a person wrote goes through
/// find_faults, which returns the complaints instead; verify_errors are their messages.
void verify(const Graph& graph, std::string_view stage);
std::vector<Fault> find_faults(const Graph& graph);
std::vector<std::string> verify_errors(const Graph& graph);

/// Evaluates every node from its op's compute. `inputs` by name; batch rows number `count`. Returns
/// the outputs by name. Throws Error (a PartError, where a node is at fault).
std::map<std::string, Tensor> interpret(const Graph& graph,
                                        const std::map<std::string, Tensor>& inputs,
                                        std::int64_t count);

/// Throws Error for what needs more memory than the interpreter takes
/// (ir/base/interpreter_memory.h). Nothing is allocated by that.
void check_interpreter_memory(const Graph& graph, std::int64_t rows);

}  // namespace cnnc
