// Twenty steps of MNIST as an independent implementation took them in f64 ($CNNC_DATA/reference,
// written by PyTorch).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "runtime/io/safetensors.h"
#include "runtime/train/training.h"
#include "tests/process.h"

namespace cnnc::testing {
namespace {

struct ReferenceRun {
  std::string name, folder, model;
  ScalarType real = ScalarType::f32;
  std::size_t losses = 20;      // how many of them are compared
  double loss_tolerance = 0;    // relative
  double weight_tolerance = 0;  // of the largest change of the tensor; 0: not compared
};
void PrintTo(const ReferenceRun& run, std::ostream* stream) { *stream << run.name; }

class Reference : public ::testing::TestWithParam<ReferenceRun> {};

void expect_same_changes(const Tensors& before, const Tensors& after, const Tensors& expected,
                         double tolerance) {
  ASSERT_EQ(after.size(), expected.size());
  for (const auto& [name, goal] : expected) {
    const Tensor& start = before.at(name);
    const Tensor& result = after.at(name);
    ASSERT_EQ(result.dims(), goal.dims()) << name;
    double largest = 0, difference = 0;
    for (std::int64_t i = 0; i < goal.size(); ++i) {
      largest = std::max(largest, std::abs(goal.get(i) - start.get(i)));
      difference = std::max(difference, std::abs(goal.get(i) - result.get(i)));
    }
    EXPECT_LE(difference, tolerance * largest) << name << ": largest change " << largest;
  }
}

TEST_P(Reference, losses_and_weight_changes_are_reproduced) {
  const ReferenceRun& run = GetParam();
  const char* data = std::getenv("CNNC_DATA");
  if (!data) GTEST_SKIP() << "CNNC_DATA is not set: no reference runs";
  const auto folder = std::filesystem::path(data) / "reference" / run.folder;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder.string() << " is not there";
  const std::vector<std::filesystem::path> folders = {data};
  if (!find_dataset(folders, "mnist")) GTEST_SKIP() << "no mnist in " << data;

  const Language language = Language::standard();
  const auto path = std::filesystem::path(CNNC_SOURCE_DIR) / run.model;
  Session session(parse_model({.name = run.model, .text = read_text(path)}, language), language,
                  {.real = run.real});
  const Tensors initial = read_safetensors(folder / "weights_initial.safetensors");
  session.set_weights(initial, "weights_initial.safetensors");
  std::vector<double> losses;
  TrainOptions options;
  options.steps = 20;
  options.shuffle = false;
  TrainCallbacks callbacks;
  callbacks.step = [&](const StepReport& report) { losses.push_back(report.loss); };
  train(session, load_dataset(folders, "mnist", Split::train), nullptr, options, callbacks);

  const auto expected =
      nlohmann::json::parse(read_text(folder / "losses.json")).get<std::vector<double>>();
  ASSERT_EQ(losses.size(), expected.size());
  for (std::size_t i = 0; i < run.losses; ++i) {
    EXPECT_NEAR(losses[i], expected[i], run.loss_tolerance * expected[i]) << "step " << i + 1;
  }
  if (run.weight_tolerance > 0) {
    expect_same_changes(initial, session.weights(),
                        read_safetensors(folder / "weights_final.safetensors"),
                        run.weight_tolerance);
  }
}

// f32 has little room: in step 8 the input of one ReLU (image 44, unit 68 of dense1) is 7e-9, and a
// sum over its 3136 inputs in plain order errs by 6e-8, enough to pass or stop the gradient by
// chance and to miss 1e-3. Sums in blocks do not.
INSTANTIATE_TEST_SUITE_P(
    runs, Reference,
    ::testing::Values(ReferenceRun{"sgd_f64", "seed-sgd", "examples/mnist.model", ScalarType::f64,
                                   20, 1e-9, 1e-8},
                      ReferenceRun{"nesterov_f64", "seed-nesterov", "tests/models/nesterov.model",
                                   ScalarType::f64, 20, 1e-9, 1e-8},
                      ReferenceRun{"sgd_f32", "seed-sgd", "examples/mnist.model", ScalarType::f32,
                                   20, 2e-6, 1e-3},
                      ReferenceRun{"nesterov_f32", "seed-nesterov", "tests/models/nesterov.model",
                                   ScalarType::f32, 10, 1e-5, 0}),
    kRowName);

}  // namespace
}  // namespace cnnc::testing
