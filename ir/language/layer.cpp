// The standard language: collects the tables, and what a layer's build can do.
#include "ir/language/layer.h"

namespace cnnc {

#define CNNC_LAYER(name) LayerDef name##_layer();
#include "ir/language/layers/layers.def"
#undef CNNC_LAYER
#define CNNC_TRAINING(kind, Def, name) Def name##_##kind();
#include "ir/language/training/training.def"
#undef CNNC_TRAINING

Language Language::standard() {
  Language language;
  language.ops = OpTable::standard();
#define CNNC_LAYER(name) language.add(name##_layer());
#include "ir/language/layers/layers.def"
#undef CNNC_LAYER
#define CNNC_TRAINING(kind, Def, name) language.add(name##_##kind());
#include "ir/language/training/training.def"
#undef CNNC_TRAINING
  return language;
}

Value LayerContext::parameter(std::string_view suffix, Dims dims, Initializer initializer) {
  std::string full = fmt::format("{}.{}", name, suffix);
  const TensorType type{real, std::move(dims)};
  const Value value = builder.input(full, "parameter", type);
  parameters_.push_back({.name = std::move(full), .type = type, .initializer = initializer});
  return value;
}

Value LayerContext::state(std::string_view suffix, Dims dims, Initializer initializer, double low) {
  std::string full = fmt::format("{}.{}", name, suffix);
  const TensorType type{real, std::move(dims)};
  const Value value = builder.input(full, "state", type);
  parameters_.push_back({std::move(full), type, initializer, false, low});
  return value;
}

void LayerContext::update(std::string_view suffix, Value new_value) {
  builder.output(fmt::format("{}.{}", name, suffix), new_value);
}

Value LayerContext::random_uniform(Dims dims) {
  const Value seed = builder.input("seed", "data", {ScalarType::i64, {}});
  const Value step = builder.input("step", "data", {ScalarType::i64, {}});
  const Value sample = builder.input("sample", "data", {ScalarType::i64, {kBatch}});
  return builder.op("random_uniform", {seed, step, sample},
                    {{"use", builder.next_use()},
                     {"dims", std::move(dims)},
                     {"type", std::string(name_of(real))}});
}

}  // namespace cnnc
