// Model -> graph: names, shapes, parameters, roles; and a layer from outside the libraries.
#include <gtest/gtest.h>

#include <set>

#include "frontend/model.h"

namespace cnnc {
namespace {

const std::string kTrain =
    "train { data = mnist loss = cross_entropy optimizer = sgd(lr=0.1, momentum=0.9) batch = 16 "
    "}\n";

Model parse(const std::string& text, const Language& language = Language::standard()) {
  return parse_model({"m.model", text}, language);
}

Model small() {
  return parse(
      "model m { input(8x8x1) -> conv(4, 3x3, pad=1) -> relu -> maxpool(2x2) -> flatten\n"
      "    -> dense(10, name=head) -> softmax }\n" +
      kTrain);
}

TEST(ModelGraph, parameters_are_named_after_their_layers) {
  const ModelGraph result =
      build_graph(small(), Language::standard(), Mode::train, 16, ScalarType::f32);
  std::vector<std::string> found;
  for (const Parameter& p : result.parameters) {
    found.push_back(fmt::format("{} {} {}", p.name, to_string(p.type), p.trained));
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{"conv1.weight f32[3,3,1,4] true", "conv1.bias f32[4] true",
                                      "head.weight f32[64,10] true", "head.bias f32[10] true"}));
}

TEST(ModelGraph, each_layer_has_a_type) {
  const ModelGraph result =
      build_graph(small(), Language::standard(), Mode::infer, 16, ScalarType::f64);
  std::vector<std::string> found;
  for (const TensorType& type : result.layer_types) found.push_back(to_string(type));
  EXPECT_EQ(found, (std::vector<std::string>{"f64[B,8,8,4]", "f64[B,8,8,4]", "f64[B,4,4,4]",
                                             "f64[B,64]", "f64[B,10]", "f64[B,10]"}));
}

TEST(ModelGraph, every_node_serves_a_layer) {
  const ModelGraph result =
      build_graph(small(), Language::standard(), Mode::train, 16, ScalarType::f32);
  std::set<std::string> labels;
  for (const Node& node : result.graph.nodes) labels.insert(node.label);
  for (const std::string label :
       {"input", "conv1", "relu1", "maxpool1", "head", "softmax1", "loss"}) {
    EXPECT_TRUE(labels.contains(label)) << label;
  }
  EXPECT_FALSE(labels.contains(""));
  verify(result.graph, "front end");
}

TEST(ModelGraph, training_has_label_loss_and_optimizer_and_inference_has_not) {
  const auto inputs = [](const Graph& graph) {
    std::set<std::string> found;
    for (const Node& node : graph.nodes) {
      if (is_input(node) && input_role(node) == "data") found.insert(input_name(node));
    }
    return found;
  };
  const Graph train =
      build_graph(small(), Language::standard(), Mode::train, 16, ScalarType::f32).graph;
  EXPECT_TRUE(inputs(train).contains("image"));
  EXPECT_TRUE(inputs(train).contains("label"));
  EXPECT_TRUE(train.output("output") && train.output("loss") && train.output("correct"));
  ASSERT_TRUE(train.optimizer);
  EXPECT_EQ(train.optimizer->name, "sgd");
  EXPECT_EQ(train.optimizer->arguments.real("momentum"), 0.9);
  EXPECT_EQ(train.batch, 16);
  const Graph infer =
      build_graph(small(), Language::standard(), Mode::infer, 1, ScalarType::f32).graph;
  EXPECT_EQ(inputs(infer), std::set<std::string>{"image"});
  EXPECT_FALSE(infer.optimizer);
  EXPECT_FALSE(infer.output("loss"));
}

TEST(ModelGraph, pixels_are_bytes_divided_by_255) {
  const Model model = parse("model m { input(1x2x1) -> relu }");
  const Graph graph =
      build_graph(model, Language::standard(), Mode::infer, 1, ScalarType::f64).graph;
  Tensor image({ScalarType::u8, {1, 1, 2, 1}});
  image.set(0, 51);
  image.set(1, 255);
  const auto outputs = interpret(graph, {{"image", image}}, 1);
  EXPECT_EQ(outputs.at("output").get(0), 0.2);
  EXPECT_EQ(outputs.at("output").get(1), 1.0);
}

TEST(ModelGraph, training_needs_a_train_section) {
  const Model model = parse("model m { input(4x4x1) -> relu }");
  try {
    build_graph(model, Language::standard(), Mode::train, 1, ScalarType::f32);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "m.model: the model has no `train` section");
  }
}

TEST(ModelGraph, a_batch_that_is_too_large_for_the_model_is_the_users_mistake) {
  const Model model = parse("model m {\n  input(256x256x3) -> conv(64, 3x3, pad=1)\n}\n");
  const auto message = [&](std::int64_t batch) -> std::string {
    try {
      build_graph(model, Language::standard(), Mode::infer, batch, ScalarType::f32);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_TRUE(message(1024).starts_with("m.model:2:23: error: conv")) << message(1024);
  EXPECT_TRUE(message(kMaxBatch).starts_with("m.model: input would yield")) << message(kMaxBatch);
  EXPECT_EQ(message(kMaxBatch + 1), "m.model: the batch must be from 1 to 65536, not 65537");
  EXPECT_EQ(message(0), "m.model: the batch must be from 1 to 65536, not 0");
  EXPECT_EQ(message(64), "no error");
}

TEST(ModelGraph, the_same_model_gives_the_same_graph) {
  const Model model = small();
  const auto text = [&] {
    return print(build_graph(model, Language::standard(), Mode::train, 16, ScalarType::f32).graph);
  };
  EXPECT_EQ(text(), text());
}

// A layer is a row: `scale(2)` multiplies by a trained number a channel, which starts at one.
LayerDef scale_layer() {
  LayerDef layer;
  layer.name = "scale";
  layer.arguments = {
      {.name = "by", .kind = ArgumentKind::real, .description = "a factor", .positional = true}};
  layer.build = [](LayerContext& context) {
    const Value weight =
        context.parameter("weight", {context.type().dims.back()}, {Initializer::Kind::ones});
    const Value by = context.builder.constant(context.real, context.arguments.real("by"));
    return context.builder.mul(context.builder.mul(context.inputs[0], weight), by);
  };
  return layer;
}

TEST(ModelGraph, one_value_a_channel_is_refused_for_training_alone) {
  const std::string network =
      "model m { input(1x1x3) -> flatten -> dense(4) -> batch_norm -> dense(2) -> softmax }\n";
  const Model model = parse(network +
                            "train { data = mnist loss = cross_entropy optimizer = "
                            "sgd(lr=0.1) batch = 2 }\n");
  build_graph(model, Language::standard(), Mode::train, 2, ScalarType::f32);
  build_graph(model, Language::standard(), Mode::infer, 1, ScalarType::f32);
  EXPECT_THROW(build_graph(model, Language::standard(), Mode::train, 1, ScalarType::f32), Error);
  build_graph(parse(network), Language::standard(), Mode::infer, 1, ScalarType::f32);
}

// Probabilities stay ones behind what only averages or moves them; quotients may make them.
TEST(ModelGraph, a_head_of_probabilities_is_known_by_what_its_ops_do) {
  const std::string train =
      " }\ntrain { data = mnist loss = cross_entropy optimizer = sgd(lr=0.1) }\n";
  for (const char* head : {"conv(10, 1x1) -> softmax -> avgpool(4x4) -> flatten",
                           "conv(10, 1x1) -> softmax -> maxpool(4x4) -> flatten",
                           "conv(10, 1x1) -> avgpool(4x4) -> flatten -> softmax"})
    EXPECT_NO_THROW(parse(fmt::format("model m {{ input(4x4x3) -> {}", head) + train)) << head;
  for (const char* head :
       {"conv(10, 1x1) -> avgpool(4x4) -> flatten", "conv(10, 1x1) -> maxpool(4x4) -> flatten",
        "flatten -> dense(10) -> dropout(0.5)", "flatten -> dense(10) -> batch_norm",
        "flatten -> dense(10) -> softmax -> dense(10)",
        "conv(5, 1x1) -> avgpool(4x4) -> relu -> flatten -> dropout(0.1)"})
    EXPECT_THROW(parse(fmt::format("model m {{ input(4x4x3) -> {}", head) + train), Error) << head;
}

TEST(ModelGraph, a_layer_from_outside_is_used_like_any_other) {
  Language language = Language::standard();
  language.add(scale_layer());
  const Model model = parse(
      "block twice(k) { input -> scale(k) -> scale(k + 1) }\nmodel m { input(2x2x3) -> twice(2) "
      "}\n",
      language);
  const ModelGraph result = build_graph(model, language, Mode::infer, 1, ScalarType::f64);
  ASSERT_EQ(result.parameters.size(), 2U);
  EXPECT_EQ(result.parameters[1].name, "twice1.scale2.weight");
  Tensor image({ScalarType::u8, {1, 2, 2, 3}});
  image.set(5, 255);
  Tensor ones({ScalarType::f64, {3}});
  for (int i = 0; i < 3; ++i) ones.set(i, 1);
  const auto outputs = interpret(
      result.graph,
      {{"image", image}, {"twice1.scale1.weight", ones}, {"twice1.scale2.weight", ones}}, 1);
  EXPECT_EQ(outputs.at("output").get(5), 6.0);
  EXPECT_EQ(outputs.at("output").get(4), 0.0);
}

TEST(ModelGraph, mistakes_suggest_a_layer_from_outside) {
  Language language = Language::standard();
  language.add(scale_layer());
  try {
    parse("model m { input(2x2x3) -> scal(2) }", language);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean `scale`?"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace cnnc
