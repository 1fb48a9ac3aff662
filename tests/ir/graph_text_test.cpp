// The text of graphs: round trips, and what is said of mistakes.
#include <gtest/gtest.h>

#include <random>

#include "ir/graph/graph.h"

namespace cnnc {
namespace {

Graph parse(const std::string& text) {
  return parse_graph({"net.graph", text}, OpTable::standard());
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const std::string kText = R"(graph mnist batch=128 {
  optimizer sgd {lr=0.01, nesterov=true, note="a \"b\"\n"}
  %0 = input() {name="image", role="data", type="u8[B,4,4,1]"} : u8[B,4,4,1]
  %1 = cast(%0) {type="f32"} : f32[B,4,4,1]
  %2 = constant() {type="f32", value=-0.0} : f32[]
  %3 = add(%1, %2) : f32[B,4,4,1]   @conv1.block_2
  %4 = reshape(%3) {dims=[-1,16]} : f32[B,16]   label "odd name"
  %5 = constant() {type="f32", value=inf} : f32[]
  %6 = constant() {type="f64", value=1e-300} : f64[]
  return y=%4, "odd name"=%3, gradient.conv1.weight=%5, z=%6
}
)";

TEST(graph_text, print_of_parse_is_the_text) { EXPECT_EQ(print(parse(kText)), kText); }

TEST(graph_text, names_and_layout_are_free_when_read) {
  const std::string text = R"(# by hand
graph mnist batch=2 { %a = input() {name="x", role="data", type="f32[B,3]"} : f32[B,3]
  %b1, %b = log_softmax(%a) : f32[B,3]
  return y=%b })";
  EXPECT_NE(error_of(text).find("2 names for the 1 results of log_softmax"), std::string::npos)
      << error_of(text);
  const std::string right = R"(# by hand
graph mnist batch=2 { %a = input() {type="f32[B,3]", name="x", role="data"} : f32[B,3]
  %b =
    exp(%a) : f32[B,3]   # e to the power
  return y=%b })";
  EXPECT_EQ(print(parse(right)), R"(graph mnist batch=2 {
  %0 = input() {name="x", role="data", type="f32[B,3]"} : f32[B,3]
  %1 = exp(%0) : f32[B,3]
  return y=%1
}
)");
}

TEST(graph_text, an_empty_graph_is_a_graph) {
  const std::string text = "graph nothing batch=1 {\n  return\n}\n";
  EXPECT_EQ(print(parse(text)), text);
}

/// A body of a graph, with what is expected to be said of it.
struct Mistake {
  std::string lines, message;
};

TEST(graph_text, mistakes_are_named) {
  const std::string x = "%x = input() {name=\"x\", role=\"data\", type=\"f32[B,3]\"} : f32[B,3]\n";
  const std::vector<Mistake> mistakes = {
      {"%1 = expp(%x) : f32[B,3]\n return", "there is no op 'expp'"},
      {"%1 = exp(%y) : f32[B,3]\n return", "%y is not defined"},
      {"%1 = exp(%1) : f32[B,3]\n return", "%1 is not defined"},
      {"%1 = exp(%x) : f32[B,4]\n return", "exp yields f32[B,3], not f32[B,4]"},
      {"%1 = exp(%x, %x) : f32[B,3]\n return", "exp takes 1 operand, not 2"},
      {"%x = exp(%x) : f32[B,3]\n return", "%x is defined twice"},
      {"%1, %1 = exp(%x) : f32[B,3]\n return", "2 names for the 1 results of exp"},
      {"%1 = exp(%x) : f33[B,3]\n return", "'f33' is not an element type"},
      {"%1 = reduce_sum(%x) {axes=[1], axes=[1]} : f32[B]\n return", "'axes' is given twice"},
      {"%1 = reduce_sum(%x) {axis=[1]} : f32[B]\n return", "needs the attribute 'axes'"},
      {"%1 = reduce_sum(%x) {axes=1} : f32[B]\n return", "must be a list of whole numbers, not 1"},
      {"%1 = reduce_sum(%x) {axes=[7]} : f32[B]\n return", "are not dimensions of f32[B,3]"},
      {"%1 = reshape(%x) {dims=[-1,99999999999999999999]} : f32[B]\n return",
       "99999999999999999999"},
      {"%1 = reshape(%x) {dims=[9223372036854775807,9223372036854775807]} : f32[B]\n return",
       "does not have the elements"},
      {"%1 = constant() {type=\"u8\", value=256.0} : u8[]\n return", "u8 holds no 256"},
      {"%1 = constant() {type=\"f8\", value=256.0} : u8[]\n return", "'f8' is not an element type"},
      {"%1 = input() {name=\"y\", role=\"datum\", type=\"f32[]\"} : f32[]\n return", "'datum'"},
      {"%1 = input() {name=\"y\", role=\"data\", type=\"f32[0]\"} : f32[0]\n return",
       "a dimension must be positive"},
      {"return y=%x, y=%x", "output 'y' is given twice"},
      {"return y=%q", "%q is not defined"},
      {"optimizer sgd\n optimizer sgd\n return", "one optimizer"},
      {"", "return"},
      {"return } }", "the end of the text"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string error = error_of("graph g batch=2 {\n" + x + mistake.lines + "\n}\n");
    EXPECT_NE(error.find(mistake.message), std::string::npos) << mistake.lines << "\n" << error;
    EXPECT_NE(error.find("net.graph:"), std::string::npos) << error;
  }
}

TEST(graph_text, says_where_and_what_was_meant) {
  EXPECT_EQ(error_of("graph g batch=2 {\n"
                     "  %0 = input() {name=\"x\", role=\"data\", type=\"f32[3]\"} : f32[3]\n"
                     "  %1 = reducesum(%0) {axes=[0]} : f32[]\n"
                     "  return y=%1\n}\n"),
            "net.graph:3:8: error: there is no op 'reducesum'\n"
            "    %1 = reducesum(%0) {axes=[0]} : f32[]\n"
            "         ^~~~~~~~~\n"
            "  hint: did you mean 'reduce_sum'?");
}

TEST(graph_text, reports_all_mistakes_and_each_once) {
  const std::string error = error_of(R"(graph g batch=2 {
  %0 = inptu() {} : f32[3]
  %1 = exp(%0) : f32[3]
  %2 = exp(%1) : f32[3]
  %3 = constant() {type="f32", value=?} : f32[]
  %4 = log(%3) : f32[]
  return y=%2, z=%9
})");
  std::size_t count = 0;
  for (auto at = error.find("error:"); at != std::string::npos; at = error.find("error:", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 3) << error;  // inptu, ?, %9
}

TEST(graph_text, header_mistakes_are_positioned) {
  for (const std::string text : {"", "graph", "graph g batch=0 {", "graph g batch=x {", "program",
                                 "graph g batch=99999999999999999999 {", "graph g batch=2"}) {
    EXPECT_NE(error_of(text).find("net.graph:1:"), std::string::npos) << text << error_of(text);
  }
}

/// Cuts, swaps and repeats pieces of a good text: it parses or throws Error, nothing else.
TEST(graph_text, broken_texts_never_crash) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string text = kText;
    const int edits = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < edits; ++i) {
      const std::size_t at = random() % text.size();
      const std::size_t length = 1 + random() % 12;
      switch (random() % 4) {
        case 0: text.erase(at, length); break;
        case 1: text.insert(at, text.substr(random() % text.size(), length)); break;
        case 2: text[at] = static_cast<char>(random() % 256); break;
        default: text.insert(at, 1, "{}[]()%@\"=,:0-"[random() % 14]);
      }
      if (text.empty()) text = " ";
    }
    try {
      const Graph graph = parse(text);
      EXPECT_EQ(print(parse(print(graph))), print(graph)) << text;
    } catch (const Error&) {
    }
  }
}

TEST(graph_verify, finds_what_builders_do_not_make) {
  const Graph good = parse(kText);
  EXPECT_TRUE(verify_errors(good).empty());
  const auto complaint = [&](auto&& damage) {
    Graph graph = good;
    damage(graph);
    const auto errors = verify_errors(graph);
    EXPECT_THROW(verify(graph, "damage"), InternalError);
    return errors.empty() ? std::string() : errors.front();
  };
  EXPECT_NE(complaint([](Graph& g) { g.nodes[1].operands[0].node = 1; }).find("not defined before"),
            std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.nodes[1].operands[0].result = 1; }).find("not defined"),
            std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.nodes[3].types[0].dims[1] = 5; }).find("other types"),
            std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.outputs[0].value.node = 99; }).find("no value"),
            std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.outputs[0].name = "z"; }).find("twice"), std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.outputs[0].name = "image"; }).find("data input"),
            std::string::npos);
  EXPECT_NE(complaint([](Graph& g) { g.nodes[4].attributes = {}; }).find("needs the attribute"),
            std::string::npos);
}

TEST(graph_interpret, rows_beyond_count_do_not_exist) {
  const Graph graph = parse(R"(graph g batch=8 {
    %0 = input() {name="x", role="data", type="f64[B,2]"} : f64[B,2]
    %1 = input() {name="count", role="data", type="i64[]"} : i64[]
    %2 = cast(%1) {type="f64"} : f64[]
    %3 = reduce_sum(%0) {axes=[0]} : f64[2]
    %4 = div(%3, %2) : f64[2]
    return mean=%4, x=%0
  })");
  std::map<std::string, Tensor> inputs;
  Tensor& x = inputs.emplace("x", Tensor({ScalarType::f64, {3, 2}})).first->second;
  for (int i = 0; i < 6; ++i) x.set(i, i);
  const auto outputs = interpret(graph, inputs, 3);
  EXPECT_EQ(outputs.at("mean").get(0), 2);
  EXPECT_EQ(outputs.at("mean").get(1), 3);
  EXPECT_EQ(outputs.at("x").type(), (TensorType{ScalarType::f64, {3, 2}}));
  EXPECT_THROW(interpret(graph, inputs, 2), Error);  // three rows given
  EXPECT_THROW(interpret(graph, inputs, 9), Error);  // more than the batch
  EXPECT_THROW(interpret(graph, {}, 3), Error);
}

}  // namespace
}  // namespace cnnc
