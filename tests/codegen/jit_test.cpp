// Machine code against the graph interpreter, op by op: every sample of every op, both precisions,
// full and partial batches, on memory that notices what is touched beside it; for this machine and
// for every named target that it can run.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <random>

#include "ir/graph/graph.h"
#include "runtime/compile.h"
#include "runtime/exec/threads.h"
#include "runtime/inspect/inspect.h"
#include "tests/guarded_executable.h"
#include "tests/host_targets.h"
#include "tests/ir_runs.h"

namespace cnnc::testing {
namespace {

using Tensors = std::map<std::string, Tensor>;

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

/// `special`: one real in eight is a NaN, an infinity, a zero of either sign or a denormal.
Tensors random_inputs(const Sample& sample, ScalarType real, std::int64_t count, bool special,
                      std::mt19937& generator) {
  Tensors inputs;
  for (std::size_t i = 0; i < sample.operands.size(); ++i) {
    const Range range = sample.ranges.empty() ? Range{} : sample.ranges[i];
    Tensor tensor = random_tensor(with_real(sample.operands[i], real), count, range, generator);
    const ScalarType type = tensor.type().scalar;
    for (std::int64_t k = 0; special && is_float(type) && k < tensor.size(); ++k)
      if (generator() % 8 == 0) tensor.set(k, special_value(generator(), type));
    inputs.emplace(fmt::format("x{}", i), std::move(tensor));
  }
  return inputs;
}

Tensors run(GuardedExecutable& executable, const Graph& graph, const Tensors& inputs,
            std::int64_t count, ThreadPool& pool) {
  call(executable, inputs, count, pool);
  Tensors results;
  for (const auto& [name, value] : graph.outputs)
    results.emplace(name, first_rows(executable.tensor(name), graph.type(value), count));
  return results;
}

/// Empty where machine code agrees with the interpreter.
std::string first_difference(const Tensors& expected, const Tensors& results, ScalarType real) {
  const double tolerance = real == ScalarType::f32 ? 2e-6 : 4e-15;
  for (const auto& [output, want] : expected) {
    const double scale = tolerance * std::sqrt(static_cast<double>(want.size()) + 16);
    for (std::int64_t i = 0; i < want.size(); ++i) {
      const double a = want.get(i), b = results.at(output).get(i);
      if (std::isnan(a) && std::isnan(b)) continue;
      if (a != b && !(std::abs(a - b) <= scale * std::max(1.0, std::abs(a))))
        return fmt::format("{}[{}]: interpreter {}, machine code {}", output, i, a, b);
    }
  }
  return "";
}

class JitOps : public ::testing::TestWithParam<Case> {};

TEST_P(JitOps, agree_with_the_graph_interpreter_and_touch_only_their_buffers) {
  const auto& [name, index, real] = GetParam();
  const OpTable table = OpTable::standard();
  const OpDef& op = *table.find(name);
  const Sample& sample = op.samples[index];
  const Graph graph = graph_of(op, sample, real);
  std::vector<std::pair<std::string, std::unique_ptr<GuardedExecutable>>> executables;
  const auto add = [&](const std::string& what, const Program& program, const Target& target,
                       const EmitOptions& checks) {
    executables.emplace_back(what, std::make_unique<GuardedExecutable>(program, target, checks));
  };
  for (const Target& target : targets_of_this_machine()) {
    CompileOptions options;
    options.target = target;
    options.verify_each = true;
    const Program program = std::get<Program>(run_pipeline(graph, options));
    add(target.name, spread_out(program), target, {});
    if (executables.size() == 1)
      add(target.name + ", checked", program, target, {.check_bounds = true, .quick = true});
  }
  ThreadPool pool(2);
  std::mt19937 generator(static_cast<unsigned>(7 * index + 1));
  const auto check = [&](std::int64_t count, bool special) {
    const auto inputs = random_inputs(sample, real, count, special, generator);
    const auto expected = interpret(graph, inputs, count);
    for (const auto& [what, executable] : executables)
      EXPECT_EQ(first_difference(expected, run(*executable, graph, inputs, count, pool), real), "")
          << sample.name << ", " << count << (special ? " special rows, " : " rows, ") << what;
  };
  for (const std::int64_t count : {kBatchSize, std::int64_t{16}, std::int64_t{5}, std::int64_t{1}})
    check(count, false);
  // A NaN has no whole number.
  const bool is_whole_cast =
      name == "cast" && is_integer(graph.type(graph.outputs[0].value).scalar);
  if (!is_whole_cast) check(kBatchSize, true);
}

INSTANTIATE_TEST_SUITE_P(Samples, JitOps, ::testing::ValuesIn(cases()), [](const auto& each) {
  return fmt::format("{}_{}_{}", each.param.op, each.param.sample, name_of(each.param.real));
});

}  // namespace
}  // namespace cnnc::testing
