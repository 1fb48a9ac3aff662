// Loop IR -> native code in this process, by LLVM's ORC.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "codegen/emit_options.h"
#include "codegen/kernel_abi.h"
#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// A function in memory.
struct JitSymbol {
  std::string name;
  std::uint64_t address = 0, size = 0;
};

/// The machine code of some functions, kernels or parts of them, and how long LLVM took for it.
struct CompiledModule {
  std::vector<std::string> symbols;
  std::vector<char> bytes;  // a relocatable ELF file
  std::chrono::duration<double> time{};
};
/// The object files of all kernels, compiled on `threads` threads. `target` may have what this
/// machine lacks.
std::vector<CompiledModule> compile_modules(const Program& program, const Target& target,
                                            int threads, const EmitOptions& options = {});

/// Owns the machine code of a program's kernels. Memory that holds it is never writable and
/// executable at once.
class Jit {
 public:
  /// Compiles every kernel, on `threads` threads; for this process's machine, whose features
  /// `target` must not exceed. Throws Error where memory may not become executable, bad_alloc where
  /// there is too little of it.
  Jit(const Program& program, const Target& target, int threads, const EmitOptions& options = {});
  ~Jit();
  Jit(Jit&&) noexcept;
  Jit& operator=(Jit&&) noexcept;

  /// In the order of Program::kernels.
  const std::vector<CompiledKernel>& kernels() const { return kernels_; }
  /// All functions: the kernels and the bodies of their parallel loops.
  const std::vector<JitSymbol>& symbols() const { return symbols_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::vector<CompiledKernel> kernels_;
  std::vector<JitSymbol> symbols_;
};

/// Optimised LLVM IR, or assembly, of the kernels called `kernel` (all where empty).
std::string llvm_text(const Program& program, const std::string& kernel, const Target& target);
std::string assembly_text(const Program& program, const std::string& kernel, const Target& target);

}  // namespace cnnc
