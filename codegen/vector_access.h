// Loads and stores of vectors whose lanes are no whole register, or not neighbours in memory.
#pragma once

#include <llvm/IR/IRBuilder.h>

namespace cnnc {

/// The longest stride at which whole vectors are faster than lane by lane.
inline constexpr std::int64_t kLongestShuffledStride = 8;

/// How lanes are loaded whose number is no power of two, say 3 or 7.
enum class PartLoad {
  pieces,  // a load for each power of two in it
  masked,  // one load under a mask; some cores take three times as long for it as for the next one
  whole,   // one load of the next power of two; what is behind the last lane is read, not used
};

/// `lanes` neighbours.
llvm::Value* load_neighbours(llvm::IRBuilder<>& build, llvm::Type* element, llvm::Value* first,
                             unsigned lanes, llvm::Align align, PartLoad how);
/// Where `masks` says that stores under a mask are as fast as others (AVX's take cores of some
/// makers dozens of cycles), one of those; otherwise part vectors as two stores that may overlap.
void store_neighbours(llvm::IRBuilder<>& build, llvm::Value* value, llvm::Value* first,
                      llvm::Align align, bool masks);

/// Elements first[0], first[stride], ... (stride at least 2), from whole vectors over the memory
/// between the first and the last of them.
llvm::Value* load_strided(llvm::IRBuilder<>& build, llvm::Type* element, llvm::Value* first,
                          unsigned lanes, unsigned stride, llvm::Align align);

/// The lanes of `value` to first[0], first[stride], ... (stride at least 2), spread out in whole
/// vectors that are stored under masks: for targets that have such stores.
void store_strided(llvm::IRBuilder<>& build, llvm::Value* value, llvm::Value* first,
                   unsigned stride, llvm::Align align);

}  // namespace cnnc
