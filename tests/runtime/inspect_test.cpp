// The compiler seen from outside: passes one by one, differences, targets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "frontend/model.h"
#include "passes/edit/prune_buffers.h"
#include "runtime/inspect/inspect.h"
#include "runtime/inspect/interpret_ir.h"
#include "runtime/pictures/emit_picture.h"
#include "tests/process.h"
#include "tests/tiny_data.h"

namespace cnnc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kGraph = R"(graph some batch=20 {
  %0 = input() {name="x", role="data", type="f32[B,6]"} : f32[B,6]
  %1 = input() {name="w", role="parameter", type="f32[6,5]"} : f32[6,5]
  %2 = matmul(%0, %1) {transpose_a=false, transpose_b=false} : f32[B,5]   @dense
  %3 = relu(%2) : f32[B,5]   @relu
  return y=%3
}
)";

Graph some_graph() { return parse_graph({"some.graph", kGraph}, OpTable::standard()); }

CompileOptions options_for(std::string_view target) {
  return {.target = *named_target(target), .verify_each = true};
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Pipeline, shows_every_pass_in_order_also_those_that_are_skipped) {
  std::vector<std::string> seen, expected{"graph"};
  CompileOptions options = options_for("x86-64-v3");
  options.skip = {"fuse", "simplify"};
  run_pipeline(some_graph(), options, [&](std::string_view stage, const Ir&, auto) {
    seen.emplace_back(stage);
    return true;
  });
  for (const PassInfo& pass : list_passes()) expected.push_back(pass.stage);
  EXPECT_EQ(seen, expected);
}

TEST(Pipeline, run_pass_by_pass_gives_what_it_gives_at_once) {
  std::vector<std::string> all;
  for (const PassInfo& pass : list_passes()) all.push_back(pass.stage);
  const auto options = options_for("x86-64-v3");
  EXPECT_EQ(print(run_passes(some_graph(), all, options.target)),
            emit(some_graph(), "loops", "", options));
}

TEST(Pipeline, a_pass_may_start_from_the_text_of_the_stage_before_it) {
  const auto options = options_for("x86-64-v3");
  Ir ir = some_graph();
  for (const PassInfo& pass : list_passes()) {
    const std::string text = print(ir);
    if (std::holds_alternative<Graph>(ir))
      ir = parse_graph({"text", text}, OpTable::standard());
    else
      ir = parse_program({"text", text});
    ir = run_passes(ir, std::vector{pass.stage}, options.target);
    ASSERT_EQ(print(ir), emit(some_graph(), pass.stage, "", options)) << "after " << pass.stage;
  }
}

TEST(Passes, refuse_the_other_level_and_unknown_names) {
  const Target target = *named_target("x86-64");
  const Ir graph = some_graph(),
           loops = run_passes(graph, std::vector<std::string>{"lower"}, target);
  const auto run = [&](const Ir& ir, const std::string& pass) {
    return message_of([&] { run_passes(ir, std::vector{pass}, target); });
  };
  EXPECT_EQ(run(graph, "fuse"),
            "pass 'route_gradients' takes loops, not a graph: run lower before it");
  EXPECT_EQ(run(loops, "simplify"), "pass 'simplify' takes a graph, not loops");
  EXPECT_EQ(run(loops, "lower"), "pass 'lower' takes a graph, not loops");
  EXPECT_EQ(run(loops, "vectorise"), "unknown pass 'vectorise'; did you mean 'vectorize'?");
}

TEST(Skipping, is_refused_where_what_follows_needs_the_pass) {
  CompileOptions options = options_for("x86-64");
  for (const PassInfo& pass : list_passes()) {
    options.skip = {pass.name};
    const std::string message = message_of([&] { run_pipeline(some_graph(), options); });
    EXPECT_EQ(message,
              pass.required
                  ? fmt::format("pass '{}' cannot be skipped: what follows needs it", pass.name)
                  : "no error");
  }
  options.skip = {"finish"};
  EXPECT_EQ(message_of([&] { run_pipeline(some_graph(), options); }),
            "pass 'expand_math' cannot be skipped: what follows needs it");
}

TEST(Difference, shows_what_a_pass_does_and_says_where_it_does_nothing) {
  const auto options = options_for("x86-64-v3");
  const std::string fused = diff_pass(some_graph(), "fuse", "", options);
  EXPECT_THAT(fused, HasSubstr("--- before fuse\n+++ after fuse\n@@ "));
  EXPECT_THAT(fused, HasSubstr("\n-  kernel dense.matmul serves dense {\n"));
  EXPECT_EQ(diff_pass(some_graph(), "expand_math", "", options), "expand_math changes nothing\n");
  const Ir loops = ir_at(some_graph(), "lower", options);
  EXPECT_EQ(diff_pass(loops, "fuse", "", options), fused);
}

TEST(Text, of_one_kernel_holds_no_other) {
  const auto options = options_for("x86-64-v3");
  const std::string text = emit(some_graph(), "lower", "relu.relu", options);
  EXPECT_THAT(text, Not(HasSubstr("kernel dense.matmul")));
  EXPECT_THAT(message_of([&] { emit(some_graph(), "lower", "relu", options); }),
              HasSubstr("no kernel is called 'relu' at this stage; there are dense.matmul, "));
  EXPECT_THAT(message_of([&] { emit(some_graph(), "simplify", "relu", options); }),
              HasSubstr("has no kernels"));
}

TEST(Text, machine_code_can_be_had_for_every_named_target) {
  const auto assembly = [](std::string_view target) {
    return emit(some_graph(), "assembly", "", options_for(target));
  };
  EXPECT_THAT(assembly("x86-64"), Not(HasSubstr("%ymm")));
  EXPECT_THAT(assembly("x86-64-v2"), Not(HasSubstr("%ymm")));
  EXPECT_THAT(assembly("x86-64-v3"), HasSubstr("vfmadd"));
  EXPECT_THAT(assembly("x86-64-v3"), Not(HasSubstr("%zmm")));
  EXPECT_THAT(assembly("x86-64-v4"), HasSubstr("vfmadd"));
}

TEST(Text, of_loops_too_large_for_machine_code_is_refused) {
  const Ir loops = parse_program({"x.loops", R"(program p {
  y : f32[64] output
  kernel k { unroll for i in 0 .. 100000 { vector for j in 0 .. 64 { y[j] = 1.0 } } }
})"});
  EXPECT_THAT(message_of([&] { emit(loops, "llvm", "", options_for("x86-64")); }),
              HasSubstr("kernel k: written out, its vector and unrolled loops are more than"));
}

TEST(Text, of_every_stage_goes_through_every_later_one) {
  const Language language = Language::standard();
  const Model model = parse_model({"tiny", testing::kTinyModel}, language);
  const Graph graph = build_graph(model, language, Mode::train, 4, ScalarType::f32).graph;
  const auto options = options_for("x86-64-v3");
  const std::string last = emit(graph, "assembly", "", options);
  std::vector<std::string> stages{"graph"};
  for (const PassInfo& pass : list_passes()) stages.push_back(pass.name);
  for (const std::string& stage : stages) {
    const std::string text = emit(graph, stage, "", options);
    Ir ir;
    if (text.starts_with("graph "))
      ir = parse_graph({stage, text}, OpTable::standard());
    else
      ir = parse_program({stage, text});
    for (const char* code : {"llvm", "assembly", "loops"})
      EXPECT_NO_THROW(emit(ir, code, "", options)) << stage << " to " << code;
    for (const char* picture : {"dot", "memory-map"})
      EXPECT_NO_THROW(emit_picture(ir, picture, "", options)) << stage << " to " << picture;
    EXPECT_NO_THROW(interpret_ir(ir, {}, 1)) << stage;
    if (std::holds_alternative<Graph>(ir)) {
      EXPECT_EQ(emit(ir, "assembly", "", options), last) << stage;
    }
  }
}

TEST(Text, that_has_its_places_keeps_them) {
  const Ir loops = parse_program({"x.loops", R"(program p {
  a : f32[16] arena offset 640
  b : f32[16] arena offset 128
  kernel k { for i in 0 .. 16 { a[i] = b[i] } }
})"});
  const Program ready = completed(std::get<Program>(loops), *named_target("x86-64"));
  EXPECT_EQ(print(ready), print(loops));
}

TEST(Times, name_every_pass_and_the_modules_of_machine_code) {
  const auto options = options_for("x86-64-v3");
  const std::string table = time_passes(some_graph(), "", options);
  for (const PassInfo& pass : list_passes()) EXPECT_THAT(table, HasSubstr("\n" + pass.stage + " "));
  EXPECT_THAT(table, HasSubstr("\nLLVM, by module "));
  EXPECT_THAT(table, HasSubstr("\ncnnc."));
  const std::string start = time_passes(some_graph(), "fuse", options);
  EXPECT_THAT(start, HasSubstr("\nfuse_at_rows "));
  EXPECT_THAT(start, Not(HasSubstr("privatize")));
}

TEST(Targets, that_this_machine_lacks_something_for_are_refused_by_name) {
  const auto no_avx512 = [](std::string_view feature) { return !feature.starts_with("avx512"); };
  EXPECT_NO_THROW(check_runs_here(*named_target("x86-64-v3"), no_avx512));
  const auto message = message_of([&] { check_runs_here(*named_target("x86-64-v4"), no_avx512); });
  EXPECT_THAT(message, HasSubstr("cannot run code for x86-64-v4: it lacks avx512f, avx512bw"));
  const auto nothing = [](std::string_view) { return false; };
  EXPECT_THAT(message_of([&] { check_runs_here(*named_target("x86-64-v2"), nothing); }),
              HasSubstr("sse4.1"));
  EXPECT_NO_THROW(check_runs_here(host_target()));
  EXPECT_NO_THROW(check_runs_here(*named_target("x86-64")));
}

TEST(UnusedBuffers, go_and_the_rest_keeps_its_meaning) {
  const Program program = parse_program({"x.loops", R"(program p {
  x : f32[4] input
  gone : f32[4] arena
  gone.view : f32[2,2] arena view of gone
  kept : f32[4] arena
  kept.view : f32[2,2] arena view of kept
  idle : f32[4] state
  y : f32[4] output
  kernel a { for i in 0 .. 4 { kept[i] = x[i] + 1.0 } }
  kernel b { for i in 0 .. 4 {
    alloc sum : f32[] register
    sum[] = kept.view[i / 2, i % 2]
    sum[] += 1.0
    if i < 2 { y[i] = sum[] } else { y[i] = -sum[] }
  } }
})"});
  const Program slim = prune_buffers(program);
  EXPECT_EQ(verify_errors(slim), std::vector<std::string>());
  std::vector<std::string> names;
  for (const Buffer& buffer : slim.buffers) names.push_back(buffer.name);
  EXPECT_THAT(names, ElementsAre("x", "kept", "kept.view", "idle", "y", "sum"));
  const auto before = interpret_ir(program, {}, 1), after = interpret_ir(slim, {}, 1);
  EXPECT_EQ(describe(before), describe(after));
}

TEST(Interpreting, a_graph_and_its_loops_meet_the_same_inputs) {
  const auto loops = ir_at(some_graph(), "lower", options_for("x86-64"));
  EXPECT_EQ(describe(interpret_ir(some_graph(), {}, 3)), describe(interpret_ir(loops, {}, 3)));
  EXPECT_NE(describe(interpret_ir(loops, {}, 3)), describe(interpret_ir(loops, {}, 4)));
}

TEST(Interpreting, refuses_tensors_that_fit_no_input) {
  const auto refusal = [](const Ir& ir, const std::string& name, TensorType type) {
    return message_of([&] { interpret_ir(ir, {{name, Tensor(std::move(type))}}, 1); });
  };
  const Ir graph = some_graph(), loops = ir_at(some_graph(), "lower", options_for("x86-64"));
  for (const Ir& ir : {graph, loops}) {
    EXPECT_THAT(refusal(ir, "q", {ScalarType::f32, {2}}), HasSubstr("'q' (f32[2]) is no input"));
    EXPECT_THAT(refusal(ir, "w", {ScalarType::f32, {2}}), HasSubstr("f32[6,5]"));
    EXPECT_THAT(refusal(ir, "count", {ScalarType::i64, {}}), HasSubstr("0 rows in a batch of 20"));
    EXPECT_THAT(refusal(ir, "count", {ScalarType::f32, {}}), HasSubstr("it must be i64[]"));
  }
}

// The tool.

using testing::Outcome;
using testing::run_tool;
using testing::TempFolder;

class Tool : public ::testing::Test {
 protected:
  Tool() {
    testing::write_text(folder / "tiny.model", testing::kTinyModel);
    testing::write_text(folder / "some.graph", kGraph);
  }
  Outcome run(std::vector<std::string> arguments) { return run_tool(folder.path(), arguments); }
  TempFolder folder;
};

TEST_F(Tool, feeds_texts_back_at_either_level) {
  EXPECT_EQ(run({"tiny.model", "--emit", "graph", "--batch", "4", "-o", "a.graph"}).code, 0);
  const Outcome lowered =
      run({"a.graph", "--run", "simplify", "--run", "differentiate", "--run", "apply_optimizer",
           "--run", "simplify:2", "--run", "lower", "-o", "a.loops"});
  EXPECT_EQ(lowered.code, 0) << lowered;
  EXPECT_EQ(testing::read_text(folder / "a.loops"),
            run({"tiny.model", "--emit", "lower", "--batch", "4"}).out);
  EXPECT_EQ(run({"a.loops", "--run", "fuse"}).out,
            run({"tiny.model", "--stop-after", "fuse", "--batch", "4"}).out);
  EXPECT_EQ(run({"a.graph", "--emit", "loops", "--target", "x86-64-v3"}).out,
            run({"tiny.model", "--emit", "loops", "--batch", "4", "--target", "x86-64-v3"}).out);
}

TEST_F(Tool, interprets_with_the_given_inputs_and_writes_the_results) {
  const Outcome random = run({"some.graph", "--interpret", "-o", "r.safetensors"});
  EXPECT_EQ(random.code, 0) << random;
  EXPECT_THAT(random.out, HasSubstr("y  f32[20,5]  crc32 "));
  const auto results = read_safetensors(folder / "r.safetensors");
  EXPECT_EQ(describe(results), random.out);

  Tensors inputs;
  inputs.emplace("x", random_input("x", {ScalarType::f32, {20, 6}}, 1));
  inputs.emplace("w", random_input("w", {ScalarType::f32, {6, 5}}, 1));
  write_safetensors(folder / "in.safetensors", inputs);
  const Outcome given = run({"some.graph", "--run", "lower", "--run", "register_tile", "--target",
                             "x86-64-v4", "--interpret", "--inputs", "in.safetensors"});
  EXPECT_EQ(given.out, random.out) << given;
}

TEST_F(Tool, says_where_a_text_is_wrong) {
  testing::write_text(folder / "bad.loops",
                      "program p {\n  y : f32[2] output\n  kernel k { y[0] = z }\n}\n");
  const Outcome bad = run({"bad.loops", "--run", "register_tile"});
  EXPECT_EQ(bad.code, 1) << bad;
  EXPECT_THAT(bad.err, HasSubstr("bad.loops:3:"));
  testing::write_text(folder / "out.loops",
                      "program p {\n  y : f32[2] output\n  kernel k { y[2] = 1.0 }\n}\n");
  const Outcome out = run({"out.loops", "--interpret"});
  EXPECT_EQ(out.code, 1) << out;
  EXPECT_THAT(out.err, HasSubstr("kernel k: y[2] is outside of y[2]"));
  const Outcome model = run({"some.graph", "--train"});
  EXPECT_EQ(model.code, 1) << model;
  EXPECT_THAT(model.err, HasSubstr("some.graph: holds a graph, not a model"));
}

TEST_F(Tool, compiles_for_every_named_target_without_running) {
  for (const char* target : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    const Outcome times = run({"some.graph", "--time-passes", "--target", target});
    EXPECT_EQ(times.code, 0) << times;
    EXPECT_THAT(times.out, HasSubstr("LLVM"));
  }
}

}  // namespace
}  // namespace cnnc
