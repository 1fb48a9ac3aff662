// What is finite stays finite whichever passes run: training steps whose softmax underflows, since
// its logits are hundreds apart, have a loss and gradients all the same.
#include <gtest/gtest.h>

#include <cmath>

#include "frontend/model.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

constexpr std::int64_t kRows = 5;

struct Network {
  const char *name, *text;
};
constexpr Network kNetworks[] = {
    {"classic", R"(model m {
       input(6x6x2) -> conv(5, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten -> dense(9) -> relu
         -> dense(4) -> softmax })"},
    {"residual", R"(model m {
       stem = input(6x5x1) -> conv(4, 3x3, pad=1) -> batch_norm -> relu
       stem -> conv(4, 3x3, pad=1) -> batch_norm -> add(stem) -> relu -> avgpool(3x5) -> flatten
         -> dense(5) -> softmax })"},
    {"flattened_last", R"(model m {
       input(4x4x1) -> conv(3, 4x4) -> softmax -> flatten })"},
};

class Extreme : public ::testing::TestWithParam<Network> {
 protected:
  Extreme() {
    const Language language = Language::standard();
    const std::string train =
        " train { data = mnist loss = cross_entropy optimizer = sgd(lr=0.1, momentum=0.9)"
        " batch = 5 epochs = 1 }";
    const Model model = parse_model({"m", GetParam().text + train}, language);
    graph_ = build_graph(model, language, Mode::train, kRows, ScalarType::f32).graph;
  }

  /// Weights are so large that one logit is hundreds above the others.
  Tensors results(const std::vector<std::string>& skip) const {
    const auto ir = ir_at(graph_, "loops", {.target = *named_target("x86-64-v3"), .skip = skip});
    Tensors inputs = inputs_for(std::get<Program>(ir), kRows, kRows, Values::real, 1);
    for (auto& [name, tensor] : inputs) {
      const bool large = name.ends_with(".weight") && is_float(tensor.type().scalar);
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        if (large) tensor.set(i, 300 * tensor.get(i));
        if (name == "label") tensor.set(i, static_cast<double>(i % 3));
      }
    }
    return interpret_ir(ir, inputs, 1);
  }

  Graph graph_;
};

TEST_P(Extreme, logits_leave_loss_and_gradients_finite_whatever_pass_is_left_out) {
  std::vector<std::vector<std::string>> skips{{}, {"simplify"}};
  for (const PassInfo& pass : list_passes())
    if (!pass.required) skips.push_back({pass.name});
  const Tensors base = results({});
  EXPECT_GT(base.at("loss").get(0), 80) << "no softmax underflows";
  for (const auto& skip : skips) {
    for (const auto& [name, tensor] : results(skip))
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        const double expected = base.at(name).get(i), scale = std::max(1.0, std::abs(expected));
        ASSERT_TRUE(std::isfinite(tensor.get(i)))
            << name << "[" << i << "] without " << fmt::format("{}", fmt::join(skip, ", "));
        ASSERT_NEAR(tensor.get(i), expected, 1e-3 * scale)
            << name << "[" << i << "] without " << fmt::format("{}", fmt::join(skip, ", "));
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Extreme, ::testing::ValuesIn(kNetworks),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cnnc::testing
