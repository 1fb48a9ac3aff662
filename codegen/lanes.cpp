#include "codegen/lanes.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>

namespace cnnc {

unsigned lanes_of(const llvm::Value* value) {
  const auto* type = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return type ? type->getNumElements() : 1;
}

bool is_vector(const llvm::Value* value) { return value->getType()->isVectorTy(); }

std::optional<std::vector<std::int64_t>> constant_lanes(const llvm::Value* value) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(value);
  if (!constant || !is_vector(value)) return std::nullopt;
  std::vector<std::int64_t> lanes;
  for (unsigned i = 0; i < lanes_of(value); ++i) {
    const auto* lane = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant->getAggregateElement(i));
    if (!lane) return std::nullopt;
    lanes.push_back(lane->getSExtValue());
  }
  return lanes;
}

}  // namespace cnnc
