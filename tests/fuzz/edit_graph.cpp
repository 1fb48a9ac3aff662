#include <algorithm>
#include <array>
#include <set>

#include "tests/fuzz/edit.h"

namespace cnnc::fuzz {

namespace {

constexpr std::array kTypes{ScalarType::f32, ScalarType::f64, ScalarType::i8,  ScalarType::u8,
                            ScalarType::i32, ScalarType::u32, ScalarType::i64, ScalarType::boolean};

/// A node of a graph to be: operands are results of earlier drafts.
struct Draft {
  OpRef op;
  std::vector<Value> operands;
  Attributes attributes;
  std::string label;
  std::vector<TensorType> types;  // that it had
};

AttributeValue other_value(Random& random, const AttributeValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value))
    return other_number(random, *integer);
  if (const auto* real = std::get_if<double>(&value)) return other_number(random, *real);
  if (const auto* boolean = std::get_if<bool>(&value)) return !*boolean;
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    std::vector<std::int64_t> result = *list;
    const std::size_t kind = below(random, 6);
    if (kind == 0 || result.empty()) {
      result.push_back(static_cast<std::int64_t>(below(random, 4)));
    } else if (kind == 1) {
      result.pop_back();
    } else if (kind == 2) {
      std::swap(result.front(), result[below(random, result.size())]);
    } else {
      auto& element = result[below(random, result.size())];
      element = other_number(random, element);
    }
    return result;
  }
  const auto& text = std::get<std::string>(value);
  if (parse_scalar_type(text)) return std::string(name_of(any_of<ScalarType>(random, kTypes)));
  static const std::array<std::string, 3> kRoles{"data", "parameter", "state"};
  if (std::ranges::find(kRoles, text) != kRoles.end()) return any_of<std::string>(random, kRoles);
  return text + "x";
}

class GraphEditor {
 public:
  GraphEditor(const Graph& graph, const OpTable& ops, Random& random)
      : graph_(graph), ops_(ops), random_(random), outputs_(graph.outputs), batch_(graph.batch) {
    append(graph);
  }

  void edit() {
    switch (below(random_, 9)) {
      case 0:
      case 1: return change_attribute();
      case 2:
      case 3: return change_operand();
      case 4: return change_op();
      case 5: return insert();
      case 6: return erase();
      case 7: return change_outputs();
      case 8: batch_ = std::clamp<std::int64_t>(other_number(random_, batch_), 1, 40); return;
    }
  }

  void splice(const Graph& other) {
    const auto begin = static_cast<int>(drafts_.size());
    append(other);
    for (int i = begin; i < static_cast<int>(drafts_.size()); ++i)
      for (Value& operand : drafts_[static_cast<std::size_t>(i)].operands) {
        operand.node += begin;
        if (below(random_, 4) == 0) operand = like(type_of(operand), i).value_or(operand);
      }
    for (const Output& output : other.outputs)
      outputs_.push_back({output.name, {output.value.node + begin, output.value.result}});
  }

  Graph build() const {
    Builder builder(ops_, graph_.name, batch_);
    builder.set_optimizer(graph_.optimizer);
    std::vector<std::vector<Value>> made;  // results of each draft; none: left out
    for (const Draft& draft : drafts_) made.push_back(build(builder, draft, made));
    std::set<std::string> names;
    builder.set_label("");
    for (const Output& output : outputs_) {
      const auto& results = made.at(static_cast<std::size_t>(output.value.node));
      if (!results.empty() && names.insert(output.name).second)
        builder.output(output.name, result(results, output.value.result));
    }
    return std::move(builder).build();
  }

 private:
  void append(const Graph& graph) {
    for (const Node& node : graph.nodes)
      drafts_.push_back({node.op, node.operands, node.attributes, node.label, node.types});
  }

  static Value result(const std::vector<Value>& results, int which) {
    return results[std::min(static_cast<std::size_t>(which), results.size() - 1)];
  }

  static std::vector<Value> build(Builder& builder, const Draft& draft,
                                  const std::vector<std::vector<Value>>& made) {
    std::vector<Value> operands;
    for (const Value operand : draft.operands) {
      const auto& results = made.at(static_cast<std::size_t>(operand.node));
      if (results.empty()) return {};
      operands.push_back(result(results, operand.result));
    }
    builder.set_label(draft.label);
    try {
      const Value first = builder.add_node(draft.op, operands, draft.attributes);
      std::vector<Value> results;
      for (int i = 0; i < static_cast<int>(builder.graph().node(first).types.size()); ++i)
        results.push_back({first.node, i});
      return results;
    } catch (const Error&) {
      if (operands.empty()) return {};
      return {operands.front()};
    }
  }

  const TensorType& type_of(Value value) const {
    const auto& types = drafts_.at(static_cast<std::size_t>(value.node)).types;
    return types.at(static_cast<std::size_t>(value.result));
  }

  /// A value from before draft `at`, preferably of that type; nothing where there is none.
  std::optional<Value> like(const TensorType& type, int at) {
    std::vector<Value> same, all;
    for (int i = 0; i < at; ++i)
      for (int r = 0; r < static_cast<int>(drafts_[static_cast<std::size_t>(i)].types.size());
           ++r) {
        all.push_back({i, r});
        if (type_of({i, r}) == type) same.push_back({i, r});
      }
    const auto& from = !same.empty() && below(random_, 5) != 0 ? same : all;
    if (from.empty()) return std::nullopt;
    return any_of<Value>(random_, from);
  }

  int any_draft() { return static_cast<int>(below(random_, drafts_.size())); }

  void change_attribute() {
    Draft& draft = drafts_[static_cast<std::size_t>(any_draft())];
    if (draft.attributes.all().empty()) return;
    const auto& [name, value] =
        any_of<std::pair<std::string, AttributeValue>>(random_, draft.attributes.all());
    if (draft.op->name == "input" && name == "type")
      draft.attributes.set(name, to_string(other_type(random_, draft.types.front(), true)));
    else
      draft.attributes.set(std::string(name), other_value(random_, value));
  }

  void change_operand() {
    const int at = any_draft();
    Draft& draft = drafts_[static_cast<std::size_t>(at)];
    if (draft.operands.empty()) return;
    if (below(random_, 4) == 0)
      return std::swap(draft.operands.front(),
                       draft.operands[below(random_, draft.operands.size())]);
    Value& operand = draft.operands[below(random_, draft.operands.size())];
    operand = like(type_of(operand), at).value_or(operand);
  }

  /// An op of as many operands, with the attributes of one of its samples where its own do not fit.
  void change_op() {
    Draft& draft = drafts_[static_cast<std::size_t>(any_draft())];
    const OpRef op = any_op(draft.operands.size());
    if (!op || draft.operands.empty()) return;
    if (op->attributes != draft.op->attributes) draft.attributes = attributes_of(*op);
    draft.op = op;
  }

  OpRef any_op(std::optional<std::size_t> operands) {
    std::vector<OpRef> fitting;
    for (const auto& [name, op] : ops_.all())
      if (!op->samples.empty() && (!operands || op->samples.front().operands.size() == *operands))
        fitting.push_back(op);
    return fitting.empty() ? nullptr : any_of<OpRef>(random_, fitting);
  }

  Attributes attributes_of(const OpDef& op) {
    return any_of<Sample>(random_, op.samples).attributes;
  }

  /// A node of any op on earlier values, which something behind it or an output uses.
  void insert() {
    const int at = any_draft() + 1;
    const OpRef op = any_op({});
    Draft draft{op, {}, attributes_of(*op), "", {}};
    for (const TensorType& type : op->samples.front().operands)
      draft.operands.push_back(like(type, at).value_or(Value{0, 0}));
    draft.types = {draft.operands.empty() ? TensorType{ScalarType::f32, {}}
                                          : type_of(draft.operands.front())};
    drafts_.insert(drafts_.begin() + at, std::move(draft));
    const auto move = [&](Value& value) { value.node += value.node >= at ? 1 : 0; };
    for (std::size_t i = static_cast<std::size_t>(at) + 1; i < drafts_.size(); ++i)
      std::ranges::for_each(drafts_[i].operands, move);
    for (Output& output : outputs_) move(output.value);
    const std::size_t user = static_cast<std::size_t>(at) + 1 + below(random_, 4);
    if (user < drafts_.size() && !drafts_[user].operands.empty())
      drafts_[user].operands[below(random_, drafts_[user].operands.size())] = {at, 0};
    else
      outputs_.push_back({"inserted", {at, 0}});
  }

  /// What used it takes its first operand.
  void erase() {
    const int at = any_draft();
    const Draft gone = drafts_[static_cast<std::size_t>(at)];
    if (gone.operands.empty()) return;
    const auto redirect = [&](Value& value) {
      if (value.node == at) value = gone.operands.front();
    };
    for (Draft& draft : drafts_) std::ranges::for_each(draft.operands, redirect);
    for (Output& output : outputs_) redirect(output.value);
  }

  void change_outputs() {
    const int at = any_draft();
    const auto& types = drafts_[static_cast<std::size_t>(at)].types;
    const Value value{at, static_cast<int>(below(random_, types.size()))};
    if (outputs_.empty() || below(random_, 2) == 0) {
      outputs_.push_back({fmt::format("out{}", outputs_.size()), value});
      return;
    }
    const std::size_t which = below(random_, outputs_.size());
    if (below(random_, 2) == 0)
      outputs_[which].value = value;
    else
      outputs_.erase(outputs_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  const Graph& graph_;
  const OpTable& ops_;
  Random& random_;
  std::vector<Draft> drafts_;
  std::vector<Output> outputs_;
  std::int64_t batch_;
};

}  // namespace

std::int64_t other_number(Random& random, std::int64_t value) {
  const auto wide = static_cast<std::uint64_t>(value);
  const std::array<std::uint64_t, 9> others{wide + 1, wide - 1, wide + 1, wide - 1, wide * 2,
                                            0,        1,        0 - wide, wide ^ 16};
  return static_cast<std::int64_t>(any_of<std::uint64_t>(random, others));
}

double other_number(Random& random, double value) {
  const std::array others{value + 1, value / 2, -value, 0.0, -0.0, 1.0, 0.1};
  return any_of<double>(random, others);
}

TensorType other_type(Random& random, const TensorType& type, bool batch) {
  TensorType result = type;
  if (result.dims.empty() || below(random, 4) == 0) {
    if (below(random, 2) == 0)
      result.dims.push_back(1 + static_cast<std::int64_t>(below(random, 5)));
    else
      result.scalar = any_of<ScalarType>(random, kTypes);
    return result;
  }
  const std::size_t axis = below(random, result.dims.size());
  switch (below(random, 6)) {
    case 0: result.dims.erase(result.dims.begin() + static_cast<std::ptrdiff_t>(axis)); break;
    case 1: std::swap(result.dims[axis], result.dims.front()); break;
    case 2:
      if (batch) result.dims.front() = result.dims.front() == kBatch ? 3 : kBatch;
      break;
    default:
      if (result.dims[axis] != kBatch)
        result.dims[axis] =
            std::clamp<std::int64_t>(other_number(random, result.dims[axis]), 1, 100);
  }
  return result;
}

Graph edited(const Graph& graph, const OpTable& ops, Random& random) {
  GraphEditor editor(graph, ops, random);
  if (!graph.nodes.empty()) editor.edit();
  return editor.build();
}

Graph spliced(const Graph& graph, const Graph& other, const OpTable& ops, Random& random) {
  GraphEditor editor(graph, ops, random);
  editor.splice(other);
  return editor.build();
}

}  // namespace cnnc::fuzz
