// What a run has learnt is saved whatever else fails, and never in place of something better.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "runtime/io/safetensors.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Saving : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny(folder.path()); }

  Outcome tool(std::vector<std::string> arguments, const ProcessOptions& options = {}) const {
    arguments.insert(arguments.begin(), "tiny.model");
    return run_tool(folder.path(), arguments, options);
  }
  std::string file(const std::string& name) const { return read_text(folder / name); }
  bool is_network(const std::string& name) const {
    return fs::exists(folder / name) && read_safetensors(folder / name).size() == 4;
  }
  /// A run that never ends, and what `signal` makes of it once steps are being done.
  Outcome stopped_by(int signal, std::vector<std::string> arguments = {},
                     ProcessOptions options = {}) const {
    options.signal = signal;
    if (!options.interrupt_when) {
      options.interrupt_when = [this] {
        return file(".stdout").find("step 1:") != std::string::npos;
      };
    }
    arguments.insert(arguments.end(), {"--train", "--epochs", "1000000"});
    return tool(arguments, options);
  }
  bool has_temporary_files() const {
    for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
      if (entry.path().filename().string().starts_with(".cnnc-")) return true;
    return false;
  }

  TempFolder folder;
};

// Another network is there.

TEST_F(Saving, a_network_is_not_replaced_and_a_second_run_says_which_file_it_takes) {
  ASSERT_EQ(tool({"--train"}).code, 0);
  const std::string first = file("tiny.safetensors");
  const Outcome second = tool({"--train", "--seed", "2"});
  EXPECT_EQ(second.code, 0) << second;
  const auto said =
      second.out.find("tiny.safetensors stays (no --overwrite); weights go to tiny-2.safetensors");
  EXPECT_LT(said, second.out.find("step 1:")) << second;
  EXPECT_THAT(second.out, HasSubstr("weights written to tiny-2.safetensors\n"));
  EXPECT_EQ(file("tiny.safetensors"), first);
  EXPECT_TRUE(is_network("tiny-2.safetensors"));
  EXPECT_NE(file("tiny-2.safetensors"), first);
  EXPECT_EQ(tool({"--train", "-o", "tiny.safetensors"}).code, 0) << "as well where it is named";
  EXPECT_EQ(file("tiny.safetensors"), first);
  EXPECT_TRUE(is_network("tiny-3.safetensors"));
}

TEST_F(Saving, overwrite_replaces_a_network) {
  ASSERT_EQ(tool({"--train"}).code, 0);
  const std::string first = file("tiny.safetensors");
  ASSERT_EQ(tool({"--train", "--seed", "2", "--overwrite"}).code, 0);
  EXPECT_NE(file("tiny.safetensors"), first);
  EXPECT_FALSE(fs::exists(folder / "tiny-2.safetensors"));
}

TEST_F(Saving, a_run_that_is_stopped_replaces_nothing) {
  write_text(folder / "tiny.safetensors", "what was there before");
  const Outcome outcome = stopped_by(SIGINT, {"--overwrite"});
  EXPECT_EQ(outcome.code, 130) << outcome;
  EXPECT_THAT(outcome.out, ContainsRegex("stopped after step [0-9]+; weights written to "
                                         "tiny-2.safetensors; tiny.safetensors stays\n"));
  EXPECT_EQ(file("tiny.safetensors"), "what was there before");
  EXPECT_TRUE(is_network("tiny-2.safetensors"));
}

TEST_F(Saving, a_run_that_diverged_replaces_nothing_and_hears_of_a_rate_to_try) {
  write_text(folder / "tiny.safetensors", "what was there before");
  const Outcome outcome = tool({"--train", "--overwrite", "--lr", "1000", "--epochs", "10"});
  EXPECT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("is far above that of guessing, 1.10: try --lr 0.01\n"));
  EXPECT_EQ(file("tiny.safetensors"), "what was there before");
  EXPECT_TRUE(is_network("tiny-2.safetensors"));
}

TEST_F(Saving, outputs_that_are_not_finite_exit_with_3_and_keep_what_was_there) {
  write_text(folder / "tiny.safetensors", "what was there before");
  for (const char* lr : {"1e20", "1e25", "1e30"}) {
    const Outcome outcome = tool({"--train", "--overwrite", "--steps", "1", "--lr", lr});
    EXPECT_EQ(outcome.code, 3) << outcome;
    EXPECT_THAT(outcome.err, HasSubstr("no longer finite after step 1"));
    EXPECT_THAT(outcome.err, HasSubstr("--lr "));
    EXPECT_THAT(outcome.out, Not(HasSubstr("test accuracy")));
    EXPECT_EQ(file("tiny.safetensors"), "what was there before");
  }
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(Saving, weights_whose_outputs_are_nan_are_no_class_0) {
  ASSERT_EQ(tool({"--train", "--steps", "1"}).code, 0);
  Tensors weights = read_safetensors(folder / "tiny.safetensors");
  for (auto& [name, tensor] : weights)
    for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, i % 2 == 0 ? 3e38 : -3e38);
  write_safetensors(folder / "huge.safetensors", weights);
  const Outcome evaluated = tool({"--eval", "--weights", "huge.safetensors"});
  EXPECT_EQ(evaluated.code, 3) << evaluated;
  EXPECT_THAT(evaluated.err, ContainsRegex("huge.safetensors: the outputs for [0-9]+ of 60 images "
                                           "are not finite"));
  EXPECT_EQ(evaluated.out, "");
  const Outcome predicted = tool({"--predict", "0", "--weights", "huge.safetensors"});
  EXPECT_EQ(predicted.code, 3) << predicted;
  EXPECT_THAT(predicted.err, HasSubstr("test image 0, labelled 1: the model's output 0 is "));
  EXPECT_EQ(predicted.out, "");
  const Outcome trained = tool({"--train", "--init", "huge.safetensors", "-o", "w"});
  EXPECT_EQ(trained.code, 3) << trained;
  EXPECT_THAT(trained.err, HasSubstr("at step 1, before any update"));
  EXPECT_THAT(trained.err, Not(HasSubstr("--lr")));
}

// The file cannot be written.

TEST_F(Saving, what_cannot_be_written_is_refused_before_the_first_step) {
  write_text(folder / "locked", "old");
  chmod((folder / "locked").c_str(), 0444);
  fs::create_symlink("locked", folder / "link");
  fs::create_symlink("nowhere/w", folder / "astray");
  for (const char* name : {"locked", "link", "astray", "tiny", "none/w"}) {
    const Outcome outcome = tool({"--train", "-o", name});
    EXPECT_EQ(outcome.code, 1) << outcome;
    EXPECT_EQ(outcome.out, "") << name;
    EXPECT_THAT(outcome.err, HasSubstr(name));
  }
  EXPECT_EQ(file("locked"), "old");
  EXPECT_EQ(tool({"--bench", "--json", "none/x"}).code, 1) << "before anything is measured";
}

TEST_F(Saving, names_that_no_file_can_have_are_mistakes_of_every_flag) {
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  const std::string longest(300, 'x');
  for (const std::string& name : {longest, longest + "/" + longest, std::string("a")}) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"--train", "--steps", "1", "-o", name},
          {"--train", "--steps", "1", "--metrics", name},
          {"--train", "--init", name},
          {"--eval", "--weights", name},
          {"--eval", "--data", name},
          {"--predict", name + ".png", "--weights", name},
          {"--emit", "graph", "-o", name},
          {"--show-data", name},
          {"--explain", "--json", name}}) {
      const Outcome outcome = tool(arguments);
      EXPECT_EQ(outcome.code, 1) << arguments[0] << " " << name << "\n" << outcome;
    }
    EXPECT_EQ(run_tool(folder.path(), {name}).code, 1);
    EXPECT_EQ(run_tool(folder.path(), {name + ".model", "--eval"}).code, 1);
  }
}

TEST_F(Saving, too_little_room_is_known_before_the_first_step) {
  ProcessOptions options;
  options.file_size = 1000;  // the tensors alone take 956 bytes, their header some hundreds
  const Outcome outcome = tool({"--train"}, options);
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("tiny.safetensors: cannot write"));
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(Saving, where_the_last_write_fails_the_weights_go_somewhere_else) {
  fs::create_directory(folder / "below");
  ProcessOptions options;
  options.interrupt_when = [this] {
    if (file(".stdout").find("step 1:") == std::string::npos) return false;
    fs::remove_all(folder / "below");
    return true;
  };
  const Outcome outcome = stopped_by(SIGTERM, {"-o", "below/w.safetensors"}, options);
  EXPECT_EQ(outcome.code, 143) << outcome;
  EXPECT_THAT(outcome.err,
              HasSubstr("below/w.safetensors: cannot write: No such file or directory; "
                        "the weights are in w.safetensors\n"));
  EXPECT_TRUE(is_network("w.safetensors"));
}

TEST_F(Saving, where_a_device_fails_the_weights_go_into_a_file) {
  const Outcome outcome = tool({"--train", "--steps", "1", "-o", "/dev/full"});
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("the weights are in tiny.safetensors"));
  EXPECT_TRUE(is_network("tiny.safetensors"));
}

TEST_F(Saving, a_link_to_a_file_that_is_not_there_yet_stays_a_link) {
  fs::create_directory(folder / "store");
  fs::create_symlink("store/w", folder / "link");
  ASSERT_EQ(tool({"--train", "--steps", "1", "-o", "link"}).code, 0);
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(is_network("store/w"));
}

// The log or the metrics cannot be written.

TEST_F(Saving, standard_output_that_is_full_or_closed_costs_nothing) {
  ProcessOptions full, closed, all_closed;
  full.output = "/dev/full";
  closed.closed = {STDOUT_FILENO};
  all_closed.closed = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  for (const ProcessOptions& options : {full, closed, all_closed}) {
    fs::remove(folder / "tiny.safetensors");
    const Outcome outcome = tool({"--train", "--metrics", "m.jsonl"}, options);
    EXPECT_EQ(outcome.code, 1) << outcome;
    if (options.closed.size() < 3) {
      EXPECT_EQ(outcome.err, "cnnc: standard output could not be written\n");
    }
    EXPECT_TRUE(is_network("tiny.safetensors"));
    const std::string metrics = file("m.jsonl");
    EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 3 * (7 + 1));
    EXPECT_THAT(metrics, Not(HasSubstr("weights written")));
  }
}

TEST_F(Saving, standard_output_that_is_full_is_said_in_a_line_by_every_command) {
  ProcessOptions options;
  options.output = "/dev/full";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {}, {"--emit", "graph"}, {"--show-data", "x.png"}}) {
    const Outcome outcome = tool(arguments, options);
    EXPECT_EQ(outcome.code, 1) << outcome;
    EXPECT_EQ(outcome.err, "cnnc: standard output could not be written\n");
  }
}

TEST_F(Saving, a_pipe_that_nobody_reads_any_more_costs_nothing) {
  const std::string command = fmt::format(
      "cd '{}' && {{ CNNC_DATA=. '{}' tiny.model --train --epochs 20 2>error; echo $? >code; "
      "}} | head -n 1 >head",
      folder.path().string(), CNNC_TOOL);
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(file("code"), "1\n");
  EXPECT_EQ(file("error"), "cnnc: standard output could not be written\n");
  EXPECT_TRUE(is_network("tiny.safetensors"));
}

TEST_F(Saving, metrics_that_cannot_be_written_cost_nothing) {
  const Outcome outcome = tool({"--train", "--metrics", "/dev/full"});
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("weights written to tiny.safetensors\n"));
  EXPECT_EQ(outcome.err, "/dev/full: writing failed: No space left on device\n");
  EXPECT_TRUE(is_network("tiny.safetensors"));
}

TEST_F(Saving, a_limit_of_file_size_ends_the_metrics_and_not_the_run) {
  ProcessOptions options;
  options.file_size = 8000;  // fewer than 1,000 lines
  const Outcome outcome = tool({"--train", "--epochs", "200", "--metrics", "m.jsonl"}, options);
  EXPECT_EQ(outcome.code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("m.jsonl: writing failed: File too large\n"));
  EXPECT_TRUE(is_network("tiny.safetensors"));
}

TEST_F(Saving, metrics_are_there_line_by_line) {
  std::string model = kTinyModel, seen;
  model.replace(model.find("conv(4, 3x3, pad=1)"), 19,
                "conv(256, 3x3, pad=1) -> conv(256, 3x3, pad=1)");
  write_text(folder / "tiny.model", model);  // whose epochs take longer than a look at the file
  ProcessOptions options;
  options.interrupt_when = [&] {
    seen = file("m.jsonl");
    return !seen.empty();
  };
  EXPECT_EQ(stopped_by(SIGINT, {"--metrics", "m.jsonl", "--batch", "1"}, options).code, 130);
  EXPECT_TRUE(seen.ends_with("}\n")) << seen;
  EXPECT_LT(std::count(seen.begin(), seen.end(), '\n'), 100) << "the epoch had not ended";
}

TEST_F(Saving, standard_error_that_cannot_be_written_ends_no_command_with_a_crash) {
  ProcessOptions closed, full;
  closed.closed = {STDERR_FILENO};
  full.before = [] { dup2(open("/dev/full", O_WRONLY), STDERR_FILENO); };
  for (const ProcessOptions& options : {closed, full}) {
    EXPECT_EQ(tool({"--trian"}, options).code, 2);
    EXPECT_EQ(tool({"--eval"}, options).code, 1);
    EXPECT_EQ(tool({"--train", "--lr", "1e30"}, options).code, 3);
    EXPECT_EQ(tool({"--emit", "graph"}, options).code, 0);
  }
}

// Standard output as a file.

TEST_F(Saving, a_dash_is_standard_output_and_the_log_goes_to_standard_error) {
  const Outcome metrics = tool({"--train", "--metrics", "-"});
  EXPECT_EQ(metrics.code, 0) << metrics;
  EXPECT_THAT(metrics.out, ::testing::StartsWith("{\"epoch\":1,\"step\":1,"));
  EXPECT_THAT(metrics.out, ::testing::EndsWith("}\n"));
  EXPECT_THAT(metrics.err, HasSubstr("weights written to tiny.safetensors"));
  const Outcome weights = tool({"--train", "-o", "-"});
  EXPECT_EQ(weights.code, 0) << weights;
  EXPECT_EQ(weights.out, file("tiny.safetensors"));
  EXPECT_THAT(weights.err, HasSubstr("weights written to standard output"));
  EXPECT_EQ(tool({"--emit", "graph", "-o", "-"}).out, tool({"--emit", "graph"}).out);
  EXPECT_THAT(tool({"--show-data", "-"}).out, ::testing::StartsWith("\x89PNG"));
  EXPECT_THAT(tool({"--explain", "--json", "-"}).out, ::testing::StartsWith("{"));
  EXPECT_EQ(tool({"--train", "-o", "-", "--metrics", "-"}).code, 2);
}

// Inputs are not outputs.

TEST_F(Saving, files_that_are_read_are_not_written) {
  ASSERT_EQ(tool({"--train", "--steps", "1"}).code, 0);
  for (const char* name : {"tiny.model", "tiny/train-labels-idx1-ubyte",
                           "tiny/t10k-images-idx3-ubyte", "tiny.safetensors"}) {
    const std::string before = file(name);
    fs::remove(folder / "link");
    fs::create_hard_link(folder / name, folder / "link");
    for (const std::string& given : {std::string(name), std::string("link")}) {
      EXPECT_EQ(tool({"--train", "--init", "tiny.safetensors", "-o", "w", "--metrics", given}).code,
                2)
          << given << " is " << name;
      if (name == std::string("tiny.safetensors")) continue;  // may be trained further
      EXPECT_EQ(tool({"--train", "-o", given}).code, 2) << given << " is " << name;
      EXPECT_EQ(tool({"--train", "-o", given, "--overwrite"}).code, 2) << given << " is " << name;
    }
    EXPECT_EQ(file(name), before);
  }
  EXPECT_EQ(tool({"--show-data", "tiny/train-images-idx3-ubyte"}).code, 2);
  EXPECT_EQ(tool({"--show-data", "tiny/t10k-labels-idx1-ubyte"}).code, 2);
}

// Signals.

TEST_F(Saving, every_wish_to_stop_saves_the_weights) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
    fs::remove(folder / "tiny.safetensors");
    const Outcome outcome = stopped_by(signal);
    EXPECT_EQ(outcome.code, 128 + signal) << outcome;
    EXPECT_THAT(outcome.out, HasSubstr("stopped after step"));
    EXPECT_TRUE(is_network("tiny.safetensors")) << signal;
  }
}

TEST_F(Saving, a_limit_of_computing_time_that_kills_is_not_waited_for) {
  ProcessOptions options;
  options.before = [] {
    const rlimit seconds{3, 3};
    setrlimit(RLIMIT_CPU, &seconds);
  };
  const Outcome outcome = tool({"--train", "--epochs", "1000000"}, options);
  EXPECT_EQ(outcome.code, 128 + SIGXCPU);
  EXPECT_TRUE(is_network("tiny.safetensors"));
}

TEST_F(Saving, signals_that_were_ignored_stay_so) {
  for (const int signal : {SIGINT, SIGHUP, SIGTERM}) {
    ProcessOptions options;
    options.ignored = {signal};
    options.signal = signal;
    options.interrupt_when = [this] {
      return file(".stdout").find("step 1:") != std::string::npos;
    };
    fs::remove(folder / "tiny.safetensors");
    const Outcome outcome = tool({"--train", "--epochs", "200"}, options);
    EXPECT_EQ(outcome.code, 0) << signal << outcome;
    EXPECT_THAT(outcome.out, HasSubstr("epoch 200 of 200"));
  }
}

TEST_F(Saving, what_a_killed_run_leaves_is_removed_by_the_next) {
  EXPECT_EQ(stopped_by(SIGKILL).code, -SIGKILL);
  EXPECT_TRUE(has_temporary_files());
  EXPECT_EQ(tool({"--train", "--steps", "1"}).code, 0);
  EXPECT_FALSE(has_temporary_files());
}

// What evaluation needs.

TEST_F(Saving, an_evaluation_takes_no_more_images_at_once_than_memory_has_room_for) {
  write_text(folder / "tiny.model",
             "model tiny { input(8x8x1) -> conv(64, 1x1, pad=800) -> maxpool(16x16) -> "
             "maxpool(16x16) -> flatten -> dense(3) -> softmax }\n"
             "train { data = tiny loss = cross_entropy optimizer = sgd(lr=0.1) batch = 1 "
             "epochs = 1 }\n");
  write_text(folder / "tiny/t10k-images-idx3-ubyte", idx_images(tiny_dataset(2, 2)));
  write_text(folder / "tiny/t10k-labels-idx1-ubyte", idx_labels(tiny_dataset(2, 2)));
  const Outcome outcome = tool({"--train", "--steps", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.last_line(), HasSubstr("of 2)"));
}

// What is said.

TEST_F(Saving, steps_beyond_the_epochs_and_threads_beyond_the_cores_are_said) {
  const Outcome steps = tool({"--train", "--steps", "99"});
  EXPECT_EQ(steps.code, 0) << steps;
  EXPECT_THAT(steps.out, HasSubstr("--steps 99: the training ends after 21, with epoch 3"));
  EXPECT_EQ(steps.err, "");
  const Outcome threads = tool({"--eval", "--threads", "1000"});
  EXPECT_EQ(threads.code, 0) << threads;
  EXPECT_THAT(threads.err, ContainsRegex("--threads 1000: there (is|are) [0-9]+ cores? to use"));
  EXPECT_THAT(tool({"--eval", "--threads", "1"}).err, "");
}

TEST_F(Saving, a_loss_of_nothing_has_no_sign) {
  const Outcome outcome = tool({"--train", "--epochs", "300", "--metrics", "m.jsonl"});
  EXPECT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("loss 0.0000"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("-0.0")));
  EXPECT_THAT(file("m.jsonl"), Not(HasSubstr("-0.0")));
}

TEST_F(Saving, a_pipe_that_nobody_reads_keeps_no_signal_from_ending_the_run) {
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const char* flag : {"-o", "--metrics"}) {
    int polls = 0;
    ProcessOptions options;
    options.signal = SIGTERM;
    options.interrupt_when = [&] { return ++polls > 300; };
    const Outcome outcome = tool({"--train", "--steps", "1", flag, "pipe"}, options);
    EXPECT_EQ(outcome.code, 1) << flag << outcome;
    EXPECT_THAT(outcome.err, HasSubstr("pipe: cannot "));
  }
}

TEST_F(Saving, metrics_do_not_go_where_the_weights_go) {
  ASSERT_EQ(tool({"--train", "--steps", "1"}).code, 0);
  const Outcome outcome = tool({"--train", "--steps", "1", "--metrics", "tiny-2.safetensors"});
  EXPECT_EQ(outcome.code, 2) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("--metrics tiny-2.safetensors is where the weights go"));
}

}  // namespace
}  // namespace cnnc::testing
