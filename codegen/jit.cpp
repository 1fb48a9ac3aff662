#include "codegen/jit.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "codegen/emit.h"
#include "codegen/host.h"
#include "codegen/machine.h"

namespace cnnc {

namespace {

/// Units that are compiled together.
using Units = std::vector<const CodeUnit*>;

/// Modules of about equal work: setting LLVM up for each costs more than a small kernel does.
std::vector<Units> distribute(const std::vector<CodeUnit>& units) {
  constexpr std::size_t kModules = 8;
  Units order;
  for (const CodeUnit& unit : units)
    if (!unit.is_repeated) order.push_back(&unit);
  std::stable_sort(order.begin(), order.end(), [](const CodeUnit* a, const CodeUnit* b) {
    return a->statements > b->statements;
  });
  std::vector<Units> modules(std::min(kModules, order.size()));
  std::vector<std::size_t> work(modules.size());
  for (const CodeUnit* unit : order) {
    const auto least =
        static_cast<std::size_t>(std::min_element(work.begin(), work.end()) - work.begin());
    modules[least].push_back(unit);
    work[least] += unit->statements;
  }
  return modules;
}

CompiledModule compile_units(const Program& program, const std::vector<CodeUnit>& all,
                             const Units& units, const Target& target, const EmitOptions& options,
                             llvm::TargetMachine& machine) {
  const auto start = std::chrono::steady_clock::now();
  llvm::LLVMContext context;
  auto module = emit_module(program, all, units, target, options, context);
  optimize(*module, machine);
  const auto bytes = generate(*module, machine, llvm::CodeGenFileType::ObjectFile);
  CompiledModule result{{}, {bytes.begin(), bytes.end()}, {}};
  for (const CodeUnit* unit : units) result.symbols.push_back(unit->symbol);
  result.time = std::chrono::steady_clock::now() - start;
  return result;
}

/// Calls work(i, worker's machine) for i in 0 .. count on several threads, as many of them as can
/// be started; the first exception is thrown again here.
template <class Work>
void for_each_module(std::size_t count, int threads, const Target& target, bool quick,
                     const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto run = [&] {
    try {
      const auto machine = make_machine(target, quick);
      for (std::size_t i = next++; i < count; i = next++) work(i, *machine);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> helpers;
  try {
    for (int i = 1; i < std::min<int>(threads, static_cast<int>(count)); ++i)
      helpers.emplace_back(run);
  } catch (const std::exception&) {  // no room for one more: the others do its work
  }
  run();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

/// Throws bad_alloc where memory ran out; anything else is a defect.
void check(llvm::Error error) {
  llvm::handleAllErrors(std::move(error), [](const llvm::ErrorInfoBase& info) {
    if (info.convertToErrorCode() == std::errc::not_enough_memory) throw std::bad_alloc();
    throw InternalError("ORC: " + info.message());
  });
}

template <class T>
T take(llvm::Expected<T> value) {
  if (!value) check(value.takeError());
  return std::move(*value);
}

/// Generated code must reach the outside only through its context: it may call nothing but
/// `symbols`.
void check_self_contained(llvm::MemoryBufferRef object, const std::set<std::string>& symbols) {
  const auto file = take(llvm::object::ObjectFile::createObjectFile(object));
  for (const auto& symbol : file->symbols()) {
    const auto flags = llvm::cantFail(symbol.getFlags());
    if (!(flags & llvm::object::SymbolRef::SF_Undefined)) continue;
    const std::string name = llvm::cantFail(symbol.getName()).str();
    CNNC_CHECK(symbols.contains(name) || name.empty() || name == "_GLOBAL_OFFSET_TABLE_",
               "{} calls {}", object.getBufferIdentifier().str(), name);
  }
}

/// The functions of an object file, whose one text section has been put where `entry`, the symbol
/// called `entry_name`, now is.
std::vector<JitSymbol> functions_of(llvm::MemoryBufferRef object, const std::string& entry_name,
                                    std::uint64_t entry) {
  auto file = llvm::cantFail(llvm::object::ObjectFile::createObjectFile(object));
  std::vector<JitSymbol> result;
  std::uint64_t entry_offset = 0;
  for (const auto& symbol : file->symbols()) {
    if (llvm::cantFail(symbol.getType()) != llvm::object::SymbolRef::ST_Function) continue;
    JitSymbol function;
    function.name = llvm::cantFail(symbol.getName()).str();
    function.address = llvm::cantFail(symbol.getAddress());
    if (llvm::isa<llvm::object::ELFObjectFileBase>(*file))
      function.size = llvm::object::ELFSymbolRef(symbol).getSize();
    if (function.name == entry_name) entry_offset = function.address;
    result.push_back(std::move(function));
  }
  for (JitSymbol& function : result) function.address += entry - entry_offset;
  return result;
}

std::string kernel_texts(
    const Program& program, const std::string& kernel, const Target& target,
    const std::function<std::string(llvm::Module&, llvm::TargetMachine&)>& print) {
  const auto machine = make_machine(target);
  std::string text;
  const std::vector<CodeUnit> units = code_units(program, true, kernel);
  for (const CodeUnit& unit : units) {
    if (unit.is_repeated) continue;
    llvm::LLVMContext context;
    const Units alone{&unit};
    auto module = emit_module(program, units, alone, target, {}, context);
    optimize(*module, *machine);
    text += print(*module, *machine);
  }
  return text;
}

/// What checks its indices names its own kernel and buffers.
std::vector<CodeUnit> units_of(const Program& program, const EmitOptions& options) {
  return code_units(program, !options.check_bounds);
}

std::vector<CompiledModule> compile_all(const Program& program, const std::vector<CodeUnit>& units,
                                        const Target& target, int threads,
                                        const EmitOptions& options) {
  const std::vector<Units> modules = distribute(units);
  std::vector<CompiledModule> compiled(modules.size());
  for_each_module(modules.size(), threads, target, options.quick,
                  [&](std::size_t i, llvm::TargetMachine& machine) {
                    compiled[i] =
                        compile_units(program, units, modules[i], target, options, machine);
                  });
  return compiled;
}

/// See KernelContext::places.
std::vector<std::int64_t> places_of(const Program& program, const CodeUnit& entry) {
  std::vector<std::int64_t> places;
  for (const BufferId id : entry.buffers) {
    const Buffer& buffer = program.buffer(id);
    const bool planned = buffer.memory == Memory::arena || buffer.memory == Memory::thread;
    CNNC_CHECK(!planned || buffer.offset >= 0, "{} has no place in memory", buffer.name);
    places.push_back(planned ? buffer.offset : id);
  }
  return places;
}

}  // namespace

struct Jit::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

std::vector<CompiledModule> compile_modules(const Program& program, const Target& target,
                                            int threads, const EmitOptions& options) {
  return compile_all(program, units_of(program, options), target, threads, options);
}

Jit::Jit(const Program& program, const Target& target, int threads, const EmitOptions& options)
    : state_(std::make_unique<State>()) {
  check_may_execute();
  const std::vector<CodeUnit> units = units_of(program, options);
  const auto modules = compile_all(program, units, target, threads, options);
  std::set<std::string> symbols;
  for (const CompiledModule& module : modules)
    symbols.insert(module.symbols.begin(), module.symbols.end());
  state_->jit = take(llvm::orc::LLJITBuilder().create());
  for (const CompiledModule& module : modules) {
    const std::string& name = module.symbols.front();
    const llvm::StringRef bytes(module.bytes.data(), module.bytes.size());
    check_self_contained(llvm::MemoryBufferRef(bytes, name), symbols);
    check(state_->jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(bytes, name)));
  }
  for (const CodeUnit& unit : units)
    if (!unit.part)
      kernels_.push_back({take(state_->jit->lookup(unit.symbol)).toPtr<KernelFunction>(),
                          places_of(program, unit)});
  for (const CompiledModule& module : modules) {
    const std::string& symbol = module.symbols.front();
    const llvm::StringRef bytes(module.bytes.data(), module.bytes.size());
    const auto address = take(state_->jit->lookup(symbol)).getValue();
    const auto functions = functions_of(llvm::MemoryBufferRef(bytes, symbol), symbol, address);
    symbols_.insert(symbols_.end(), functions.begin(), functions.end());
  }
}

Jit::~Jit() = default;
Jit::Jit(Jit&&) noexcept = default;
Jit& Jit::operator=(Jit&&) noexcept = default;

std::string llvm_text(const Program& program, const std::string& kernel, const Target& target) {
  return kernel_texts(program, kernel, target, [](llvm::Module& module, llvm::TargetMachine&) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module.print(stream, nullptr);
    return stream.str();
  });
}

std::string assembly_text(const Program& program, const std::string& kernel, const Target& target) {
  return kernel_texts(
      program, kernel, target, [](llvm::Module& module, llvm::TargetMachine& machine) {
        const auto bytes = generate(module, machine, llvm::CodeGenFileType::AssemblyFile);
        return std::string(bytes.begin(), bytes.end());
      });
}

}  // namespace cnnc
