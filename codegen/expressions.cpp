#include "codegen/expressions.h"

#include <llvm/IR/Intrinsics.h>

#include "codegen/lanes.h"

namespace cnnc {

namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

enum class Division { quotient, remainder };

/// Signed a / b or a % b. The least number over -1 wraps around, where the processor would trap.
llvm::Value* divide(llvm::IRBuilder<>& build, Division result, llvm::Value* a, llvm::Value* b) {
  const auto divided = [&](llvm::Value* by) {
    return result == Division::quotient ? build.CreateSDiv(a, by) : build.CreateSRem(a, by);
  };
  auto* negates = build.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(b->getType()));
  if (const auto* known = llvm::dyn_cast<llvm::Constant>(negates); known && known->isNullValue())
    return divided(b);
  llvm::Value* safe =
      divided(build.CreateSelect(negates, llvm::ConstantInt::get(b->getType(), 1), b));
  return result == Division::quotient ? build.CreateSelect(negates, build.CreateNeg(a), safe)
                                      : safe;
}

}  // namespace

llvm::Type* llvm_type(ScalarType type, llvm::LLVMContext& context) {
  switch (type) {
    case ScalarType::f32: return llvm::Type::getFloatTy(context);
    case ScalarType::f64: return llvm::Type::getDoubleTy(context);
    case ScalarType::i8:
    case ScalarType::u8: return llvm::Type::getInt8Ty(context);
    case ScalarType::i32:
    case ScalarType::u32: return llvm::Type::getInt32Ty(context);
    case ScalarType::i64: return llvm::Type::getInt64Ty(context);
    case ScalarType::boolean: return llvm::Type::getInt1Ty(context);
  }
  check_failed(__FILE__, __LINE__, "scalar type", "unknown");
}

llvm::Value* ExpressionEmitter::spread(llvm::Value* value, unsigned lanes) {
  return lanes > 1 && !is_vector(value) ? build_.CreateVectorSplat(lanes, value) : value;
}

void ExpressionEmitter::match(llvm::Value*& a, llvm::Value*& b) {
  const unsigned lanes = std::max(lanes_of(a), lanes_of(b));
  a = spread(a, lanes);
  b = spread(b, lanes);
}

llvm::Value* ExpressionEmitter::emit(const Expr& expr, const Scope& scope) {
  const ScalarType type = expr.type();
  llvm::Type* const element = llvm_type(type, build_.getContext());
  return std::visit(
      Overloaded{
          [&](const Const& c) -> llvm::Value* {
            if (is_float(type)) return llvm::ConstantFP::get(element, c.real);
            const llvm::APInt wide(64, static_cast<std::uint64_t>(c.integer), true);
            return llvm::ConstantInt::get(build_.getContext(),
                                          wide.trunc(element->getIntegerBitWidth()));
          },
          [&](const Var& var) -> llvm::Value* {
            const auto found = scope.variables.find(var);
            CNNC_CHECK(found != scope.variables.end(), "variable {} is not in scope", var->name);
            if (var != scope.lane || scope.lanes == 1) return found->second;
            auto* first = build_.CreateVectorSplat(scope.lanes, found->second);
            return build_.CreateAdd(first, build_.CreateStepVector(first->getType()));
          },
          [&](const Load& l) -> llvm::Value* { return load(l.buffer, l.index, scope); },
          [&](const Unary& u) -> llvm::Value* { return emit_unary(u, type, scope); },
          [&](const Binary& b) -> llvm::Value* {
            llvm::Value *x = emit(b.a, scope), *y = emit(b.b, scope);
            match(x, y);
            return arithmetic(b.op, b.a.type(), x, y);
          },
          [&](const Fma& f) -> llvm::Value* {
            llvm::Value *a = emit(f.a, scope), *b = emit(f.b, scope), *c = emit(f.c, scope);
            match(a, b);
            match(a, c);
            match(b, c);
            return build_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
          },
          [&](const Select& s) -> llvm::Value* {
            llvm::Value *condition = emit(s.condition, scope), *a = emit(s.a, scope),
                        *b = emit(s.b, scope);
            match(a, b);
            if (is_vector(condition)) {
              match(condition, a);
              match(condition, b);
              if (const auto lanes = constant_lanes(condition)) return choose(*lanes, a, b);
            }
            return build_.CreateSelect(condition, a, b);
          },
          [&](const Cast& c) -> llvm::Value* { return emit_cast(c, type, scope); },
      },
      expr.node().value);
}

/// Lanes of a where `from_a` is not 0, else of b.
llvm::Value* ExpressionEmitter::choose(const std::vector<std::int64_t>& from_a, llvm::Value* a,
                                       llvm::Value* b) {
  std::vector<int> mask;
  for (std::size_t i = 0; i < from_a.size(); ++i)
    mask.push_back(static_cast<int>(from_a[i] != 0 ? i : i + from_a.size()));
  return build_.CreateShuffleVector(a, b, mask);
}

llvm::Value* ExpressionEmitter::emit_unary(const Unary& unary, ScalarType type,
                                           const Scope& scope) {
  llvm::Value* x = emit(unary.x, scope);
  switch (unary.op) {
    case UnaryOp::neg: return is_float(type) ? build_.CreateFNeg(x) : build_.CreateNeg(x);
    case UnaryOp::abs:
      if (is_float(type)) return build_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      return is_signed(type)
                 ? build_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, build_.getFalse())
                 : x;
    case UnaryOp::sqrt: return build_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x);
    case UnaryOp::floor: return build_.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
    case UnaryOp::logical_not: return build_.CreateNot(x);
    case UnaryOp::exp:
    case UnaryOp::log:
    case UnaryOp::tanh: break;
  }
  check_failed(__FILE__, __LINE__, "expand_math",
               fmt::format("{} reached code generation", name_of(unary.op)));
}

llvm::Value* ExpressionEmitter::arithmetic(BinaryOp op, ScalarType type, llvm::Value* a,
                                           llvm::Value* b) {
  const bool real = is_float(type), sign = is_signed(type);
  auto& build = build_;
  const auto less = [&](llvm::Value* x, llvm::Value* y) {
    return real   ? build.CreateFCmpOLT(x, y)
           : sign ? build.CreateICmpSLT(x, y)
                  : build.CreateICmpULT(x, y);
  };
  // min and max keep NaN: a wins where it is NaN, b where the comparison with its NaN fails.
  const auto pick_a_where = [&](llvm::Value* wins) {
    if (real) wins = build.CreateOr(wins, build.CreateFCmpUNO(a, a));
    return build.CreateSelect(wins, a, b);
  };
  switch (op) {
    case BinaryOp::add: return real ? build.CreateFAdd(a, b) : build.CreateAdd(a, b);
    case BinaryOp::sub: return real ? build.CreateFSub(a, b) : build.CreateSub(a, b);
    case BinaryOp::mul: return real ? build.CreateFMul(a, b) : build.CreateMul(a, b);
    case BinaryOp::div:
      if (real) return build.CreateFDiv(a, b);
      return sign ? divide(build, Division::quotient, a, b) : build.CreateUDiv(a, b);
    case BinaryOp::rem:
      CNNC_CHECK(!real, "rem of reals");
      return sign ? divide(build, Division::remainder, a, b) : build.CreateURem(a, b);
    case BinaryOp::min: return pick_a_where(less(a, b));
    case BinaryOp::max: return pick_a_where(less(b, a));
    case BinaryOp::less: return less(a, b);
    case BinaryOp::less_equal:
      return real   ? build.CreateFCmpOLE(a, b)
             : sign ? build.CreateICmpSLE(a, b)
                    : build.CreateICmpULE(a, b);
    case BinaryOp::equal: return real ? build.CreateFCmpOEQ(a, b) : build.CreateICmpEQ(a, b);
    case BinaryOp::not_equal: return real ? build.CreateFCmpUNE(a, b) : build.CreateICmpNE(a, b);
    case BinaryOp::bit_and: return build.CreateAnd(a, b);
    case BinaryOp::bit_or: return build.CreateOr(a, b);
    case BinaryOp::bit_xor: return build.CreateXor(a, b);
    case BinaryOp::shift_left: return build.CreateShl(a, b);
    case BinaryOp::shift_right: return sign ? build.CreateAShr(a, b) : build.CreateLShr(a, b);
  }
  check_failed(__FILE__, __LINE__, "binary op", "unknown");
}

llvm::Value* ExpressionEmitter::combine(Reduction op, ScalarType type, llvm::Value* a,
                                        llvm::Value* b) {
  match(a, b);
  switch (op) {
    case Reduction::add: return arithmetic(BinaryOp::add, type, a, b);
    case Reduction::max: return arithmetic(BinaryOp::max, type, a, b);
    case Reduction::min: return arithmetic(BinaryOp::min, type, a, b);
  }
  check_failed(__FILE__, __LINE__, "reduction", "unknown");
}

llvm::Value* ExpressionEmitter::emit_cast(const Cast& cast, ScalarType type, const Scope& scope) {
  llvm::Value* x = emit(cast.x, scope);
  const ScalarType from = cast.x.type();
  llvm::Type* to = llvm_type(type, build_.getContext());
  if (is_vector(x)) to = llvm::FixedVectorType::get(to, lanes_of(x));
  if (cast.bits) return build_.CreateBitCast(x, to);
  if (type == ScalarType::boolean) {
    auto* zero = llvm::Constant::getNullValue(x->getType());
    return is_float(from) ? build_.CreateFCmpUNE(x, zero) : build_.CreateICmpNE(x, zero);
  }
  if (is_float(from) && is_float(type)) return build_.CreateFPCast(x, to);
  if (is_float(from))
    return is_signed(type) ? build_.CreateFPToSI(x, to) : build_.CreateFPToUI(x, to);
  if (is_float(type))
    return is_signed(from) ? build_.CreateSIToFP(x, to) : build_.CreateUIToFP(x, to);
  return build_.CreateIntCast(x, to, is_signed(from));
}

}  // namespace cnnc
