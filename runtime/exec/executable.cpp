#include "runtime/exec/executable.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "codegen/bounds_report.h"
#include "ir/base/alignment.h"
#include "passes/finish/plan_memory.h"
#include "runtime/exec/executable_state.h"
#include "runtime/exec/threads.h"

namespace cnnc {

namespace {

/// Zeroed pages, given back at the end; untouched ones cost nothing.
class Pages {
 public:
  Pages() = default;
  explicit Pages(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("out of memory: {} MB are needed", bytes >> 20);
    madvise(memory, bytes, MADV_HUGEPAGE);
    data_ = static_cast<std::byte*>(memory);
  }
  Pages(Pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Pages() {
    if (data_) munmap(data_, bytes_);
  }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

std::size_t bytes_of(const Buffer& buffer) {
  return static_cast<std::size_t>(byte_count(buffer.type));
}

/// With what a kernel may read behind its end.
std::size_t room_of(const Buffer& buffer) {
  return static_cast<std::size_t>(readable_bytes(byte_count(buffer.type)));
}

bool is_external(const Buffer& buffer) {
  return !buffer.view_of && (buffer.memory == Memory::input || buffer.memory == Memory::state ||
                             buffer.memory == Memory::output);
}

}  // namespace

struct Executable::State {
  State(Program p, Jit j, std::chrono::duration<double> time)
      : program(std::move(p)), jit(std::move(j)), compile_time(time), plan(memory_plan(program)) {}

  Program program;
  Jit jit;
  std::chrono::duration<double> compile_time;
  MemoryPlan plan;
  Pages owned;  // inputs, states, outputs, constants, one after another
  Pages arena, scratch;
  std::vector<std::byte*> addresses;  // by BufferId
  std::vector<std::string> names;
  int scratch_workers = 0;
  bool states_changed = true;  // since kernels that run once have run
  BoundsReport bounds;
  std::atomic<bool> running = false;
};

Executable make_executable(Program program, Jit jit, std::chrono::duration<double> compile_time) {
  auto state =
      std::make_unique<Executable::State>(std::move(program), std::move(jit), compile_time);
  const Program& p = state->program;
  std::size_t total = 0;
  const auto owned = [](const Buffer& b) {
    return is_external(b) || (b.memory == Memory::constant && !b.view_of);
  };
  for (const Buffer& buffer : p.buffers)
    if (owned(buffer)) total += room_of(buffer);
  state->owned = Pages(total);
  state->arena = Pages(static_cast<std::size_t>(state->plan.arena_bytes));
  std::byte* next = state->owned.data();
  for (const Buffer& buffer : p.buffers) {
    state->addresses.push_back(owned(buffer) ? next : nullptr);
    if (!owned(buffer)) continue;
    if (buffer.memory == Memory::constant)
      std::memcpy(next, buffer.data.bytes().data(), bytes_of(buffer));
    else
      state->names.push_back(buffer.name);
    next += room_of(buffer);
  }
  return Executable(std::move(state));
}

Executable::Executable(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

TensorRef Executable::tensor(std::string_view name) {
  const auto id = state_->program.find(name);
  CNNC_CHECK(id && is_external(state_->program.buffer(*id)),
             "no input, state or output is called '{}'", name);
  const Buffer& buffer = state_->program.buffer(*id);
  state_->states_changed |= buffer.memory == Memory::state;
  return {buffer.type, {state_->addresses[static_cast<std::size_t>(*id)], bytes_of(buffer)}};
}

bool Executable::has(std::string_view name) const {
  const auto id = state_->program.find(name);
  return id && is_external(state_->program.buffer(*id));
}

const std::vector<std::string>& Executable::names() const { return state_->names; }

void attach(ThreadPool& pool, KernelContext& context) {
  context.threads = &pool;
  context.parallel_for = [](KernelContext* c, std::int64_t n, KernelBody body) {
    struct Task {
      KernelContext* context;
      KernelBody body;
    } task{c, body};
    static_cast<ThreadPool*>(c->threads)
        ->parallel_for(
            n,
            [](void* data, std::int64_t begin, std::int64_t end, std::int64_t worker) {
              const auto* t = static_cast<Task*>(data);
              t->body(t->context, begin, end, worker);
            },
            &task);
  };
}

namespace {

/// While one lives, no other call runs.
class Call {
 public:
  explicit Call(std::atomic<bool>& running) : running_(running) {
    if (running_.exchange(true, std::memory_order_acquire))
      fail("a program is called while another thread runs it: give each thread its own");
  }
  ~Call() { running_.store(false, std::memory_order_release); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  std::atomic<bool>& running_;
};

/// What the kernels of a call are given.
KernelContext begin_call(Executable::State& s, ThreadPool& pool) {
  if (s.plan.scratch_bytes > 0 && s.scratch_workers < pool.size()) {
    s.scratch = Pages(static_cast<std::size_t>(s.plan.scratch_bytes) *
                      static_cast<std::size_t>(pool.size()));
    s.scratch_workers = pool.size();  // now that there is room for them
  }
  KernelContext context;
  context.buffers = s.addresses.data();
  context.arena = s.arena.data();
  context.scratch = s.scratch.data();
  context.scratch_stride = s.plan.scratch_bytes;
  attach(pool, context);
  s.bounds.attach(context);
  return context;
}

void run_kernel(Executable::State& s, std::size_t kernel, KernelContext& context) {
  s.jit.kernels()[kernel](&context);
  if (const auto& access = s.bounds.first())
    throw InternalError("compiled code is wrong: " + describe(*access, s.program));
}

}  // namespace

namespace {

/// Tells a program that has a batch how many of its rows this call has.
void set_count(Executable& executable, std::int64_t count) {
  const std::int64_t batch = executable.program().batch;
  CNNC_CHECK(count >= 1 && (batch == 0 || count <= batch), "{} rows of a batch of {}", count,
             batch);
  executable.tensor("count").data<std::int64_t>()[0] = count;
}

}  // namespace

void Executable::run(std::int64_t count, ThreadPool& pool) {
  const Call call(state_->running);
  set_count(*this, count);
  KernelContext context = begin_call(*state_, pool);
  for (std::size_t i = 0; i < state_->jit.kernels().size(); ++i)
    if (state_->states_changed || !state_->program.kernels[i].once) run_kernel(*state_, i, context);
  state_->states_changed = false;
}

void Executable::run_timed(std::int64_t count, ThreadPool& pool, std::span<double> seconds) {
  using Clock = std::chrono::steady_clock;
  const Call call(state_->running);
  set_count(*this, count);
  KernelContext context = begin_call(*state_, pool);
  const std::size_t kernels = state_->jit.kernels().size();
  CNNC_CHECK(seconds.size() == kernels, "{} times for {} kernels", seconds.size(), kernels);
  auto start = Clock::now();
  for (std::size_t i = 0; i < kernels; ++i) {
    if (!state_->states_changed && state_->program.kernels[i].once) continue;
    run_kernel(*state_, i, context);
    const auto stop = Clock::now();
    seconds[i] += std::chrono::duration<double>(stop - start).count();
    start = stop;
  }
  state_->states_changed = false;
}

const Program& Executable::program() const { return state_->program; }

std::size_t Executable::arena_bytes() const {
  return static_cast<std::size_t>(state_->plan.arena_bytes);
}
std::chrono::duration<double> Executable::compile_time() const { return state_->compile_time; }

}  // namespace cnnc
