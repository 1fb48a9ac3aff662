// What follows from the one scalar expression of an elementwise op.
#include "ir/ops/elementwise.h"

#include <algorithm>

#include "ir/graph/rules.h"

namespace cnnc {

namespace {

[[noreturn]] void fail_types(std::string_view op, const OpContext& context, std::string_view rule) {
  fail("{}: {}", describe(op, context.operands), rule);
}

bool one_type(const OpContext& context) {
  return std::ranges::all_of(context.operands, [&](const TensorType& type) {
    return type.scalar == context.operands[0].scalar;
  });
}

/// The scalar expression's arguments: loads without indices.
std::vector<Expr> arguments_of(std::span<const TensorType> operands) {
  std::vector<Expr> arguments;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    arguments.push_back(load(static_cast<BufferId>(i), operands[i].scalar, {}));
  }
  return arguments;
}

}  // namespace

void one_float_type(std::string_view op, const OpContext& context) {
  if (one_type(context) && is_float(context.operands[0].scalar)) return;
  fail_types(op, context, "operands must be of one floating type");
}
void one_number_type(std::string_view op, const OpContext& context) {
  if (one_type(context) && context.operands[0].scalar != ScalarType::boolean) return;
  fail_types(op, context, "operands must be numbers of one type");
}
void any_one_type(std::string_view op, const OpContext& context) {
  if (one_type(context)) return;
  fail_types(op, context, "operands must be of one type");
}
void all_bool(std::string_view op, const OpContext& context) {
  if (one_type(context) && context.operands[0].scalar == ScalarType::boolean) return;
  fail_types(op, context, "operands must be bool");
}

Dims elementwise_dims(std::string_view op, const OpContext& context) {
  Dims dims;
  for (const TensorType& operand : context.operands) {
    const auto both = broadcast(dims, operand.dims);
    if (!both) fail_types(op, context, "shapes do not broadcast");
    dims = *both;
  }
  return dims;
}

Computation elementwise_compute(const OpContext& context, const ScalarRule& scalar) {
  Stage stage;
  stage.name = "value";
  stage.axes = axes_of(context.results[0].dims);
  std::vector<Expr> arguments;
  for (std::size_t i = 0; i < context.operands.size(); ++i) {
    const Dims& dims = context.operands[i].dims;
    const std::size_t dropped = stage.axes.size() - dims.size();
    std::vector<Expr> index;
    for (std::size_t k = 0; k < dims.size(); ++k) {
      index.push_back(dims[k] == 1 ? Expr(0) : Expr(stage.axes[dropped + k].var));
    }
    arguments.push_back(load_operand(context, i, std::move(index)));
  }
  stage.value = scalar(arguments);
  stage.type = stage.value.type();
  return single_stage(std::move(stage));
}

std::vector<Tensor> elementwise_reference(std::span<const Tensor> operands,
                                          std::span<const TensorType> results,
                                          const ScalarReference& reference) {
  Tensor out(results[0]);
  const Dims& dims = out.dims();
  std::vector<double> values(operands.size());
  for (std::int64_t i = 0; i < out.size(); ++i) {
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const Dims& own = operands[k].dims();
      std::int64_t rest = i, offset = 0, stride = 1;
      for (std::size_t d = 0; d < own.size(); ++d) {  // from the last dimension
        const std::int64_t position = rest % dims[dims.size() - 1 - d];
        rest /= dims[dims.size() - 1 - d];
        const std::int64_t size = own[own.size() - 1 - d];
        offset += (size == 1 ? 0 : position) * stride;
        stride *= size;
      }
      values[k] = operands[k].get(offset);
    }
    out.set(i, reference(values));
  }
  return {std::move(out)};
}

std::vector<Sample> elementwise_samples(int operands, Range range) {
  const auto f32 = [](Dims dims) { return TensorType{ScalarType::f32, std::move(dims)}; };
  const auto filled = [&](std::string name, Dims first, Dims others) {
    std::vector<TensorType> types(static_cast<std::size_t>(operands), f32(std::move(others)));
    types[0] = f32(std::move(first));
    return Sample{std::move(name),
                  std::move(types),
                  {},
                  std::vector<Range>(static_cast<std::size_t>(operands), range)};
  };
  std::vector<Sample> samples = {
      filled("image", {kBatch, 3, 1, 17}, {kBatch, 3, 1, 17}),
      filled("vector", {17}, {17}),
      filled("scalar", {}, {}),
  };
  if (operands > 1) {
    samples.push_back(filled("bias", {kBatch, 3, 5, 4}, {4}));
    samples.push_back(filled("tensor_and_scalar", {kBatch, 17}, {}));
    samples.push_back(filled("scalar_and_tensor", {}, {3, 5}));
    samples.push_back(filled("row_and_column", {kBatch, 1}, {1, 3}));
    samples.push_back(filled("widened_batch", {1, 3}, {kBatch, 1}));
  }
  return samples;
}

namespace {

/// derivative * gradient, with the product moved into selects: what is masked stays zero even where
/// the gradient is not finite.
Expr scaled(const Expr& derivative, const Expr& gradient) {
  if (const Const* value = derivative.as<Const>()) {
    if (value->real == 0) return derivative;
    if (value->real == 1) return gradient;
  }
  if (const Select* s = derivative.as<Select>()) {
    return select(s->condition, scaled(s->a, gradient), scaled(s->b, gradient));
  }
  if (const Unary* u = derivative.as<Unary>(); u != nullptr && u->op == UnaryOp::neg) {
    return -scaled(u->x, gradient);
  }
  return gradient * derivative;
}

GradientRule elementwise_gradient(ScalarRule scalar) {
  return [scalar = std::move(scalar)](
             Builder& builder, const Node& node, std::span<const Value> results,
             std::span<const std::optional<Value>> gradients) -> std::vector<std::optional<Value>> {
    std::vector<std::optional<Value>> own(node.operands.size());
    if (!gradients[0]) return own;
    std::vector<TensorType> types;
    for (const Value operand : node.operands) types.push_back(builder.type(operand));
    const Expr value = scalar(arguments_of(types));
    // The last argument is the result's gradient; the expression's own value is the result.
    std::vector<Value> arguments = node.operands;
    arguments.push_back(*gradients[0]);
    const Expr gradient = load(static_cast<BufferId>(node.operands.size()), value.type(), {});
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!is_float(types[i].scalar)) continue;
      const Expr derivative = differentiate(value, static_cast<BufferId>(i));
      if (const Const* zero = derivative.as<Const>(); zero != nullptr && zero->real == 0) continue;
      const Value full = emit_expr(builder, scaled(derivative, gradient), arguments,
                                   {{&value.node(), results[0]}});
      own[i] = builder.sum_to(full, types[i].dims);
    }
    return own;
  };
}

}  // namespace

std::vector<Kink> kinks_at(const std::vector<KinkPoint>& points) {
  const std::size_t operands = points.at(0).operands.size();
  const TensorType type{ScalarType::f32, {static_cast<std::int64_t>(points.size())}};
  Kink kink{std::vector<TensorType>(operands, type), {}, {}, {}};
  kink.values.resize(operands);
  kink.gradients.resize(operands);
  for (const KinkPoint& point : points)
    for (std::size_t i = 0; i < operands; ++i) {
      kink.values[i].push_back(point.operands.at(i));
      kink.gradients[i].push_back(point.derivatives.at(i));
    }
  return {std::move(kink)};
}

OpDef elementwise_op(ElementwiseRules rules) {
  OpDef op;
  op.name = rules.name;
  op.description = std::move(rules.description);
  op.notes = std::move(rules.notes);
  op.type_rule = [name = rules.name, count = rules.operands, check = std::move(rules.check),
                  scalar = rules.scalar](const OpContext& context) -> std::vector<TensorType> {
    expect_operands(name, context, static_cast<std::size_t>(count));
    check(name, context);
    Dims dims = elementwise_dims(name, context);
    return {{scalar(arguments_of(context.operands)).type(), std::move(dims)}};
  };
  if (rules.differentiable) op.gradient = elementwise_gradient(rules.scalar);
  op.compute = [scalar = rules.scalar](const OpContext& context) {
    return elementwise_compute(context, scalar);
  };
  if (rules.reference) {
    op.reference = [reference = std::move(rules.reference)](std::span<const Tensor> operands,
                                                            std::span<const TensorType> results,
                                                            const Attributes&) {
      return elementwise_reference(operands, results, reference);
    };
  }
  op.samples = elementwise_samples(rules.operands, rules.range);
  op.exact_on_integers = rules.exact_on_integers;
  op.kinks = std::move(rules.kinks);
  op.scalar = std::move(rules.scalar);
  return op;
}

OpDef elementwise(std::string name, std::string description, int operands, ScalarRule scalar,
                  ScalarReference reference, Range range) {
  ElementwiseRules rules;
  rules.name = std::move(name);
  rules.description = std::move(description);
  rules.operands = operands;
  rules.scalar = std::move(scalar);
  rules.reference = std::move(reference);
  rules.range = range;
  return elementwise_op(std::move(rules));
}

}  // namespace cnnc
