// The golden texts of tests/golden/passes (see tests/golden/README.md): what the tool prints, word
// for word, and that a pass's output does what its input does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "ir/target/target.h"
#include "tests/golden_text.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

struct Command {
  std::vector<std::string> arguments;  // without cnnc
  std::vector<std::string> passes;     // of --run
  bool prints_ir = false, names_target = false;
};

/// Nothing where the section is an input.
std::optional<Command> command_of(const std::string& title) {
  std::istringstream words(title);
  std::string word;
  words >> word;
  if (word != "cnnc") return std::nullopt;
  Command command;
  while (words >> word) command.arguments.push_back(word);
  const auto& arguments = command.arguments;
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == "--run") command.passes.push_back(arguments[i + 1]);
    if (arguments[i] == "--target")
      command.names_target = named_target(arguments[i + 1]).has_value();
  }
  command.prints_ir = !command.passes.empty() && !std::ranges::count(arguments, "--interpret") &&
                      !std::ranges::count(arguments, "--kernel");
  return command;
}

Ir parse_ir(const std::string& name, const std::string& text) {
  if (text.starts_with("graph ")) return parse_graph({name, text}, OpTable::standard());
  return parse_program({name, text});
}

/// What all passes together keep.
Preserves preserved_by(const std::vector<std::string>& passes) {
  for (const std::string& name : passes)
    for (const std::string& stage : stages_of(name))
      for (const PassInfo& row : list_passes())
        if (row.preserves == Preserves::bound && row.stage == stage) return Preserves::bound;
  return Preserves::bits;
}

/// How the results of two IRs differ on made-up inputs, for full and partial batches.
std::string difference_of(const Ir& before, const Ir& after, Preserves preserves) {
  const std::int64_t rows = rows_of(before);
  for (const std::int64_t count : {rows, std::max<std::int64_t>(rows - 2, 1)}) {
    for (const Values values : {Values::real, Values::whole, Values::special}) {
      if (values == Values::special && preserves == Preserves::bound) continue;
      // Programs name all inputs by their types at full batch; graphs are lowered for theirs.
      const Ir typed = std::holds_alternative<Program>(before)
                           ? before
                           : run_passes(before, std::vector<std::string>{"lower"}, Target());
      const Tensors inputs = inputs_for(std::get<Program>(typed), rows, count, values, 1);
      const std::string text = difference(run(before, inputs, rows, count),
                                          run(backwards(after), inputs, rows, count), preserves);
      if (!text.empty())
        return fmt::format("{} rows, inputs {}: {}", count, static_cast<int>(values), text);
    }
  }
  return "";
}

/// What is wrong with `printed` as the output of passes over `input`; empty: nothing.
std::string complaint(const Command& command, const std::string& input,
                      const std::string& printed) {
  const Ir before = parse_ir("input", input), after = parse_ir("output", printed);
  if (print(before) != input) return "the input is not in canonical form:\n" + print(before);
  if (print(after) != printed) return "the output is not a fixpoint of parsing and printing";
  return difference_of(before, after, preserved_by(command.passes));
}

std::string base_name(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem().string();
}

class Passes : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Passes, print_what_the_golden_file_says_and_keep_the_results) {
  const std::string text = read_text(GetParam());
  Golden golden = parse_golden(text);
  const TempFolder folder;
  std::map<std::string, std::string> files;
  for (Section& section : golden.sections) {
    const auto command = command_of(section.title);
    if (!command) {
      files[section.title] = section.body;
      write_text(folder / section.title, section.body);
      continue;
    }
    // What a pass over loops makes may depend on the machine.
    const bool loops = std::ranges::any_of(loop_passes(), [&](const auto& row) {
      return std::ranges::count(command->passes, row.name) +
                 std::ranges::count(command->passes, row.group) >
             0;
    });
    ASSERT_TRUE(!loops || command->names_target) << section.title << ": needs a named --target";
    const Outcome outcome = run_tool(folder.path(), command->arguments);
    std::string printed = outcome.out;
    if (outcome.code != 0) printed += fmt::format("{}exit {}\n", outcome.err, outcome.code);
    if (outcome.code == 0 && command->prints_ir) {
      ASSERT_EQ(complaint(*command, files.at(command->arguments.at(0)), printed), "")
          << section.title << " changes the results, and is not taken as a new base. It prints:\n"
          << printed;
    }
    section.body = printed;
  }
  if (golden.text() != text && std::getenv("CNNC_REBASE") != nullptr)
    write_text(GetParam(), golden.text());
  else
    EXPECT_EQ(golden.text(), text) << "CNNC_REBASE=1 takes the new text";
}

INSTANTIATE_TEST_SUITE_P(Golden, Passes, ::testing::ValuesIn(golden_files()), base_name);

// Also in programs that no lowering made, and out of their order.
TEST_P(Passes, keep_the_results_of_every_program_here) {
  for (const Section& section : read_golden(GetParam()).sections) {
    if (section.title != "input.loops") continue;
    const Program program = parse_program({section.title, section.body});
    // Most passes change nothing in most programs.
    std::set<std::pair<Preserves, std::string>> seen;
    for (const auto& pass : loop_passes())
      for (const char* target : {"x86-64", "x86-64-v4"}) {
        const Program result = run_pass(pass, program, *named_target(target));
        ASSERT_THAT(verify_errors(result), ::testing::IsEmpty()) << pass.name << " for " << target;
        if (!seen.emplace(pass.preserves, print(result)).second) continue;
        ASSERT_EQ(difference_of(program, result, pass.preserves), "")
            << pass.name << " for " << target << " gives\n"
            << print(result);
      }
  }
}

TEST(GoldenFiles, have_one_for_every_pass) {
  for (const PassInfo& pass : list_passes()) {
    EXPECT_TRUE(std::filesystem::exists(kGoldenFolder / (pass.name + ".txt"))) << pass.name;
  }
}

// The check that stands before a new base.
TEST(GoldenFiles, are_not_rebased_where_the_results_changed) {
  constexpr auto kLoops = R"(program p {
  x : f32[64] input
  y : f32[64] output
  kernel k {
    for i in 0 .. 64 {
      y[i] = x[i] * 0.1 + 1.0
    }
  }
}
)";
  const auto with = [&](std::string from, const std::string& to) {
    std::string text = kLoops;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const Command exact{{}, {"vectorize"}, true, true}, bounded{{}, {"contract_fma"}, true, true};
  EXPECT_EQ(complaint(exact, kLoops, kLoops), "");
  EXPECT_NE(complaint(exact, kLoops, with("0 .. 64", "0 .. 63")), "");
  EXPECT_NE(complaint(exact, kLoops, with("0.1", "0.2")), "");
  const auto fused = with("x[i] * 0.1 + 1.0", "fma(x[i], 0.1, 1.0)");
  EXPECT_NE(complaint(exact, kLoops, fused), "");
  EXPECT_EQ(complaint(bounded, kLoops, fused), "");
  EXPECT_NE(complaint(bounded, kLoops, with("1.0", "1.001")), "");
}

}  // namespace
}  // namespace cnnc::testing
