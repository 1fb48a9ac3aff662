// reduce_sum {axes=[0,2]} and reduce_max: over the given dimensions, which the result no longer
// has. The batch may be among them.
#include <cmath>
#include <limits>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

TypeRule reduce_type(std::string_view name) {
  return [name](const OpContext& context) -> std::vector<TensorType> {
    expect_operands(name, context, 1);
    const TensorType& from = context.operands[0];
    const Dims& axes = context.attributes.integers("axes");
    if (from.scalar == ScalarType::boolean) {
      fail("{}: {} has no order or sum", name, to_string(from));
    }
    TensorType to{from.scalar, {}};
    std::size_t next = 0;  // of axes, which must rise
    for (std::size_t i = 0; i < from.dims.size(); ++i) {
      if (next < axes.size() && axes[next] == static_cast<std::int64_t>(i)) {
        ++next;
      } else {
        to.dims.push_back(from.dims[i]);
      }
    }
    if (next != axes.size()) {
      fail("{}: {} are not dimensions of {} in rising order", name, to_string(axes),
           to_string(from));
    }
    return {to};
  };
}

std::vector<std::optional<Value>> sum_gradient(Builder& builder, const Node& node,
                                               std::span<const Value>,
                                               std::span<const std::optional<Value>> gradients) {
  if (!gradients[0]) return {{}};
  const Dims dims = builder.type(node.operands[0]).dims;
  Dims ones = dims;
  for (const std::int64_t axis : node.attributes.integers("axes")) {
    ones[static_cast<std::size_t>(axis)] = 1;
  }
  const Value kept = builder.reshape(*gradients[0], ones);
  return {builder.op("broadcast_to", {kept}, {{"dims", dims}})};
}

ComputeRule reduce_compute(Reduction reduction) {
  return [reduction](const OpContext& context) {
    const Dims& axes = context.attributes.integers("axes");
    Stage stage;
    stage.name = "value";
    stage.type = context.results[0].scalar;
    stage.op = reduction;
    const std::vector<Axis> all = axes_of(context.operands[0].dims);
    for (std::size_t i = 0, next = 0; i < all.size(); ++i) {
      const bool reduced = next < axes.size() && axes[next] == static_cast<std::int64_t>(i);
      (reduced ? stage.reduce : stage.axes).push_back(all[i]);
      next += reduced ? 1 : 0;
    }
    stage.value = load_operand(context, 0, indices_of(all));
    return single_stage(std::move(stage));
  };
}

/// Scatters every element into its sum or maximum.
ReferenceRule reduce_reference(bool sum) {
  return [sum](std::span<const Tensor> operands, std::span<const TensorType> results,
               const Attributes& attributes) -> std::vector<Tensor> {
    const Dims& axes = attributes.integers("axes");
    const Dims& dims = operands[0].dims();
    std::vector<std::int64_t> strides(dims.size(), 0);  // in the result; 0 along reduced axes
    std::int64_t stride = 1;
    for (std::size_t d = dims.size(); d-- > 0;) {
      bool reduced = false;
      for (const std::int64_t axis : axes)
        reduced = reduced || axis == static_cast<std::int64_t>(d);
      if (reduced) continue;
      strides[d] = stride;
      stride *= dims[d];
    }
    Tensor out(results[0]);
    std::vector<double> values(static_cast<std::size_t>(out.size()), sum ? 0.0 : -INFINITY);
    for (std::int64_t i = 0; i < operands[0].size(); ++i) {
      std::int64_t rest = i, to = 0;
      for (std::size_t d = dims.size(); d-- > 0;) {
        to += rest % dims[d] * strides[d];
        rest /= dims[d];
      }
      double& value = values[static_cast<std::size_t>(to)];
      const double element = operands[0].get(i);
      value = sum ? value + element : (std::isnan(element) ? element : std::max(value, element));
    }
    for (std::int64_t i = 0; i < out.size(); ++i) out.set(i, values[static_cast<std::size_t>(i)]);
    return {std::move(out)};
  };
}

std::vector<Sample> reduce_samples() {
  const auto f32 = [](Dims dims) { return TensorType{ScalarType::f32, std::move(dims)}; };
  return {
      {"batch", {f32({kBatch, 3})}, {{"axes", Dims{0}}}, {}},
      {"last", {f32({kBatch, 17})}, {{"axes", Dims{1}}}, {}},
      {"bias", {f32({kBatch, 3, 2, 5})}, {{"axes", Dims{0, 1, 2}}}, {}},
      {"all", {f32({kBatch, 3})}, {{"axes", Dims{0, 1}}}, {}},
      {"negative", {f32({kBatch, 3, 2})}, {{"axes", Dims{0, 1}}}, {{-9, -1}}},
      {"middle", {f32({3, 1, 5, 2})}, {{"axes", Dims{1, 2}}}, {}},
      {"none", {f32({3})}, {{"axes", Dims{}}}, {}},
      {"whole_numbers", {{ScalarType::i64, {kBatch, 3}}}, {{"axes", Dims{1}}}, {{-9, 9}}},
  };
}

OpDef reduce_op(std::string_view name, std::string description, Reduction reduction) {
  OpDef op;
  op.name = name;
  op.description = std::move(description);
  op.attributes = {"axes"};
  op.carries_size = true;
  op.type_rule = reduce_type(name);
  op.compute = reduce_compute(reduction);
  op.reference = reduce_reference(reduction == Reduction::add);
  op.samples = reduce_samples();
  op.exact_on_integers = true;
  return op;
}

}  // namespace

std::vector<OpDef> reduce_ops() {
  std::vector<OpDef> ops;
  ops.push_back(reduce_op("reduce_sum", "sums over dimensions", Reduction::add));
  ops.back().gradient = sum_gradient;
  ops.push_back(reduce_op("reduce_max", "greatest over dimensions", Reduction::max));
  return ops;
}

}  // namespace cnnc
