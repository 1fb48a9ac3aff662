#include "tests/random/batch_split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "tests/random/numbers.h"
#include "tests/random/reference.h"

namespace cnnc::testing {
namespace {

bool has_rows(const TensorType& type) {
  return std::ranges::find(type.dims, kBatch) != type.dims.end();
}

/// What of a graph adds up rows, or comes from what does.
class RowSums {
 public:
  explicit RowSums(const Graph& graph) : sums_(graph.nodes.size()) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      if (is_input(node) && input_name(node) == "count") mean_ = true;
      const bool of_sums =
          std::ranges::any_of(node.operands, [&](Value operand) { return is_sum(operand); });
      const bool of_rows = std::ranges::any_of(
          node.operands, [&](Value operand) { return has_rows(graph.type(operand)); });
      const bool by_row = std::ranges::any_of(node.types, has_rows);
      independent_ = independent_ && !(by_row && of_sums);
      sums_[i] = !by_row && (of_sums || of_rows);
    }
  }

  bool is_sum(Value value) const { return sums_[static_cast<std::size_t>(value.node)]; }
  bool rows_are_independent() const { return independent_; }
  bool depends_on_count() const { return mean_; }

 private:
  std::vector<bool> sums_;
  bool independent_ = true, mean_ = false;
};

Tensor magnitudes(Tensor tensor) {
  if (is_float(tensor.type().scalar))
    for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, std::abs(tensor.get(i)));
  return tensor;
}

/// Sums of absolute values behind an output, and how many operations add them up.
struct Size {
  Tensor sum;
  double operations = 0;
};

/// Of every output, from the values of all nodes: what is no sum over rows counts with its
/// magnitude, a sum of products with that of the magnitudes' products.
std::map<std::string, Size> sizes_of(const Graph& graph, const RowSums& sums,
                                     const NodeValues& values, std::int64_t count) {
  std::map<Value, Size> sizes;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    if (!sums.is_sum({i, 0})) continue;
    // Of these ops the result grows with every operand's magnitude; of others it is not known.
    const std::string& name = node.op->name;
    const bool is_known = name == "sub" || name == "neg" || name == "add" || name == "mul" ||
                          name == "div" || (node.op->exact_on_integers && !node.op->scalar);
    CNNC_CHECK(is_known, "what is the bound of {} of a sum over rows?", name);
    double before = 0;
    std::vector<Tensor> operands;
    for (const Value operand : node.operands) {
      if (sums.is_sum(operand)) before = std::max(before, sizes.at(operand).operations);
      operands.push_back(sums.is_sum(operand) ? sizes.at(operand).sum
                                              : magnitudes(values.at(operand)));
    }
    const OpRef op = name == "sub" ? OpTable::standard().find("add") : node.op;
    std::vector<TensorType> types;
    for (const TensorType& type : node.types)
      types.push_back({type.scalar, concrete(type.dims, count)});
    const auto results = op->reference(operands, types, node.attributes);
    for (std::size_t r = 0; r < results.size(); ++r)
      sizes[{i, static_cast<int>(r)}] = {magnitudes(results[r]),
                                         before + operations(graph, node, count)};
  }
  std::map<std::string, Size> result;
  for (const Output& output : graph.outputs)
    if (sums.is_sum(output.value)) result.emplace(output.name, sizes.at(output.value));
  return result;
}

/// Every node's value, by the graph's interpreter.
NodeValues values_of(Graph graph, const std::map<std::string, Tensor>& inputs, std::int64_t count) {
  graph.outputs.clear();
  std::map<std::string, Value> names;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i)
    for (int r = 0; r < std::ssize(graph.nodes[static_cast<std::size_t>(i)].types); ++r) {
      const std::string name = fmt::format("{}.{}", i, r);
      names[name] = {i, r};
      graph.outputs.push_back({name, {i, r}});
    }
  NodeValues values;
  for (auto& [name, tensor] : interpret(graph, inputs, count)) values[names.at(name)] = tensor;
  return values;
}

/// `inputs` with the rows from `first` on in front.
Tensors from_row(const Graph& graph, Tensors inputs, std::int64_t first) {
  for (const Node& node : graph.nodes) {
    if (!is_input(node) || !has_rows(node.types[0])) continue;
    Tensor& tensor = inputs.at(input_name(node));
    const auto row = std::ssize(tensor.bytes()) / tensor.dims().front();
    std::copy(tensor.bytes().begin() + first * row, tensor.bytes().end(), tensor.bytes().begin());
  }
  return inputs;
}

std::string first_difference(const std::string& name, const Tensor& whole, const Tensor& a,
                             const Tensor& b, double factor, const Size& size, bool exact) {
  const bool single = whole.type().scalar == ScalarType::f32;
  const double unit = single ? 0x1p-24 : 0x1p-53;
  const double most =
      single ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  const double tiny =
      single ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min();
  const double n = size.operations;
  for (std::int64_t i = 0; i < whole.size(); ++i) {
    const double sum = factor * (a.get(i) + b.get(i));
    // The interpreter's magnitudes are rounded otherwise than the machine code's.
    const double scale = 1.01 * size.sum.get(i);
    if (!(scale < most / 4)) continue;
    const double allowed = exact ? 0 : 2 * n * unit / (1 - n * unit) * scale + n * tiny;
    if (std::abs(whole.get(i) - sum) <= allowed) continue;
    return fmt::format("{}[{}] of {} is {}, by parts {}: {:.3g} apart, allowed {:.3g}", name, i,
                       to_string(whole.type()), whole.get(i), sum, std::abs(whole.get(i) - sum),
                       allowed);
  }
  return {};
}

}  // namespace

std::string batch_split_difference(const Graph& training, const Configuration& configuration,
                                   const Tensors& inputs, std::int64_t count, std::int64_t first,
                                   Statistics& statistics) {
  const PassContext context = context_of(configuration);
  const auto skipped = [&](std::string_view pass) {
    return std::ranges::find(configuration.skip, pass) != configuration.skip.end();
  };
  const CompileOptions options{
      .target = context.target, .skip = configuration.skip, .config = context.config};
  Graph graph = std::get<Graph>(ir_at(training, "differentiate", options));
  std::erase_if(graph.outputs,
                [](const Output& output) { return !output.name.starts_with("gradient."); });
  const std::vector<std::string> simplify{"simplify"};
  graph = std::get<Graph>(run_passes(graph, simplify, context));
  const RowSums sums(graph);
  if (sums.depends_on_count()) count -= count % 2;
  if (sums.depends_on_count()) first = count / 2;
  if (graph.outputs.empty() || count < 2 || !sums.rows_are_independent()) return {};
  ++statistics.splits;

  std::set<std::string> names;
  for (const Output& output : graph.outputs) names.insert(output.name);
  std::vector<std::string> passes{"lower"};
  for (const auto& row : loop_passes())
    if (!skipped(row.name)) passes.emplace_back(row.name);
  Executable executable = machine_code(std::get<Program>(run_passes(graph, passes, context)),
                                       context.target, configuration.quick);
  ++statistics.compiled;
  ThreadPool pool(configuration.threads);
  const auto gradients = [&](Tensors rows, std::int64_t number) {
    if (rows.contains("count")) rows.at("count").set(0, static_cast<double>(number));
    return called(executable, rows, names, number, pool);
  };
  const Tensors whole = gradients(inputs, count), a = gradients(inputs, first),
                b = gradients(from_row(graph, inputs, first), count - first);

  auto known = graph_inputs(graph, inputs, count);
  if (known.contains("count")) known.at("count").set(0, static_cast<double>(count));
  const auto sizes = sizes_of(graph, sums, values_of(graph, known, count), count);
  known["count"] = Tensor({ScalarType::i64, {}});
  known["count"].set(0, static_cast<double>(count));
  const bool exact = exact_values(graph, known).has_value();
  const double factor = sums.depends_on_count() ? 0.5 : 1;
  for (const auto& [name, size] : sizes) {
    ++statistics.compared;
    const auto how =
        first_difference(name, whole.at(name), a.at(name), b.at(name), factor, size, exact);
    if (!how.empty()) return fmt::format("{} and {} rows: {}", first, count - first, how);
  }
  return {};
}

}  // namespace cnnc::testing
