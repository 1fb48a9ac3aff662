// Building graphs: equal nodes are made once, types come from the ops' rules.
#include <algorithm>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"

namespace cnnc {

Builder::Builder(OpTable ops, std::string name, std::int64_t batch) : ops_(std::move(ops)) {
  if (batch < 1) fail("the batch must have at least one row, not {}", batch);
  graph_.name = std::move(name);
  graph_.batch = batch;
}

Value Builder::input(std::string name, std::string role, TensorType type) {
  return op("input", {},
            {{"name", std::move(name)}, {"role", std::move(role)}, {"type", to_string(type)}});
}

Value Builder::constant(ScalarType type, double value) {
  return op("constant", {}, {{"type", std::string(name_of(type))}, {"value", value}});
}

Value Builder::op(std::string_view name, std::vector<Value> operands, Attributes attributes) {
  const OpRef found = ops_.find(name);
  CNNC_CHECK(found != nullptr, "no op is called '{}'", name);
  return add_node(found, std::move(operands), std::move(attributes));
}

std::vector<Value> Builder::ops_of(std::string_view name, std::vector<Value> operands,
                                   Attributes attributes) {
  const Value first = op(name, std::move(operands), std::move(attributes));
  std::vector<Value> results;
  for (std::size_t i = 0; i < graph_.node(first).types.size(); ++i) {
    results.push_back({first.node, static_cast<int>(i)});
  }
  return results;
}

namespace {

/// Equal for equal nodes. An op is known by its address: two definitions may share a name.
std::string key_of(const OpDef& op, std::span<const Value> operands, const Attributes& attributes) {
  std::string key = fmt::format("{}", static_cast<const void*>(&op));
  for (const Value value : operands) key += fmt::format(" {}.{}", value.node, value.result);
  for (const auto& [name, value] : attributes.all()) {
    key += fmt::format(" {}={}", name, to_string(value));
  }
  return key;
}

}  // namespace

Value Builder::add_node(OpRef op, std::vector<Value> operands, Attributes attributes) {
  std::string key = key_of(*op, operands, attributes);
  if (const auto found = known_.find(key); found != known_.end()) return {found->second, 0};

  check_attributes(*op, attributes);
  std::vector<TensorType> operand_types;
  for (const Value value : operands) {
    CNNC_CHECK(value.node >= 0 && value.node < static_cast<int>(graph_.nodes.size()),
               "operand of {} is no value of this graph", op->name);
    operand_types.push_back(graph_.type(value));
  }
  std::vector<TensorType> types = op->type_rule({operand_types, {}, attributes});
  for (const TensorType& type : types) check_result(*op, type, graph_.batch);

  const int index = static_cast<int>(graph_.nodes.size());
  if (const AttributeValue* use = attributes.find("use")) {
    if (const auto* number = std::get_if<std::int64_t>(use)) uses_ = std::max(uses_, *number + 1);
  }
  graph_.nodes.push_back(
      {std::move(op), std::move(operands), std::move(attributes), std::move(types), label_});
  known_.emplace(std::move(key), index);
  return {index, 0};
}

Value Builder::sum_to(Value x, const Dims& dims) {
  const Dims from = type(x).dims;
  if (from == dims) return x;
  CNNC_CHECK(from.size() >= dims.size(), "{} does not broadcast to {}", to_string(dims),
             to_string(from));
  const std::size_t added = from.size() - dims.size();
  Dims axes;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (i < added || dims[i - added] != from[i]) {
      CNNC_CHECK(i < added || dims[i - added] == 1, "{} does not broadcast to {}", to_string(dims),
                 to_string(from));
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  const Value sum = reduce_sum(x, axes);
  return type(sum).dims == dims ? sum : reshape(sum, dims);
}

Value Builder::emit(const Expr& expr, std::span<const Value> arguments) {
  return emit_expr(*this, expr, arguments, {});
}

Value Builder::count(ScalarType type) {
  const Value rows = input("count", "data", {ScalarType::i64, {}});
  return type == ScalarType::i64 ? rows : cast(rows, type);
}

void Builder::output(std::string name, Value value) {
  graph_.outputs.push_back({std::move(name), value});
}

Graph Builder::build() && { return std::move(graph_); }

std::int64_t Builder::next_use() { return uses_++; }

}  // namespace cnnc
