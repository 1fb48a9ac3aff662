// The program behind the FMA peak, for 32 registers of 16 floats:
//   parallel for t in 0 .. tasks {
//     alloc acc : f32[24,16] register
//     unroll i { vector l { acc[i,l] = start[i,l] } }
//     for r in 0 .. repeats { unroll i { vector l { acc[i,l] = fma(acc[i,l], factor[], term[]) } }
//     } unroll i { vector l { out[t,i,l] = acc[i,l] } }
//   }
#include "runtime/inspect/machine_peak.h"

#include <algorithm>
#include <chrono>

#include "codegen/jit.h"
#include "runtime/exec/executable_state.h"

namespace cnnc {

namespace {

constexpr std::int64_t kTasks = 64, kRepeats = 8192;
constexpr std::int64_t kStreamElements = std::int64_t{16} << 20;  // 64 MB each way
constexpr std::int64_t kCachedElements = std::int64_t{2} << 20;   // 8 MB each way
constexpr double kShortest = 0.01;                                // seconds of one measurement

/// Independent chains: two units times a latency of four or five, with two registers left for the
/// operands that stay, and the same for whatever the code generator needs.
std::int64_t chains(const Target& target) { return target.registers * 3 / 4; }

BufferId add_buffer(Program& program, std::string name, TensorType type, Memory memory) {
  Buffer buffer;
  buffer.name = std::move(name);
  buffer.type = std::move(type);
  buffer.memory = memory;
  program.buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(program.buffers.size()) - 1;
}

For loop(const Var& var, std::int64_t end, LoopKind kind, Block body) {
  return {var, 0, end, kind, std::move(body)};
}

Executable compiled(Program program, const Target& target) {
  verify(program, "the machine's peak");
  const auto start = std::chrono::steady_clock::now();
  Jit jit(program, target, 1);
  return make_executable(std::move(program), std::move(jit),
                         std::chrono::steady_clock::now() - start);
}

template <class T>
void fill(Executable& executable, std::string_view name, T first, T step) {
  T value = first;
  for (T& element : executable.tensor(name).data<T>()) {
    element = value;
    value += step;
  }
}

/// Runs until `kShortest` seconds have gone by; runs a second.
double runs_per_second(Executable& executable, ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double runs = 0, seconds = 0;
  do {
    executable.run(1, pool);
    ++runs;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (seconds < kShortest);
  return runs / seconds;
}

}  // namespace

Program fma_peak_program(const Target& target, ScalarType type, std::int64_t tasks,
                         std::int64_t repeats) {
  const std::int64_t lanes = target.lanes(type), count = chains(target);
  Program program;
  program.name = "fma_peak";
  add_buffer(program, "count", {ScalarType::i64, {}}, Memory::input);
  const auto start = add_buffer(program, "start", {type, {count, lanes}}, Memory::input);
  const auto factor = add_buffer(program, "factor", {type, {}}, Memory::input);
  const auto term = add_buffer(program, "term", {type, {}}, Memory::input);
  const auto out = add_buffer(program, "out", {type, {tasks, count, lanes}}, Memory::output);
  const auto sums = add_buffer(program, "sums", {type, {count, lanes}}, Memory::reg);

  const Var task = make_var("task"), repeat = make_var("repeat");
  const auto over_chains = [&](const auto& make) {
    const Var chain = make_var("chain"), lane = make_var("lane");
    Block vector{Stmt{loop(lane, lanes, LoopKind::vector, {Stmt{make(chain, lane)}})}};
    return Stmt{loop(chain, count, LoopKind::unroll, std::move(vector))};
  };
  const auto sum = [&](const Var& chain, const Var& lane) {
    return load(sums, type, {chain, lane});
  };
  const Stmt begin = over_chains([&](const Var& chain, const Var& lane) {
    return Store{sums, {chain, lane}, load(start, type, {chain, lane})};
  });
  const Stmt step = over_chains([&](const Var& chain, const Var& lane) {
    const Expr a = sum(chain, lane), b = load(factor, type, {}), c = load(term, type, {});
    return Store{sums, {chain, lane}, target.fma ? fma(a, b, c) : a * b + c};
  });
  const Stmt end = over_chains([&](const Var& chain, const Var& lane) {
    return Store{out, {task, chain, lane}, sum(chain, lane)};
  });
  Block body{Stmt{Alloc{sums}}, begin, Stmt{loop(repeat, repeats, LoopKind::serial, {step})}, end};
  program.kernels.push_back(
      {"fma_peak", {}, {Stmt{loop(task, tasks, LoopKind::parallel, std::move(body))}}});
  return program;
}

double fma_peak_flops(const Target& target, ScalarType type, std::int64_t tasks,
                      std::int64_t repeats) {
  return 2 * static_cast<double>(tasks * repeats * chains(target) * target.lanes(type));
}

Program streaming_program(const Target& target, std::int64_t elements, std::int64_t tasks) {
  const std::int64_t lanes = target.lanes(ScalarType::f32), vectors = elements / lanes / tasks;
  Program program;
  program.name = "streaming";
  add_buffer(program, "count", {ScalarType::i64, {}}, Memory::input);
  const TensorType type{ScalarType::f32, {tasks, vectors * lanes}};
  const auto x = add_buffer(program, "x", type, Memory::input);
  const auto y = add_buffer(program, "y", type, Memory::output);
  const Var task = make_var("task"), vector = make_var("vector"), lane = make_var("lane");
  const Expr at = Expr(vector) * lanes + Expr(lane);
  Stmt add{
      Store{y, {task, at}, load(x, ScalarType::f32, {task, at}) + constant(ScalarType::f32, 1)}};
  Block body{Stmt{loop(lane, lanes, LoopKind::vector, {std::move(add)})}};
  body = {Stmt{loop(vector, vectors, LoopKind::serial, std::move(body))}};
  program.kernels.push_back(
      {"streaming", {}, {Stmt{loop(task, tasks, LoopKind::parallel, std::move(body))}}});
  return program;
}

MachinePeak::MachinePeak(const Target& target, ScalarType type)
    : fma_(compiled(fma_peak_program(target, type, kTasks, kRepeats), target)),
      stream_(compiled(streaming_program(target, kStreamElements, kTasks), target)),
      cached_stream_(compiled(streaming_program(target, kCachedElements, kTasks), target)),
      fma_flops_(fma_peak_flops(target, type, kTasks, kRepeats)) {
  // Values that differ from chain to chain and neither grow nor become denormal.
  dispatch(type, [&](auto zero) {
    using T = decltype(zero);
    fill(fma_, "start", static_cast<T>(1), static_cast<T>(0.001));
    fill(fma_, "factor", static_cast<T>(0.999), static_cast<T>(0));
    fill(fma_, "term", static_cast<T>(0.001), static_cast<T>(0));
  });
  for (Executable* stream : {&stream_, &cached_stream_}) {
    fill(*stream, "x", 1.0F, 0.0F);  // pages that were never written would all be one
    fill(*stream, "y", 0.0F, 0.0F);
  }
}

double MachinePeak::flops_per_second(ThreadPool& pool) {
  return fma_flops_ * runs_per_second(fma_, pool);
}

double MachinePeak::bytes_per_second(ThreadPool& pool) {
  return 2.0 * sizeof(float) * kStreamElements * runs_per_second(stream_, pool);
}

double MachinePeak::cached_bytes_per_second(ThreadPool& pool) {
  return 2.0 * sizeof(float) * kCachedElements * runs_per_second(cached_stream_, pool);
}

}  // namespace cnnc
