// Passes keep the results of any program that the verifier accepts, not only of those that lowering
// makes: programs of the golden texts, and thousands that differ from them in a bound, an index, a
// statement, a buffer, the order of kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "passes/pipeline/pipeline.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/well_defined.h"
#include "tests/golden_text.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

/// Of each program; CNNC_EDITS says another number.
int edits() {
  const char* text = std::getenv("CNNC_EDITS");
  return text ? std::atoi(text) : 60;
}

/// A pass may make more statements of them, in loops of which some are later vectors.
constexpr std::int64_t kMostStepsAfter = 10 * fuzz::kMostSteps;

Program lowered(const Graph& graph) {
  return std::get<Program>(
      run_passes(graph, std::vector<std::string>{"lower"}, *named_target("x86-64-v3")));
}

/// Every program of a golden file, and what lowering makes of its graphs; not those texts that it
/// shows to be refused.
std::vector<Program> programs_of(const std::filesystem::path& path) {
  std::vector<Program> programs;
  for (const auto& [title, text] : read_golden(path).sections) try {
      if (text.starts_with("program ")) programs.push_back(parse_program({title, text}));
      if (text.starts_with("graph "))
        programs.push_back(lowered(parse_graph({title, text}, OpTable::standard())));
    } catch (const Error&) {
    }
  return programs;
}

bool is_finite(const Tensors& tensors) {
  return std::ranges::all_of(tensors, [](const auto& each) {
    for (std::int64_t i = 0; i < each.second.size(); ++i)
      if (!std::isfinite(each.second.get(i))) return false;
    return true;
  });
}

struct Run {
  Values values;
  Tensors inputs, results;
};

/// Runs of a program on several made-up inputs, those on which it is well defined.
std::vector<Run> runs_of(const Program& program) {
  std::vector<Run> runs;
  const std::int64_t rows = rows_of(program);
  for (const auto& [values, count] :
       {std::pair{Values::real, rows}, {Values::special, std::max<std::int64_t>(rows - 3, 1)}}) {
    Tensors inputs = inputs_for(program, rows, count, values, 1);
    auto results = fuzz::defined_results(program, inputs);
    if (!results) return runs;
    runs.push_back({values, std::move(inputs), std::move(*results)});
  }
  return runs;
}

/// What is wrong with `after` as what a pass makes of the program with these runs; empty: nothing.
std::string complaint(const Program& after, const std::vector<Run>& runs, Preserves preserves) {
  if (const auto errors = verify_errors(after); !errors.empty()) return errors.front();
  for (const Run& run : runs) {
    if (preserves == Preserves::bound && !is_finite(run.results)) continue;
    const auto results = fuzz::results_of(fuzz::reversed(after), run.inputs, kMostStepsAfter);
    if (!results) return "it does not run";
    if (auto text = difference(run.results, *results, preserves);
        !text.empty() && !run.results.empty())
      return text;
  }
  return "";
}

/// LLVM takes what the verifier accepts, unless it says that there is too much of it.
void llvm_of(const Program& program) {
  const Target target = *named_target("x86-64-v3");
  if (find_faults(program, Need::size).empty()) llvm_text(completed(program, target), "", target);
}

/// Whether it takes so many statements that a few edits must do.
bool is_long(const Program& program) {
  const std::int64_t rows = rows_of(program);
  return !fuzz::results_of(program, inputs_for(program, rows, rows, Values::real, 1), 50'000);
}

class EditedPrograms : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(EditedPrograms, keep_their_results_through_every_pass) {
  fuzz::Random random(std::hash<std::string>{}(GetParam().stem().string()));
  std::size_t defined = 0;
  for (const Program& program : programs_of(GetParam())) {
    const int count = is_long(program) ? edits() / 5 : edits();
    for (int i = 0; i < count; ++i) {
      Program edited = program;
      for (std::size_t n = fuzz::below(random, 3) + (i > 0 ? 1 : 0); i > 0 && n > 0; --n)
        edited = fuzz::edited(edited, random);
      const auto runs = runs_of(edited);
      if (runs.empty()) continue;
      ++defined;
      if (i % 20 == 1) {
        EXPECT_NO_THROW(llvm_of(edited)) << print(edited);
      }
      for (const auto& pass : loop_passes())
        for (const char* target : {"x86-64", "x86-64-v4"}) {
          const Program after = run_pass(pass, edited, *named_target(target));
          if (print(after) == print(edited)) continue;
          ASSERT_EQ(complaint(after, runs, pass.preserves), "")
              << pass.name << " for " << target << " makes of\n"
              << print(edited) << "this:\n"
              << print(after);
        }
    }
  }
  RecordProperty("programs", static_cast<int>(defined));
}

INSTANTIATE_TEST_SUITE_P(Golden, EditedPrograms, ::testing::ValuesIn(golden_files()),
                         [](const auto& file) { return file.param.stem().string(); });

}  // namespace
}  // namespace cnnc::testing
