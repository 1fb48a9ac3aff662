// The tool's figures: what --bench, --profile and --explain print and write. No test looks at how
// fast anything was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/inspect/benchmark.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kInferOnly = "model only { input(6x6x2) -> conv(3, 3x3) -> relu }\n";

void expect_numbers(const Json& object, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    ASSERT_TRUE(object.contains(name)) << name << " in " << object.dump();
    EXPECT_TRUE(object[name].is_number()) << name << " is " << object[name];
    EXPECT_GE(object[name].get<double>(), 0) << name;
  }
}

void expect_kernels(const Json& program, bool measured) {
  EXPECT_EQ(program["profile"].size(), program["kernels"].get<std::size_t>());
  for (const Json& kernel : program["profile"]) {
    expect_numbers(kernel, {"predicted_microseconds", "predicted_cycles", "flops", "bytes"});
    EXPECT_FALSE(kernel["name"].get<std::string>().empty());
    EXPECT_THAT(kernel["bound"].get<std::string>(), ::testing::AnyOf("compute", "memory"));
    const bool timed = measured && !kernel["once"].get<bool>();
    EXPECT_EQ(kernel["microseconds"].is_number(), timed) << kernel;
  }
}

void expect_mode(const Json& mode, bool measured) {
  expect_numbers(mode, {"flops_per_image", "speedup"});
  for (const char* name : {"fused", "unfused"}) {
    const Json& program = mode[name];
    expect_numbers(program, {"predicted_images_per_second", "predicted_share_of_peak", "kernels",
                             "arena_bytes", "arena_lower_bound_bytes", "scratch_bytes",
                             "scratch_lower_bound_bytes"});
    if (measured)
      expect_numbers(program, {"images_per_second", "microseconds_per_image", "gflops",
                               "share_of_peak", "compile_milliseconds"});
    EXPECT_GE(program["arena_bytes"], program["arena_lower_bound_bytes"]);
    EXPECT_GE(program["scratch_bytes"], program["scratch_lower_bound_bytes"]);
    expect_kernels(program, measured);
  }
  EXPECT_LT(mode["fused"]["kernels"], mode["unfused"]["kernels"]);
}

TEST(Bench, measures_every_program_and_writes_the_figures) {
  const TempFolder folder;
  write_tiny(folder.path());
  const Outcome outcome =
      run_tool(folder.path(), {"tiny.model", "--bench", "--profile", "--rounds", "1", "--threads",
                               "2", "--batch", "24", "--json", "figures.json"});
  ASSERT_EQ(outcome.code, 0) << outcome;
  for (const char* word :
       {"multiply-adds, all threads", "training", "inference", "fused / unfused", "99th percentile",
        "2 threads over one", "of peak", "predicted", "conv1"})
    EXPECT_THAT(outcome.out, HasSubstr(word));

  const Json figures = Json::parse(read_text(folder / "figures.json"));
  expect_numbers(figures,
                 {"peak_gflops", "peak_gflops_one_core", "peak_scaling", "memory_gb_per_second"});
  expect_numbers(figures["training"], {"scaling"});
  EXPECT_EQ(figures["model"], "tiny");
  EXPECT_EQ(figures["batch"], 24);
  EXPECT_EQ(figures["threads"], 2);
  EXPECT_EQ(figures["precision"], "f32");
  expect_mode(figures["training"], true);
  expect_mode(figures["inference"], true);
  EXPECT_EQ(figures["latency"]["batch"], 1);
  EXPECT_EQ(figures["latency"]["threads"], 1);
  expect_numbers(figures["latency"], {"median_microseconds", "p99_microseconds"});
}

TEST(Bench, of_a_model_that_is_not_trained_has_no_training) {
  const TempFolder folder;
  write_text(folder / "only.model", kInferOnly);
  const Outcome outcome =
      run_tool(folder.path(), {"only.model", "--bench", "--rounds", "1", "--threads", "1",
                               "--precision", "f64", "--json", "figures.json"});
  ASSERT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.out, Not(HasSubstr("training")));
  const Json figures = Json::parse(read_text(folder / "figures.json"));
  EXPECT_TRUE(figures["training"].is_null());
  EXPECT_EQ(figures["precision"], "f64");
}

TEST(Explain, predicts_every_kernel_without_running_it) {
  const TempFolder folder;
  write_tiny(folder.path());
  const Outcome outcome = run_tool(
      folder.path(), {"tiny.model", "--explain", "--threads", "3", "--json", "figures.json"});
  ASSERT_EQ(outcome.code, 0) << outcome;
  for (const char* word :
       {"nothing was run", "GHz", "training, fused", "inference, fused", "kilocycles", "conv1"})
    EXPECT_THAT(outcome.out, HasSubstr(word));
  const Json figures = Json::parse(read_text(folder / "figures.json"));
  expect_mode(figures["training"], false);
  expect_mode(figures["inference"], false);
  EXPECT_TRUE(figures["latency"].is_null());
}

TEST(Explain, needs_no_machine_that_could_run_the_target) {
  const TempFolder folder;
  write_tiny(folder.path());
  for (const char* target : {"x86-64", "x86-64-v4"}) {
    const Outcome outcome =
        run_tool(folder.path(), {"tiny.model", "--explain", "--target", target});
    EXPECT_EQ(outcome.code, 0) << outcome;
    EXPECT_THAT(outcome.out, HasSubstr(target));
  }
}

TEST(Bench, refuses_a_batch_that_does_not_fit) {
  const TempFolder folder;
  write_text(folder / "large.model", "model large { input(128x128x64) -> relu -> relu -> relu }\n");
  const Outcome outcome = run_tool(folder.path(), {"large.model", "--bench", "--batch", "1000"});
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("smaller batch"));
}

TEST(Percentile, is_a_value_that_was_seen) {
  const std::vector<double> values = {5, 1, 4, 2, 3};
  EXPECT_EQ(percentile(values, 0.5), 3);
  EXPECT_EQ(percentile(values, 0.99), 5);
  EXPECT_EQ(percentile(values, 0.0), 1);
  EXPECT_EQ(percentile({7}, 0.5), 7);
}

}  // namespace
}  // namespace cnnc::testing
