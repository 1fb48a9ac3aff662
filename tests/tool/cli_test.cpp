// The tool as a process: help, lists, wrong usage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>

#include "ir/language/layer.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

/// A test's name, what is given and what the message must say.
struct Usage {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;
};
void PrintTo(const Usage& usage, std::ostream* stream) { *stream << usage.name; }

class WrongUsage : public ::testing::TestWithParam<Usage> {};

TEST_P(WrongUsage, exits_with_2_and_one_line) {
  const TempFolder folder;
  write_tiny(folder.path());
  write_text(folder / "some.graph", "graph some batch=2 {\n  return\n}\n");
  write_text(folder / "some.loops", "program some {\n}\n");
  const Outcome outcome = run_tool(folder.path(), GetParam().arguments);
  EXPECT_EQ(outcome.code, 2) << outcome;
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, StartsWith("cnnc: "));
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().message));
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome;
}

INSTANTIATE_TEST_SUITE_P(
    flags, WrongUsage,
    ::testing::Values(
        Usage{"nothing", {}, "no model given"},
        Usage{"unknown_flag", {"tiny.model", "--trian"}, "--trian"},
        Usage{"unknown_flags_in_order",
              {"tiny.model", "--trian", "--bacth", "3"},
              "--trian (did you mean --train?), --bacth (did you mean --batch?)"},
        Usage{"command_without_dashes", {"train", "tiny.model"}, "write: cnnc tiny.model --train"},
        Usage{"two_models", {"tiny.model", "other.model"}, "other.model"},
        Usage{"train_and_eval", {"tiny.model", "--train", "--eval"}, "contradict"},
        Usage{"eval_and_predict", {"tiny.model", "--eval", "--predict", "1"}, "contradict"},
        Usage{"train_and_emit", {"tiny.model", "--train", "--emit", "graph"}, "contradict"},
        Usage{"epochs_alone", {"tiny.model", "--epochs", "3"}, "--epochs needs --train"},
        Usage{"weights_over_model", {"tiny.model", "--train", "-o", "./tiny.model"}, "same file"},
        Usage{"metrics_over_weights",
              {"tiny.model", "--train", "-o", "a", "--metrics", "a"},
              "-o and --metrics are the same file, a"},
        Usage{"metrics_over_init",
              {"tiny.model", "--train", "--init", "a", "--metrics", "./a"},
              "same file"},
        Usage{"picture_over_model", {"tiny.model", "--show-data", "tiny.model"}, "same file"},
        Usage{
            "text_over_model", {"tiny.model", "--emit", "graph", "-o", "tiny.model"}, "same file"},
        Usage{"kernel_alone", {"tiny.model", "--kernel", "x"}, "--kernel needs --emit"},
        Usage{"stop_after_no_pass",
              {"tiny.model", "--stop-after", "fuze"},
              "unknown pass fuze; did you mean fuse?"},
        Usage{"stop_after_a_stage", {"tiny.model", "--stop-after", "loops"}, "unknown pass loops"},
        Usage{"stop_after_and_emit",
              {"tiny.model", "--stop-after", "fuse", "--emit", "graph"},
              "contradict"},
        Usage{"stop_after_train",
              {"tiny.model", "--train", "--stop-after", "fuse"},
              "--stop-after needs --emit or --time-passes"},
        Usage{"diff_no_pass", {"tiny.model", "--diff", "nonsense"}, "unknown pass nonsense"},
        Usage{"run_no_pass", {"tiny.model", "--run", "lover"}, "did you mean lower?"},
        Usage{"run_and_emit", {"tiny.model", "--run", "simplify", "--emit", "graph"}, "contradict"},
        Usage{
            "run_and_skip", {"tiny.model", "--run", "simplify", "--skip", "fuse"}, "--skip needs"},
        Usage{"interpret_and_diff", {"tiny.model", "--interpret", "--diff", "fuse"}, "contradict"},
        Usage{"inputs_alone",
              {"tiny.model", "--emit", "graph", "--inputs", "x"},
              "--inputs needs --interpret"},
        Usage{"seed_of_emit", {"tiny.model", "--emit", "graph", "--seed", "2"}, "--seed needs"},
        Usage{"time_passes_of_loops", {"some.loops", "--time-passes"}, "a model or a graph"},
        Usage{"batch_of_graph",
              {"some.graph", "--interpret", "--batch", "4"},
              "--batch means nothing to some.graph"},
        Usage{"mode_of_loops",
              {"some.loops", "--interpret", "--for", "infer"},
              "--for means nothing to some.loops"},
        Usage{"precision_of_graph",
              {"some.graph", "--emit", "loops", "--precision", "f64"},
              "--precision means nothing"},
        Usage{"model_of_graph", {"some.graph", "--emit", "model"}, "--emit model means nothing"},
        Usage{"run_target",
              {"some.loops", "--run", "register_tile", "--target", "x86-64-v5"},
              "unknown target x86-64-v5"},
        Usage{"weights_to_train",
              {"tiny.model", "--train", "--weights", "w"},
              "--weights needs --eval or --predict"},
        Usage{"output_of_eval", {"tiny.model", "--eval", "-o", "w"}, "-o needs --train or --emit"},
        Usage{"init_to_eval", {"tiny.model", "--eval", "--init", "w"}, "--init needs --train"},
        Usage{"no_epochs", {"tiny.model", "--train", "--epochs", "0"}, "from 1"},
        Usage{"negative_steps", {"tiny.model", "--train", "--steps", "-1"}, "from 1"},
        Usage{"epochs_of_a_fraction", {"tiny.model", "--train", "--epochs", "1.5"}, "1000000000"},
        Usage{"seed_that_would_be_rounded",
              {"tiny.model", "--train", "--seed", "9007199254740993"},
              "from 0 to 9007199254740992"},
        Usage{"batch_not_a_number", {"tiny.model", "--train", "--batch", "many"}, "many"},
        Usage{"batch_too_large",
              {"tiny.model", "--train", "--batch", "99999999999999999999"},
              "65536"},
        Usage{"zero_learning_rate", {"tiny.model", "--train", "--lr", "0"}, "from 1e-30"},
        Usage{"learning_rate_nan", {"tiny.model", "--train", "--lr", "nan"}, "nan"},
        Usage{"no_threads", {"tiny.model", "--train", "--threads", "0"}, "from 1"},
        Usage{"precision", {"tiny.model", "--train", "--precision", "f16"}, "f32, f64"},
        Usage{"no_value", {"tiny.model", "--train", "--epochs"}, "--epochs"},
        Usage{"twice", {"tiny.model", "--train", "--lr", "1", "--lr", "2"}, "--lr"},
        Usage{"stage", {"tiny.model", "--emit", "grpah"}, "unknown stage grpah"},
        Usage{"kernel_of_model", {"tiny.model", "--emit", "model", "--kernel", "x"}, "--kernel"},
        Usage{"target", {"tiny.model", "--emit", "graph", "--target", "x86-64-v9"}, "x86-64-v"},
        Usage{"pass", {"tiny.model", "--emit", "graph", "--skip", "nonsense"}, "nonsense"},
        Usage{"profile_alone", {"tiny.model", "--profile"}, "--profile needs --bench"},
        Usage{"json_to_train", {"tiny.model", "--train", "--json", "x"}, "--json needs --bench or"},
        Usage{"no_rounds", {"tiny.model", "--bench", "--rounds", "0"}, "from 1"},
        Usage{"bench_and_explain", {"tiny.model", "--bench", "--explain"}, "contradict"},
        Usage{"bench_without", {"tiny.model", "--bench", "--skip", "nonsense"}, "nonsense"},
        Usage{"list_with_model", {"tiny.model", "--list-ops"}, "--list-ops takes no model"}),
    kRowName);

TEST(Tool, help_names_every_flag_and_shows_examples) {
  const TempFolder folder;
  const Outcome outcome = run_tool(folder.path(), {"--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* flag : {"--train",
                           "--epochs",
                           "--steps",
                           "--batch",
                           "--lr",
                           "--seed",
                           "--threads",
                           "--precision",
                           "--no-shuffle",
                           "--init",
                           "-o",
                           "--metrics",
                           "--eval",
                           "--weights",
                           "--predict",
                           "--show-data",
                           "--emit",
                           "--for",
                           "--kernel",
                           "--version",
                           "--skip",
                           "--stop-after",
                           "--time-passes",
                           "--diff",
                           "--run",
                           "--interpret",
                           "--inputs",
                           "--target",
                           "--list-ops",
                           "--list-layers",
                           "--list-passes",
                           "--data",
                           "Examples",
                           "--bench",
                           "--profile",
                           "--explain",
                           "--json",
                           "--rounds",
                           "Exit codes"}) {
    EXPECT_THAT(outcome.out, HasSubstr(flag));
  }
}

TEST(Tool, version_is_a_name_and_a_number) {
  const TempFolder folder;
  EXPECT_THAT(run_tool(folder.path(), {"--version"}).out,
              ::testing::MatchesRegex("cnnc [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Tool, lists_ops_layers_and_passes) {
  const TempFolder folder;
  EXPECT_THAT(run_tool(folder.path(), {"--list-ops"}).out, HasSubstr("conv2d"));
  EXPECT_THAT(run_tool(folder.path(), {"--list-layers"}).out, HasSubstr("maxpool"));
  EXPECT_THAT(run_tool(folder.path(), {"--list-passes"}).out, HasSubstr("differentiate"));
}

int longest_line(const std::string& text) {
  int longest = 0, length = 0;
  for (const char c : text) longest = std::max(longest, length = c == '\n' ? 0 : length + 1);
  return longest;
}

// Conventions that a user needs: of every row of the language, and of every op with a kink.
TEST(Tool, says_the_conventions_of_each_row) {
  const TempFolder folder;
  const Language language = Language::standard();
  std::map<std::string, std::string> notes;
  for (const auto& [name, row] : language.layers) notes[name] = row->notes;
  for (const auto& [name, row] : language.losses) notes[name] = row->notes;
  for (const auto& [name, row] : language.optimizers) notes[name] = row->notes;
  for (const auto& [name, row] : language.schedules) notes[name] = row->notes;
  for (const auto& [name, note] : notes) {
    EXPECT_FALSE(note.empty()) << name;
    const Outcome shown = run_tool(folder.path(), {"--list-layers", name});
    EXPECT_EQ(shown.code, 0) << shown;
    EXPECT_THAT(shown.out, HasSubstr(note.substr(0, 20)));
    EXPECT_LE(longest_line(shown.out), 80) << shown;
  }
  for (const auto& [name, op] : language.ops.all()) {
    if (op->kinks.empty()) continue;
    EXPECT_FALSE(op->notes.empty()) << name;
  }
  for (const auto& [name, text] : std::map<std::string, std::string>{
           {"sgd", "weight_decay acts on everything that is trained, biases"},
           {"batch_norm", "biased"},
           {"dropout", "1 / (1 - rate)"},
           {"conv", "sqrt(2 / fan-in)"},
           {"flatten", "(y * width + x) * channels + channel"},
           {"one_cycle", "--steps"},
           {"train", "--init"},
           {"input", "Rec. 601"}}) {
    std::string out = run_tool(folder.path(), {"--list-layers", name}).out;
    out = std::regex_replace(out, std::regex("\\s+"), " ");
    EXPECT_THAT(out, HasSubstr(text)) << name;
  }
}

TEST(Tool, lists_fit_a_terminal_and_say_no_default_that_nobody_can_write) {
  const TempFolder folder;
  for (const char* list : {"--list-layers", "--list-ops", "--list-passes"})
    EXPECT_LE(longest_line(run_tool(folder.path(), {list}).out), 80) << list;
  const Outcome pool = run_tool(folder.path(), {"--list-layers", "maxpool"});
  EXPECT_THAT(pool.out, HasSubstr("unless\n                       given\n"));
  EXPECT_THAT(run_tool(folder.path(), {"--list-passes", "fuse"}).out, HasSubstr("--skip"));
  EXPECT_THAT(run_tool(folder.path(), {"--list-ops", "relu"}).out, HasSubstr("derivative at 0"));
}

TEST(Tool, warns_of_a_last_batch_that_batch_norm_cannot_learn_from) {
  const TempFolder folder;
  write_tiny(folder.path());
  const auto warned = [&](std::int64_t images, const std::string& layers) {
    const Dataset data = tiny_dataset(images, 1);
    write_text(folder / "tiny/train-images-idx3-ubyte", idx_images(data));
    write_text(folder / "tiny/train-labels-idx1-ubyte", idx_labels(data));
    write_text(folder / "m.model",
               "model m { input(8x8x1) -> " + layers +
                   " -> dense(3) -> softmax }\ntrain { data = tiny  loss = cross_entropy  "
                   "optimizer = sgd(lr=0.1)  batch = 16  epochs = 1 }\n");
    const Outcome outcome = run_tool(folder.path(), {"m.model", "--train"});
    EXPECT_EQ(outcome.code, 0) << outcome;
    return outcome.err;
  };
  EXPECT_THAT(warned(97, "flatten -> dense(4) -> batch_norm"),
              StartsWith("m.model:1:50: warning: an epoch's last batch is one image (97 = 6 * 16 "
                         "+ 1). batch_norm: "));
  EXPECT_THAT(warned(98, "flatten -> dense(4) -> batch_norm"), IsEmpty());
  EXPECT_THAT(warned(97, "batch_norm -> flatten"), IsEmpty());
}

TEST(Tool, summary_of_the_classic_network_states_its_cost) {
  const TempFolder folder;
  const Outcome outcome = run_tool(folder.path(), {CNNC_SOURCE_DIR "/examples/mnist.model"});
  EXPECT_EQ(outcome.code, 0) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("conv(64, 3x3, pad=1)"));
  EXPECT_THAT(outcome.out, HasSubstr("14x14x64"));
  EXPECT_THAT(outcome.out, HasSubstr("421,642"));
  EXPECT_THAT(outcome.out, HasSubstr("8.482"));
}

TEST(Tool, numbers_of_flags_are_decimal) {
  const TempFolder folder;
  write_tiny(folder.path());
  const Outcome graph =
      run_tool(folder.path(), {"tiny.model", "--emit", "graph", "--batch", "0100"});
  EXPECT_THAT(graph.out, HasSubstr("batch=100 "));
  const auto trained = [&](const std::string& epochs, const std::string& seed) {
    return run_tool(folder.path(), {"tiny.model", "--train", "--epochs", epochs, "--seed", seed,
                                    "-o", "w" + seed});
  };
  EXPECT_THAT(trained("010", "08").out, HasSubstr("epoch 10 of 10"));
  EXPECT_EQ(trained("10", "8").code, 0);
  EXPECT_EQ(read_text(folder / "w08"), read_text(folder / "w8"));
}

TEST(Tool, emitted_model_is_the_canonical_text) {
  const TempFolder folder;
  write_tiny(folder.path());
  const Outcome first =
      run_tool(folder.path(), {"tiny.model", "--emit", "model", "-o", "again.model"});
  EXPECT_EQ(first.code, 0) << first;
  const Outcome second = run_tool(folder.path(), {"again.model", "--emit", "model"});
  EXPECT_EQ(second.out, read_text(folder / "again.model"));
}

TEST(Tool, files_of_another_kind_are_one_line_also_where_a_text_of_the_compiler_is_wanted) {
  const TempFolder folder;
  std::string bytes = "\x89PNG\r\n\x1a\n";
  for (int i = 0; i < 4000; ++i) bytes += static_cast<char>(i * 37 % 251);
  for (const char* name : {"p.graph", "p.loops"}) {
    testing::write_text(folder / name, bytes);
    const Outcome outcome = run_tool(folder.path(), {name, "--emit", "llvm"});
    EXPECT_EQ(outcome.code, 1) << outcome;
    EXPECT_THAT(outcome.err, HasSubstr("this file is a PNG picture"));
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome;
  }
}

}  // namespace
}  // namespace cnnc::testing
