// The form of the heavy ops' computes, on which lowering and scheduling rely.
#include <gtest/gtest.h>

#include "ir/graph/op.h"

namespace cnnc {
namespace {

Computation compute(const OpDef& op, const Sample& sample) {
  const auto results = op.type_rule({sample.operands, {}, sample.attributes});
  return op.compute({sample.operands, results, sample.attributes});
}

bool has_division(const Expr& expr) {
  bool found = false;
  walk(expr, [&](const Expr& part) {
    const auto* binary = part.as<Binary>();
    found = found || (binary && !is_float(part.type()) &&
                      (binary->op == BinaryOp::div || binary->op == BinaryOp::rem));
  });
  return found;
}

bool has_select(const Expr& expr) {
  bool found = false;
  walk(expr, [&](const Expr& part) { found = found || part.as<Select>() != nullptr; });
  return found;
}

void expect_plain_multiply_add(const Stage& stage) {
  EXPECT_FALSE(has_division(stage.value));
  EXPECT_FALSE(has_select(stage.value));
  // Vectors of the innermost axis: each operand is contiguous along it, or the same for all.
  const Var inner = stage.axes.back().var;
  int contiguous = 0;
  walk(stage.value, [&](const Expr& part) {
    const auto* load = part.as<Load>();
    if (load == nullptr) return;
    for (std::size_t i = 0; i < load->index.size(); ++i) {
      const auto stride = stride_in(load->index[i], inner);
      ASSERT_TRUE(stride.has_value()) << "index " << i << " is not affine";
      contiguous += i + 1 == load->index.size() && stride == 1;
    }
  });
  EXPECT_GE(contiguous, 1);
}

/// Of every stage of `name` that sums.
void expect_plain_multiply_add(const std::string& name) {
  const OpRef op = OpTable::standard().find(name);
  for (const Sample& sample : op->samples) {
    int sums = 0;
    for (const Stage& stage : compute(*op, sample).stages) {
      if (stage.reduce.empty()) continue;
      SCOPED_TRACE(fmt::format("{} {} {}", name, sample.name, stage.name));
      expect_plain_multiply_add(stage);
      ++sums;
    }
    EXPECT_GE(sums, 1) << name << " " << sample.name;
  }
}

TEST(compute_form, conv2d_multiplies_and_adds_alone) { expect_plain_multiply_add("conv2d"); }
TEST(compute_form, conv2d_input_gradient_multiplies_and_adds_alone) {
  expect_plain_multiply_add("conv2d_input_gradient");
}
TEST(compute_form, conv2d_weight_gradient_multiplies_and_adds_alone) {
  expect_plain_multiply_add("conv2d_weight_gradient");
}
TEST(compute_form, matmul_multiplies_and_adds_alone) { expect_plain_multiply_add("matmul"); }

/// Multiply-adds of one sample.
std::int64_t products(const Computation& computation) {
  std::int64_t total = 0;
  for (const Stage& stage : computation.stages) {
    if (stage.reduce.empty()) continue;
    std::int64_t one = 1;
    for (const auto* axes : {&stage.axes, &stage.reduce})
      for (const Axis& axis : *axes) one *= axis.extent == kBatch ? 1 : axis.extent;
    total += one;
  }
  return total;
}

TEST(compute_form, strided_input_gradient_multiplies_no_zeros_in_between) {
  const OpRef op = OpTable::standard().find("conv2d_input_gradient");
  const auto strided = [&](std::int64_t kernel, std::int64_t stride) {
    const std::int64_t size = 24, out = size / stride, pad = kernel / 2;
    const Sample sample{
        "strided",
        {{ScalarType::f32, {kBatch, out, out, 5}}, {ScalarType::f32, {kernel, kernel, 3, 5}}},
        {{"stride", Dims{stride, stride}},
         {"pad", Dims{pad, pad - 1 + kernel % 2, pad, pad - 1 + kernel % 2}},
         {"dilation", Dims{1, 1}},
         {"groups", std::int64_t{1}},
         {"input", Dims{size, size, 3}}},
        {}};
    return products(compute(*op, sample));
  };
  for (const std::int64_t kernel : {1, 3, 5, 7})
    for (const std::int64_t stride : {2, 3})
      EXPECT_EQ(strided(kernel, stride), (24 / stride) * (24 / stride) * kernel * kernel * 3 * 5)
          << kernel << " " << stride;
}

TEST(compute_form, conv2d_and_its_weight_gradient_share_the_padded_input) {
  const OpTable ops = OpTable::standard();
  const OpDef &forward = *ops.find("conv2d"), &backward = *ops.find("conv2d_weight_gradient");
  ASSERT_EQ(forward.samples.size(), backward.samples.size());
  int shared = 0;
  for (std::size_t i = 0; i < forward.samples.size(); ++i) {
    const Stage a = compute(forward, forward.samples[i]).stages.front();
    const Stage b = compute(backward, backward.samples[i]).stages.front();
    if (a.name != "padded") continue;
    std::unordered_map<Var, Var> renaming;
    for (std::size_t axis = 0; axis < a.axes.size(); ++axis) {
      renaming[a.axes[axis].var] = b.axes.at(axis).var;
      EXPECT_EQ(a.axes[axis].extent, b.axes[axis].extent);
    }
    EXPECT_TRUE(same(a.value, b.value, renaming)) << forward.samples[i].name;
    ++shared;
  }
  EXPECT_GT(shared, 3);
}

TEST(compute_form, the_gradient_of_a_plain_convolution_copies_no_input) {
  const OpDef& op = *OpTable::standard().find("conv2d_input_gradient");
  for (const Sample& sample : op.samples) {
    if (sample.name != "one_by_one") continue;
    const Computation computation = compute(op, sample);
    for (const Stage& stage : computation.stages) EXPECT_NE(stage.name, "dilated");
    return;
  }
  FAIL() << "no such sample";
}

TEST(compute_form, pooling_that_covers_exactly_has_no_division) {
  for (const std::string name : {"maxpool_gradient", "avgpool_gradient"}) {
    const OpDef& op = *OpTable::standard().find(name);
    for (const Sample& sample : op.samples) {
      if (sample.name != "halves" && sample.name != "oblong" && sample.name != "whole_input")
        continue;
      const Stage stage = compute(op, sample).stages.back();
      EXPECT_FALSE(has_division(stage.value)) << name << " " << sample.name;
      EXPECT_TRUE(stage.reduce.empty()) << name << " " << sample.name;
    }
  }
}

TEST(compute_form, pooling_without_padding_has_no_guard) {
  const OpDef& op = *OpTable::standard().find("maxpool");
  for (const Sample& sample : op.samples) {
    if (sample.attributes.integers("pad") != Dims{0, 0, 0, 0}) continue;
    const Stage value = compute(op, sample).stages.front();
    EXPECT_EQ(value.name, "value");
    EXPECT_NE(value.value.as<Load>(), nullptr) << sample.name;
  }
}

}  // namespace
}  // namespace cnnc
