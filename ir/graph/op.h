// One definition per graph op: its type rule, gradient, compute, reference and samples, all in one
// file under ir/ops.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/base/attributes.h"
#include "ir/base/tensor.h"
#include "ir/base/type.h"
#include "ir/expr/expr.h"
#include "ir/expr/reduction.h"

namespace cnnc {

class Builder;
struct Node;
struct Value;

/// What an op's rules see of a node.
struct OpContext {
  std::span<const TensorType> operands;
  std::span<const TensorType> results;  // empty for the type rule
  const Attributes& attributes;
};

/// One axis of a stage: var runs over 0 .. extent; extent kBatch means 0 .. count.
struct Axis {
  Var var;
  std::int64_t extent = 0;
};

/// stage[axes] = value, or, where there are reduce axes, the reduction of value over them (in
/// row-major order of the reduce axes, starting from 0 for add, -inf / the least value for max,
/// +inf / the greatest for min). `value` may load operands (buffers 0 .. operands-1, indexed as
/// their types say) and earlier stages (buffers operands, operands+1, ..., indexed by their axes).
/// Every load must be in bounds for every point; guard with clamped indices and a Select. An op
/// that reduces over the batch does so with a kBatch reduce axis: lowering turns that into partial
/// sums of fixed groups of samples.
struct Stage {
  std::string name;
  ScalarType type = ScalarType::f32;
  std::vector<Axis> axes;
  std::vector<Axis> reduce;
  Reduction op = Reduction::add;
  Expr value;

  Dims dims() const;
};

/// Where a result's elements come from: the given stage, or the given operand itself (a reshape).
/// The element count must be that of the result; the dims may differ (row-major reinterpretation).
struct ResultSource {
  bool is_operand = false;
  int index = 0;
};

struct Computation {
  std::vector<Stage> stages;
  std::vector<ResultSource> results;
};

/// The values that an operand of a sample may have: uniform in [low, high], whole numbers for
/// integer types. bool: both.
struct Range {
  double low = -1;
  double high = 1;
};

/// One shape and attribute set with which every op-driven test runs.
struct Sample {
  std::string name;
  std::vector<TensorType> operands;  // f32 stands for both f32 and f64: tests replace it
  Attributes attributes;
  std::vector<Range> ranges;  // one an operand, or empty for [-1, 1] everywhere
};

/// Operands at which the derivative jumps or is not finite, and the gradient that the op has there.
struct Kink {
  std::vector<TensorType> operands;  // concrete; f32 stands for both f32 and f64
  Attributes attributes;
  std::vector<std::vector<double>> values;  // of each operand, row-major
  /// Of the sum of the first result, with respect to each operand.
  std::vector<std::vector<double>> gradients;
};

using TypeRule = std::function<std::vector<TensorType>(const OpContext&)>;
/// Gradients of a scalar with respect to each operand (nothing for operands without one), from
/// those with respect to each result (nothing where a result does not matter).
using GradientRule = std::function<std::vector<std::optional<Value>>(
    Builder&, const Node&, std::span<const Value> results,
    std::span<const std::optional<Value>> gradients)>;
using ComputeRule = std::function<Computation(const OpContext&)>;
/// Plain Eigen or plain loops, independent of compute; types are concrete. Called by tests only.
using ReferenceRule = std::function<std::vector<Tensor>(
    std::span<const Tensor> operands, std::span<const TensorType> results, const Attributes&)>;
/// FLOP (2 a multiply-add) that one sample costs, for reports; zero where not worth counting.
using FlopRule = std::function<std::int64_t(const OpContext&)>;

struct OpDef {
  std::string name;
  std::string description;  // one line
  std::string notes;        // conventions that its user needs, in sentences; may be empty
  std::vector<std::string> attributes;  // names, all required in a node
  TypeRule type_rule;                   // throws Error with shapes in its text, without position
  GradientRule gradient;  // empty: not differentiable (its result carries no gradient)
  ComputeRule compute;    // empty for inputs only
  ReferenceRule reference;
  FlopRule flops;  // may be empty
  std::vector<Sample> samples;
  std::vector<Kink> kinks;  // every op that has a gradient and a kink states it here
  /// Results are elements of the operands, or sums, products or maxima of them: of any size and
  /// sign where an operand is. Of an op with `scalar` the expression says it (is_unbounded).
  bool carries_size = false;
  /// On small whole numbers results have no rounding, in any order of summation.
  bool exact_on_integers = false;
  /// For elementwise ops: result = scalar(operands), with numpy's broadcasting. `gradient`,
  /// `compute` and `type_rule` are derived from it.
  std::function<Expr(std::span<const Expr>)> scalar;
};

using OpRef = std::shared_ptr<const OpDef>;

/// A table of ops by name; a value, so a program can extend its own copy.
class OpTable {
 public:
  /// The table of ops.def.
  static OpTable standard();

  void add(OpDef op);
  void add(OpRef op);
  OpRef find(std::string_view name) const;  // null where unknown
  const std::map<std::string, OpRef, std::less<>>& all() const { return ops_; }

 private:
  std::map<std::string, OpRef, std::less<>> ops_;
};

/// A complete op from one scalar expression: elementwise("gelu", "...", 1, [](std::span<const Expr>
/// x) { return ...; }). Operands must be of one floating type; shapes broadcast as numpy's do. Its
/// gradient is derived symbolically, its samples are generic, its reference evaluates `reference`
/// (double -> double) or, where that is empty, is derived from nothing and the op is tested against
/// the interpreter and central differences alone.
OpDef elementwise(std::string name, std::string description, int operands,
                  std::function<Expr(std::span<const Expr>)> scalar,
                  std::function<double(std::span<const double>)> reference = {}, Range range = {});

/// Evaluates one stage's value / whole op on tensors, straight from its compute: the graph
/// interpreter's engine. `operands` are concrete, results too.
std::vector<Tensor> evaluate(const OpDef& op, std::span<const Tensor> operands,
                             std::span<const TensorType> operand_types,
                             std::span<const TensorType> result_types, const Attributes& attributes,
                             std::int64_t count);

}  // namespace cnnc
