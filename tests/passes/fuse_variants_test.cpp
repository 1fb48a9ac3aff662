// What fuse recognises by its form, it recognises rightly: programs that it takes apart, each with
// one or two things changed that make it another program, keep their results, whether or not it
// still may take them apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "passes/pipeline/pipeline.h"
#include "tests/golden_text.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;

struct Change {
  std::string name;
  std::vector<std::pair<std::string, std::string>> texts;  // from, to; everywhere
};

/// Nothing where a text does not occur.
std::optional<std::string> changed(std::string text, const Change& change) {
  for (const auto& [from, to] : change.texts) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
      ++found;
    }
    if (found == 0) return std::nullopt;
  }
  return text;
}

Program fused(Program program) {
  for (const Pass& pass : loop_passes())
    if (pass.group == "fuse") program = run_pass(pass, program, *named_target("x86-64-v3"));
  return program;
}

/// How fuse changes the results of a program; empty: it does not. Nothing where there are none.
std::optional<std::string> difference_by_fusion(const std::string& text, std::int64_t count) {
  const Program program = parse_program({"variant", text});
  const std::int64_t rows = rows_of(program);
  const Tensors inputs = inputs_for(program, rows, count, Values::real, 1);
  Tensors expected;
  try {
    expected = run(program, inputs, rows, count);
  } catch (const Error&) {
    return std::nullopt;
  }
  const Program after = fused(program);
  if (const auto errors = verify_errors(after); !errors.empty()) return errors.front();
  return difference(expected, run(after, inputs, rows, count), Preserves::bound);
}

/// Each change alone, and in pairs as far as these leave programs.
void expect_kept_by_every_variant(const std::string& text, const std::vector<Change>& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto one = changed(text, changes[i]);
    ASSERT_TRUE(one) << changes[i].name;
    EXPECT_EQ(difference_by_fusion(*one, 3), "") << changes[i].name;
    for (std::size_t j = i + 1; j < changes.size(); ++j)
      if (const auto both = changed(*one, changes[j])) {
        EXPECT_EQ(difference_by_fusion(*both, 3).value_or(""), "")
            << changes[i].name << " and " << changes[j].name;
      }
  }
}

std::string fused(const std::string& text) {
  return print(fused(parse_program({"variant", text})));
}

std::string golden_section(const std::string& file, const std::string& title) {
  for (const Section& section : read_golden(kGoldenFolder / file).sections)
    if (section.title == title) return section.body;
  return "";
}

TEST(Fusion, keeps_the_results_of_all_that_resembles_an_input_gradient_behind_a_pool) {
  const std::string text = golden_section("route_gradients_to_inputs.txt", "whole.loops");
  ASSERT_THAT(fused(text), HasSubstr("reached"));
  const std::string pixel = "border[n, y_2 + fy, x_2 + fx, co]", tap = "flipped[fy, fx, co, ci]";
  const std::string term = "sum.2[] += " + pixel + " * " + tap;
  const std::string scattered = "u8(ky * 2 + kx), g[n, oy, ox, c], 0.0)";
  const std::string least = "u8(ky * 2 + kx), 3_u8)";
  const std::string flipped = "  flipped : f32[3,3,3,16] arena\n";
  const std::string y_inside = "0 <= y_2 - 1 & y_2 - 1 <= 3";
  expect_kept_by_every_variant(
      text,
      {{"columns first", {{scattered, "u8(kx * 2 + ky), g[n, oy, ox, c], 0.0)"}}},
       {"places from the last", {{scattered, "u8(3 - ky * 2 - kx), g[n, oy, ox, c], 0.0)"}}},
       {"a gradient of each row",
        {{scattered, "u8(ky * 2 + kx), g[n, oy, ox, c] * f32(ky + 1), 0.0)"}}},
       {"a gradient of each column",
        {{scattered, "u8(ky * 2 + kx), g[n, oy, ox, c] * f32(kx + 1), 0.0)"}}},
       {"something elsewhere", {{scattered, "u8(ky * 2 + kx), g[n, oy, ox, c], 0.5)"}}},
       {"places beyond the window", {{least, "u8(ky * 2 + kx), 7_u8)"}}},
       {"places of wider windows", {{least, "u8(ky * 4 + kx), 3_u8)"}}},
       {"no place", {{"sum[] = 255_u8", "sum[] = 1_u8"}}},
       {"the greatest place", {{"sum[] min=", "sum[] max="}}},
       {"the next window's place", {{"place[n, oy, ox, c] ==", "place[n, oy, 1 - ox, c] =="}}},
       {"a thinner border", {{"x_2 - 1 <= 3", "x_2 - 1 <= 2"}}},
       {"a border of ones",
        {{"min(max(x_2 - 1, 0), 3), c], 0.0)", "min(max(x_2 - 1, 0), 3), c], 1.0)"}}},
       {"a border that turns the image",
        {{"min(max(x_2 - 1, 0), 3)", "3 - min(max(x_2 - 1, 0), 3)"}}},
       {"zeros between rows",
        {{"border : f32[20,6,6,3]", "border : f32[20,9,6,3]"},
         {"dx : f32[20,4,4,16]", "dx : f32[20,7,4,16]"},
         {"for y_2 in 0 .. 6 {", "for y_2 in 0 .. 9 {"},
         {"for y_2 in 0 .. 4 {", "for y_2 in 0 .. 7 {"},
         {y_inside, "0 <= y_2 - 1 & y_2 - 1 <= 6 & (y_2 - 1) % 2 == 0"},
         {"min(max(y_2 - 1, 0), 3)", "min(max((y_2 - 1) / 2, 0), 3)"}}},
       {"each product twice", {{term, "for twice in 0 .. 2 {\n" + term + "\n}"}}},
       {"some products more than once", {{term, "for again in fx .. 3 {\n" + term + "\n}"}}},
       {"rows of taps turned", {{pixel, "border[n, y_2 + 2 - fy, x_2 + fx, co]"}}},
       {"a tap used twice", {{pixel, "border[n, y_2 + min(fy, 1), x_2 + fx, co]"}}},
       {"rows for columns", {{pixel, "border[n, x_2 + fy, y_2 + fx, co]"}}},
       {"taps transposed", {{tap, "flipped[fx, fy, co, ci]"}}},
       {"one channel's weights", {{tap, "flipped[fy, fx, 0, ci]"}}},
       {"weights that others see", {{flipped, "  flipped : f32[3,3,3,16] output\n"}}},
       {"weights with a view",
        {{flipped,
          flipped + "  rows : f32[9,48] arena view of flipped\n  seen : f32[9,48] output\n"},
         {"  kernel input_gradient {",
          "  kernel look {\nfor i in 0 .. 9 {\nfor j in 0 .. 48 {\nseen[i, j] = rows[i, "
          "j]\n}\n}\n}\n"
          "  kernel input_gradient {"}}},
       {"a sum from one", {{"sum.2[] = 0.0", "sum.2[] = 1.0"}}},
       {"the greatest product", {{"sum.2[] +=", "sum.2[] max="}}},
       {"a result that was there", {{"ci] = sum.2[]", "ci] = dx[n, y_2, x_2, ci] + sum.2[]"}}},
       {"wide weights, in blocks of channels",
        {{"f32[3,3,16,3]", "f32[3,3,160,3]"},
         {"f32[3,3,3,16]", "f32[3,3,3,160]"},
         {"f32[20,4,4,16]", "f32[20,4,4,160]"},
         {"for ci in 0 .. 16 {", "for ci in 0 .. 160 {"}}}});
}

TEST(Fusion, keeps_the_results_of_all_that_resembles_an_input_gradient_in_parts) {
  const std::string text = golden_section("route_gradients_to_inputs.txt", "blocks.loops");
  ASSERT_THAT(fused(text), HasSubstr("reached"));
  const std::string zero = "dx[n, y_2, x_2, ci] = 0.0", sum = "= dx[n, y_2, x_2, ci] + sum.2[]";
  expect_kept_by_every_variant(
      text, {{"from one", {{zero, "dx[n, y_2, x_2, ci] = 1.0"}}},
             {"each result twice", {{sum, "= dx[n, y_2, x_2, ci] + sum.2[] + sum.2[]"}}},
             {"of a neighbour", {{sum, "= dx[n, y_2, min(x_2 + 1, 7), ci] + sum.2[]"}}},
             {"the last part alone", {{sum, "= sum.2[]"}}},
             {"closer rows", {{"y_2 + fy * 2", "y_2 + fy"}}},
             {"closer columns", {{"x_2 + fx * 2", "x_2 + fx"}}},
             {"fewer parts", {{"for fy in 0 .. 3 {", "for fy in 0 .. 2 {"}}},
             {"later parts", {{"for fy in 0 .. 3 {", "for fy in 1 .. 3 {"}}}});
}

TEST(Fusion, keeps_the_results_of_all_that_resembles_a_weight_gradient_behind_a_pool) {
  const std::string text = golden_section("route_gradients.txt", "routes.loops");
  ASSERT_NE(fused(text), text);
  const std::string pixel = "d.view[n, y_3, x_3, c]";
  expect_kept_by_every_variant(
      text,
      {{"a gradient of each row", {{"g[n, oy, ox, c], 0.0)", "g[n, oy, ox, c] * f32(ky), 0.0)"}}},
       {"something elsewhere", {{"g[n, oy, ox, c], 0.0)", "g[n, oy, ox, c], 0.5)"}}},
       {"turned pixels", {{pixel, "d.view[n, 3 - y_3, x_3, c]"}}},
       {"squares", {{"x[n, y_3, x_3, i] * " + pixel, pixel + " * " + pixel}}},
       {"a part of the image", {{"for y_3 in 0 .. 4 {", "for y_3 in 1 .. 4 {"}}}});
}

TEST(Fusion, keeps_the_results_of_all_that_resembles_a_pool_behind_a_convolution) {
  const Graph graph = parse_graph({"bands", golden_section("fuse_at_rows.txt", "bands.graph")},
                                  OpTable::standard());
  const std::string text = print(std::get<Program>(
      run_passes(graph, std::vector<std::string>{"lower"}, *named_target("x86-64-v3"))));
  ASSERT_THAT(fused(text), HasSubstr("for row in 0 .. 2 {"));
  const std::string term = "sum[] += x[n, y, x, 0] * w[0, 0, 0, co]";
  const std::string pixel = "conv.conv2d[n, y * 2 + ky, x * 2 + kx, c]";
  const std::string greatest = "sum.2[] max= " + pixel, found = "== y[n, y, x, c]";
  const std::vector<Change> changes = {
      {"rows of the image under a condition", {{term, "if y % 2 < 1 {\n" + term + "\n}"}}},
      {"a condition on what the image has",
       {{greatest, "if " + pixel + " < 0.25 {\n" + greatest + "\n}"}}},
      {"a name for what the image has",
       {{greatest, "let pixel : f32 = " + pixel + " * 2.0\nsum.2[] max= pixel"}}},
      {"either branch",
       {{greatest,
         "if " + pixel + " < 0.25 {\n" + greatest + "\n} else {\nsum.2[] max= -" + pixel + "\n}"}}},
      {"the other row of values", {{found, "== y[n, 1 - y, x, c]"}}},
      {"the first row of values", {{found, "== y[n, 0, x, c]"}}},
      {"rows of the next band",
       {{greatest, "sum.2[] max= conv.conv2d[n, y * 2 + ky + 1, x * 2 + kx, c]"}}},
      {"bands from the second row",
       {{greatest, "sum.2[] max= conv.conv2d[n, y + ky, x * 2 + kx, c]"}}},
      {"bands from the last",
       {{greatest, "sum.2[] max= conv.conv2d[n, 3 - y * 2 - ky, x * 2 + kx, c]"}}},
      {"an image that others see",
       {{"conv.conv2d : f32[18,5,8,3] arena", "conv.conv2d : f32[18,5,8,3] output"}}},
      {"an image that is summed up",
       {{"  conv.conv2d : f32[18,5,8,3] arena\n",
         "  conv.conv2d : f32[18,5,8,3] arena\n  total : f32[18] output\n"},
        {"  kernel pool.maxpool serves",
         "  kernel total {\nfor g in groups {\nfor n in samples of g {\n"
         "alloc all : f32[] register\nall[] = 0.0\nfor y in 0 .. 5 {\nall[] += conv.conv2d[n, y, "
         "y, 0]\n}\n"
         "total[n] = all[]\n}\n}\n}\n  kernel pool.maxpool serves"}}},
      {"an image of its own rows",
       {{term, "if 0 < y {\nsum[] += conv.conv2d[n, y - 1, x, co]\n}\n" + term}}},
      {"fewer rows", {{"for y in 0 .. 5 {", "for y in 0 .. 4 {"}}},
      {"rows from the second", {{"for y in 0 .. 2 {", "for y in 1 .. 2 {"}}},
  };
  std::size_t by_rows = 0;
  for (const Change& change : changes)
    by_rows += fused(*changed(text, change)).find("for row in") != std::string::npos;
  EXPECT_GE(by_rows, 5u) << "conditions and names do not keep an image from going row by row";
  expect_kept_by_every_variant(text, changes);
}

}  // namespace
}  // namespace cnnc::testing
