// The tool trains, evaluates and predicts, on a data set that the test makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/io/png.h"
#include "runtime/io/safetensors.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using Json = nlohmann::json;

constexpr const char* kLastLine = "test accuracy [0-9]+\\.[0-9][0-9] % \\([0-9]+ of 60\\)";

class Training : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny(folder.path()); }

  Outcome tool(std::vector<std::string> arguments, const ProcessOptions& options = {}) const {
    arguments.insert(arguments.begin(), "tiny.model");
    return run_tool(folder.path(), arguments, options);
  }
  std::string file(const std::string& name) const { return read_text(folder / name); }
  std::vector<Json> lines(const std::string& name) const {
    std::istringstream stream(file(name));
    std::vector<Json> result;
    for (std::string line; std::getline(stream, line);) result.push_back(Json::parse(line));
    return result;
  }

  TempFolder folder;
};

TEST_F(Training, learns_saves_evaluates_and_predicts) {
  const Outcome trained = tool({"--train", "--epochs", "10"});
  ASSERT_EQ(trained.code, 0) << trained;
  EXPECT_THAT(trained.last_line(), MatchesRegex(kLastLine));
  EXPECT_THAT(trained.out, ContainsRegex("compiled the training step in [0-9]+ ms"));
  EXPECT_GT(std::stod(trained.last_line().substr(14)), 95) << trained;

  const Outcome evaluated = tool({"--eval"});
  EXPECT_EQ(evaluated.code, 0) << evaluated;
  EXPECT_EQ(evaluated.last_line(), trained.last_line());

  const Dataset test = tiny_dataset(60, 2);
  Picture picture(8, 8, 1);
  picture.pixels.assign(test.pixels.begin(), test.pixels.begin() + 64);
  write_png(folder / "zero.png", picture);
  const Outcome predicted = tool({"--predict", "0", "59", "zero.png"});
  EXPECT_EQ(predicted.code, 0) << predicted;
  EXPECT_THAT(predicted.out,
              MatchesRegex(fmt::format("test image 0, labelled {0}: {0} \\(.*\ntest image 59, "
                                       "labelled {1}: {1} .*\nzero.png: {0} .*\n",
                                       test.labels[0], test.labels[59])));
}

TEST_F(Training, metrics_hold_a_line_a_step_and_a_line_an_epoch) {
  ASSERT_EQ(tool({"--train", "--epochs", "2", "--metrics", "m.jsonl"}).code, 0);
  const auto records = lines("m.jsonl");
  ASSERT_EQ(records.size(), 2u * (7 + 1))
      << "100 images in batches of 16: six whole ones and one of 4";
  std::int64_t step = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Json& record = records[i];
    EXPECT_EQ(record.at("epoch"), i / 8 + 1);
    EXPECT_TRUE(record.at("loss").is_number_float());
    if (i % 8 < 7) {
      EXPECT_EQ(record.size(), 3u) << record;
      EXPECT_EQ(record.at("step"), ++step);
    } else {
      EXPECT_EQ(record.size(), 6u) << record;
      EXPECT_FALSE(record.contains("step"));
      for (const char* share : {"accuracy", "test_accuracy"}) {
        EXPECT_GE(record.at(share), 0) << record;
        EXPECT_LE(record.at(share), 1) << record;
      }
      EXPECT_GT(record.at("images_per_second"), 0);
      EXPECT_GT(record.at("seconds"), 0);
    }
  }
  double sum = 0;
  for (std::size_t i = 0; i < 7; ++i) sum += records[i].at("loss").get<double>() * (i < 6 ? 16 : 4);
  EXPECT_NEAR(records[7].at("loss").get<double>(), sum / 100, 1e-12)
      << "an epoch's loss is the mean over its images";
}

TEST_F(Training, weights_are_the_same_bits_for_every_number_of_threads) {
  for (const char* precision : {"f32", "f64"}) {
    std::string expected;
    for (const char* threads : {"1", "2", "3", "7"}) {
      ASSERT_EQ(tool({"--train", "--threads", threads, "--precision", precision, "-o",
                      "w.safetensors", "--overwrite"})
                    .code,
                0);
      if (expected.empty()) expected = file("w.safetensors");
      EXPECT_EQ(file("w.safetensors"), expected) << threads << " threads, " << precision;
    }
    const Tensors weights = read_safetensors(folder / "w.safetensors");
    EXPECT_EQ(name_of(weights.at("conv1.weight").type().scalar), precision);
    EXPECT_EQ(weights.size(), 4u) << "no momentum among the weights";
  }
}

TEST_F(Training, seed_changes_the_weights) {
  ASSERT_EQ(tool({"--train", "--seed", "1", "-o", "a.safetensors"}).code, 0);
  ASSERT_EQ(tool({"--train", "--seed", "2", "-o", "b.safetensors"}).code, 0);
  EXPECT_NE(file("a.safetensors"), file("b.safetensors"));
}

TEST_F(Training, steps_stops_after_so_many_in_all_and_evaluates) {
  const Outcome outcome = tool({"--train", "--steps", "9", "--metrics", "m.jsonl"});
  ASSERT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.last_line(), MatchesRegex(kLastLine));
  const auto records = lines("m.jsonl");
  ASSERT_EQ(records.size(), 9u + 2);
  EXPECT_EQ(records[9].at("step"), 9);
  EXPECT_TRUE(records.back().contains("test_accuracy"));
}

TEST_F(Training, init_continues_from_the_weights_of_a_file) {
  ASSERT_EQ(tool({"--train", "--epochs", "10", "-o", "first.safetensors"}).code, 0);
  const Outcome again =
      tool({"--train", "--steps", "1", "--init", "first.safetensors", "--metrics", "m.jsonl"});
  ASSERT_EQ(again.code, 0) << again;
  EXPECT_LT(lines("m.jsonl")[0].at("loss"), 0.5);
  const Outcome wider = tool({"--train", "--steps", "1", "--init", "first.safetensors",
                              "--precision", "f64", "--metrics", "d.jsonl"});
  ASSERT_EQ(wider.code, 0) << wider;
  EXPECT_NEAR(lines("d.jsonl")[0].at("loss"), lines("m.jsonl")[0].at("loss"), 1e-5);
}

TEST_F(Training, without_shuffling_the_first_batch_is_the_first_images) {
  const Outcome outcome = tool({"--train", "--steps", "1", "--no-shuffle", "--metrics", "a.jsonl"});
  ASSERT_EQ(outcome.code, 0) << outcome;
  Dataset data = tiny_dataset(100, 1);
  data.labels.resize(16);
  data.pixels.resize(16 * 64);
  data.count = 16;
  write_text(folder / "tiny/train-images-idx3-ubyte", idx_images(data));
  write_text(folder / "tiny/train-labels-idx1-ubyte", idx_labels(data));
  ASSERT_EQ(tool({"--train", "--steps", "1", "--no-shuffle", "--metrics", "b.jsonl"}).code, 0);
  EXPECT_EQ(lines("a.jsonl")[0], lines("b.jsonl")[0]);
}

TEST_F(Training, interrupt_finishes_the_step_saves_the_weights_and_exits_with_130) {
  ProcessOptions options;
  options.interrupt_when = [this] { return file(".stdout").find("step 1:") != std::string::npos; };
  const Outcome outcome = tool({"--train", "--epochs", "1000000"}, options);
  EXPECT_EQ(outcome.code, 130) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("stopped after step"));
  EXPECT_EQ(read_safetensors(folder / "tiny.safetensors").size(), 4u);
  EXPECT_EQ(tool({"--eval"}).code, 0);
}

TEST_F(Training, loss_that_is_not_finite_stops_with_3_and_keeps_the_old_weights) {
  write_text(folder / "tiny.safetensors", "what was there before");
  const Outcome outcome = tool({"--train", "--overwrite", "--lr", "1e30", "--epochs", "100"});
  EXPECT_EQ(outcome.code, 3) << outcome;
  EXPECT_THAT(outcome.err, ContainsRegex("at step [0-9]+"));
  EXPECT_THAT(outcome.err, HasSubstr("--lr"));
  EXPECT_EQ(file("tiny.safetensors"), "what was there before");
}

TEST_F(Training, weights_that_the_last_update_made_infinite_are_not_saved) {
  std::string model = kTinyModel;
  model.replace(model.find("-> relu"), 7, "-> batch_norm -> relu");
  write_text(folder / "tiny.model", model);
  Outcome outcome;
  for (int steps = 1; steps < 20 && outcome.code != 3; ++steps) {
    std::filesystem::remove(folder / "tiny.safetensors");
    outcome = tool({"--train", "--lr", "1e30", "--steps", std::to_string(steps)});
    if (outcome.code == 0) {
      EXPECT_EQ(tool({"--eval"}).code, 0) << steps << " steps";
    }
  }
  EXPECT_EQ(outcome.code, 3) << outcome;
}

TEST_F(Training, batch_and_learning_rate_of_the_command_line_replace_those_of_the_model) {
  ASSERT_EQ(tool({"--train", "--epochs", "1", "--batch", "50", "--metrics", "m.jsonl"}).code, 0);
  EXPECT_EQ(lines("m.jsonl").size(), 2u + 1);
  ASSERT_EQ(tool({"--train", "--steps", "1", "--lr", "1e-30", "-o", "a.safetensors"}).code, 0);
  ASSERT_EQ(tool({"--train", "--steps", "1", "--lr", "0.5", "-o", "b.safetensors"}).code, 0);
  const Tensors a = read_safetensors(folder / "a.safetensors"),
                b = read_safetensors(folder / "b.safetensors");
  EXPECT_LT(std::abs(a.at("conv1.bias").get(0)), 1e-20) << "1e-30 of anything is next to nothing";
  EXPECT_NE(b.at("dense1.bias").get(0), 0);
}

TEST_F(Training, show_data_writes_a_picture) {
  const Outcome outcome = tool({"--show-data", "first.png"});
  EXPECT_EQ(outcome.code, 0) << outcome;
  EXPECT_GT(read_png(folder / "first.png").width, 5 * 8);
}

TEST_F(Training, every_stage_can_be_emitted_for_both_programs) {
  const std::string stages = run_tool(folder.path(), {"--list-passes"}).out;
  std::vector<std::string> names = {"graph", "loops", "llvm", "assembly"};
  std::istringstream stream(stages);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (line.find(name) == 2) names.push_back(name);  // otherwise a description goes on
  }
  for (const auto& name : names) {
    for (const char* mode : {"train", "infer"}) {
      const Outcome outcome = tool({"--emit", name, "--for", mode});
      EXPECT_EQ(outcome.code, 0) << name << " for " << mode << "\n" << outcome;
      EXPECT_GT(outcome.out.size(), 100u) << name;
    }
  }
}

}  // namespace
}  // namespace cnnc::testing
