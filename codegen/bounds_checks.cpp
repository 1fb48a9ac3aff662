#include "codegen/bounds_checks.h"

#include <llvm/IR/Intrinsics.h>

#include <cstddef>

#include "codegen/kernel_abi.h"

namespace cnnc {

namespace {

llvm::Value* all_inside(llvm::IRBuilder<>& build, llvm::Value* inside) {
  return inside->getType()->isVectorTy() ? build.CreateAndReduce(inside) : inside;
}

/// The index of the first lane that is not inside.
llvm::Value* first_outside(llvm::IRBuilder<>& build, llvm::Value* index, llvm::Value* inside) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(index->getType());
  if (!vector) return index;
  auto* bits = build.getIntNTy(vector->getNumElements());
  auto* outside = build.CreateBitCast(build.CreateNot(inside), bits);
  auto* lane = build.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, outside, build.getFalse());
  return build.CreateExtractElement(index, build.CreateZExtOrTrunc(lane, build.getInt64Ty()));
}

void emit_report(llvm::IRBuilder<>& build, const CheckedIndex& index, llvm::Value* value) {
  llvm::Function* const function = build.GetInsertBlock()->getParent();
  llvm::Value* const context = function->getArg(0);
  auto* i64 = build.getInt64Ty();
  auto* pointer = build.getPtrTy();
  auto* type =
      llvm::FunctionType::get(build.getVoidTy(), {pointer, i64, i64, i64, i64}, /*isVarArg=*/false);
  auto* at = build.CreateConstInBoundsGEP1_64(build.getInt8Ty(), context,
                                              offsetof(KernelContext, out_of_bounds));
  const auto number = [&](std::int64_t n) { return build.getInt64(static_cast<std::uint64_t>(n)); };
  build.CreateCall(
      type, build.CreateLoad(pointer, at),
      {context, number(index.kernel), number(index.buffer), number(index.dimension), value});
}

}  // namespace

void emit_bounds_check(llvm::IRBuilder<>& build, const CheckedIndex& index) {
  llvm::Value* extent = build.getInt64(static_cast<std::uint64_t>(index.extent));
  if (const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(index.value->getType()))
    extent = build.CreateVectorSplat(vector->getNumElements(), extent);
  // Negative numbers are large ones without a sign.
  llvm::Value* inside = build.CreateICmpULT(index.value, extent);
  if (index.mask && inside->getType()->isVectorTy())
    inside = build.CreateOr(inside, build.CreateNot(index.mask));
  if (const auto* known = llvm::dyn_cast<llvm::Constant>(inside); known && known->isAllOnesValue())
    return;
  llvm::Function* const function = build.GetInsertBlock()->getParent();
  auto* outside = llvm::BasicBlock::Create(build.getContext(), "outside", function);
  auto* next = llvm::BasicBlock::Create(build.getContext(), "inside", function);
  build.CreateCondBr(all_inside(build, inside), next, outside);
  build.SetInsertPoint(outside);
  emit_report(build, index, first_outside(build, index.value, inside));
  build.CreateRetVoid();
  build.SetInsertPoint(next);
}

}  // namespace cnnc
