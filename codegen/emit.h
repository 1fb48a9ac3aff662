// Loop IR -> LLVM IR: one module a kernel.
#pragma once

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>

#include "ir/loop.h"
#include "ir/target.h"

namespace cnnc {

/// The symbol of a kernel's entry, a KernelFunction.
std::string kernel_symbol(const Kernel& kernel);

/// The kernel as a module with one entry and one function a parallel loop; it has no undefined
/// symbols. Parallel loops become calls of the context's parallel_for, vector loops vector
/// instructions (a strided or data-dependent access goes lane by lane), unroll loops as many copies
/// of their body, register and stack buffers allocas.
std::unique_ptr<llvm::Module> emit_module(const Program& program, const Kernel& kernel,
                                          const Target& target, llvm::LLVMContext& context);

}  // namespace cnnc
