// Checks and shapes that the definitions of ops share.
#include "ir/graph/rules.h"

#include <algorithm>
#include <charconv>

namespace cnnc {

std::string describe(std::string_view op, std::span<const TensorType> operands) {
  std::string text = fmt::format("{}(", op);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (i > 0) text += ", ";
    text += to_string(operands[i]);
  }
  return text + ")";
}

void expect_operands(std::string_view op, const OpContext& context, std::size_t count) {
  if (context.operands.size() == count) return;
  fail("{} takes {} operand{}, not {}", op, count, count == 1 ? "" : "s", context.operands.size());
}

void expect_float(std::string_view op, const OpContext& context, std::size_t index) {
  if (is_float(context.operands[index].scalar)) return;
  fail("{}: operand {} must be f32 or f64", describe(op, context.operands), index + 1);
}

void expect_rank(std::string_view op, const OpContext& context, std::size_t index,
                 std::size_t rank) {
  if (context.operands[index].dims.size() == rank) return;
  fail("{}: operand {} must have {} dimensions, not {}", describe(op, context.operands), index + 1,
       rank, context.operands[index].dims.size());
}

namespace {

std::string_view kind_of(const AttributeValue& value) {
  constexpr std::string_view kKinds[] = {"a whole number", "a real number", "true or false",
                                         "a text", "a list of whole numbers"};
  return kKinds[value.index()];
}

}  // namespace

void check_attributes(const OpDef& op, const Attributes& attributes) {
  for (const std::string& name : op.attributes) {
    const AttributeValue* value = attributes.find(name);
    if (value == nullptr) fail("{} needs the attribute '{}'", op.name, name);
    const AttributeValue* example =
        op.samples.empty() ? nullptr : op.samples.front().attributes.find(name);
    if (example != nullptr && example->index() != value->index()) {
      fail("attribute '{}' of {} must be {}, not {}", name, op.name, kind_of(*example),
           to_string(*value));
    }
  }
  for (const auto& [name, value] : attributes.all()) {
    if (std::ranges::find(op.attributes, name) == op.attributes.end()) {
      const std::string meant = closest(name, op.attributes);
      fail("{} has no attribute '{}'{}", op.name, name,
           meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant));
    }
  }
}

void check_result(const OpDef& op, const TensorType& type, std::int64_t batch) {
  for (std::size_t i = 0; i < type.dims.size(); ++i) {
    if (type.dims[i] > 0 || (type.dims[i] == kBatch && i == 0)) continue;
    fail("{} would yield {}: a dimension must be positive, and B may only be the first", op.name,
         to_string(type));
  }
  if (!checked_element_count(type.dims, batch, kMaxElements)) {
    fail("{} would yield {} with batch {}: more than the {} elements that a tensor may have",
         op.name, to_string(type), batch, kMaxElements);
  }
}

std::optional<Dims> broadcast(const Dims& a, const Dims& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Dims dims(rank);
  for (std::size_t i = 0; i < rank; ++i) {  // from the last dimension
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    dims[rank - 1 - i] = x == 1 ? y : x;
  }
  return dims;
}

std::optional<TensorType> parse_tensor_type(std::string_view text) {
  const std::size_t open = text.find('[');
  if (open == std::string_view::npos || text.back() != ']') return std::nullopt;
  const auto scalar = parse_scalar_type(text.substr(0, open));
  if (!scalar) return std::nullopt;
  TensorType type{*scalar, {}};
  std::string_view rest = text.substr(open + 1, text.size() - open - 2);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    std::int64_t dim = kBatch;
    if (item != "B") {
      const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), dim);
      if (error != std::errc{} || end != item.data() + item.size() || dim < 0) return std::nullopt;
    }
    type.dims.push_back(dim);
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
    if (rest.empty()) return std::nullopt;
  }
  return type;
}

ScalarType scalar_attribute(std::string_view op, const Attributes& attributes,
                            std::string_view name) {
  const std::string& text = attributes.text(name);
  const auto type = parse_scalar_type(text);
  if (!type) {
    fail("{}: '{}' is not an element type (f32, f64, i8, u8, i32, u32, i64, bool)", op, text);
  }
  return *type;
}

std::vector<Axis> axes_of(const Dims& dims, std::string_view prefix) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    axes.push_back({make_var(fmt::format("{}{}", prefix, i)), dims[i]});
  }
  return axes;
}

std::vector<Expr> indices_of(std::span<const Axis> axes) {
  std::vector<Expr> indices;
  for (const Axis& axis : axes) indices.emplace_back(axis.var);
  return indices;
}

Expr load_operand(const OpContext& context, std::size_t index, std::vector<Expr> at) {
  return load(static_cast<BufferId>(index), context.operands[index].scalar, std::move(at));
}

Computation single_stage(Stage stage) {
  Computation computation;
  computation.stages.push_back(std::move(stage));
  computation.results.push_back({false, 0});
  return computation;
}

std::vector<std::int64_t> strides_of(const Dims& dims) {
  std::vector<std::int64_t> strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

Dims Stage::dims() const {
  Dims result;
  for (const Axis& axis : axes) result.push_back(axis.extent);
  return result;
}

}  // namespace cnnc
