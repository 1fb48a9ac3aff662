// What the library says to a program that uses it wrongly, where the tool cannot: it checks before,
// or its parsers do. The messages stand in tests/golden/errors/library.txt:
//
//   === name
//   $ library
//   the message
//
// CNNC_REBASE=1 takes what is said now as the new base.
#include <gtest/gtest.h>

#include <functional>

#include "codegen/host.h"
#include "frontend/lexer.h"
#include "passes/graph/apply_optimizer.h"
#include "passes/graph/differentiate.h"
#include "runtime/inspect/inspect.h"
#include "runtime/io/seen_images.h"
#include "runtime/train/prediction.h"
#include "runtime/train/size_limit.h"
#include "runtime/train/training.h"
#include "tests/error_table.h"
#include "tests/tiny_data.h"

namespace cnnc::testing {
namespace {

const Language& language() {
  static const Language standard = Language::standard();
  return standard;
}

Model model(const std::string& text) { return parse_model({"a.model", text}, language()); }

const std::string kWithoutTraining = "model a { input(8x8x1) -> flatten -> dense(3) -> softmax }";

Graph inference_graph() {
  return build_graph(model(kWithoutTraining), language(), Mode::infer, 2, ScalarType::f32).graph;
}

CompileOptions here() { return {.target = host_target()}; }

/// The layer `name` with only these inputs.
void build_layer(const std::string& name, const Dims& input) {
  Builder builder(language().ops, "g", 1);
  const LayerDef& def = *language().layers.at(name);
  Attributes arguments;
  for (const ArgumentDef& argument : def.arguments)
    arguments.set(argument.name, *argument.fallback);
  std::vector<Parameter> parameters;
  LayerContext context(builder, Mode::infer, ScalarType::f32, name, arguments,
                       {builder.input("x", "data", {ScalarType::f32, input})}, parameters);
  def.build(context);
}

/// loss = sum of floor(w), made by a layer: nothing has a gradient there.
Graph graph_without_gradient() {
  Builder builder(language().ops, "g", 1);
  builder.set_label("steps1");
  const Value w = builder.input("w", "parameter", {ScalarType::f32, {2}});
  builder.output("loss", builder.reduce_sum(builder.op("floor", {w}), {0}));
  builder.set_optimizer(OptimizerSpec{"sgd", {{"lr", 0.1}}});
  return std::move(builder).build();
}

/// A small graph, after `change`: what the verifier says of it.
std::string graph_faults(const std::function<void(Graph&)>& change) {
  Builder builder(language().ops, "g", 1);
  const Value x = builder.input("x", "data", {ScalarType::f32, {kBatch, 2}});
  builder.output("y", builder.op("relu", {x}));
  Graph graph = std::move(builder).build();
  change(graph);
  std::string text;
  for (const std::string& error : verify_errors(graph)) text += (text.empty() ? "" : "\n") + error;
  return text;
}

Buffer buffer(std::string name, TensorType type, Memory memory) {
  Buffer result;
  result.name = std::move(name);
  result.type = std::move(type);
  result.memory = memory;
  return result;
}

Buffer out() { return buffer("out", {ScalarType::f32, {2}}, Memory::output); }
Buffer of_no_size() { return buffer("b", {ScalarType::f32, {0}}, Memory::arena); }
/// As far from the memory's begin as one buffer may be.
Buffer far_away(Memory memory) {
  Buffer result = buffer(std::string(name_of(memory)), {ScalarType::f32, {2}}, memory);
  result.offset = (std::int64_t{1} << 32) - 64;
  return result;
}
Buffer with_other_data() {
  Buffer result = buffer("b", {ScalarType::f32, {2}}, Memory::constant);
  result.data = Tensor({ScalarType::f64, {2}});
  return result;
}
Buffer view_of_nothing() {
  Buffer result = buffer("b", {ScalarType::f32, {2}}, Memory::arena);
  result.view_of = 9;
  return result;
}

/// What the verifier says of a program with the buffers `out` f32[2] (0) and `more` (1, ...), whose
/// kernel is `body`.
std::string program_faults(Block body, std::vector<Buffer> more = {}) {
  Program program{"p", {out()}, {{"k", {}, std::move(body), false}}};
  for (Buffer& buffer : more) program.buffers.push_back(std::move(buffer));
  std::string text;
  for (const std::string& error : verify_errors(program))
    text += (text.empty() ? "" : "\n") + error;
  return text;
}

Stmt stored(BufferId buffer, std::vector<Expr> index, Expr value) {
  return {Store{buffer, std::move(index), std::move(value)}};
}
Expr real(double value) { return constant(ScalarType::f32, value); }

void interpret_program(Program program, std::int64_t most_steps = 100) {
  std::map<std::string, Tensor> buffers;
  interpret(program, buffers, most_steps);
}

Session session() { return {model(kTinyModel), language(), {.threads = 1}}; }

Batch batch_of(std::int64_t images, std::int32_t label) {
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(images * 64)),
          std::vector<std::int32_t>(static_cast<std::size_t>(images), label),
          std::vector<std::int64_t>(static_cast<std::size_t>(images))};
}

struct Mistake {
  std::string name;
  std::function<std::string()> said;
};

/// What `f` throws.
Mistake thrown(std::string name, std::function<void()> f) {
  return {std::move(name), [f = std::move(f)]() -> std::string {
            try {
              f();
            } catch (const Error& error) {
              return error.what();
            }
            return "nothing";
          }};
}

std::vector<Mistake> frontend_mistakes() {
  return {
      thrown("longer model text than a file may be",
             [] { model(std::string(frontend::kMaxModelBytes + 1, ' ')); }),
      thrown("training graph of a model without train section",
             [] {
               build_graph(model(kWithoutTraining), language(), Mode::train, 1, ScalarType::f32);
             }),
      thrown("graph for no rows",
             [] {
               build_graph(model(kWithoutTraining), language(), Mode::infer, 0, ScalarType::f32);
             }),
      thrown("builder for no rows", [] { Builder(language().ops, "g", 0); }),
      thrown("batch_norm of a row without channels", [] { build_layer("batch_norm", {kBatch}); }),
      thrown("add of one value",
             [] {
               build_layer("add", {kBatch, 2});
             }),
  };
}

std::vector<Mistake> graph_mistakes() {
  const auto faults = [](std::string name, std::function<void(Graph&)> change) {
    return Mistake{std::move(name), [change] { return graph_faults(change); }};
  };
  return {
      thrown("interpreted graph without its input", [] { interpret(inference_graph(), {}, 1); }),
      thrown("interpreted graph with an input of another type",
             [] {
               interpret(inference_graph(), {{"image", Tensor({ScalarType::f32, {1}})}}, 1);
             }),
      faults("node without op", [](Graph& graph) { graph.nodes[1].op = nullptr; }),
      faults("node before its operand",
             [](Graph& graph) {
               graph.nodes[1].operands = {Value{1, 0}};
             }),
      faults("node of another type",
             [](Graph& graph) { graph.nodes[1].types[0].scalar = ScalarType::f64; }),
      faults("node with an attribute of another op",
             [](Graph& graph) { graph.nodes[1].attributes.set("axes", Dims{0}); }),
      faults("output that is no value", [](Graph& graph) { graph.outputs[0].value.node = 7; }),
      thrown("layer without gradient in the way of a parameter",
             [] { differentiate_graph(graph_without_gradient(), {}); }),
      thrown("optimizer with an argument that it does not have",
             [] {
               Builder builder(language().ops, "g", 1);
               const Value w = builder.input("w", "parameter", {ScalarType::f32, {}});
               builder.output("loss", builder.mul(w, w));
               builder.set_optimizer(OptimizerSpec{"sgd", {{"lr", 0.1}, {"speed", 2.0}}});
               apply_optimizer(differentiate_graph(std::move(builder).build(), {}), {});
             }),
  };
}

std::vector<Mistake> program_mistakes() {
  const auto faults = [](std::string name, Block body, std::vector<Buffer> more = {}) {
    return Mistake{std::move(name), [=] { return program_faults(body, more); }};
  };
  const Var i = make_var("i"), whole = make_var("whole", ScalarType::i32);
  const Buffer local = buffer("local", {ScalarType::f32, {}}, Memory::stack);
  const Expr one(1);
  return {
      faults("store to a buffer that is not there", {stored(9, {one}, real(1))}),
      faults("allocation of a buffer that is not there", {{Alloc{9}}}),
      faults("allocation of an output", {{Alloc{0}}}),
      faults("allocation twice", {{Alloc{1}}, {Alloc{1}}}, {local}),
      faults("local buffer that is not allocated", {stored(1, {}, real(1))}, {local}),
      faults("loop over 32-bit integers", {{For{whole, Expr(0), Expr(2), LoopKind::serial, {}}}}),
      faults("variable that is bound twice", {{Let{i, one}}, {Let{i, one}}}),
      faults("variable out of scope", {stored(0, {i}, real(1))}),
      faults("let of another type", {{Let{i, real(1)}}}),
      faults("store of another type", {stored(0, {one}, one)}),
      faults("load of another type", {stored(0, {one}, load(0, ScalarType::f32, {real(1)}))}),
      faults("load as another type",
             {stored(0, {one}, cast(ScalarType::f32, load(0, ScalarType::f64, {one})))}),
      faults("two indices of a vector", {stored(0, {one, one}, real(1))}),
      faults("two buffers of a name", {}, {out()}),
      faults("buffer of no size", {}, {of_no_size()}),
      faults("constant with data of another type", {}, {with_other_data()}),
      faults("view of a buffer that is not there", {}, {view_of_nothing()}),
      thrown("interpreted program with more memory than there may be",
             [] {
               interpret_program({"p", {far_away(Memory::arena), far_away(Memory::thread)}, {}});
             }),
      thrown("interpreted program of more steps than allowed",
             [] {
               const Var var = make_var("i");
               interpret_program({"p",
                                  {out()},
                                  {{"k",
                                    {},
                                    {{For{var,
                                          Expr(0),
                                          Expr(1000),
                                          LoopKind::serial,
                                          {stored(0, {Expr(0)}, real(1))}}}},
                                    false}}});
             }),
  };
}

std::vector<Mistake> compiler_mistakes() {
  return {
      {"target that this machine lacks",
       [] {
         std::string text;
         try {
           check_runs_here(*named_target("x86-64-v3"),
                           [](std::string_view feature) { return feature != "avx2"; });
         } catch (const Error& error) {
           text = error.what();
         }
         const auto open = text.find('('), close = text.find(')');  // the processor's name
         return text.replace(open + 1, close - open - 1, "PROCESSOR");
       }},
      thrown("skipped pass whose name is mistyped",
             [] {
               CompileOptions options = here();
               options.skip = {"fuze"};
               run_pipeline(inference_graph(), options);
             }),
      thrown("skipped pass that is none at all",
             [] {
               CompileOptions options = here();
               options.skip = {"quantum_annealing"};
               run_pipeline(inference_graph(), options);
             }),
      thrown("IR of an unknown stage", [] { ir_at(inference_graph(), "quantum", here()); }),
      thrown("text of an unknown stage", [] { emit(inference_graph(), "quantum", "", here()); }),
      thrown("model whose results are too many",
             [] {
               const Model wide = model(
                   "model a { input(1024x1024x1) -> relu -> relu -> maxpool(2x2) -> flatten -> "
                   "dense(2) }");
               check_size(wide, build_graph(wide, language(), Mode::infer, 1000, ScalarType::f32),
                          1000);
             }),
  };
}

std::vector<Mistake> session_mistakes() {
  return {
      thrown("session with no rows",
             [] { Session(model(kTinyModel), language(), {.batch = 0, .threads = 1}); }),
      thrown("step of more images than the batch",
             [] { session().train_step(batch_of(17, 0), {}); }),
      thrown("step with a label that no class has",
             [] { session().train_step(batch_of(2, 3), {}); }),
      thrown("training of a model without train section",
             [] { Session(model(kWithoutTraining), language(), {}).compile_training(); }),
      thrown("image that a data set does not hold",
             [] {
               Batch batch;
               gather(tiny_dataset(3, 1), std::vector<std::int64_t>{3}, batch);
             }),
      thrown("data set of fewer pixels than images",
             [] {
               Dataset torn = tiny_dataset(3, 1);
               torn.pixels.pop_back();
               check_whole(torn);
             }),
      thrown("data set without images",
             [] {
               check_fits(tiny_dataset(0, 1), {8, 8, 1}, 3);
             }),
      thrown("look at a data set without images", [] { look_at(tiny_dataset(0, 1)); }),
      thrown("training on no images", [] { plan_training(session(), 0, {}); }),
      thrown("training for too many epochs",
             [] { plan_training(session(), 100, {.epochs = INT64_MAX, .steps = {}}); }),
      thrown(
          "training at a rate below 0",
          [] { plan_training(session(), 100, {.epochs = 1, .steps = {}, .learning_rate = -1}); }),
      thrown("training for fewer than no steps",
             [] { plan_training(session(), 100, {.epochs = 1, .steps = -3}); }),
      thrown("session of fewer than no threads",
             [] { Session(model(kTinyModel), language(), {.threads = -2}); }),
      thrown("inference of a part of an image",
             [] { session().infer(std::vector<std::uint8_t>(65)); }),
      thrown("prediction for two images",
             [] {
               Session two = session();
               predict(two, std::vector<std::uint8_t>(128));
             }),
  };
}

TEST(LibraryErrors, are_those_of_the_golden_file) {
  const auto path = kErrorFolder / kLibraryTable;
  Table table = read_table(path);
  const bool rebase = std::getenv("CNNC_REBASE") != nullptr;
  std::string text = table.header;
  std::map<std::string, std::string> expected;
  for (const Row& row : table.rows) expected[row.name] = row.message;
  std::size_t tried = 0;
  for (const auto& mistakes : {frontend_mistakes(), graph_mistakes(), program_mistakes(),
                               compiler_mistakes(), session_mistakes()})
    for (const Mistake& mistake : mistakes) {
      const std::string said = mistake.said() + "\n";
      if (!rebase) {
        EXPECT_EQ(said, expected[mistake.name]) << mistake.name;
      }
      text += fmt::format("=== {}\n{}\n{}", mistake.name, kLibraryMark, said);
      ++tried;
    }
  if (rebase) {
    std::ofstream(path) << text;
    return;
  }
  EXPECT_EQ(tried, table.rows.size()) << "a row of the table has no mistake here";
}

}  // namespace
}  // namespace cnnc::testing
