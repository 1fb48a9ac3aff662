// The losses against their formulas, through the graph interpreter.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/language/layer.h"

namespace cnnc {
namespace {

/// loss and correct of `rows` of 3 probabilities.
std::map<std::string, Tensor> cross_entropy(const std::vector<double>& probabilities,
                                            const std::vector<std::int32_t>& labels) {
  const Language language = Language::standard();
  Builder builder(language.ops, "loss", 8);
  const Value prediction = builder.input("p", "data", {ScalarType::f64, {kBatch, 3}});
  const Value label = builder.input("label", "data", {ScalarType::i32, {kBatch}});
  language.losses.at("cross_entropy")->build(builder, prediction, label, {});
  const auto rows = static_cast<std::int64_t>(labels.size());
  const Tensor count = [&] {
    Tensor tensor({ScalarType::i64, {}});
    tensor.set(0, static_cast<double>(rows));
    return tensor;
  }();
  Tensor p({ScalarType::f64, {rows, 3}}), l({ScalarType::i32, {rows}});
  std::ranges::copy(probabilities, p.data<double>().begin());
  std::ranges::copy(labels, l.data<std::int32_t>().begin());
  return interpret(std::move(builder).build(), {{"p", p}, {"label", l}, {"count", count}}, rows);
}

TEST(cross_entropy, is_the_mean_over_the_rows_of_the_call) {
  const auto outputs = cross_entropy({0.5, 0.25, 0.25, 0.125, 0.5, 0.375}, {0, 2});
  EXPECT_NEAR(outputs.at("loss").get(0), -(std::log(0.5) + std::log(0.375)) / 2, 1e-15);
}

TEST(cross_entropy, counts_rows_whose_first_greatest_is_the_label) {
  const std::vector<double> tie{0.4, 0.4, 0.2};
  EXPECT_EQ(cross_entropy(tie, {0}).at("correct").get(0), 1);
  EXPECT_EQ(cross_entropy(tie, {1}).at("correct").get(0), 0);
  EXPECT_EQ(
      cross_entropy({0.1, 0.2, 0.7, 0.7, 0.2, 0.1, 0.2, 0.6, 0.2}, {2, 1, 1}).at("correct").get(0),
      2);
}

TEST(cross_entropy, ignores_impossible_classes_and_is_infinite_where_the_label_is_one) {
  EXPECT_EQ(cross_entropy({1, 0, 0}, {0}).at("loss").get(0), 0);
  EXPECT_EQ(cross_entropy({1, 0, 0}, {1}).at("loss").get(0), INFINITY);
}

}  // namespace
}  // namespace cnnc
