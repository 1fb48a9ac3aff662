#include "codegen/machine.h"

#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <mutex>
#include <new>
#include <string_view>

#include "ir/base/diagnostic.h"

namespace cnnc {

namespace {

/// LLVM aborts where it runs out of memory, unless a handler throws.
void set_up_llvm() {
  llvm::install_bad_alloc_error_handler([](void*, const char*, bool) { throw std::bad_alloc(); });
  llvm::install_fatal_error_handler([](void*, const char* reason, bool) {
    if (std::string_view(reason).find("memory") != std::string_view::npos) throw std::bad_alloc();
    throw InternalError(fmt::format("LLVM: {}", reason));
  });
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
}

}  // namespace

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, bool quick) {
  static std::once_flag once;
  std::call_once(once, set_up_llvm);
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  CNNC_CHECK(static_cast<bool>(host), "{}", llvm::toString(host.takeError()));
  llvm::orc::JITTargetMachineBuilder builder(host->getTargetTriple());
  builder.setCPU(target.cpu);
  builder.addFeatures(llvm::SubtargetFeatures(target.features).getFeatures());
  builder.setCodeGenOptLevel(quick ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default);
  builder.setRelocationModel(llvm::Reloc::PIC_);
  auto machine = builder.createTargetMachine();
  CNNC_CHECK(static_cast<bool>(machine), "{}", llvm::toString(machine.takeError()));
  return std::move(*machine);
}

void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
#if LLVM_VERSION_MAJOR >= 21
  module.setTargetTriple(machine.getTargetTriple());
#else
  module.setTargetTriple(machine.getTargetTriple().str());
#endif
  module.setDataLayout(machine.createDataLayout());
  std::string complaint;
  llvm::raw_string_ostream stream(complaint);
  CNNC_CHECK(!llvm::verifyModule(module, &stream), "LLVM refuses kernel {}: {}",
             module.getName().str(), stream.str());

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder passes(&machine);
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(sccs);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, sccs, modules);

  llvm::FunctionPassManager pipeline;
  pipeline.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  if (machine.getOptLevel() != llvm::CodeGenOptLevel::None) {
    pipeline.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/false));
    pipeline.addPass(llvm::SimplifyCFGPass());
    llvm::LoopPassManager loop_passes;
    loop_passes.addPass(llvm::LICMPass(llvm::LICMOptions()));
    pipeline.addPass(
        llvm::createFunctionToLoopPassAdaptor(std::move(loop_passes), /*UseMemorySSA=*/true));
    pipeline.addPass(llvm::InstCombinePass());
  }
  pipeline.addPass(llvm::DCEPass());
  llvm::ModulePassManager module_passes;
  module_passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(pipeline)));
  module_passes.run(module, modules);
}

llvm::SmallVector<char, 0> generate(llvm::Module& module, llvm::TargetMachine& machine,
                                    llvm::CodeGenFileType kind) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  const bool cannot = machine.addPassesToEmitFile(passes, stream, nullptr, kind);
  CNNC_CHECK(!cannot, "LLVM cannot emit this kind of file");
  passes.run(module);
  return bytes;
}

}  // namespace cnnc
