// Runs loop IR one statement at a time: the oracle for every later stage. Slow, but every access is
// checked.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "ir/base/interpreter_memory.h"
#include "ir/expr/evaluate.h"
#include "ir/loop/loop.h"

namespace cnnc {
namespace {

std::int64_t bytes_of(const Buffer& buffer) {
  const auto count = checked_element_count(buffer.type.dims, -1, kMaxElements);
  CNNC_CHECK(count, "buffer {}: {} is no shape of a buffer", buffer.name,
             to_string(buffer.type.dims));
  return *count * static_cast<std::int64_t>(size_of(buffer.type.scalar));
}

// What is undefined until stored: NaN or -1, so that its use shows. A bool has no such value.
void poison(const MemoryView& memory, std::int64_t bytes) {
  std::fill_n(memory.data, bytes,
              memory.type == ScalarType::boolean ? std::byte{1} : std::byte{0xFF});
}

// Memory between buffers that are far apart costs nothing until it is used.
struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Zeroed = std::unique_ptr<std::byte[], Free>;

Zeroed zeroed(std::int64_t bytes) {
  Zeroed memory(static_cast<std::byte*>(
      std::calloc(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)), 1)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

// The buffers' memory. Views and buffers that were planned into one arena share theirs.
class Storage {
 public:
  Storage(const Program& program, std::map<std::string, Tensor>& given)
      : program_(program), views_(program.buffers.size()) {
    check_interpreter_memory(program);
    std::int64_t arena_size = 0, thread_size = 0;
    for (const auto& buffer : program.buffers) {
      if (!planned(buffer)) continue;
      auto& size = buffer.memory == Memory::arena ? arena_size : thread_size;
      size = std::max(size, buffer.offset + bytes_of(buffer));
    }
    arena_ = zeroed(arena_size);
    thread_ = zeroed(thread_size);
    for (std::size_t i = 0; i < views_.size(); ++i)
      if (!program.buffers[i].view_of) views_[i] = place(program.buffers[i], given);
    for (std::size_t i = 0; i < views_.size(); ++i) {
      const auto& buffer = program.buffers[i];
      if (!buffer.view_of) continue;
      views_[i] = {buffer.name, buffer.type.scalar, buffer.type.dims,
                   views_.at(static_cast<std::size_t>(*buffer.view_of)).data};
    }
  }

  std::span<const MemoryView> views() const { return views_; }
  const MemoryView& view(BufferId id) const { return views_.at(static_cast<std::size_t>(id)); }
  /// A kernel finds nothing in scratch memory that an earlier one left there.
  void forget_scratch() {
    for (std::size_t i = 0; i < views_.size(); ++i)
      if (program_.buffers[i].memory == Memory::thread)
        poison(views_[i], bytes_of(program_.buffers[i]));
  }
  void forget(BufferId id) {
    if (!program_.buffer(id).view_of) poison(view(id), bytes_of(program_.buffer(id)));
  }

 private:
  static bool planned(const Buffer& buffer) {
    return buffer.offset >= 0 && !buffer.view_of &&
           (buffer.memory == Memory::arena || buffer.memory == Memory::thread);
  }

  MemoryView place(const Buffer& buffer, std::map<std::string, Tensor>& given) {
    MemoryView view{buffer.name, buffer.type.scalar, buffer.type.dims, nullptr};
    if (planned(buffer)) {
      view.data = (buffer.memory == Memory::arena ? arena_ : thread_).get() + buffer.offset;
    } else if (buffer.memory == Memory::input || buffer.memory == Memory::state ||
               buffer.memory == Memory::output) {
      view.data = callers(buffer, given).bytes().data();
    } else {
      owned_.push_back(std::make_unique<Tensor>(
          buffer.memory == Memory::constant ? buffer.data : Tensor(buffer.type)));
      view.data = owned_.back()->bytes().data();
    }
    return view;
  }

  static Tensor& callers(const Buffer& buffer, std::map<std::string, Tensor>& given) {
    auto found = given.find(buffer.name);
    if (found == given.end()) {
      if (buffer.memory != Memory::output)
        fail("{} {} is missing", name_of(buffer.memory), buffer.name);
      found = given.emplace(buffer.name, Tensor(buffer.type)).first;
    }
    if (found->second.type() != buffer.type)
      fail("{} {} must be {}, not {}", name_of(buffer.memory), buffer.name, to_string(buffer.type),
           to_string(found->second.type()));
    return found->second;
  }

  const Program& program_;
  std::vector<MemoryView> views_;
  Zeroed arena_, thread_;
  std::vector<std::unique_ptr<Tensor>> owned_;
};

// A kernel's statements with their expressions compiled and their variables in slots.
struct Step;
using Steps = std::vector<Step>;

struct LoopStep {
  std::size_t slot;
  CompiledExpr begin, end;
  Steps body;
};
struct StoreStep {
  BufferId buffer;
  std::vector<CompiledExpr> index;
  std::optional<std::size_t> old;  // where an accumulation finds the element's value
  CompiledExpr value;
};
struct LetStep {
  std::size_t slot;
  CompiledExpr value;
};
struct AllocStep {
  BufferId buffer;
};
struct IfStep {
  CompiledExpr condition;
  Steps then_body, else_body;
};
struct Step {
  std::variant<LoopStep, StoreStep, LetStep, AllocStep, IfStep> value;
  std::size_t statement;  // of its kernel, in the order of walk()
};

class StepCompiler {
 public:
  Steps compile(const Block& block) {
    Steps steps;
    steps.reserve(block.size());
    for (const auto& stmt : block) {
      const std::size_t statement = statements_++;
      steps.push_back(
          {std::visit([&](const auto& node) { return step(node); }, stmt.value), statement});
    }
    return steps;
  }
  std::size_t variables() const { return slots_.size(); }

 private:
  using AnyStep = decltype(Step::value);

  CompiledExpr compile(const Expr& expr) { return {expr, slots_}; }
  std::vector<CompiledExpr> compile(const std::vector<Expr>& exprs) {
    std::vector<CompiledExpr> result;
    for (const auto& expr : exprs) result.push_back(compile(expr));
    return result;
  }

  AnyStep step(const For& loop) {
    return LoopStep{slots_.slot(loop.var), compile(loop.begin), compile(loop.end),
                    compile(loop.body)};
  }
  AnyStep step(const Store& store) {
    return StoreStep{store.buffer, compile(store.index), {}, compile(store.value)};
  }
  AnyStep step(const Accumulate& store) {
    const auto op = store.op == Reduction::add   ? BinaryOp::add
                    : store.op == Reduction::max ? BinaryOp::max
                                                 : BinaryOp::min;
    const auto old = make_var("old", store.value.type());
    return StoreStep{store.buffer, compile(store.index), slots_.slot(old),
                     compile(binary(op, old, store.value))};
  }
  AnyStep step(const Let& let) { return LetStep{slots_.slot(let.var), compile(let.value)}; }
  AnyStep step(const Alloc& alloc) { return AllocStep{alloc.buffer}; }
  AnyStep step(const If& branch) {
    return IfStep{compile(branch.condition), compile(branch.then_body), compile(branch.else_body)};
  }

  VariableSlots slots_;
  std::size_t statements_ = 0;
};

class Runner {
 public:
  Runner(Storage& storage, std::size_t variables, std::int64_t& steps_left)
      : storage_(storage), variables_(variables), steps_left_(steps_left) {}

  void run(Steps& steps) {
    for (auto& step : steps) {
      statement_ = step.statement;
      count_step();
      std::visit([&](auto& it) { run(it); }, step.value);
    }
  }
  /// The last one that was begun.
  std::size_t statement() const { return statement_; }

 private:
  void count_step() {
    if (--steps_left_ < 0) fail("it takes more steps than the limit");
  }
  Scalar value(CompiledExpr& expr) { return expr(variables_, storage_.views()); }

  void run(LoopStep& loop) {
    const auto end = value(loop.end).integer;
    for (auto i = value(loop.begin).integer; i < end; ++i) {
      count_step();
      variables_[loop.slot].integer = i;
      run(loop.body);
    }
  }
  void run(StoreStep& store) {
    index_.clear();
    for (auto& index : store.index) index_.push_back(value(index).integer);
    const auto& memory = storage_.view(store.buffer);
    const auto offset = checked_offset(memory, index_);
    if (store.old) variables_[*store.old] = read(memory, offset);
    write(memory, offset, value(store.value));
  }
  void run(LetStep& let) { variables_[let.slot] = value(let.value); }
  void run(AllocStep& alloc) { storage_.forget(alloc.buffer); }
  void run(IfStep& branch) {
    run(value(branch.condition).integer != 0 ? branch.then_body : branch.else_body);
  }

  Storage& storage_;
  std::vector<Scalar> variables_;
  std::vector<std::int64_t> index_;
  std::int64_t& steps_left_;
  std::size_t statement_ = 0;
};

}  // namespace

void interpret(const Program& program, std::map<std::string, Tensor>& buffers,
               std::int64_t most_steps) {
  // A text that a person wrote may be wrong in ways that the checks of accesses do not see.
  if (const auto faults = find_faults(program); !faults.empty())
    throw PartError(faults.front().part, faults.front().message);
  Storage storage(program, buffers);
  for (std::size_t i = 0; i < program.kernels.size(); ++i) {
    const auto& kernel = program.kernels[i];
    StepCompiler compiler;
    auto steps = compiler.compile(kernel.body);
    storage.forget_scratch();
    Runner runner(storage, compiler.variables(), most_steps);
    try {
      runner.run(steps);
    } catch (const Error& error) {
      throw PartError({Part::Kind::statement, i, runner.statement()},
                      fmt::format("kernel {}: {}", kernel.name, error.what()));
    }
  }
}

void check_interpreter_memory(const Program& program) {
  std::int64_t total = 0, arena = 0, scratch = 0;
  for (std::size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    if (buffer.view_of) continue;
    const std::int64_t bytes = interpreter_bytes(buffer.type);
    if (buffer.offset < 0) {
      total += bytes;
    } else {
      if (buffer.offset > kMostInterpreterBytes - bytes)
        throw PartError({Part::Kind::buffer, i},
                        fmt::format("buffer {}: its offset {} is too large: the interpreter's "
                                    "memory ends at {}",
                                    buffer.name, buffer.offset, kMostInterpreterBytes));
      auto& end = buffer.memory == Memory::arena ? arena : scratch;
      end = std::max(end, buffer.offset + bytes);
    }
    require_interpreter_memory("program", program.name, total + arena + scratch);
  }
}

}  // namespace cnnc
