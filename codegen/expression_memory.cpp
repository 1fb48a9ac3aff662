// How expressions reach memory: addresses, loads and stores of ExpressionEmitter.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>

#include "codegen/bounds_checks.h"
#include "codegen/expressions.h"
#include "codegen/lanes.h"
#include "codegen/vector_access.h"
#include "ir/base/alignment.h"
#include "ir/loop/lane_stride.h"

namespace cnnc {

namespace {

/// A bool is one bit in registers and one byte in memory.
llvm::Type* memory_type(ScalarType type, llvm::LLVMContext& context) {
  return type == ScalarType::boolean ? llvm::Type::getInt8Ty(context) : llvm_type(type, context);
}

}  // namespace

/// How the lanes of a vector loop address a buffer.
struct ExpressionEmitter::Access {
  llvm::Value* offset;  // elements from the buffer's start: of the first lane, or one a lane
  std::optional<std::int64_t> stride;  // elements from lane to lane; nothing: offset is a vector
};

/// Every lane's index, also where the access itself is made at one address and a stride.
void ExpressionEmitter::check(BufferId buffer, const std::vector<Expr>& index, const Scope& scope) {
  const Dims& dims = program_.buffer(buffer).type.dims;
  for (std::size_t i = 0; i < dims.size(); ++i)
    emit_bounds_check(build_, {*checked_, buffer, static_cast<std::int64_t>(i), dims[i],
                               emit(index[i], scope), scope.mask});
}

ExpressionEmitter::Access ExpressionEmitter::access(BufferId buffer, const std::vector<Expr>& index,
                                                    const Scope& scope) {
  const Dims& dims = program_.buffer(buffer).type.dims;
  CNNC_CHECK(dims.size() == index.size(), "{} has rank {}, not {}", program_.buffer(buffer).name,
             dims.size(), index.size());
  if (checked_) check(buffer, index, scope);
  std::optional<std::int64_t> stride = 0;
  if (scope.lane)
    stride = lane_stride(dims, index, scope.lane,
                         [&](const Var& var) { return is_vector(scope.variables.at(var)); });
  // An affine index is evaluated at the first lane, any other one in every lane.
  std::optional<Scope> first_lane;
  if (stride && scope.lane) {
    first_lane = scope;
    first_lane->lane = nullptr;
    first_lane->lanes = 1;
    first_lane->mask = nullptr;
  }
  const Scope& where = first_lane ? *first_lane : scope;
  llvm::Value* offset = nullptr;
  std::int64_t scale = 1;
  for (std::size_t i = dims.size(); i-- > 0; scale *= dims[i]) {
    if (index[i].constant() == 0) continue;
    llvm::Value* term = emit(index[i], where);
    if (scale != 1) {
      auto* factor = build_.getInt64(static_cast<std::uint64_t>(scale));
      term = build_.CreateMul(term, spread(factor, lanes_of(term)), "", /*HasNUW=*/false,
                              /*HasNSW=*/true);
    }
    if (offset) match(offset, term);
    offset = offset ? build_.CreateAdd(offset, term, "", /*HasNUW=*/false, /*HasNSW=*/true) : term;
  }
  if (!offset) offset = build_.getInt64(0);
  if (!stride && !is_vector(offset)) stride = 0;
  return {offset, stride};
}

llvm::Value* ExpressionEmitter::lane_offsets(const Access& access, const Scope& scope) {
  if (!access.stride) return access.offset;
  auto* first = build_.CreateVectorSplat(scope.lanes, access.offset);
  auto* stride = build_.getInt64(static_cast<std::uint64_t>(*access.stride));
  auto* steps = build_.CreateMul(build_.CreateStepVector(first->getType()),
                                 build_.CreateVectorSplat(scope.lanes, stride));
  return build_.CreateAdd(first, steps);
}

llvm::Value* ExpressionEmitter::pointer(BufferId buffer, llvm::Value* offset) {
  return build_.CreateInBoundsGEP(
      memory_type(program_.buffer(buffer).type.scalar, build_.getContext()), address_(buffer),
      offset);
}

/// Elements of one row of a register buffer, in the order of `offsets` from the buffer's start;
/// null where they are of several rows.
llvm::Value* ExpressionEmitter::permuted_row(BufferId buffer,
                                             const std::vector<std::int64_t>& offsets) {
  const TensorType& type = program_.buffer(buffer).type;
  const std::int64_t width = type.dims.back(), begin = offsets.front() / width * width;
  std::vector<int> mask;
  for (const std::int64_t offset : offsets) {
    if (offset < begin || offset >= begin + width) return nullptr;
    mask.push_back(static_cast<int>(offset - begin));
  }
  auto* row = llvm::FixedVectorType::get(memory_type(type.scalar, build_.getContext()),
                                         static_cast<unsigned>(width));
  auto* first = build_.getInt64(static_cast<std::uint64_t>(begin));
  return build_.CreateShuffleVector(
      build_.CreateAlignedLoad(row, pointer(buffer, first), llvm::Align(size_of(type.scalar))),
      mask);
}

/// Whether part vectors of `buffer` are loaded and stored at once: not those in registers, which
/// they would keep out of them.
bool ExpressionEmitter::goes_at_once(BufferId buffer, const Scope& scope) const {
  return program_.buffer(buffer).memory != Memory::reg && scope.updated != program_.storage(buffer);
}

/// Neighbours from `index` on: a whole vector of which some lanes are not asked for can be loaded
/// where these, too, are memory of the buffer or behind its end (readable_bytes).
PartLoad ExpressionEmitter::part_load(BufferId buffer, const std::vector<Expr>& index,
                                      const Scope& scope) const {
  if (!goes_at_once(buffer, scope)) return PartLoad::pieces;
  const TensorType& type = program_.buffer(buffer).type;
  // All lanes that are asked for are elements of the buffer: the last one of them at most this one.
  std::int64_t last = 0, scale = 1;
  for (std::size_t i = index.size(); i-- > 0; scale *= type.dims[i]) {
    const auto range = range_of(index[i], scope.ranges);
    last += (range ? std::min(range->high, type.dims[i] - 1) : type.dims[i] - 1) * scale;
  }
  const auto size = static_cast<std::int64_t>(size_of(type.scalar));
  const std::int64_t unasked = std::bit_ceil(scope.lanes) - scope.lanes;
  if ((last + 1 + unasked) * size <= readable_bytes(byte_count(type))) return PartLoad::whole;
  return masks_ ? PartLoad::masked : PartLoad::pieces;
}

llvm::Value* ExpressionEmitter::load(BufferId buffer, const std::vector<Expr>& index,
                                     const Scope& scope) {
  const ScalarType type = program_.buffer(buffer).type.scalar;
  llvm::Type* const memory = memory_type(type, build_.getContext());
  const llvm::Align align(size_of(type));
  const Access at = access(buffer, index, scope);
  if (!at.stride && program_.buffer(buffer).memory == Memory::reg)
    if (const auto lanes = constant_lanes(at.offset))
      if (llvm::Value* row = permuted_row(buffer, *lanes)) return row;
  llvm::Value* result = nullptr;
  if (at.stride == 0) {
    result = build_.CreateAlignedLoad(memory, pointer(buffer, at.offset), align);
  } else {
    auto* vector = llvm::FixedVectorType::get(memory, scope.lanes);
    auto* zero = llvm::Constant::getNullValue(vector);
    if (at.stride == 1 && !scope.mask) {
      result = load_neighbours(build_, memory, pointer(buffer, at.offset), scope.lanes, align,
                               part_load(buffer, index, scope));
    } else if (at.stride == 1) {
      result = build_.CreateMaskedLoad(vector, pointer(buffer, at.offset), align, scope.mask, zero);
    } else if (scope.mask) {
      result = build_.CreateMaskedGather(vector, pointer(buffer, lane_offsets(at, scope)), align,
                                         scope.mask, zero);
    } else if (at.stride && *at.stride > 1 && *at.stride <= kLongestShuffledStride &&
               size_of(type) >= 4) {
      result = load_strided(build_, memory, pointer(buffer, at.offset), scope.lanes,
                            static_cast<unsigned>(*at.stride), align);
    } else {
      llvm::Value* offsets = lane_offsets(at, scope);
      result = llvm::PoisonValue::get(vector);
      for (unsigned lane = 0; lane < scope.lanes; ++lane) {
        llvm::Value* offset = build_.CreateExtractElement(offsets, lane);
        llvm::Value* one = build_.CreateAlignedLoad(memory, pointer(buffer, offset), align);
        result = build_.CreateInsertElement(result, one, lane);
      }
    }
  }
  if (type != ScalarType::boolean) return result;
  return build_.CreateICmpNE(result, llvm::Constant::getNullValue(result->getType()));
}

void ExpressionEmitter::store(BufferId buffer, const std::vector<Expr>& index, llvm::Value* value,
                              const Scope& scope) {
  const ScalarType type = program_.buffer(buffer).type.scalar;
  const llvm::Align align(size_of(type));
  if (type == ScalarType::boolean) {
    llvm::Type* byte = build_.getInt8Ty();
    value = build_.CreateZExt(
        value, is_vector(value) ? llvm::FixedVectorType::get(byte, lanes_of(value)) : byte);
  }
  const Access at = access(buffer, index, scope);
  if (scope.lanes == 1) {
    build_.CreateAlignedStore(value, pointer(buffer, at.offset), align);
    return;
  }
  CNNC_CHECK(at.stride != 0, "{}: all lanes store to one element", program_.buffer(buffer).name);
  value = spread(value, scope.lanes);
  if (at.stride == 1 && !scope.mask && program_.buffer(buffer).memory == Memory::reg) {
    build_.CreateAlignedStore(value, pointer(buffer, at.offset), align);
  } else if (at.stride == 1 && !scope.mask) {
    const bool masks = masked_stores_ && goes_at_once(buffer, scope);
    store_neighbours(build_, value, pointer(buffer, at.offset), align, masks);
  } else if (at.stride == 1) {
    build_.CreateMaskedStore(value, pointer(buffer, at.offset), align, scope.mask);
  } else if (scope.mask) {
    build_.CreateMaskedScatter(value, pointer(buffer, lane_offsets(at, scope)), align, scope.mask);
  } else if (masked_stores_ && goes_at_once(buffer, scope) && at.stride && *at.stride > 1 &&
             *at.stride <= kLongestShuffledStride && size_of(type) >= 4) {
    store_strided(build_, value, pointer(buffer, at.offset), static_cast<unsigned>(*at.stride),
                  align);
  } else {
    llvm::Value* offsets = lane_offsets(at, scope);
    for (unsigned lane = 0; lane < scope.lanes; ++lane) {
      llvm::Value* offset = build_.CreateExtractElement(offsets, lane);
      build_.CreateAlignedStore(build_.CreateExtractElement(value, lane), pointer(buffer, offset),
                                align);
    }
  }
}

}  // namespace cnnc
