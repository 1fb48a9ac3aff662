// What the model language accepts, and what it means.
#include <gtest/gtest.h>

#include "frontend/model.h"

namespace cnnc {
namespace {

Model parse(const std::string& text) {
  return parse_model({"m.model", text}, Language::standard());
}

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> result;
  for (const LayerUse& use : model.layers) result.push_back(use.name);
  return result;
}

using Strings = std::vector<std::string>;

TEST(ModelParse, the_classic_network_is_eleven_layers) {
  const Model model = parse(
      "model mnist {\n  input(28x28x1)\n    -> conv(32, 3x3, pad=1) -> relu -> maxpool(2x2)\n"
      "    -> conv(64, 3x3, pad=1) → relu → maxpool(2x2)\n"
      "    -> flatten -> dense(128) -> relu -> dense(10) -> softmax\n}\n");
  EXPECT_EQ(model.name, "mnist");
  EXPECT_EQ(model.input, (Dims{28, 28, 1}));
  EXPECT_EQ(names(model), (Strings{"conv1", "relu1", "maxpool1", "conv2", "relu2", "maxpool2",
                                   "flatten1", "dense1", "relu3", "dense2", "softmax1"}));
  EXPECT_EQ(model.output, 10);
  EXPECT_FALSE(model.train);
  EXPECT_EQ(model.layers[0].inputs, std::vector<int>{-1});
  EXPECT_EQ(model.layers[3].inputs, std::vector<int>{2});
  EXPECT_EQ(model.layers[3].location, (Location{4, 8, 4}));
}

TEST(ModelParse, arguments_go_by_position_by_name_and_by_default) {
  const Model model = parse("model m { input(9x9x2) -> conv(4, size=3, stride=2x1) }");
  const Attributes& arguments = model.layers[0].arguments;
  EXPECT_EQ(arguments.integer("channels"), 4);
  EXPECT_EQ(arguments.integers("size"), (Dims{3, 3}));
  EXPECT_EQ(arguments.integers("stride"), (Dims{2, 1}));
  EXPECT_EQ(arguments.integers("pad"), (Dims{0, 0}));
  EXPECT_TRUE(arguments.boolean("bias"));
}

TEST(ModelParse, sizes_are_decimal_numbers) {
  EXPECT_EQ(parse("model m { input(28x1x010) -> relu }").input, (Dims{28, 1, 10}));
}

TEST(ModelParse, named_values_are_used_again) {
  const Model model = parse(
      "model m {\n  skip = input(8x8x4) -> relu\n  side = skip -> conv(4, 1x1)\n"
      "  skip -> conv(4, 3x3, pad=1) -> add(skip, side) -> concat(input)\n}\n");
  EXPECT_EQ(names(model), (Strings{"relu1", "conv1", "conv2", "add1", "concat1"}));
  EXPECT_EQ(model.layers[3].inputs, (std::vector<int>{2, 0, 1}));
  EXPECT_EQ(model.layers[4].inputs, (std::vector<int>{3, -1}));
}

TEST(ModelParse, the_output_is_the_chain_without_a_name) {
  const Model model = parse("model m {\n  a = input(8x8x4) -> relu\n  a -> softmax -> add(a)\n}\n");
  EXPECT_EQ(model.output, 2);
}

TEST(ModelParse, names_are_given_or_numbered_by_kind) {
  const Model model = parse(
      "model m { input(8x8x4) -> conv(4, 1x1, name=stem) -> conv(4, 1x1) -> relu(name=\"act\") -> "
      "relu }");
  EXPECT_EQ(names(model), (Strings{"stem", "conv2", "act", "relu2"}));
}

TEST(ModelParse, blocks_expand_with_parameters_defaults_and_arithmetic) {
  const Model model = parse(
      "model m { input(8x8x4) -> b(3) -> b(2, k=1x1, name=last) }\n"
      "block b(c, k=3x3) {\n  x = input -> conv(2*c - 1, k)\n  x -> relu -> add(x)\n}\n");
  EXPECT_EQ(names(model),
            (Strings{"b1.conv1", "b1.relu1", "b1.add1", "last.conv1", "last.relu1", "last.add1"}));
  EXPECT_EQ(model.layers[0].arguments.integer("channels"), 5);
  EXPECT_EQ(model.layers[0].arguments.integers("size"), (Dims{3, 3}));
  EXPECT_EQ(model.layers[3].arguments.integer("channels"), 3);
  EXPECT_EQ(model.layers[3].arguments.integers("size"), (Dims{1, 1}));
  EXPECT_EQ(model.layers[2].inputs, (std::vector<int>{1, 0}));
  EXPECT_EQ(model.layers[3].inputs, std::vector<int>{2});
  EXPECT_EQ(model.output, 5);
}

TEST(ModelParse, blocks_nest_and_their_chains_may_begin_with_input) {
  const Model model = parse(
      "block outer(c) { input -> inner(c) -> inner(2*c) }\n"
      "block inner(c) {\n  input -> conv(c, 1x1) -> concat(input)\n}\n"
      "model m { input(8x8x4) -> outer(3) }\n");
  EXPECT_EQ(names(model), (Strings{"outer1.inner1.conv1", "outer1.inner1.concat1",
                                   "outer1.inner2.conv1", "outer1.inner2.concat1"}));
  EXPECT_EQ(model.layers[1].inputs, (std::vector<int>{0, -1}));
  EXPECT_EQ(model.layers[3].inputs, (std::vector<int>{2, 1}));
}

TEST(ModelParse, a_block_takes_values_as_arguments) {
  const Model model = parse(
      "block join(other) { input -> relu -> add(other) }\n"
      "model m {\n  a = input(8x8x4) -> relu\n  a -> relu -> join(a)\n}\n");
  EXPECT_EQ(model.layers[3].inputs, (std::vector<int>{2, 0}));
}

TEST(ModelParse, a_chain_that_begins_with_a_sum_takes_its_arguments_alone) {
  const Model model = parse(
      "block mean(skip) {\n  a = input -> relu\n  b = add(a, skip) -> relu\n"
      "  concat(b, a, input)\n}\n"
      "model m {\n  x = input(8x8x4) -> relu\n  y = x -> relu\n  z = add(x, y)\n"
      "  z -> mean(y)\n}\n");
  EXPECT_EQ(model.layers[2].inputs, (std::vector<int>{0, 1}));
  EXPECT_EQ(model.layers[4].inputs, (std::vector<int>{3, 1}));
  EXPECT_EQ(model.layers[6].inputs, (std::vector<int>{5, 3, 2}));
}

TEST(ModelParse, a_size_may_be_computed_where_it_is_no_bare_product) {
  const Model model = parse(
      "block b(k, d) {\n  input -> conv(4, k, pad=d*(k - 1)/2, dilation=2*d) -> maxpool(2*k - "
      "4)\n}\n"
      "model m {\n  input(32x32x2) -> b(3, 1)\n}\n");
  EXPECT_EQ(model.layers[0].arguments.integers("dilation"), (Dims{2, 2}));
  EXPECT_EQ(model.layers[1].arguments.integers("size"), (Dims{2, 2}));
}

TEST(ModelParse, the_train_section_is_read_in_any_layout) {
  const Model model = parse(
      "train { data = fashion-mnist, loss = cross_entropy\n optimizer = sgd(lr=1, momentum=0.9) "
      "batch = 64\n"
      "schedule = one_cycle(warmup=0.5) }\n"
      "model m { input(4x4x1) -> flatten -> dense(10) -> softmax }\n");
  ASSERT_TRUE(model.train);
  EXPECT_EQ(model.train->data, "fashion-mnist");
  EXPECT_EQ(model.train->loss.name, "cross_entropy");
  EXPECT_EQ(model.train->optimizer.name, "sgd");
  EXPECT_EQ(model.train->optimizer.arguments.real("lr"), 1.0);
  EXPECT_EQ(model.train->optimizer.arguments.real("momentum"), 0.9);
  EXPECT_FALSE(model.train->optimizer.arguments.boolean("nesterov"));
  EXPECT_EQ(model.train->schedule.arguments.real("warmup"), 0.5);
  EXPECT_EQ(model.train->batch, 64);
  EXPECT_EQ(model.train->epochs, 1);
}

TEST(ModelParse, the_schedule_is_constant_unless_given) {
  const Model model = parse(
      "train { data = mnist loss = cross_entropy optimizer = sgd(lr=0.1) }\n"
      "model m { input(4x4x1) -> flatten -> dense(10) -> softmax }\n");
  EXPECT_EQ(model.train->schedule.name, "constant");
  EXPECT_EQ(model.train->batch, 128);
}

TEST(ModelParse, line_ends_and_byte_order_mark_do_not_matter) {
  const Model model =
      parse("\xEF\xBB\xBF# note\r\nmodel m {\r\n  input(4x4x1)\r\n    -> relu\r\n}\r\n");
  EXPECT_EQ(model.canonical, "# note\nmodel m {\n  input(4x4x1)\n    -> relu\n}\n");
  EXPECT_EQ(model.layers[0].location, (Location{4, 8, 4}));
}

TEST(ModelParse, comments_may_stand_anywhere_and_hold_any_utf8) {
  EXPECT_EQ(
      names(parse("# 数字 → ü\nmodel m { # a\n input(4x4x1) # b\n # c\n -> # d\n relu # e\n} # f")),
      Strings{"relu1"});
}

TEST(ModelParse, ten_thousand_layers_are_accepted) {
  std::string text =
      "block b { input -> relu -> relu -> relu -> relu -> relu -> relu -> relu -> relu -> relu -> "
      "relu "
      "}\nmodel m { input(4x4x1)";
  for (int i = 0; i < 1000; ++i) text += " -> b";
  EXPECT_EQ(parse(text + " }").layers.size(), kMaxLayers);
}

}  // namespace
}  // namespace cnnc
