#include "codegen/jit.h"

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "codegen/emit.h"
#include "codegen/machine.h"

namespace cnnc {

namespace {

KernelObject compile_kernel(const Program& program, const Kernel& kernel, const Target& target,
                            llvm::TargetMachine& machine) {
  const auto start = std::chrono::steady_clock::now();
  llvm::LLVMContext context;
  auto module = emit_module(program, kernel, target, context);
  optimize(*module, machine);
  const auto bytes = generate(*module, machine, llvm::CodeGenFileType::ObjectFile);
  return {{bytes.begin(), bytes.end()}, std::chrono::steady_clock::now() - start};
}

/// Calls work(i, worker's machine) for i in 0 .. count on several threads; the first exception is
/// thrown again here.
template <class Work>
void for_each_kernel(std::size_t count, int threads, const Target& target, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto run = [&] {
    try {
      const auto machine = make_machine(target);
      for (std::size_t i = next++; i < count; i = next++) work(i, *machine);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < std::min<int>(threads, static_cast<int>(count)); ++i)
    helpers.emplace_back(run);
  run();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

/// Generated code must reach the outside only through its context.
void check_self_contained(llvm::MemoryBufferRef object, const std::string& kernel) {
  auto file = llvm::object::ObjectFile::createObjectFile(object);
  CNNC_CHECK(static_cast<bool>(file), "{}: {}", kernel, llvm::toString(file.takeError()));
  for (const auto& symbol : (*file)->symbols()) {
    const auto flags = llvm::cantFail(symbol.getFlags());
    if (!(flags & llvm::object::SymbolRef::SF_Undefined)) continue;
    const auto name = llvm::cantFail(symbol.getName());
    CNNC_CHECK(name.empty() || name == "_GLOBAL_OFFSET_TABLE_", "kernel {} calls {}", kernel,
               name.str());
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

template <class T>
T take(llvm::Expected<T> value) {
  CNNC_CHECK(static_cast<bool>(value), "ORC: {}", llvm::toString(value.takeError()));
  return std::move(*value);
}

std::string kernel_texts(
    const Program& program, const std::string& kernel, const Target& target,
    const std::function<std::string(llvm::Module&, llvm::TargetMachine&)>& print) {
  const auto machine = make_machine(target);
  std::string text;
  for (const Kernel& each : program.kernels) {
    if (!kernel.empty() && each.name != kernel) continue;
    llvm::LLVMContext context;
    auto module = emit_module(program, each, target, context);
    optimize(*module, *machine);
    text += print(*module, *machine);
  }
  return text;
}

}  // namespace

struct Jit::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

std::vector<KernelObject> compile_kernels(const Program& program, const Target& target,
                                          int threads) {
  std::vector<KernelObject> objects(program.kernels.size());
  // Largest first, so that the threads end together.
  std::vector<std::size_t> order(objects.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<int> sizes(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    walk(program.kernels[i].body, [&](const Stmt&) { ++sizes[i]; });
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return sizes[a] > sizes[b]; });
  for_each_kernel(
      objects.size(), threads, target, [&](std::size_t i, llvm::TargetMachine& machine) {
        objects[order[i]] = compile_kernel(program, program.kernels[order[i]], target, machine);
      });
  return objects;
}

Jit::Jit(const Program& program, const Target& target, int threads)
    : state_(std::make_unique<State>()) {
  const auto objects = compile_kernels(program, target, threads);
  state_->jit = take(llvm::orc::LLJITBuilder().create());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const std::string& name = program.kernels[i].name;
    const llvm::StringRef bytes(objects[i].bytes.data(), objects[i].bytes.size());
    check_self_contained(llvm::MemoryBufferRef(bytes, name), name);
    auto failure = state_->jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(bytes, name));
    CNNC_CHECK(!failure, "ORC: {}", llvm::toString(std::move(failure)));
  }
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const std::string symbol = kernel_symbol(program.kernels[i]);
    const auto address = take(state_->jit->lookup(symbol));
    kernels_.push_back(address.toPtr<KernelFunction>());
    const llvm::StringRef bytes(objects[i].bytes.data(), objects[i].bytes.size());
    const auto functions =
        functions_of(llvm::MemoryBufferRef(bytes, symbol), symbol, address.getValue());
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
