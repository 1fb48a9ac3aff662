// LLVM's target machine: optimises a module and turns it into an object file or assembly.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "ir/target/target.h"

namespace cnnc {

/// `quick`: see EmitOptions.
std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, bool quick = false);

/// Runs the few LLVM passes that pay on code whose loops are already scheduled: register promotion,
/// redundancy, loop-invariant code. LLVM's vectorisers and unroller stay off: what is a vector, a
/// pass of ours made so.
/// For a quick machine, register promotion and what it leaves dead.
void optimize(llvm::Module& module, llvm::TargetMachine& machine);

llvm::SmallVector<char, 0> generate(llvm::Module& module, llvm::TargetMachine& machine,
                                    llvm::CodeGenFileType kind);

}  // namespace cnnc
