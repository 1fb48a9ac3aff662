// What the definitions of ops share: checks and shapes for type rules, axes for computes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph/graph.h"
#include "ir/graph/op.h"

namespace cnnc {

/// `conv2d(f32[B,28,28,1], f32[3,3,1,32])`, for messages.
std::string describe(std::string_view op, std::span<const TensorType> operands);

/// Throws Error unless there are `count` operands.
void expect_operands(std::string_view op, const OpContext& context, std::size_t count);
/// Throws Error unless operand `index` has a floating type.
void expect_float(std::string_view op, const OpContext& context, std::size_t index);
/// Throws Error unless operand `index` has `rank` dimensions.
void expect_rank(std::string_view op, const OpContext& context, std::size_t index,
                 std::size_t rank);
/// Throws Error unless `attributes` are just those that `op` names, each of the kind that the op's
/// samples have.
void check_attributes(const OpDef& op, const Attributes& attributes);
/// Throws Error unless every dimension is positive (kBatch only in front) and the element count
/// allowed, with `batch` rows.
void check_result(const OpDef& op, const TensorType& type, std::int64_t batch);

/// numpy's broadcast of two shapes, where kBatch fits only kBatch, 1 and nothing.
std::optional<Dims> broadcast(const Dims& a, const Dims& b);

/// `f32[B,28,28,1]`, `i64[]`; nothing where the text is not a type.
std::optional<TensorType> parse_tensor_type(std::string_view text);
/// The scalar type that attribute `name` names. Throws Error where it names none.
ScalarType scalar_attribute(std::string_view op, const Attributes& attributes,
                            std::string_view name);

/// One axis a dimension, with variables called i0, i1, ... after `prefix`.
std::vector<Axis> axes_of(const Dims& dims, std::string_view prefix = "i");
/// The variables of `axes` as indices.
std::vector<Expr> indices_of(std::span<const Axis> axes);
/// Loads operand `index` of `context` at `at`.
Expr load_operand(const OpContext& context, std::size_t index, std::vector<Expr> at);

/// A computation of one stage that is the only result.
Computation single_stage(Stage stage);

/// The op that does to tensors what the operator does to numbers.
std::string_view op_name(UnaryOp op);
std::string_view op_name(BinaryOp op);

/// The nodes of `expr`, where the value of an expression in `known` (by address of its node) is
/// given.
Value emit_expr(Builder& builder, const Expr& expr, std::span<const Value> arguments,
                std::unordered_map<const ExprNode*, Value> known);

/// Row-major strides of concrete dims.
std::vector<std::int64_t> strides_of(const Dims& dims);

}  // namespace cnnc
