// Loop IR -> LLVM IR.
#pragma once

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <span>

#include "codegen/code_units.h"
#include "codegen/emit_options.h"
#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// These of the units `all` as one module. Parallel loops become calls of the context's
/// parallel_for, vector loops vector instructions (a strided or data-dependent access goes lane by
/// lane), unroll loops as many copies of their body, register and stack buffers allocas. Its only
/// undefined symbols are parts.
std::unique_ptr<llvm::Module> emit_module(const Program& program, std::span<const CodeUnit> all,
                                          std::span<const CodeUnit* const> units,
                                          const Target& target, const EmitOptions& options,
                                          llvm::LLVMContext& context);

}  // namespace cnnc
