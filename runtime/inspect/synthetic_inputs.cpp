#include "runtime/inspect/synthetic_inputs.h"

#include <algorithm>
#include <cstring>

#include "runtime/train/random.h"

namespace cnnc {
namespace {

constexpr double kLearningRate = 1e-9;

std::int64_t classes(const ModelGraph& model) {
  const auto output = model.graph.output("output");
  CNNC_CHECK(output.has_value(), "the graph has no output");
  return element_count(model.graph.type(*output).dims, 1);
}

/// Calls value(i) for every element i.
template <class Value>
void fill(Executable& executable, std::string_view name, const Value& value) {
  if (!executable.has(name)) return;
  const TensorRef ref = executable.tensor(name);
  dispatch(ref.type.scalar, [&](auto zero) {
    for (std::size_t i = 0; i < ref.bytes.size() / sizeof zero; ++i) {
      const auto element = static_cast<decltype(zero)>(value(i));
      std::memcpy(ref.bytes.data() + i * sizeof zero, &element, sizeof zero);
    }
  });
}

}  // namespace

void fill_synthetic(Executable& executable, const ModelGraph& model, std::uint64_t seed) {
  for (const Parameter& parameter : model.parameters) {
    if (!executable.has(parameter.name)) continue;
    const Tensor tensor = initialize(parameter, seed);
    const TensorRef ref = executable.tensor(parameter.name);
    CNNC_CHECK(ref.type == tensor.type(), "{} is {}, not {}", parameter.name, to_string(ref.type),
               to_string(tensor.type()));
    std::ranges::copy(tensor.bytes(), ref.bytes.begin());
  }
  const std::uint64_t stream = stream_of("image");
  const auto modulus = static_cast<std::uint64_t>(classes(model));
  fill(executable, "image", [&](std::uint64_t i) { return random_bits(seed, stream, i) % 256; });
  fill(executable, "label", [&](std::uint64_t i) { return i % modulus; });
  fill(executable, "sample", [](std::uint64_t i) { return i; });
  fill(executable, "lr", [](std::uint64_t) { return kLearningRate; });
  for (const char* name : {"seed", "step", "epoch"})
    fill(executable, name, [](std::uint64_t) { return 1; });
}

}  // namespace cnnc
