// Running either level of IR, and machine code, on the same made-up inputs, and comparing what
// comes out: what every test of a pass needs.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>

#include "codegen/jit.h"
#include "runtime/compile.h"
#include "runtime/exec/executable_state.h"
#include "runtime/exec/threads.h"
#include "runtime/inspect/interpret_ir.h"
#include "runtime/train/random.h"

namespace cnnc::testing {

/// What made-up reals are. `special`: one in eight is a NaN, an infinity, a zero of either sign or
/// a denormal.
enum class Values { real, whole, special };

inline double special_value(std::uint64_t bits, ScalarType type) {
  const double tiny = type == ScalarType::f32 ? 1e-42 : 1e-310;
  const double values[] = {std::nan(""),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(),
                           0.0,
                           -0.0,
                           tiny,
                           -tiny,
                           0.0};
  return values[bits % 8];
}

/// An input of concrete type. Rows from `count` on are what a call must not look at: NaN, or
/// numbers that no place has.
inline Tensor made_up(const std::string& name, const TensorType& type, Values values,
                      std::uint64_t seed, std::int64_t count, bool by_row) {
  Tensor tensor = random_input(name, type, seed);
  const std::int64_t row = by_row ? tensor.size() / type.dims.front() : tensor.size();
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const bool beyond = by_row && i / row >= count;
    if (beyond) {
      tensor.set(i, is_float(type.scalar) ? std::nan("") : 99);
    } else if (is_float(type.scalar)) {
      const auto bits = random_bits(seed + 1, stream_of(name), static_cast<std::uint64_t>(i));
      if (values == Values::whole) tensor.set(i, std::round(2 * tensor.get(i)));
      if (values == Values::special && bits % 8 == 0)
        tensor.set(i, special_value(bits >> 8, type.scalar));
    }
  }
  return tensor;
}

/// Inputs and states of `program`, `count` among them; what is `input` memory and has `batch` rows
/// is by row.
inline Tensors inputs_for(const Program& program, std::int64_t batch, std::int64_t count,
                          Values values, std::uint64_t seed) {
  Tensors inputs;
  for (const Buffer& buffer : program.buffers) {
    if (buffer.view_of || (buffer.memory != Memory::input && buffer.memory != Memory::state))
      continue;
    const bool by_row = buffer.memory == Memory::input && !buffer.type.dims.empty() &&
                        buffer.type.dims.front() == batch;
    inputs.emplace(buffer.name, made_up(buffer.name, buffer.type, values, seed, count, by_row));
  }
  if (inputs.contains("count")) inputs["count"].set(0, static_cast<double>(count));
  if (inputs.contains("step")) inputs["step"].set(0, 3);
  return inputs;
}

/// The first `count` rows of what has `batch` of them.
inline Tensor first_rows(const Tensor& tensor, std::int64_t batch, std::int64_t count) {
  if (tensor.dims().empty() || tensor.dims().front() != batch || count == batch) return tensor;
  TensorType type = tensor.type();
  type.dims.front() = count;
  Tensor result(type);
  std::memcpy(result.bytes().data(), tensor.bytes().data(), result.bytes().size());
  return result;
}

inline Tensors first_rows(const Tensors& tensors, std::int64_t batch, std::int64_t count) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) result.emplace(name, first_rows(tensor, batch, count));
  return result;
}

/// Parallel loops from their ends: what depends on the order of their iterations gives other
/// results.
inline Block backwards(const Block& block) {
  Block result;
  for (Stmt stmt : block) {
    if (auto* loop = stmt.as<For>()) {
      loop->axis = BatchAxis::none;  // its bounds may name the last group first
      if (loop->kind == LoopKind::parallel)
        loop->body =
            substitute(loop->body, {{loop->var, loop->begin + loop->end - Expr(loop->var) - 1}});
      loop->body = backwards(loop->body);
    }
    if (auto* branch = stmt.as<If>()) {
      branch->then_body = backwards(branch->then_body);
      branch->else_body = backwards(branch->else_body);
    }
    result.push_back(std::move(stmt));
  }
  return result;
}

inline Ir backwards(const Ir& ir) {
  if (std::holds_alternative<Graph>(ir)) return ir;
  Program program = std::get<Program>(ir);
  for (Kernel& kernel : program.kernels) kernel.body = backwards(kernel.body);
  return program;
}

/// The inputs of a graph are as many rows as there are.
inline Tensors run(const Ir& ir, const Tensors& inputs, std::int64_t batch, std::int64_t count) {
  if (std::holds_alternative<Program>(ir))
    return first_rows(interpret_ir(ir, inputs, 1), batch, count);
  Tensors known;
  known.emplace("count", Tensor({ScalarType::i64, {}}))
      .first->second.set(0, static_cast<double>(count));
  for (const Node& node : std::get<Graph>(ir).nodes)
    if (is_input(node) && inputs.contains(input_name(node))) {
      const Tensor& tensor = inputs.at(input_name(node));
      const bool by_row = !node.types[0].dims.empty() && node.types[0].dims[0] == kBatch;
      known.emplace(input_name(node), by_row ? first_rows(tensor, batch, count) : tensor);
    }
  return interpret_ir(ir, known, 1);
}

/// The most rows of a call.
inline std::int64_t rows_of(const Ir& ir) {
  if (const auto* graph = std::get_if<Graph>(&ir)) return graph->batch;
  return std::max<std::int64_t>(std::get<Program>(ir).batch, 1);
}

/// Machine code of a program that has passed plan_memory; `quick`: see EmitOptions.
inline Executable machine_code(Program program, const Target& target, bool quick = false) {
  Jit jit(program, target, 1, {.quick = quick});
  return make_executable(std::move(program), std::move(jit), {});
}

/// Gives a compiled program what it has of `inputs`, and runs it.
template <class Compiled, class Inputs>
void call(Compiled& executable, const Inputs& inputs, std::int64_t count, ThreadPool& pool) {
  for (const auto& [name, tensor] : inputs)
    if (executable.has(name))
      std::memcpy(executable.tensor(name).bytes.data(), tensor.bytes().data(),
                  tensor.bytes().size());
  executable.run(count, pool);
}

/// A copy of what it holds under that name.
template <class Compiled>
Tensor read_tensor(Compiled& executable, const std::string& name) {
  const TensorRef ref = executable.tensor(name);
  Tensor tensor(ref.type);
  std::memcpy(tensor.bytes().data(), ref.bytes.data(), ref.bytes.size());
  return tensor;
}

/// What machine code computes; of `names` only.
template <class Compiled>
Tensors run(Compiled& executable, const Tensors& inputs, const Tensors& names, std::int64_t batch,
            std::int64_t count, ThreadPool& pool) {
  call(executable, inputs, count, pool);
  Tensors results;
  for (const auto& [name, like] : names)
    results.emplace(name, first_rows(read_tensor(executable, name), batch, count));
  return results;
}

/// How far results may lie apart, relative to the greatest of the tensor; 0: not by a bit.
inline double tolerance(Preserves preserves, ScalarType real) {
  if (preserves == Preserves::bits) return 0;
  return real == ScalarType::f32 ? 2e-5 : 2e-13;
}

/// The first difference between tensors that both sides have, as text; empty where there is none.
/// A NaN is like any other; with a tolerance, both must have it.
inline std::string difference(const Tensors& expected, const Tensors& got,
                              const std::function<double(ScalarType)>& tolerance_of) {
  std::size_t compared = 0;
  for (const auto& [name, want] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) continue;
    ++compared;
    const Tensor& have = found->second;
    if (have.type() != want.type())
      return fmt::format("{} is {}, not {}", name, to_string(have.type()), to_string(want.type()));
    double greatest = 1;
    for (std::int64_t i = 0; i < want.size(); ++i)
      if (std::isfinite(want.get(i))) greatest = std::max(greatest, std::abs(want.get(i)));
    const double allowed = tolerance_of(want.type().scalar) * greatest;
    for (std::int64_t i = 0; i < want.size(); ++i) {
      const double a = want.get(i), b = have.get(i);
      if (std::isnan(a) && std::isnan(b)) continue;
      if (a == b && (allowed > 0 || std::signbit(a) == std::signbit(b))) continue;
      if (allowed > 0 && std::abs(a - b) <= allowed) continue;
      return fmt::format("{}[{}] of {} is {}, not {}", name, i, to_string(want.type()), b, a);
    }
  }
  return compared == 0 ? "there is nothing to compare" : "";
}

inline std::string difference(const Tensors& expected, const Tensors& got, Preserves preserves) {
  return difference(expected, got, [&](ScalarType type) { return tolerance(preserves, type); });
}

}  // namespace cnnc::testing
