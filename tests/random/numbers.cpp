#include "tests/random/numbers.h"

namespace cnnc::testing {

double learning_rate(const Model& model) {
  const AttributeValue* lr = model.train->optimizer.arguments.find("lr");
  const auto* real = lr != nullptr ? std::get_if<double>(lr) : nullptr;
  return real != nullptr ? *real : 0.5;
}

Tensors numbers_for(const Program& program, const Model& model, std::int64_t batch,
                    std::int64_t count, Lane lane, std::uint64_t seed) {
  const Values values = lane == Lane::whole     ? Values::whole
                        : lane == Lane::special ? Values::special
                                                : Values::real;
  Tensors inputs = inputs_for(program, batch, count, values, seed);
  for (auto& [name, tensor] : inputs) {
    if (lane == Lane::whole && tensor.type().scalar == ScalarType::u8)
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, tensor.get(i) < 128 ? 0 : 255);
    if (name == "lr") tensor.set(0, learning_rate(model));
  }
  return inputs;
}

std::set<std::string> outputs_by_row(const Graph& graph) {
  std::set<std::string> names;
  for (const Output& output : graph.outputs) {
    const Dims& dims = graph.type(output.value).dims;
    if (!dims.empty() && dims.front() == kBatch) names.insert(output.name);
  }
  return names;
}

namespace {

Tensor rows(const Tensor& tensor, std::int64_t first, std::int64_t count) {
  TensorType type = tensor.type();
  const std::int64_t row =
      tensor.size() / type.dims.front() * static_cast<std::int64_t>(size_of(type.scalar));
  type.dims.front() = count;
  Tensor result(type);
  std::memcpy(result.bytes().data(), tensor.bytes().data() + first * row, result.bytes().size());
  return result;
}

}  // namespace

Tensors called_rows(const Tensors& tensors, const std::set<std::string>& by_row,
                    std::int64_t count) {
  Tensors result;
  for (const auto& [name, tensor] : tensors)
    result.emplace(name, by_row.contains(name) ? rows(tensor, 0, count) : tensor);
  return result;
}

std::map<std::string, Tensor> graph_inputs(const Graph& graph, const Tensors& inputs,
                                           std::int64_t count) {
  std::map<std::string, Tensor> result;
  for (const Node& node : graph.nodes) {
    if (!is_input(node)) continue;
    const TensorType& type = node.types[0];
    const std::string& name = input_name(node);
    const auto found = inputs.find(name);
    Tensor tensor({type.scalar, concrete(type.dims, count)});
    if (found != inputs.end())
      tensor = !type.dims.empty() && type.dims.front() == kBatch ? rows(found->second, 0, count)
                                                                 : found->second;
    else if (name == "count")
      tensor.set(0, static_cast<double>(count));
    result.emplace(name, std::move(tensor));
  }
  return result;
}

Tensors called(Executable& executable, const Tensors& inputs, const std::set<std::string>& names,
               std::int64_t count, ThreadPool& pool) {
  call(executable, inputs, count, pool);
  Tensors results;
  for (const std::string& name : names) results.emplace(name, read_tensor(executable, name));
  return results;
}

}  // namespace cnnc::testing
