#include "tests/fuzz/well_defined.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "passes/analysis/nest.h"

namespace cnnc::fuzz {

namespace {

constexpr std::int64_t kMostBytes = 1 << 20;

bool belongs_to_caller(const Buffer& buffer) {
  return !buffer.view_of && (buffer.memory == Memory::state || buffer.memory == Memory::output);
}

bool lives_in_program(Memory memory) { return memory == Memory::arena || memory == Memory::thread; }

Block reversed(const Block& block) {
  Block result;
  for (Stmt stmt : block) {
    if (auto* loop = stmt.as<For>()) {
      loop->axis = BatchAxis::none;  // its bounds may name the last group first
      if (loop->kind == LoopKind::parallel || loop->kind == LoopKind::vector)
        loop->body =
            substitute(loop->body, {{loop->var, loop->begin + loop->end - Expr(loop->var) - 1}});
      loop->body = reversed(loop->body);
    }
    if (auto* branch = stmt.as<If>()) {
      branch->then_body = reversed(branch->then_body);
      branch->else_body = reversed(branch->else_body);
    }
    result.push_back(std::move(stmt));
  }
  return result;
}

/// For NaN, a number that is no place, where the type has none.
double in_type(ScalarType type, double value) {
  if (is_float(type) || !std::isnan(value)) return value;
  return type == ScalarType::boolean ? 0 : 99;
}

/// Every element of `id` is `value`.
Stmt filled(const Program& program, BufferId id, double value, LoopKind kind) {
  std::vector<For> loops;
  std::vector<Expr> index;
  const TensorType& type = program.buffer(id).type;
  value = in_type(type.scalar, value);
  for (const std::int64_t size : type.dims) {
    loops.push_back({make_var("fill"), 0, size, kind, {}});
    index.emplace_back(loops.back().var);
  }
  Block body{Stmt{Store{id, index, constant(type.scalar, value)}}};
  return loops.empty() ? body.front() : wrap(loops, std::move(body)).front();
}

Block with_filled_allocs(const Program& program, const Block& block, double value) {
  Block result;
  for (Stmt stmt : block) {
    if (auto* loop = stmt.as<For>()) loop->body = with_filled_allocs(program, loop->body, value);
    if (auto* branch = stmt.as<If>()) {
      branch->then_body = with_filled_allocs(program, branch->then_body, value);
      branch->else_body = with_filled_allocs(program, branch->else_body, value);
    }
    result.push_back(stmt);
    const auto* alloc = stmt.as<Alloc>();
    if (alloc && !program.buffer(alloc->buffer).view_of)
      result.push_back(filled(program, alloc->buffer, value, LoopKind::unroll));
  }
  return result;
}

/// A group of samples finds nothing in scratch memory that another one left there.
void forget_scratch(const Program& program, Kernel& kernel, double value) {
  if (!group_loop(kernel)) return;
  Block& body = kernel.body.front().as<For>()->body;
  for (std::size_t id = 0; id < program.buffers.size(); ++id)
    if (program.buffers[id].memory == Memory::thread && !program.buffers[id].view_of)
      body.insert(body.begin(),
                  filled(program, static_cast<BufferId>(id), value, LoopKind::serial));
}

/// Whether a kernel reads scratch memory that it does not write.
bool reads_unwritten_scratch(const Program& program) {
  return std::ranges::any_of(program.kernels, [&](const Kernel& kernel) {
    std::set<BufferId> read, written;
    for (const BufferAccess& access : accesses(kernel.body)) {
      const BufferId storage = program.storage(access.buffer);
      if (program.buffer(storage).memory == Memory::thread)
        (access.write ? written : read).insert(storage);
    }
    return !std::ranges::includes(written, read);
  });
}

/// What `program` computes where all memory that is its own holds `value` before.
std::optional<Tensors> results_in_memory_of(const Program& program, Tensors inputs, double value) {
  Program own = program;
  std::vector<std::string> added;
  for (Buffer& buffer : own.buffers) {
    if (!lives_in_program(buffer.memory)) continue;
    buffer.memory = Memory::state;
    buffer.offset = -1;
    if (buffer.view_of) continue;
    Tensor tensor(buffer.type);
    const double first = in_type(buffer.type.scalar, value);
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.set(i, first + static_cast<double>(i * i % 7));
    inputs.insert_or_assign(buffer.name, std::move(tensor));
    added.push_back(buffer.name);
  }
  for (Kernel& kernel : own.kernels) {
    kernel.body = with_filled_allocs(program, kernel.body, value);
    forget_scratch(program, kernel, value);
  }
  if (!find_faults(own).empty()) return std::nullopt;
  auto results = results_of(own, inputs);
  if (results)
    for (const std::string& name : added) results->erase(name);
  return results;
}

bool same_bytes(const Tensors& a, const Tensors& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && std::ranges::equal(x.second.bytes(), y.second.bytes());
  });
}

}  // namespace

bool is_small(const Program& program) {
  std::int64_t total = 0;
  for (const Buffer& buffer : program.buffers) {
    const auto count = checked_element_count(buffer.type.dims, 1, kMostBytes);
    if (!count || buffer.offset > kMostBytes) return false;
    total += *count * static_cast<std::int64_t>(size_of(buffer.type.scalar)) +
             std::max<std::int64_t>(buffer.offset, 0);
  }
  return total <= kMostBytes;
}

std::optional<Tensors> results_of(const Program& program, const Tensors& inputs,
                                  std::int64_t most_steps) {
  std::map<std::string, Tensor> buffers(inputs.begin(), inputs.end());
  try {
    interpret(program, buffers, most_steps);
  } catch (const Error&) {  // an access out of bounds, say
    return std::nullopt;
  }
  Tensors results;
  for (const Buffer& buffer : program.buffers)
    if (belongs_to_caller(buffer)) results.emplace(buffer.name, std::move(buffers.at(buffer.name)));
  return results;
}

Program reversed(const Program& program) {
  Program result = program;
  for (Kernel& kernel : result.kernels) kernel.body = reversed(kernel.body);
  return result;
}

std::optional<Tensors> defined_results(const Program& program, const Tensors& inputs) {
  if (!is_small(program) || !find_faults(program).empty() || reads_unwritten_scratch(program))
    return std::nullopt;
  auto results = results_of(program, inputs);
  if (!results) return std::nullopt;
  for (const auto& other :
       {results_of(reversed(program), inputs), results_in_memory_of(program, inputs, 1),
        results_in_memory_of(program, inputs, std::nan(""))})
    if (!other || !same_bytes(*results, *other)) return std::nullopt;
  return results;
}

}  // namespace cnnc::fuzz
