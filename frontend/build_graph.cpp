#include "frontend/expand.h"
#include "frontend/model.h"

namespace cnnc {

namespace {

// A shape that fits only another batch or mode is found here, with the layer's position.
[[noreturn]] void fail_at(const Model& model, const LayerUse& use, const Error& error) {
  throw Error(render(model.source, {use.location, frontend::build_message(use.layer, error), {}}));
}

Value image_of(const Model& model, ScalarType real, Builder& builder) {
  try {
    return frontend::build_image(builder, model.input, real);
  } catch (const Error& error) {
    fail("{}: {}", model.source.name, error.what());
  }
}

void build_layers(const Model& model, const Language& language, Mode mode, ScalarType real,
                  Value image, Builder& builder, std::vector<Value>& values,
                  std::vector<Parameter>& parameters) {
  for (const LayerUse& use : model.layers) {
    const auto layer = language.layers.find(use.layer);
    CNNC_CHECK(layer != language.layers.end(), "no layer is called `{}`", use.layer);
    std::vector<Value> inputs;
    for (const int input : use.inputs) {
      inputs.push_back(input < 0 ? image : values.at(static_cast<std::size_t>(input)));
    }
    builder.set_label(use.name);
    try {
      LayerContext context(builder, mode, real, use.name, use.arguments, std::move(inputs),
                           parameters);
      values.push_back(layer->second->build(context));
    } catch (const Error& error) {
      fail_at(model, use, error);
    }
  }
}

}  // namespace

std::string frontend::build_message(std::string_view name, const Error& error) {
  const std::string_view text = error.what();
  return text.starts_with(name) ? std::string(text) : fmt::format("{}: {}", name, text);
}

Value frontend::build_image(Builder& builder, const Dims& input, ScalarType real) {
  Dims dims{kBatch};
  dims.insert(dims.end(), input.begin(), input.end());
  const Value image = builder.input("image", "data", {ScalarType::u8, dims});
  return builder.div(builder.cast(image, real), builder.constant(real, 255));
}

bool yields_probabilities(const Model& model, const Language& language) {
  for (int index = model.output; index >= 0;) {
    const LayerUse& use = model.layers.at(static_cast<std::size_t>(index));
    const Meaning meaning = language.layers.at(use.layer)->meaning;
    if (meaning != Meaning::as_input || use.inputs.empty())
      return meaning == Meaning::probabilities;
    index = use.inputs[0];
  }
  return false;
}

ModelGraph build_graph(const Model& model, const Language& language, Mode mode, std::int64_t batch,
                       ScalarType real) {
  if (mode == Mode::train && !model.train)
    fail("{}: the model has no `train` section", model.source.name);
  if (batch < 1 || batch > kMaxBatch) {
    fail("{}: the batch must be from 1 to {}, not {}", model.source.name, kMaxBatch, batch);
  }
  ModelGraph result;
  Builder builder(language.ops, model.name, batch);
  builder.set_label("input");
  const Value image = image_of(model, real, builder);
  std::vector<Value> values;
  build_layers(model, language, mode, real, image, builder, values, result.parameters);
  for (const Value value : values) result.layer_types.push_back(builder.type(value));
  const Value output = values.at(static_cast<std::size_t>(model.output));
  builder.output("output", output);
  if (mode == Mode::train) {
    const TrainSettings& train = *model.train;
    const auto loss = language.losses.find(train.loss.name);
    CNNC_CHECK(loss != language.losses.end(), "no loss is called `{}`", train.loss.name);
    builder.set_label("loss");
    const Value label = builder.input("label", "data", {ScalarType::i32, {kBatch}});
    loss->second->build(builder, output, label, train.loss.arguments);
    builder.set_optimizer(OptimizerSpec{train.optimizer.name, train.optimizer.arguments});
  }
  result.graph = std::move(builder).build();
  return result;
}

}  // namespace cnnc
