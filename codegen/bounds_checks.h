// Checks of every index in generated code, where a program is compiled with them.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>

namespace cnnc {

/// One index of one access, as KernelContext::out_of_bounds tells of it.
struct CheckedIndex {
  std::int64_t kernel = 0, buffer = 0, dimension = 0;
  std::int64_t extent = 0;       // of that dimension
  llvm::Value* value = nullptr;  // i64, or one a lane
  llvm::Value* mask = nullptr;   // lanes that count; null: all
};

/// Emits, at the builder's insertion point, a branch that leaves the function after a call of the
/// context's out_of_bounds where an index is not in 0 .. extent. Nothing, where it is so by a
/// constant. The function's first argument is the context.
void emit_bounds_check(llvm::IRBuilder<>& build, const CheckedIndex& index);

}  // namespace cnnc
