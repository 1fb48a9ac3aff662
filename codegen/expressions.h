// Scalar expressions of loop IR as LLVM values.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <optional>
#include <unordered_map>

#include "codegen/vector_access.h"
#include "ir/loop/integer_range.h"
#include "ir/loop/loop.h"
#include "ir/target/target.h"

namespace cnnc {

/// Where code is being emitted: which LLVM value each variable has, and which loop, if any, is a
/// vector.
struct Scope {
  explicit Scope(const Program& program) : ranges{&program, {}, {}} {}

  std::unordered_map<Var, llvm::Value*>
      variables;        // of the vector variable: its first lane's value
  RangeContext ranges;  // of these variables, where they are known
  Var lane;             // the vector variable; null outside vector loops
  unsigned lanes = 1;
  llvm::Value* mask = nullptr;  // <lanes x i1> inside an If on the vector variable
  /// Memory that the statement reads and writes. Part vectors of it are loaded lane by lane or in
  /// powers of two: one load under a mask waits for every store that its whole register meets.
  std::optional<BufferId> updated;
};

llvm::Type* llvm_type(ScalarType type, llvm::LLVMContext& context);

/// Emits expressions at the builder's insertion point. A value that depends on the vector variable
/// is a vector of Scope::lanes elements; others stay scalar.
class ExpressionEmitter {
 public:
  /// `address(buffer)` is the start of a buffer, as a pointer. `kernel`, an index into
  /// Program::kernels: every index is checked against its dimension, in this kernel's name.
  ExpressionEmitter(const Program& program, const Target& target, llvm::IRBuilder<>& builder,
                    std::function<llvm::Value*(BufferId)> address,
                    std::optional<std::int64_t> kernel = std::nullopt)
      : program_(program),
        build_(builder),
        address_(std::move(address)),
        checked_(kernel),
        masks_(target.vector_bytes > 16),
        masked_stores_(stores_masked(target)) {}

  llvm::Value* emit(const Expr& expr, const Scope& scope);
  llvm::Value* combine(Reduction op, ScalarType type, llvm::Value* a, llvm::Value* b);
  llvm::Value* load(BufferId buffer, const std::vector<Expr>& index, const Scope& scope);
  void store(BufferId buffer, const std::vector<Expr>& index, llvm::Value* value,
             const Scope& scope);
  /// `value` in every lane, where it is scalar.
  llvm::Value* spread(llvm::Value* value, unsigned lanes);

 private:
  struct Access;

  void check(BufferId buffer, const std::vector<Expr>& index, const Scope& scope);
  Access access(BufferId buffer, const std::vector<Expr>& index, const Scope& scope);
  llvm::Value* lane_offsets(const Access& access, const Scope& scope);
  bool goes_at_once(BufferId buffer, const Scope& scope) const;
  PartLoad part_load(BufferId buffer, const std::vector<Expr>& index, const Scope& scope) const;
  llvm::Value* pointer(BufferId buffer, llvm::Value* offset);
  llvm::Value* permuted_row(BufferId buffer, const std::vector<std::int64_t>& offsets);
  llvm::Value* choose(const std::vector<std::int64_t>& from_a, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_unary(const Unary& unary, ScalarType type, const Scope& scope);
  llvm::Value* arithmetic(BinaryOp op, ScalarType type, llvm::Value* a, llvm::Value* b);
  llvm::Value* emit_cast(const Cast& cast, ScalarType type, const Scope& scope);
  void match(llvm::Value*& a, llvm::Value*& b);

  const Program& program_;
  llvm::IRBuilder<>& build_;
  std::function<llvm::Value*(BufferId)> address_;
  std::optional<std::int64_t> checked_;
  bool masks_;  // AVX and what came after it load some lanes of a vector
  bool masked_stores_;
};

}  // namespace cnnc
