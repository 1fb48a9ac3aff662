#include "runtime/inspect/interpret_ir.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/train/random.h"

namespace cnnc {

namespace {

constexpr std::string_view kCount = "count";

/// An input or state of either level; dims[0] of a graph's may be kBatch.
struct InputType {
  std::string name;
  TensorType type;
};

std::vector<InputType> inputs_of(const Graph& graph) {
  std::vector<InputType> inputs;
  for (const Node& node : graph.nodes)
    if (is_input(node)) inputs.push_back({input_name(node), node.types[0]});
  return inputs;
}

std::vector<InputType> inputs_of(const Program& program) {
  std::vector<InputType> inputs;
  for (const Buffer& buffer : program.buffers)
    if (!buffer.view_of && (buffer.memory == Memory::input || buffer.memory == Memory::state))
      inputs.push_back({buffer.name, buffer.type});
  return inputs;
}

std::int64_t batch_of(const Graph& graph) { return graph.batch; }

std::int64_t batch_of(const Program& program) { return std::max<std::int64_t>(program.batch, 1); }

std::int64_t rows_of(const Tensors& given, std::int64_t batch) {
  const auto found = given.find(kCount);
  if (found == given.end()) return batch;
  const Tensor& count = found->second;
  if (count.type() != TensorType{ScalarType::i64, {}})
    fail("input count is {}; it must be i64[]", to_string(count.type()));
  const std::int64_t rows = count.data<std::int64_t>()[0];
  if (rows < 1 || rows > batch) fail("{} rows in a batch of {}", rows, batch);
  return rows;
}

template <class Level>
void check_given(const Level& ir, const Tensors& given) {
  const std::int64_t rows = rows_of(given, batch_of(ir));
  std::set<std::string> known{std::string(kCount)};
  for (const auto& [name, type] : inputs_of(ir)) {
    known.insert(name);
    const TensorType exact{type.scalar, concrete(type.dims, rows)};
    const auto found = given.find(name);
    if (found != given.end() && found->second.type() != exact)
      fail("'{}' is {}, but the input of this name is {}", name, to_string(found->second.type()),
           to_string(exact));
  }
  for (const auto& [name, tensor] : given)
    if (!known.contains(name)) fail("'{}' ({}) is no input here", name, to_string(tensor.type()));
}

template <class Level>
Tensors all_inputs(const Level& ir, const Tensors& given, std::int64_t rows, std::uint64_t seed) {
  Tensors inputs = given;
  for (const auto& [name, type] : inputs_of(ir)) {
    const TensorType exact{type.scalar, concrete(type.dims, rows)};
    if (name == kCount && exact.dims.empty())
      inputs.try_emplace(name, exact).first->second.set(0, static_cast<double>(rows));
    else if (!inputs.contains(name))
      inputs.emplace(name, random_input(name, exact, seed));
  }
  return inputs;
}

void check_memory(const Graph& graph, std::int64_t rows) { check_interpreter_memory(graph, rows); }
void check_memory(const Program& program, std::int64_t) { check_interpreter_memory(program); }

Tensors outputs_of(const Graph& graph, const Tensors& inputs, std::int64_t rows) {
  const std::map<std::string, Tensor> named(inputs.begin(), inputs.end());
  auto results = interpret(graph, named, rows);
  return {results.begin(), results.end()};
}

Tensors outputs_of(const Program& program, const Tensors& inputs, std::int64_t) {
  std::map<std::string, Tensor> buffers(inputs.begin(), inputs.end());
  interpret(program, buffers);
  std::set<BufferId> written;
  for (const Kernel& kernel : program.kernels)
    walk(kernel.body, [&](const Stmt& stmt) {
      if (const auto* store = stmt.as<Store>()) written.insert(program.storage(store->buffer));
      if (const auto* sum = stmt.as<Accumulate>()) written.insert(program.storage(sum->buffer));
    });
  Tensors outputs;
  for (const BufferId id : written) {
    const Buffer& buffer = program.buffer(id);
    if (buffer.memory == Memory::output || buffer.memory == Memory::state)
      outputs.emplace(buffer.name, buffers.at(buffer.name));
  }
  return outputs;
}

}  // namespace

Tensor random_input(std::string_view name, const TensorType& type, std::uint64_t seed) {
  Tensor tensor(type);
  const std::uint64_t stream = stream_of(name);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double u = random_uniform(seed, stream, static_cast<std::uint64_t>(i));
    double value = 0;
    if (is_float(type.scalar))
      value = name.ends_with("var") ? u : 2 * u - 1;
    else if (type.scalar == ScalarType::boolean)
      value = u < 0.5 ? 0 : 1;
    else
      value = std::floor(u * (type.scalar == ScalarType::u8 ? 256 : 10));
    tensor.set(i, value);
  }
  return tensor;
}

void check_inputs(const Ir& ir, const Tensors& given) {
  std::visit([&](const auto& level) { check_given(level, given); }, ir);
}

Tensors interpret_ir(const Ir& ir, const Tensors& given, std::uint64_t seed) {
  return std::visit(
      [&](const auto& level) {
        if (const auto faults = find_faults(level); !faults.empty())
          throw PartError(faults.front().part, faults.front().message);
        check_given(level, given);
        const std::int64_t rows = rows_of(given, batch_of(level));
        check_memory(level, rows);
        return outputs_of(level, all_inputs(level, given, rows, seed), rows);
      },
      ir);
}

std::string describe(const Tensors& tensors) {
  constexpr std::int64_t kShown = 6;
  std::size_t name_width = 0, type_width = 0;
  for (const auto& [name, tensor] : tensors) {
    name_width = std::max(name_width, name.size());
    type_width = std::max(type_width, to_string(tensor.type()).size());
  }
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = tensor.bytes();
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    text += fmt::format("{:<{}}  {:<{}}  crc32 {:08x} ", name, name_width, to_string(tensor.type()),
                        type_width, crc);
    const bool real = is_float(tensor.type().scalar);
    for (std::int64_t i = 0; i < std::min(tensor.size(), kShown); ++i)
      text += real ? fmt::format(" {:.6g}", tensor.get(i)) : fmt::format(" {}", tensor.get(i));
    text += tensor.size() > kShown ? " ...\n" : "\n";
  }
  return text;
}

}  // namespace cnnc
