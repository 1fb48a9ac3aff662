// One op on tensors, stage by stage, as its compute says.
#include <algorithm>
#include <array>

#include "ir/expr/evaluate.h"
#include "ir/expr/reduction.h"
#include "ir/graph/op.h"

namespace cnnc {

namespace {

/// Where a reduction starts.
Scalar start_of(Reduction op, ScalarType type) {
  const Expr start = identity(op, type);
  const Const& value = *start.as<Const>();
  Scalar result;
  if (is_float(type))
    result.real = value.real;
  else
    result.integer = value.integer;
  return result;
}

BinaryOp step_of(Reduction op) {
  return op == Reduction::add   ? BinaryOp::add
         : op == Reduction::max ? BinaryOp::max
                                : BinaryOp::min;
}

/// Steps variables through all points of some axes, the last fastest.
class Odometer {
 public:
  Odometer(std::span<const Axis> axes, std::int64_t count, VariableSlots& slots) {
    for (const Axis& axis : axes) {
      slots_.push_back(slots.slot(axis.var));
      extents_.push_back(axis.extent == kBatch ? count : axis.extent);
      empty_ = empty_ || extents_.back() == 0;
    }
  }

  bool empty() const { return empty_; }
  void start(std::span<Scalar> variables) const {
    for (const std::size_t slot : slots_) variables[slot].integer = 0;
  }
  /// False after the last point.
  bool advance(std::span<Scalar> variables) const {
    for (std::size_t i = slots_.size(); i-- > 0;) {
      if (++variables[slots_[i]].integer < extents_[i]) return true;
      variables[slots_[i]].integer = 0;
    }
    return false;
  }

 private:
  std::vector<std::size_t> slots_;
  std::vector<std::int64_t> extents_;
  bool empty_ = false;
};

/// The reduction of `value` over all points of `axes`, in the stage's own type.
class Reducer {
 public:
  explicit Reducer(const Stage& stage) : start_(start_of(stage.op, stage.type)) {
    const Var total = make_var("total", stage.type), element = make_var("element", stage.type);
    VariableSlots slots;
    slots.slot(total);
    slots.slot(element);
    step_ = CompiledExpr(binary(step_of(stage.op), total, element), slots);
  }

  Scalar operator()(CompiledExpr& value, const Odometer& axes, std::span<Scalar> variables,
                    std::span<const MemoryView> memory) {
    std::array<Scalar, 2> pair{start_, Scalar{}};
    if (axes.empty()) return start_;
    axes.start(variables);
    do {
      pair[1] = value(variables, memory);
      pair[0] = step_(pair, memory);
    } while (axes.advance(variables));
    return pair[0];
  }

 private:
  Scalar start_;
  CompiledExpr step_;
};

Tensor run(const Stage& stage, std::span<const MemoryView> memory, std::int64_t count) {
  CNNC_CHECK(stage.value.type() == stage.type, "stage '{}' is {}, its value {}", stage.name,
             name_of(stage.type), name_of(stage.value.type()));
  Tensor out({stage.type, concrete(stage.dims(), count)});
  const MemoryView target = view_of(stage.name, out);
  VariableSlots slots;
  const Odometer points(stage.axes, count, slots), reduced(stage.reduce, count, slots);
  CompiledExpr value(stage.value, slots);
  std::optional<Reducer> reduce;
  if (!stage.reduce.empty()) reduce.emplace(stage);
  std::vector<Scalar> variables(slots.size());
  if (points.empty()) return out;
  points.start(variables);
  std::int64_t offset = 0;
  do {
    write(target, offset++,
          reduce ? (*reduce)(value, reduced, variables, memory) : value(variables, memory));
  } while (points.advance(variables));
  return out;
}

Tensor with_type(const Tensor& tensor, TensorType type) {
  Tensor result(std::move(type));
  CNNC_CHECK(result.bytes().size() == tensor.bytes().size(), "{} as {}", to_string(tensor.type()),
             to_string(result.type()));
  std::ranges::copy(tensor.bytes(), result.bytes().begin());
  return result;
}

}  // namespace

std::vector<Tensor> evaluate(const OpDef& op, std::span<const Tensor> operands,
                             std::span<const TensorType> operand_types,
                             std::span<const TensorType> result_types, const Attributes& attributes,
                             std::int64_t count) {
  CNNC_CHECK(static_cast<bool>(op.compute), "{} has no compute", op.name);
  const Computation computation = op.compute({operand_types, result_types, attributes});
  std::vector<std::string> names;
  std::vector<Tensor> stages;
  names.reserve(operands.size());
  stages.reserve(computation.stages.size());  // views point into it
  std::vector<MemoryView> memory;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    names.push_back(fmt::format("operand {} of {}", i + 1, op.name));
    memory.push_back(view_of(names.back(), operands[i]));
  }
  for (const Stage& stage : computation.stages) {
    stages.push_back(run(stage, memory, count));
    memory.push_back(view_of(stage.name, stages.back()));
  }
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < result_types.size(); ++i) {
    const ResultSource& source = computation.results.at(i);
    const std::size_t index = static_cast<std::size_t>(source.index);
    results.push_back(with_type(source.is_operand ? operands[index] : stages.at(index),
                                {result_types[i].scalar, concrete(result_types[i].dims, count)}));
  }
  return results;
}

}  // namespace cnnc
