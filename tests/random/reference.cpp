#include "tests/random/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cnnc::testing {
namespace {

std::vector<Tensor> operands_of(const Node& node, const NodeValues& values) {
  std::vector<Tensor> operands;
  for (const Value operand : node.operands) operands.push_back(values.at(operand));
  return operands;
}

std::vector<TensorType> result_types(const Node& node, std::int64_t count) {
  std::vector<TensorType> types;
  for (const TensorType& type : node.types)
    types.push_back({type.scalar, concrete(type.dims, count)});
  return types;
}

Tensor mapped(const Tensor& tensor, double (*f)(double)) {
  Tensor result = tensor;
  for (std::int64_t i = 0; i < tensor.size(); ++i) result.set(i, f(tensor.get(i)));
  return result;
}

/// The absolute values, zero for what is not finite.
double magnitude(double x) { return std::isfinite(x) ? std::abs(x) : 0; }

/// What the op makes of absolute values: for sums of products the sum of their absolute values.
std::vector<Tensor> scales(const Node& node, const std::vector<Tensor>& operands,
                           const std::vector<TensorType>& types) {
  std::vector<Tensor> absolute;
  for (const Tensor& tensor : operands)
    absolute.push_back(is_float(tensor.type().scalar) ? mapped(tensor, magnitude) : tensor);
  return node.op->reference(absolute, types, node.attributes);
}

double greatest(const Tensor& tensor) {
  double result = 0;
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    result = std::max(result, magnitude(tensor.get(i)));
  return result;
}

/// The largest power of two that divides all elements, at most 1; 0 where some element is not
/// finite.
double quantum(const Tensor& tensor) {
  double result = 1;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = tensor.get(i);
    if (!std::isfinite(value)) return 0;
    while (std::fmod(value, result) != 0) {
      result /= 2;
      if (result < 1e-30) return 0;  // too fine for sums of any size to be exact
    }
  }
  return result;
}

double epsilon(ScalarType type) { return type == ScalarType::f32 ? 0x1p-24 : 0x1p-53; }

/// Whether no step of computing `results` can have rounded, in any order.
bool is_exact(const Node& node, const std::vector<Tensor>& operands,
              const std::vector<Tensor>& scale) {
  if (node.op->name == "div")  // of the image by 255, say: exact where nothing is left over
    for (std::int64_t i = 0; i < operands[0].size(); ++i)
      if (operands[1].size() != 1 || std::fmod(operands[0].get(i), operands[1].get(0)) != 0)
        return false;
  if (!node.op->exact_on_integers && node.op->name != "div") return false;
  double step = 1;
  for (const Tensor& operand : operands)
    if (is_float(operand.type().scalar)) step *= quantum(operand);
  for (const Tensor& tensor : scale) {
    if (!is_float(tensor.type().scalar)) continue;
    if (step == 0 || greatest(tensor) / step * epsilon(tensor.type().scalar) > 0.5) return false;
  }
  return true;
}

struct Bound {
  double operations = 0, whole = 0;  // whole: of every element, where one does not tell
  bool exact = false, elementwise = false;
};

/// Empty, or how `got` is wrong.
std::string element_difference(double want, double got, double scale, const Bound& bound,
                               ScalarType type) {
  if (std::isnan(got) && std::isnan(want)) return {};
  const bool same_zero = want != 0 || !bound.elementwise || std::signbit(want) == std::signbit(got);
  if (want == got && same_zero) return {};
  if (!is_float(type)) return "differs";
  const double most = type == ScalarType::f32 ? std::numeric_limits<float>::max()
                                              : std::numeric_limits<double>::max();
  const double tiny = type == ScalarType::f32 ? std::numeric_limits<float>::denorm_min()
                                              : std::numeric_limits<double>::denorm_min();
  const double size = std::max({magnitude(want), scale, bound.whole});
  if (!(size < most / 4)) return {};  // may overflow in one order and not in another
  if (!std::isfinite(want) || !std::isfinite(got)) return "differs";
  const double allowed = bound.exact ? 0 : 2 * bound.operations * (epsilon(type) * size + tiny);
  if (bound.exact && want == got) return {};
  if (!bound.exact && std::abs(want - got) <= allowed) return {};
  return fmt::format("differs by {:.3g}, allowed {:.3g}", std::abs(want - got), allowed);
}

}  // namespace

double operations(const Graph& graph, const Node& node, std::int64_t count) {
  std::vector<TensorType> operands;
  for (const Value operand : node.operands) operands.push_back(graph.type(operand));
  double result = 32;
  for (const Stage& stage : node.op->compute({operands, node.types, node.attributes}).stages) {
    double terms = 1;
    for (const Axis& axis : stage.reduce)
      terms *= static_cast<double>(axis.extent == kBatch ? count : axis.extent);
    result += terms;
  }
  return result;
}

std::optional<NodeValues> exact_values(const Graph& graph,
                                       const std::map<std::string, Tensor>& inputs) {
  NodeValues values;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (is_input(node)) {
      values[{static_cast<int>(i), 0}] = inputs.at(input_name(node));
      continue;
    }
    if (!node.op->reference) return std::nullopt;
    const auto operands = operands_of(node, values);
    const auto count = inputs.contains("count") ? inputs.at("count").get(0) : 1;
    const auto types = result_types(node, static_cast<std::int64_t>(count));
    const auto results = node.op->reference(operands, types, node.attributes);
    if (!is_exact(node, operands, scales(node, operands, types))) return std::nullopt;
    for (std::size_t r = 0; r < results.size(); ++r)
      values[{static_cast<int>(i), static_cast<int>(r)}] = results[r];
  }
  return values;
}

std::string node_difference(const Graph& graph, int index, const NodeValues& values,
                            std::int64_t count, bool contracted) {
  const Node& node = graph.nodes.at(static_cast<std::size_t>(index));
  if (is_input(node) || !node.op->reference) return {};
  const auto operands = operands_of(node, values);
  const auto types = result_types(node, count);
  const auto expected = node.op->reference(operands, types, node.attributes);
  const auto scale = scales(node, operands, types);
  Bound bound;
  bound.operations = operations(graph, node, count);
  bound.exact = is_exact(node, operands, scale);
  bound.elementwise = static_cast<bool>(node.op->scalar) && !contracted;
  const bool linear = node.op->exact_on_integers && !node.op->scalar;
  if (!linear && (contracted || !node.op->scalar))
    for (const Tensor& operand : operands)
      if (is_float(operand.type().scalar)) bound.whole = std::max(bound.whole, greatest(operand));
  for (std::size_t r = 0; r < expected.size(); ++r) {
    const Tensor& got = values.at({index, static_cast<int>(r)});
    for (std::int64_t i = 0; i < got.size(); ++i) {
      const double size = linear ? scale[r].get(i) : 0;
      const auto how =
          element_difference(expected[r].get(i), got.get(i), size, bound, types[r].scalar);
      if (!how.empty())
        return fmt::format("%{} = {}: result {} [{}] of {} is {}, not {}: {}", index, node.op->name,
                           r, i, to_string(types[r]), got.get(i), expected[r].get(i), how);
    }
  }
  return {};
}

}  // namespace cnnc::testing
