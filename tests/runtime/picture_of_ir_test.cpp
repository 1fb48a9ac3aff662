// Pictures of graphs, of programs and of their memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "frontend/model.h"
#include "ir/language/layer.h"
#include "passes/analysis/live_ranges.h"
#include "runtime/pictures/emit_picture.h"
#include "runtime/pictures/graph_picture.h"
#include "runtime/pictures/memory_picture.h"
#include "runtime/pictures/subprocess.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const CompileOptions kOptions{.target = *named_target("x86-64-v3")};

Graph tiny_graph(Mode mode) {
  const Language language = Language::standard();
  const Model model = parse_model({"tiny", kTinyModel}, language);
  return build_graph(model, language, mode, 16, ScalarType::f32).graph;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

const PictureNode* node_called(const BoxPicture& picture, const std::string& name) {
  for (const PictureNode& node : picture.nodes)
    if (node.name == name) return &node;
  return nullptr;
}

void expect_consistent(const BoxPicture& picture) {
  for (const PictureEdge& edge : picture.edges) {
    EXPECT_LT(edge.from, picture.nodes.size());
    EXPECT_LT(edge.to, picture.nodes.size());
    EXPECT_FALSE(edge.label.empty());
  }
  for (const PictureNode& node : picture.nodes) {
    EXPECT_LT(node.box, static_cast<int>(picture.boxes.size())) << node.name;
    EXPECT_GE(node.heat, 0) << node.name;
    EXPECT_LE(node.heat, 1) << node.name;
  }
}

TEST(GraphPicture, has_shapes_on_its_arrows_and_a_box_a_layer) {
  const BoxPicture picture = picture_of(tiny_graph(Mode::infer));
  expect_consistent(picture);
  const std::string dot = to_dot(picture);
  for (const char* text :
       {"digraph \"tiny, B = 16\"", "subgraph cluster_0", "label=\"conv1\"", "label=\"B×8×8×4\"",
        "label=\"3×3×1×4\"", "<b>div(·, 255)</b>", "<b>weight</b>", "<b>output</b>"})
    EXPECT_THAT(dot, HasSubstr(text));
}

TEST(GraphPicture, is_hottest_where_most_is_computed) {
  const BoxPicture picture = picture_of(tiny_graph(Mode::infer));
  const PictureNode* conv = node_called(picture, "conv2d");
  ASSERT_NE(conv, nullptr);
  for (const PictureNode& node : picture.nodes) EXPECT_LE(node.heat, conv->heat) << node.name;
  EXPECT_THAT(conv->details, HasSubstr("MFLOP"));
}

TEST(GraphPicture, of_a_training_step_tells_forward_from_backward) {
  const Ir ir = ir_at(tiny_graph(Mode::train), "apply_optimizer", kOptions);
  const BoxPicture picture = picture_of(std::get<Graph>(ir));
  expect_consistent(picture);
  const auto has_box = [&](const std::string& title) {
    return std::ranges::any_of(picture.boxes, [&](const auto& box) { return box.title == title; });
  };
  EXPECT_TRUE(has_box("conv1"));
  EXPECT_TRUE(has_box("conv1, backward"));
  EXPECT_NE(node_called(picture, "new weight"), nullptr);
}

TEST(ProgramPicture, puts_what_was_fused_into_one_box) {
  const Ir unfused = ir_at(tiny_graph(Mode::infer), "lower", kOptions);
  const Ir fused = ir_at(tiny_graph(Mode::infer), "fuse", kOptions);
  const BoxPicture before = picture_of(std::get<Program>(unfused), 16, kOptions.target);
  const BoxPicture after = picture_of(std::get<Program>(fused), 16, kOptions.target);
  expect_consistent(before);
  expect_consistent(after);
  EXPECT_EQ(before.boxes.size(), 0U);
  ASSERT_GE(after.boxes.size(), 1U);
  EXPECT_THAT(after.boxes.front().title, HasSubstr("% of the cycles"));
}

TEST(ProgramPicture, follows_values_through_registers_and_lets) {
  const Program program = parse_program({"text", R"(program p {
  x : f32[10,8] input
  y : f32[8] output
  kernel sum {
    alloc s : f32[8] register
    for i in 0 .. 10 {
      vector for l in 0 .. 8 {
        s[l] += x[i, l]
      }
    }
    for l in 0 .. 8 {
      let t : f32 = s[l] * 2.0
      y[l] = t
    }
  }
}
)"});
  const BoxPicture picture = picture_of(program, 1, kOptions.target);
  ASSERT_EQ(picture.nodes.size(), 2U);
  ASSERT_EQ(picture.edges.size(), 1U);
  EXPECT_EQ(picture.nodes[picture.edges[0].from].name, "x");
  EXPECT_EQ(picture.nodes[picture.edges[0].to].name, "y");
  EXPECT_EQ(picture.edges[0].label, "10×8");
}

TEST(Dot, keeps_names_that_graphviz_would_misread) {
  BoxPicture picture;
  picture.title = "a \"quoted\" \\ title";
  picture.nodes.push_back({.name = "<b>&", .details = "", .tooltip = "say \"hi\""});
  const std::string dot = to_dot(picture);
  EXPECT_THAT(dot, HasSubstr(R"("a \"quoted\" \\ title")"));
  EXPECT_THAT(dot, HasSubstr("<b>&lt;b&gt;&amp;</b>"));
  EXPECT_THAT(dot, HasSubstr(R"("say \"hi\"")"));
}

TEST(Dot, boxes_of_one_node_become_its_details) {
  BoxPicture picture;
  picture.boxes = {{"one"}, {"two"}, {""}};
  picture.nodes = {{.name = "a", .details = "", .tooltip = "", .box = 0},
                   {.name = "b", .details = "x", .tooltip = "", .box = 1},
                   {.name = "c", .details = "", .tooltip = "", .box = 1}};
  drop_single_boxes(picture);
  ASSERT_EQ(picture.boxes.size(), 1U);
  EXPECT_EQ(picture.boxes[0].title, "two");
  EXPECT_EQ(picture.nodes[0].box, -1);
  EXPECT_EQ(picture.nodes[0].details, "one");
  EXPECT_EQ(picture.nodes[1].box, 0);
  EXPECT_EQ(picture.nodes[1].details, "x");
}

TEST(Dot, heat_goes_from_white_to_red) {
  EXPECT_EQ(heat_colour(0), "#ffffff");
  EXPECT_EQ(heat_colour(1), "#d75a3c");
  EXPECT_EQ(heat_colour(-5), heat_colour(0));
  EXPECT_EQ(heat_colour(7), heat_colour(1));
}

TEST(Svg, says_what_to_install_where_graphviz_is_missing) {
  const char* path = std::getenv("PATH");
  const std::string old = path ? path : "";
  setenv("PATH", "/nonexistent", 1);
  std::string message;
  try {
    svg_of("digraph {}");
  } catch (const Error& error) {
    message = error.what();
  }
  setenv("PATH", old.c_str(), 1);
  EXPECT_THAT(message, HasSubstr("graphviz"));
}

TEST(Svg, is_what_graphviz_draws) {
  if (!run_filter({"dot", "-V"}, "")) GTEST_SKIP() << "graphviz is not installed";
  const std::string svg = emit_picture(tiny_graph(Mode::train), "svg", "fuse", kOptions);
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, HasSubstr("</svg>"));
  EXPECT_THROW(svg_of("digraph {"), Error);
}

TEST(Filter, gives_back_both_outputs_and_the_exit_code) {
  const auto result =
      run_filter({"sh", "-c", "cat; echo bad >&2; exit 3"}, std::string(1 << 20, 'x'));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->code, 3);
  EXPECT_EQ(result->output.size(), 1U << 20);
  EXPECT_EQ(result->error, "bad\n");
  EXPECT_FALSE(run_filter({"no-such-program-anywhere"}, "").has_value());
}

class MemoryMap : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(MemoryMap, has_a_rectangle_a_live_range_within_the_picture) {
  const CompileOptions options{.target = kOptions.target, .skip = GetParam()};
  const Ir ir = ir_at(tiny_graph(Mode::train), "loops", options);
  const auto& program = std::get<Program>(ir);
  const std::string svg = memory_map(program);
  for (const LiveRange& range : arena_live_ranges(program))
    EXPECT_THAT(svg, HasSubstr("<title>" + program.buffer(range.buffer).name + ": "));
  for (const Kernel& kernel : program.kernels)
    EXPECT_THAT(svg, HasSubstr(kernel.name.substr(0, 4)));

  std::smatch size;
  ASSERT_TRUE(std::regex_search(svg, size, std::regex("width=\"(\\d+)\" height=\"(\\d+)\"")));
  const double width = std::stod(size[1]), height = std::stod(size[2]);
  const std::regex rectangle(
      "<rect x=\"([-.0-9]+)\" y=\"([-.0-9]+)\" width=\"([-.0-9]+)\" "
      "height=\"([-.0-9]+)\"");
  for (std::sregex_iterator at(svg.begin(), svg.end(), rectangle), end; at != end; ++at) {
    EXPECT_GE(std::stod((*at)[1]), 0);
    EXPECT_GE(std::stod((*at)[2]), 0);
    EXPECT_LE(std::stod((*at)[1]) + std::stod((*at)[3]), width);
    EXPECT_LE(std::stod((*at)[2]) + std::stod((*at)[4]), height);
  }
  for (const char* element : {"text", "title"})
    EXPECT_EQ(count_of(svg, fmt::format("<{}", element)),
              count_of(svg, fmt::format("</{}>", element)));
}

INSTANTIATE_TEST_SUITE_P(skipping, MemoryMap,
                         ::testing::Values(std::vector<std::string>{},
                                           std::vector<std::string>{"fuse"}));

TEST(MemoryMapOf, an_unplanned_program_is_refused) {
  const Ir ir = ir_at(tiny_graph(Mode::infer), "lower", kOptions);
  EXPECT_THROW(memory_map(std::get<Program>(ir)), Error);
}

TEST(EmitPicture, is_a_stage_of_the_tool) {
  const TempFolder folder;
  write_tiny(folder.path());
  const auto emit = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tiny.model", "--emit"});
    return run_tool(folder.path(), arguments);
  };
  EXPECT_THAT(emit({"dot"}).out, HasSubstr("conv2d"));
  EXPECT_THAT(emit({"dot"}).out, Not(HasSubstr("backward")));
  EXPECT_THAT(emit({"dot", "--stop-after", "simplify:2"}).out, HasSubstr("backward"));
  EXPECT_THAT(emit({"dot", "--stop-after", "fuse", "--for", "infer"}).out,
              HasSubstr("label=\"kernel "));
  EXPECT_EQ(emit({"memory-map", "-o", "map.svg"}).code, 0);
  EXPECT_THAT(read_text(folder / "map.svg"), HasSubstr("</svg>"));
  EXPECT_EQ(emit({"loops", "-o", "tiny.loops"}).code, 0);
  const Outcome of_loops = run_tool(folder.path(), {"tiny.loops", "--emit", "memory-map"});
  EXPECT_EQ(of_loops.out, read_text(folder / "map.svg"));

  const Outcome early = emit({"memory-map", "--stop-after", "simplify"});
  EXPECT_EQ(early.code, 1) << early;
  EXPECT_THAT(early.err, HasSubstr("stage of the graph"));
  const Outcome unplanned = emit({"memory-map", "--stop-after", "fuse"});
  EXPECT_EQ(unplanned.code, 1) << unplanned;
  EXPECT_THAT(unplanned.err, HasSubstr("plan_memory"));
  const Outcome kernel = emit({"svg", "--kernel", "x"});
  EXPECT_EQ(kernel.code, 2) << kernel;
}

}  // namespace
}  // namespace cnnc::testing
