// Ops of one scalar expression, broadcast over shapes: what is derived from the expression.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph/op.h"

namespace cnnc {

using ScalarRule = std::function<Expr(std::span<const Expr>)>;
using ScalarReference = std::function<double(std::span<const double>)>;

/// What the operands' element types may be; a check throws Error where they do not fit.
using OperandCheck = std::function<void(std::string_view op, const OpContext&)>;
void one_float_type(std::string_view op, const OpContext& context);
void one_number_type(std::string_view op, const OpContext& context);
void any_one_type(std::string_view op, const OpContext& context);
void all_bool(std::string_view op, const OpContext& context);

struct ElementwiseRules {
  std::string name, description;
  std::string notes = {};
  int operands = 1;
  ScalarRule scalar;
  ScalarReference reference = {};
  OperandCheck check = one_float_type;
  Range range = {};
  bool exact_on_integers = false;
  bool differentiable = true;
  std::vector<Kink> kinks = {};
};

/// A number for each operand, and the derivative with respect to each.
struct KinkPoint {
  std::vector<double> operands, derivatives;
};
std::vector<Kink> kinks_at(const std::vector<KinkPoint>& points);

/// The op with type rule, gradient, compute, reference and samples derived.
OpDef elementwise_op(ElementwiseRules rules);

// The parts, for ops that have attributes too.

/// The broadcast shape. Throws Error where the operands' shapes do not fit.
Dims elementwise_dims(std::string_view op, const OpContext& context);
/// One stage over the result's shape; an operand's dimension of size 1 is loaded at 0.
Computation elementwise_compute(const OpContext& context, const ScalarRule& scalar);
/// Calls `reference` for each element, with broadcasting.
std::vector<Tensor> elementwise_reference(std::span<const Tensor> operands,
                                          std::span<const TensorType> results,
                                          const ScalarReference& reference);
/// Ordinary and nasty shapes for `operands` operands, all f32.
std::vector<Sample> elementwise_samples(int operands, Range range);

}  // namespace cnnc
