// Evaluation of scalar expressions, for the interpreters: an Expr is compiled once into a list of
// steps and then run as often as needed.
//
//   VariableSlots slots;
//   const auto x = slots.slot(var);                 // where a loop puts its variable
//   CompiledExpr value(expr, slots);                // may add slots for further variables
//   std::vector<Scalar> variables(slots.size());
//   variables[x].integer = 3;
//   value(variables, memory).real
//
// Arithmetic is that of each node's own type: f32 is rounded to f32 at every step, integers wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/base/tensor.h"
#include "ir/expr/expr.h"

namespace cnnc {

/// A value: `real` for f32 and f64, `integer` (wrapped to its type; bool is 0 or 1) for the others.
union Scalar {
  std::int64_t integer = 0;
  double real;
};

/// Memory that a Load reads: row-major elements of `type` with the extents `dims`. Loads of buffer
/// i use element i of the memory given.
struct MemoryView {
  std::string_view name;
  ScalarType type = ScalarType::f32;
  std::span<const std::int64_t> dims;
  std::byte* data = nullptr;
};
/// A view of a tensor, which must outlive it. Reading only, where the tensor is const.
MemoryView view_of(std::string_view name, const Tensor& tensor);

/// Row-major position of `index`. Throws Error, naming buffer and index, where that is out of
/// bounds or of another rank.
std::int64_t checked_offset(const MemoryView& memory, std::span<const std::int64_t> index);
Scalar read(const MemoryView& memory, std::int64_t offset);
void write(const MemoryView& memory, std::int64_t offset, Scalar value);

/// Gives every variable its place in the environment.
class VariableSlots {
 public:
  std::size_t slot(const Var& var) { return slots_.try_emplace(var, slots_.size()).first->second; }
  std::size_t size() const { return slots_.size(); }

 private:
  std::unordered_map<Var, std::size_t> slots_;
};

class CompiledExpr {
 public:
  CompiledExpr() = default;
  CompiledExpr(const Expr& expr, VariableSlots& slots);

  /// The value. Equal subexpressions that share a node are computed once. Throws Error for a load
  /// out of bounds, an integer division by zero and a shift by the width of its type or more. Not
  /// const: intermediate values live in the object.
  Scalar operator()(std::span<const Scalar> variables, std::span<const MemoryView> memory);

  struct Machine;
  struct Step {
    void (*run)(const Step&, Machine&) = nullptr;
    std::int32_t result = 0;  // register that is written
    std::int32_t
        a = 0,
        b = 0,
        c = 0;  // registers that are read; for a load: buffer, first index, number of indices
  };

 private:
  friend struct ExprCompiler;
  std::vector<Step> steps_;
  std::vector<Scalar> registers_;      // constants are in place
  std::vector<std::int32_t> indices_;  // registers that hold the indices of loads
  std::int32_t result_ = 0;
};

}  // namespace cnnc
