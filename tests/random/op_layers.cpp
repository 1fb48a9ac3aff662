#include "tests/random/op_layers.h"

#include <algorithm>

namespace cnnc::testing {
namespace {

constexpr std::string_view kPrefix = "op_";

LayerDef row(std::string name, int inputs, std::function<Value(LayerContext&)> build) {
  LayerDef layer;
  layer.name = std::string(kPrefix) + std::move(name);
  layer.description = "an op as a layer";
  layer.inputs = inputs;
  layer.build = std::move(build);
  return layer;
}

void need_equal(const LayerContext& context, std::size_t inputs) {
  if (context.inputs.size() != inputs) fail("an op of {} operands", inputs);
  for (std::size_t i = 1; i < inputs; ++i)
    if (context.type(i) != context.type(0)) fail("operands differ in shape");
}

/// x within the range in which the op's samples have it; without this, logarithms are of negative
/// numbers and everything after them is NaN.
Value within(LayerContext& context, Value x, const Range& range) {
  const Range usual;
  if (range.low == usual.low && range.high == usual.high) return x;
  const auto number = [&](double value) { return context.builder.constant(context.real, value); };
  const Value high = context.builder.op("min", {x, number(range.high)});
  return context.builder.op("max", {high, number(range.low)});
}

enum class Kind { none, real, comparison, logical };

/// How an elementwise op can be a layer: by the types that its rule takes and yields.
Kind kind_of(const OpDef& op, std::size_t operands) {
  const auto yields = [&](ScalarType type) -> std::optional<ScalarType> {
    try {
      const std::vector<TensorType> types(operands, TensorType{type, {kBatch, 2}});
      return op.type_rule({types, {}, Attributes{}}).front().scalar;
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  if (const auto type = yields(ScalarType::f32))
    return *type == ScalarType::boolean ? Kind::comparison : Kind::real;
  return yields(ScalarType::boolean) ? Kind::logical : Kind::none;
}

Value build_elementwise(LayerContext& context, const OpRef& op, Kind kind) {
  const Sample& sample = op->samples.front();
  const std::size_t operands = sample.operands.size();
  need_equal(context, operands);
  Builder& builder = context.builder;
  std::vector<Value> arguments;
  const Value zero = builder.constant(context.real, 0);
  for (std::size_t i = 0; i < operands; ++i) {
    const Value x = context.inputs[i];
    if (kind == Kind::logical)
      arguments.push_back(builder.op("less", {i == 0 ? zero : x, i == 0 ? x : zero}));
    else
      arguments.push_back(within(context, x, sample.ranges.empty() ? Range{} : sample.ranges[i]));
  }
  Value result = builder.add_node(op, arguments);
  if (kind == Kind::real && op->gradient) return result;
  if (kind == Kind::real) result = builder.op("less", {zero, result});  // no gradient needed
  return builder.op("select",
                    {result, context.inputs[0], builder.op("neg", {context.inputs.back()})});
}

void add_elementwise(Language& language) {
  for (const auto& [name, op] : language.ops.all()) {
    if (!op->scalar || op->samples.empty()) continue;
    const std::size_t operands = op->samples.front().operands.size();
    const Kind kind = kind_of(*op, operands);
    if (kind == Kind::none) continue;
    language.add(row(name, operands == 1 ? 1 : -1, [op = op, kind](LayerContext& context) {
      return build_elementwise(context, op, kind);
    }));
  }
}

Dims last_axis(const LayerContext& context) {
  return {static_cast<std::int64_t>(context.type().dims.size()) - 1};
}

/// x combined with a reduction of it over its channels, which is broadcast again.
LayerDef reduction(std::string_view op) {
  return row(std::string(op), 1, [op](LayerContext& context) {
    Builder& builder = context.builder;
    const Dims dims = context.type().dims;
    Dims kept = dims;
    kept.back() = 1;
    const Value reduced = builder.op(op, {context.inputs[0]}, {{"axes", last_axis(context)}});
    const Value wide =
        builder.op("broadcast_to", {builder.reshape(reduced, kept)}, {{"dims", dims}});
    if (builder.ops().find(op)->gradient) return builder.sub(context.inputs[0], wide);
    const Value x = context.inputs[0];  // a condition needs no gradient
    return builder.op("select", {builder.op("equal", {x, wide}), x, builder.op("neg", {x})});
  });
}

Value transposed(LayerContext& context) {
  Dims order;
  for (std::size_t i = 0; i < context.type().dims.size(); ++i)
    order.push_back(static_cast<std::int64_t>(i));
  std::reverse(order.begin() + 1, order.end());
  return context.builder.op("transpose", {context.inputs[0]}, {{"permutation", order}});
}

/// Every axis but the batch's loses its first element, where it has more than one.
Value sliced(LayerContext& context) {
  const Dims end = context.type().dims;
  Dims begin(end.size());
  for (std::size_t i = 1; i < end.size(); ++i) begin[i] = end[i] > 1 ? 1 : 0;
  return context.builder.op("slice", {context.inputs[0]}, {{"begin", begin}, {"end", end}});
}

Value padded(LayerContext& context) {
  const std::size_t rank = context.type().dims.size();
  Dims low(rank), high(rank);
  low.back() = 1;
  if (rank > 2) high[1] = 1;
  return context.builder.op("pad", {context.inputs[0]}, {{"low", low}, {"high", high}});
}

/// Where the first operand is a whole number not below 1: there the first, elsewhere the second.
Value cast_and_select(LayerContext& context) {
  need_equal(context, 2);
  Builder& builder = context.builder;
  const Value x = context.inputs[0];  // NaN has no whole number
  const Value number =
      builder.op("select", {builder.op("equal", {x, x}), x, builder.constant(context.real, 0)});
  const Value bounded = within(context, number, {-100, 100});
  const Value whole = builder.cast(builder.cast(bounded, ScalarType::i32), context.real);
  const Value condition = builder.op("less", {builder.constant(context.real, 0), whole});
  return builder.op("select", {condition, context.inputs[0], context.inputs[1]});
}

/// The sum of all outputs, those of the label's place counted three times and negative: exact on
/// whole numbers, of any shape, and a sum over rows, not their mean.
void build_linear(Builder& builder, Value prediction, Value label, const Attributes&) {
  const TensorType type = builder.type(prediction);
  Dims sample(type.dims.begin() + 1, type.dims.end());
  const std::int64_t values = element_count(sample, 1);
  const Value row = builder.reshape(prediction, {kBatch, values});
  const Value hit = builder.op("one_hot", {label}, {{"classes", values}, {"type", "bool"}});
  const auto number = [&](double value) { return builder.constant(type.scalar, value); };
  const Value weight = builder.op("select", {hit, number(-3), number(1)});
  builder.output("loss", builder.reduce_sum(builder.mul(row, weight), {0, 1}));
  const Value first = builder.op("equal", {label, builder.constant(ScalarType::i32, 0)});
  builder.output("correct", builder.reduce_sum(builder.cast(first, type.scalar), {0}));
}

}  // namespace

bool is_op_layer(std::string_view name) { return name.starts_with(kPrefix); }

Language random_language() {
  Language language = Language::standard();
  add_elementwise(language);
  language.add(reduction("reduce_sum"));
  language.add(reduction("reduce_max"));
  language.add(row("transpose", 1, transposed));
  language.add(row("slice", 1, sliced));
  language.add(row("pad", 1, padded));
  language.add(row("cast", -1, cast_and_select));
  language.add(LossDef{"linear", "a sum of outputs", {}, {}, build_linear});
  return language;
}

}  // namespace cnnc::testing
