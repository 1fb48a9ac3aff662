// Machine code against the graph interpreter, op by op: every sample of every op, both precisions,
// full and partial batches.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ir/graph.h"
#include "runtime/compile.h"
#include "runtime/inspect.h"
#include "runtime/threads.h"

namespace cnnc {
namespace {

constexpr std::int64_t kBatchSize = 19;  // more than a group, and not a multiple of anything

TensorType with_real(TensorType type, ScalarType real) {
  if (is_float(type.scalar)) type.scalar = real;
  return type;
}

Attributes with_real(const Attributes& attributes, ScalarType real) {
  Attributes result;
  for (const auto& [name, value] : attributes.all()) {
    const auto* text = std::get_if<std::string>(&value);
    if (name == "type" && text && *text == "f32")
      result.set(name, std::string(name_of(real)));
    else
      result.set(name, value);
  }
  return result;
}

Tensor random_tensor(const TensorType& type, std::int64_t rows, Range range,
                     std::mt19937& generator) {
  Tensor tensor({type.scalar, concrete(type.dims, rows)});
  std::uniform_real_distribution<double> uniform(range.low, range.high);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = uniform(generator);
    tensor.set(i, is_float(type.scalar) ? value : std::round(value));
  }
  return tensor;
}

/// `rows` rows of a tensor that has room for more.
Tensor first_rows(const TensorRef& from, const TensorType& type, std::int64_t rows) {
  Tensor tensor({type.scalar, concrete(type.dims, rows)});
  std::memcpy(tensor.bytes().data(), from.bytes.data(), tensor.bytes().size());
  return tensor;
}

struct Case {
  std::string op;
  std::size_t sample;
  ScalarType real;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  const OpTable table = OpTable::standard();
  for (const auto& [name, op] : table.all())
    for (std::size_t i = 0; i < op->samples.size() && op->compute; ++i)
      for (ScalarType real : {ScalarType::f32, ScalarType::f64}) result.push_back({name, i, real});
  return result;
}

Graph graph_of(const OpDef& op, const Sample& sample, ScalarType real) {
  Builder builder(OpTable::standard(), op.name, kBatchSize);
  std::vector<Value> operands;
  for (std::size_t i = 0; i < sample.operands.size(); ++i)
    operands.push_back(
        builder.input(fmt::format("x{}", i), "data", with_real(sample.operands[i], real)));
  const auto results = builder.ops_of(op.name, operands, with_real(sample.attributes, real));
  for (std::size_t i = 0; i < results.size(); ++i)
    builder.output(fmt::format("y{}", i), results[i]);
  return std::move(builder).build();
}

class Jit : public testing::TestWithParam<Case> {};

TEST_P(Jit, agrees_with_the_graph_interpreter) {
  const auto& [name, index, real] = GetParam();
  const OpTable table = OpTable::standard();
  const OpDef& op = *table.find(name);
  const Sample& sample = op.samples[index];
  const Graph graph = graph_of(op, sample, real);
  CompileOptions options;
  options.target = host_target();
  options.verify_each = true;
  Executable executable = compile(graph, options);
  ThreadPool pool(2);
  std::mt19937 generator(static_cast<unsigned>(7 * index + 1));
  for (const std::int64_t count :
       {kBatchSize, std::int64_t{16}, std::int64_t{5}, std::int64_t{1}}) {
    std::map<std::string, Tensor> inputs;
    for (std::size_t i = 0; i < sample.operands.size(); ++i) {
      const Range range = sample.ranges.empty() ? Range{} : sample.ranges[i];
      Tensor tensor = random_tensor(with_real(sample.operands[i], real), count, range, generator);
      const std::string input = fmt::format("x{}", i);
      if (executable.has(input))
        std::memcpy(executable.tensor(input).bytes.data(), tensor.bytes().data(),
                    tensor.bytes().size());
      inputs.emplace(input, std::move(tensor));
    }
    executable.run(count, pool);
    const auto expected = interpret(graph, inputs, count);
    const double tolerance = real == ScalarType::f32 ? 2e-6 : 4e-15;
    for (const auto& [output, want] : expected) {
      const Tensor got =
          first_rows(executable.tensor(output), graph.type(*graph.output(output)), count);
      for (std::int64_t i = 0; i < want.size(); ++i) {
        const double a = want.get(i), b = got.get(i);
        if (std::isnan(a) && std::isnan(b)) continue;
        ASSERT_TRUE(a == b ||
                    std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a)) *
                                           std::sqrt(static_cast<double>(want.size()) + 16))
            << sample.name << " " << output << "[" << i << "] of " << count << " rows: interpreter "
            << a << ", machine code " << b << "\n"
            << emit(graph, "loops", "", options);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Jit, testing::ValuesIn(cases()), [](const auto& each) {
  return fmt::format("{}_{}_{}", each.param.op, each.param.sample, name_of(each.param.real));
});

}  // namespace
}  // namespace cnnc
