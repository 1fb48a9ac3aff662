#include "codegen/vector_access.h"

#include <bit>
#include <numeric>

namespace cnnc {

namespace {

/// Of elements of four bytes and more, which masks are for; fewer lanes than three need none.
bool is_part_vector(llvm::Type* element, unsigned lanes) {
  return element->getPrimitiveSizeInBits() >= 32 && !std::has_single_bit(lanes);
}

/// Lanes 0 .. count of a vector, the rest undefined where it has fewer.
llvm::Value* resized(llvm::IRBuilder<>& build, llvm::Value* value, unsigned count) {
  const auto lanes = llvm::cast<llvm::FixedVectorType>(value->getType())->getNumElements();
  llvm::SmallVector<int, 16> mask(count, llvm::PoisonMaskElem);
  std::iota(mask.begin(), mask.begin() + std::min(lanes, count), 0);
  return build.CreateShuffleVector(value, mask);
}

/// True in the first `lanes` of `width` lanes.
llvm::Constant* first_lanes(llvm::IRBuilder<>& build, unsigned lanes, unsigned width) {
  llvm::SmallVector<llvm::Constant*, 16> bits;
  for (unsigned i = 0; i < width; ++i) bits.push_back(build.getInt1(i < lanes));
  return llvm::ConstantVector::get(bits);
}

/// Lanes begin .. begin + count of `value`, to where they belong behind `first`.
void store_lanes(llvm::IRBuilder<>& build, llvm::Value* value, unsigned begin, unsigned count,
                 llvm::Value* first, llvm::Align align) {
  llvm::SmallVector<int, 16> mask(count);
  std::iota(mask.begin(), mask.end(), static_cast<int>(begin));
  llvm::Type* element = llvm::cast<llvm::FixedVectorType>(value->getType())->getElementType();
  build.CreateAlignedStore(build.CreateShuffleVector(value, mask),
                           build.CreateConstInBoundsGEP1_64(element, first, begin), align);
}

}  // namespace

llvm::Value* load_neighbours(llvm::IRBuilder<>& build, llvm::Type* element, llvm::Value* first,
                             unsigned lanes, llvm::Align align, PartLoad how) {
  const unsigned width = std::bit_ceil(lanes);
  auto* whole = llvm::FixedVectorType::get(element, width);
  if (how == PartLoad::whole && width > lanes)
    return resized(build, build.CreateAlignedLoad(whole, first, align), lanes);
  if (how != PartLoad::masked || !is_part_vector(element, lanes))
    return build.CreateAlignedLoad(llvm::FixedVectorType::get(element, lanes), first, align);
  return resized(
      build, build.CreateMaskedLoad(whole, first, align, first_lanes(build, lanes, width)), lanes);
}

void store_neighbours(llvm::IRBuilder<>& build, llvm::Value* value, llvm::Value* first,
                      llvm::Align align, bool masks) {
  auto* type = llvm::cast<llvm::FixedVectorType>(value->getType());
  llvm::Type* element = type->getElementType();
  const unsigned lanes = type->getNumElements();
  if (!is_part_vector(element, lanes)) {
    build.CreateAlignedStore(value, first, align);
  } else if (masks) {
    const unsigned width = std::bit_ceil(lanes);
    build.CreateMaskedStore(resized(build, value, width), first, align,
                            first_lanes(build, lanes, width));
  } else {
    const unsigned half = std::bit_floor(lanes);
    const unsigned rest = std::bit_ceil(lanes - half);  // at most half: the two may overlap
    store_lanes(build, value, 0, half, first, align);
    store_lanes(build, value, lanes - rest, rest, first, align);
  }
}

llvm::Value* load_strided(llvm::IRBuilder<>& build, llvm::Type* element, llvm::Value* first,
                          unsigned lanes, unsigned stride, llvm::Align align) {
  const unsigned span = (lanes - 1) * stride + 1;
  const unsigned width = std::bit_ceil(lanes);  // at most the span of the least stride
  auto* vector = llvm::FixedVectorType::get(element, width);
  llvm::Value* gathered = llvm::PoisonValue::get(vector);
  for (unsigned lane = 0; lane < lanes;) {
    // The last vector ends at the last element.
    const unsigned begin = std::min(lane * stride, span - width);
    llvm::Value* part = build.CreateAlignedLoad(
        vector, build.CreateConstInBoundsGEP1_64(element, first, begin), align);
    llvm::SmallVector<int, 16> mask(width, llvm::PoisonMaskElem);
    std::iota(mask.begin(), mask.begin() + lane, 0);
    for (; lane < lanes && lane * stride < begin + width; ++lane)
      mask[lane] = static_cast<int>(width + lane * stride - begin);
    gathered = build.CreateShuffleVector(gathered, part, mask);
  }
  return width == lanes ? gathered : resized(build, gathered, lanes);
}

void store_strided(llvm::IRBuilder<>& build, llvm::Value* value, llvm::Value* first,
                   unsigned stride, llvm::Align align) {
  auto* type = llvm::cast<llvm::FixedVectorType>(value->getType());
  const unsigned lanes = type->getNumElements(), width = std::bit_ceil(lanes);
  for (unsigned begin = 0; begin < (lanes - 1) * stride + 1; begin += width) {
    llvm::SmallVector<int, 16> from(width, llvm::PoisonMaskElem);
    llvm::SmallVector<llvm::Constant*, 16> stored;
    for (unsigned i = 0; i < width; ++i) {
      const unsigned at = begin + i;
      const bool is_lane = at % stride == 0 && at / stride < lanes;
      if (is_lane) from[i] = static_cast<int>(at / stride);
      stored.push_back(build.getInt1(is_lane));
    }
    build.CreateMaskedStore(build.CreateShuffleVector(value, from),
                            build.CreateConstInBoundsGEP1_64(type->getElementType(), first, begin),
                            align, llvm::ConstantVector::get(stored));
  }
}

}  // namespace cnnc
