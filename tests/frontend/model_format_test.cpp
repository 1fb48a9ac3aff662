// The canonical text of models: a fixpoint that means the same.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "frontend/model.h"

namespace cnnc {

// Where a layer stands in the text is not part of what it is.
bool operator==(const LayerUse& a, const LayerUse& b) {
  return a.layer == b.layer && a.name == b.name && a.arguments == b.arguments &&
         a.inputs == b.inputs;
}
bool operator==(const TrainSettings& a, const TrainSettings& b) {
  return a.data == b.data && a.loss == b.loss && a.optimizer == b.optimizer &&
         a.schedule == b.schedule && a.batch == b.batch && a.epochs == b.epochs;
}

namespace {

Model parse(const std::string& text) {
  return parse_model({"m.model", text}, Language::standard());
}

void expect_canonical(const std::string& text) {
  const Model model = parse(text);
  const Model again = parse(model.canonical);
  EXPECT_EQ(again.canonical, model.canonical);
  EXPECT_EQ(again.name, model.name);
  EXPECT_EQ(again.input, model.input);
  EXPECT_EQ(again.output, model.output);
  EXPECT_TRUE(again.layers == model.layers) << text << model.canonical;
  EXPECT_TRUE(again.train == model.train) << text << model.canonical;
}

std::string formatted(const std::string& text) {
  expect_canonical(text);
  return parse(text).canonical;
}

TEST(ModelFormat, examples_are_written_canonically) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CNNC_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".model") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    EXPECT_EQ(formatted(text.str()), text.str()) << entry.path();
    ++found;
  }
  EXPECT_GE(found, 5);
}

TEST(ModelFormat, layout_is_made_uniform) {
  EXPECT_EQ(
      formatted("model  m{input( 8x8x1 )->conv( 4 ,3x3,pad =1 ) "
                "→relu()->flatten\t->dense(2*3+1)->softmax}train{data=\"mnist\",loss=cross_entropy "
                "optimizer=sgd( lr = 5e-4 ) batch=(2+3)*4-(1-2)}"),
      "model m {\n"
      "  input(8x8x1) -> conv(4, 3x3, pad=1) -> relu -> flatten -> dense(2*3 + 1) -> softmax\n"
      "}\n"
      "\n"
      "train {\n"
      "  data = \"mnist\"\n"
      "  loss = cross_entropy\n"
      "  optimizer = sgd(lr=5e-4)\n"
      "  batch = (2 + 3)*4 - (1 - 2)\n"
      "}\n");
}

TEST(ModelFormat, broken_chains_stay_broken_where_they_are) {
  EXPECT_EQ(
      formatted(
          "model m {\n  a = input(8x8x1) ->\n relu\n -> relu -> \nrelu\n\n\n  a -> add(a)\n}\n"),
      "model m {\n"
      "  a = input(8x8x1)\n"
      "    -> relu\n"
      "    -> relu\n"
      "    -> relu\n"
      "\n"
      "  a -> add(a)\n"
      "}\n");
}

TEST(ModelFormat, long_chains_are_broken) {
  std::string text = "model m { input(8x8x1)";
  for (int i = 0; i < 30; ++i) text += " -> relu";
  const std::string canonical = formatted(text + " }");
  std::istringstream lines(canonical);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U);
}

TEST(ModelFormat, comments_stay_with_what_they_explain) {
  EXPECT_EQ(formatted("# the licence\n\n# the model\nmodel m {   # first\n  # the stem\n  a = "
                      "input(8x8x1) # pixels\n"
                      "    # mix\n    -> conv(2, # channels\n 3x3)   # end\n\n  # again\n  a -> "
                      "add(a)\n  # last\n} # done\n# rest"),
            "# the licence\n"
            "\n"
            "# the model\n"
            "model m {  # first\n"
            "  # the stem\n"
            "  a = input(8x8x1)  # pixels\n"
            "    # mix\n"
            "    # channels\n"
            "    -> conv(2, 3x3)  # end\n"
            "\n"
            "  # again\n"
            "  a -> add(a)\n"
            "  # last\n"
            "}  # done\n"
            "\n"
            "# rest\n");
}

TEST(ModelFormat, blocks_and_names_are_kept) {
  const std::string text =
      "block b(c, s=1) {\n"
      "  x = input -> conv(2*c, 3x3, stride=s, pad=1)\n"
      "  input -> conv(2*c, 1x1, stride=s) -> add(x) -> relu(name=last)\n"
      "}\n"
      "\n"
      "model m {\n"
      "  input(8x8x1) -> b(4) -> b(2, s=2, name=second)\n"
      "}\n";
  EXPECT_EQ(formatted(text), text);
}

// A random model: values, blocks, arithmetic, comments, and white space wherever it may stand.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::string model() {
    std::string text = comment() + "block b(c)" + gap() + "{" + newline() +
                       "x = input -> conv(c, 3x3, pad=" + number("1") + ")" + newline() + "input" +
                       chain() + "-> conv(c, 3, pad=1)" + chain() + "-> add(x)" + newline() + "}" +
                       comment();
    text += "model m {" + gap() + newline() + "v0 = input(8x8x4)";
    const int values = pick(4);
    for (int i = 1; i <= values; ++i) {
      text += chain() + newline() + fmt::format("v{} = v{}", i, pick(i)) + chain() +
              fmt::format("-> add(v{})", i - 1);
    }
    text += newline() + fmt::format("v{}", values) + chain() + gap() + "-> b(" + number("4") + ")" +
            newline() + "}" + newline();
    return text;
  }

 private:
  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string comment() { return pick(3) == 0 ? fmt::format("  # note {}\n", pick(100)) : "\n"; }
  std::string gap() {
    return pick(4) == 0 ? comment() : std::string(static_cast<std::size_t>(pick(3)), ' ');
  }
  std::string newline() { return "\n" + (pick(2) == 0 ? comment() : std::string()); }
  std::string number(const std::string& value) {
    switch (pick(5)) {
      case 0: return value + " + 2 - 2*1";
      case 1: return "-(-" + value + ")";
      case 2: return "(1 + 1)*(" + value + ")/2";
      case 3: return value + " - (3 - (1 + 2))";
      default: return gap() + value + gap();
    }
  }
  std::string chain() {
    std::string text;
    for (int i = pick(9); i > 0; --i) {
      text += gap() + "->" + gap();
      if (pick(2) == 0) {
        text += "conv(" + number("4") + "," + gap() + "3x3, pad=1" + gap() + ")";
      } else {
        text += "relu";
      }
      text += " ";
    }
    return text + gap();
  }

  std::mt19937 random_;
};

TEST(ModelFormat, random_models_format_to_a_fixpoint_with_the_same_meaning) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(expect_canonical(Generator(seed).model()));
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace cnnc
