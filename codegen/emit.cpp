#include "codegen/emit.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "codegen/expressions.h"
#include "codegen/kernel_abi.h"
#include "ir/base/alignment.h"

namespace cnnc {

namespace {

using Parts = std::map<const For*, const CodeUnit*>;

/// Emits one function: a kernel's entry, the body of one of its parallel loops, or a part of such a
/// body.
class FunctionEmitter {
 public:
  /// `parts`: loops that are functions of their own. `checked`: the kernel's index in the program,
  /// where indices are checked.
  FunctionEmitter(const Program& program, const Target& target, const CodeUnit& unit,
                  const Parts& parts, llvm::Module& module, llvm::Function& function,
                  std::optional<std::int64_t> checked)
      : program_(program),
        target_(target),
        unit_(unit),
        parts_(parts),
        module_(module),
        function_(function),
        build_(module.getContext()),
        checked_(checked),
        expressions_(
            program, target, build_, [this](BufferId id) { return address(id); }, checked) {
    entry_ = llvm::BasicBlock::Create(module.getContext(), "entry", &function);
    auto* body = llvm::BasicBlock::Create(module.getContext(), "body", &function);
    build_.SetInsertPoint(body);
    for (const BufferId id : unit.buffers) numbers_.try_emplace(id, numbers_.size());
  }

  /// The kernel's statements; parallel loops among them become functions of their own.
  void emit_entry() {
    emit_block(unit_.kernel->body, Scope(program_));
    finish();
  }

  /// A part of a parallel loop's body: arguments are the context, and the unit's variables and
  /// addresses.
  void emit_part() {
    Scope scope(program_);
    unsigned argument = 1;
    for (const Var& var : unit_.arguments) scope.variables[var] = function_.getArg(argument++);
    emit_for(*unit_.part, scope);
    finish();
  }

  /// The body of a parallel loop, for the iterations that the arguments say.
  void emit_parallel_body(const For& loop) {
    worker_ = function_.getArg(3);
    emit_loop(loop, function_.getArg(1), function_.getArg(2), Scope(program_));
    finish();
  }

  /// Calls of parts, in terms of `variables`: arguments are the context, the worker and these.
  void emit_calls(std::span<const Stmt> calls, const std::vector<Var>& variables) {
    Scope scope(program_);
    worker_ = function_.getArg(1);
    for (std::size_t i = 0; i < variables.size(); ++i)
      scope.variables[variables[i]] = function_.getArg(static_cast<unsigned>(i) + 2);
    for (const Stmt& stmt : calls) emit_call(*parts_.at(stmt.as<For>()), scope);
    finish();
  }

 private:
  void finish() {
    build_.CreateRetVoid();
    build_.SetInsertPoint(entry_);
    build_.CreateBr(&*std::next(function_.begin()));
  }

  llvm::Value* context_field(std::size_t offset, llvm::Type* type) {
    auto* at = build_.CreateConstInBoundsGEP1_64(build_.getInt8Ty(), function_.getArg(0), offset);
    return build_.CreateLoad(type, at);
  }

  /// A field of the context that lasts as long as the kernel runs: loaded once, in the entry block.
  llvm::Value* lasting_field(std::size_t offset, llvm::Type* type) {
    auto [known, fresh] = fields_.try_emplace(offset, nullptr);
    if (!fresh) return known->second;
    llvm::IRBuilder<>::InsertPointGuard guard(build_);
    build_.SetInsertPoint(entry_);
    return known->second = context_field(offset, type);
  }

  llvm::Value* own_scratch() {
    if (own_scratch_) return own_scratch_;
    llvm::Value* base = lasting_field(offsetof(KernelContext, scratch), build_.getPtrTy());
    llvm::Value* stride =
        lasting_field(offsetof(KernelContext, scratch_stride), build_.getInt64Ty());
    llvm::IRBuilder<>::InsertPointGuard guard(build_);
    build_.SetInsertPoint(entry_);
    return own_scratch_ = build_.CreateInBoundsGEP(build_.getInt8Ty(), base,
                                                   build_.CreateMul(worker(), stride));
  }

  llvm::Value* worker() { return worker_ ? worker_ : build_.getInt64(0); }

  /// The start of a buffer; computed once, in the entry block, which dominates every use.
  llvm::Value* address(BufferId id) {
    const BufferId storage = program_.storage(id);
    auto [known, fresh] = addresses_.try_emplace(storage, nullptr);
    if (!fresh) return known->second;
    llvm::IRBuilder<>::InsertPointGuard guard(build_);
    build_.SetInsertPoint(entry_);
    known->second = unit_.part ? argument(storage) : place(storage);
    build_.CreateAlignmentAssumption(module_.getDataLayout(), known->second,
                                     static_cast<unsigned>(kBufferAlignment));
    return known->second;
  }

  /// Of a part: the start of a storage.
  llvm::Value* argument(BufferId storage) {
    return function_.getArg(
        static_cast<unsigned>(1 + unit_.arguments.size() + numbers_.at(storage)));
  }

  /// Of an entry or the body of one of its loops: the start of a storage, computed where the
  /// builder stands.
  llvm::Value* place(BufferId storage) {
    const Memory memory = program_.buffer(storage).memory;
    CNNC_CHECK(memory != Memory::stack && memory != Memory::reg, "{} is used outside its Alloc",
               program_.buffer(storage).name);
    llvm::Type *const pointer = build_.getPtrTy(), *const integer = build_.getInt64Ty();
    llvm::Value* number = build_.CreateConstInBoundsGEP1_64(
        integer, lasting_field(offsetof(KernelContext, places), pointer), numbers_.at(storage));
    number = build_.CreateLoad(integer, number);
    if (memory == Memory::thread)
      return build_.CreateInBoundsGEP(build_.getInt8Ty(), own_scratch(), number);
    if (memory == Memory::arena)
      return build_.CreateInBoundsGEP(
          build_.getInt8Ty(), lasting_field(offsetof(KernelContext, arena), pointer), number);
    llvm::Value* table = lasting_field(offsetof(KernelContext, buffers), pointer);
    return build_.CreateLoad(pointer, build_.CreateInBoundsGEP(pointer, table, number));
  }

  /// More calls than this one after the other are functions of their own: LLVM takes longer than in
  /// proportion for a long block.
  static constexpr std::size_t kMostCalls = 32;

  /// The calls of parts that `block` begins with, as far as it matters how many they are.
  std::span<const Stmt> calls_at(std::span<const Stmt> block) const {
    std::size_t count = 0;
    while (count <= kMostCalls && count < block.size() && block[count].as<For>() &&
           parts_.contains(block[count].as<For>()))
      ++count;
    return block.first(count);
  }

  void emit_call_of(std::span<const Stmt> calls, const Scope& scope) {
    std::vector<Var> variables;
    for (const Stmt& stmt : calls)
      for (const Var& var : parts_.at(stmt.as<For>())->arguments)
        if (std::ranges::find(variables, var) == variables.end()) variables.push_back(var);
    std::vector<llvm::Type*> types{build_.getPtrTy()};
    types.resize(2 + variables.size(), build_.getInt64Ty());
    auto* function = llvm::Function::Create(
        llvm::FunctionType::get(build_.getVoidTy(), types, false), llvm::Function::InternalLinkage,
        function_.getName() + ".calls", module_);
    function->setAttributes(function_.getAttributes());
    FunctionEmitter(program_, target_, unit_, parts_, module_, *function, checked_)
        .emit_calls(calls, variables);
    std::vector<llvm::Value*> arguments{function_.getArg(0), worker()};
    for (const Var& var : variables) arguments.push_back(scope.variables.at(var));
    build_.CreateCall(function, arguments);
  }

  void emit_block(const Block& block, Scope scope) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      const Stmt& stmt = block[i];
      if (const auto calls = calls_at(std::span(block).subspan(i)); calls.size() > kMostCalls) {
        emit_call_of(calls.first(kMostCalls), scope);
        i += kMostCalls - 1;
        continue;
      }
      if (const auto* loop = stmt.as<For>()) {
        const auto part = parts_.find(loop);
        if (part == parts_.end())
          emit_for(*loop, scope);
        else
          emit_call(*part->second, scope);
      } else if (const auto* store = stmt.as<Store>())
        emit_store(store->buffer, store->index, store->value, scope);
      else if (const auto* accumulate = stmt.as<Accumulate>())
        emit_accumulate(*accumulate, scope);
      else if (const auto* let = stmt.as<Let>())
        scope.variables[let->var] = expressions_.emit(let->value, scope);
      else if (const auto* alloc = stmt.as<Alloc>())
        emit_alloc(alloc->buffer);
      else
        emit_if(*stmt.as<If>(), scope);
    }
  }

  /// Addresses are computed at the call: a fused kernel's calls have more of them than registers.
  void emit_call(const CodeUnit& part, const Scope& scope) {
    std::vector<llvm::Value*> arguments{function_.getArg(0)};
    for (const Var& var : part.arguments) arguments.push_back(scope.variables.at(var));
    for (const BufferId id : part.buffers) arguments.push_back(place(id));
    build_.CreateCall(module_.getFunction(part.symbol), arguments);
  }

  void emit_store(BufferId buffer, const std::vector<Expr>& index, const Expr& value,
                  const Scope& scope) {
    Scope inner = scope;
    walk(value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (l && program_.storage(l->buffer) == program_.storage(buffer))
        inner.updated = program_.storage(buffer);
    });
    expressions_.store(buffer, index, expressions_.emit(value, inner), inner);
  }

  void emit_accumulate(const Accumulate& accumulate, Scope scope) {
    scope.updated = program_.storage(accumulate.buffer);
    llvm::Value* old = expressions_.load(accumulate.buffer, accumulate.index, scope);
    llvm::Value* value = expressions_.emit(accumulate.value, scope);
    value = expressions_.combine(accumulate.op, program_.buffer(accumulate.buffer).type.scalar, old,
                                 value);
    expressions_.store(accumulate.buffer, accumulate.index, value, scope);
  }

  void emit_alloc(BufferId id) {
    const Buffer& buffer = program_.buffer(id);
    llvm::IRBuilder<>::InsertPointGuard guard(build_);
    build_.SetInsertPoint(entry_, entry_->begin());
    const std::int64_t own = byte_count(buffer.type);
    const auto bytes =
        static_cast<std::uint64_t>(buffer.memory == Memory::stack ? readable_bytes(own) : own);
    auto* memory =
        build_.CreateAlloca(llvm::ArrayType::get(build_.getInt8Ty(), bytes), nullptr, buffer.name);
    memory->setAlignment(llvm::Align(kBufferAlignment));
    addresses_[id] = memory;
  }

  void emit_for(const For& loop, const Scope& scope) {
    if (loop.kind == LoopKind::parallel && loop.begin.constant() != 0) {
      emit_for(from_zero(loop), scope);
      return;
    }
    llvm::Value* begin = expressions_.emit(loop.begin, scope);
    llvm::Value* end = expressions_.emit(loop.end, scope);
    switch (loop.kind) {
      case LoopKind::parallel: emit_parallel(loop, begin, end); return;
      case LoopKind::serial: emit_loop(loop, begin, end, scope); return;
      case LoopKind::vector: {
        const auto lanes = constant_extent(loop);
        CNNC_CHECK(lanes, "vector loop over {} has no constant extent", loop.var->name);
        if (*lanes == 0) return;
        Scope inner = scope;
        inner.variables[loop.var] = begin;
        set_range(loop, inner);
        if (*lanes > 1) {
          inner.lane = loop.var;
          inner.lanes = static_cast<unsigned>(*lanes);
        }
        emit_block(loop.body, inner);
        return;
      }
      case LoopKind::unroll: {
        const auto extent = constant_extent(loop);
        if (!extent) {
          emit_loop(loop, begin, end, scope);
          return;
        }
        Scope inner = scope;
        for (std::int64_t i = 0; i < *extent; ++i) {
          inner.variables[loop.var] =
              build_.CreateAdd(begin, build_.getInt64(static_cast<std::uint64_t>(i)));
          set_range({loop.var, loop.begin + i, loop.begin + i + 1, loop.kind, {}}, inner);
          emit_block(loop.body, inner);
        }
        return;
      }
    }
  }

  /// Between which values the variable of `loop` is inside of it.
  static void set_range(const For& loop, Scope& scope) {
    const auto begin = range_of(loop.begin, scope.ranges), end = range_of(loop.end, scope.ranges);
    scope.ranges.variables.erase(loop.var);
    if (begin && end && begin->low < end->high)
      scope.ranges.variables[loop.var] = {begin->low, end->high - 1};
  }

  /// for (i = begin; i < end; ++i) body
  void emit_loop(const For& loop, llvm::Value* begin, llvm::Value* end, Scope scope) {
    auto& context = module_.getContext();
    auto* before = build_.GetInsertBlock();
    auto* body = llvm::BasicBlock::Create(context, loop.var->name, &function_);
    auto* after = llvm::BasicBlock::Create(context, loop.var->name + ".end", &function_);
    build_.CreateCondBr(build_.CreateICmpSLT(begin, end), body, after);
    build_.SetInsertPoint(body);
    auto* var = build_.CreatePHI(build_.getInt64Ty(), 2, loop.var->name);
    var->addIncoming(begin, before);
    scope.variables[loop.var] = var;
    set_range(loop, scope);
    emit_block(loop.body, scope);
    auto* next = build_.CreateAdd(var, build_.getInt64(1), "", /*HasNUW=*/false, /*HasNSW=*/true);
    var->addIncoming(next, build_.GetInsertBlock());
    build_.CreateCondBr(build_.CreateICmpSLT(next, end), body, after);
    build_.SetInsertPoint(after);
  }

  /// The tasks of a parallel loop are counted from 0.
  static For from_zero(const For& loop) {
    return {loop.var, 0, loop.end - loop.begin, loop.kind,
            substitute(loop.body, {{loop.var, loop.begin + Expr(loop.var)}})};
  }

  void emit_parallel(const For& loop, llvm::Value* begin, llvm::Value* end) {
    auto& context = module_.getContext();
    auto* i64 = build_.getInt64Ty();
    auto* pointer = build_.getPtrTy();
    auto* type = llvm::FunctionType::get(build_.getVoidTy(), {pointer, i64, i64, i64}, false);
    auto* body = llvm::Function::Create(type, llvm::Function::InternalLinkage,
                                        function_.getName() + "." + loop.var->name, module_);
    body->setAttributes(function_.getAttributes());
    FunctionEmitter(program_, target_, unit_, parts_, module_, *body, checked_)
        .emit_parallel_body(loop);
    auto* callback_type =
        llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, i64, pointer}, false);
    auto* callback = context_field(offsetof(KernelContext, parallel_for), pointer);
    build_.CreateCall(callback_type, callback,
                      {function_.getArg(0), build_.CreateSub(end, begin), body});
  }

  void emit_if(const If& branch, const Scope& scope) {
    llvm::Value* condition = expressions_.emit(branch.condition, scope);
    if (condition->getType()->isVectorTy()) {
      const auto masked = [&](const Block& block, llvm::Value* mask) {
        if (block.empty()) return;
        Scope inner = scope;
        inner.mask = scope.mask ? build_.CreateAnd(scope.mask, mask) : mask;
        emit_block(block, inner);
      };
      masked(branch.then_body, condition);
      masked(branch.else_body, build_.CreateNot(condition));
      return;
    }
    auto& context = module_.getContext();
    auto* yes = llvm::BasicBlock::Create(context, "then", &function_);
    auto* no = llvm::BasicBlock::Create(context, "else", &function_);
    auto* after = llvm::BasicBlock::Create(context, "endif", &function_);
    build_.CreateCondBr(condition, yes, no);
    build_.SetInsertPoint(yes);
    emit_block(branch.then_body, scope);
    build_.CreateBr(after);
    build_.SetInsertPoint(no);
    emit_block(branch.else_body, scope);
    build_.CreateBr(after);
    build_.SetInsertPoint(after);
  }

  const Program& program_;
  const Target& target_;
  const CodeUnit& unit_;
  const Parts& parts_;
  llvm::Module& module_;
  llvm::Function& function_;
  llvm::IRBuilder<> build_;
  std::optional<std::int64_t> checked_;
  ExpressionEmitter expressions_;
  llvm::BasicBlock* entry_ = nullptr;
  llvm::Value* worker_ = nullptr;  // of an entry null: the calling thread
  llvm::Value* own_scratch_ = nullptr;
  std::map<std::size_t, llvm::Value*> fields_;
  std::unordered_map<BufferId, llvm::Value*> addresses_;
  std::unordered_map<BufferId, std::size_t> numbers_;  // of the unit's buffers
};

llvm::Function* declare(const CodeUnit& unit, const Target& target, llvm::Module& module) {
  if (auto* known = module.getFunction(unit.symbol)) return known;
  auto& context = module.getContext();
  std::vector<llvm::Type*> arguments{llvm::PointerType::getUnqual(context)};
  if (unit.part) {
    arguments.resize(1 + unit.arguments.size(), llvm::Type::getInt64Ty(context));
    arguments.resize(arguments.size() + unit.buffers.size(), arguments.front());
  }
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), arguments, false);
  auto* function =
      llvm::Function::Create(type, llvm::Function::ExternalLinkage, unit.symbol, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  function->addFnAttr("target-cpu", target.cpu);
  function->addFnAttr("target-features", target.features);
  // Some CPUs are tuned to prefer narrow vectors; how wide a vector is has been decided here.
  function->addFnAttr("prefer-vector-width", std::to_string(8 * target.vector_bytes));
  function->addFnAttr("min-legal-vector-width", std::to_string(8 * target.vector_bytes));
  return function;
}

}  // namespace

std::unique_ptr<llvm::Module> emit_module(const Program& program, std::span<const CodeUnit> all,
                                          std::span<const CodeUnit* const> units,
                                          const Target& target, const EmitOptions& options,
                                          llvm::LLVMContext& context) {
  auto module = std::make_unique<llvm::Module>(units.front()->symbol, context);
  for (const CodeUnit* unit : units) {
    Parts parts;
    if (!unit->part)  // parts hold no parts of their own: only an entry calls any
      for (const CodeUnit* each = unit + 1; each != &*all.begin() + all.size() && each->part;
           ++each) {
        parts[each->part] = each;
        declare(*each, target, *module);
      }
    llvm::Function& function = *declare(*unit, target, *module);
    std::optional<std::int64_t> checked;
    if (options.check_bounds) checked = unit->kernel - program.kernels.data();
    FunctionEmitter emitter(program, target, *unit, parts, *module, function, checked);
    if (unit->part)
      emitter.emit_part();
    else
      emitter.emit_entry();
  }
  return module;
}

}  // namespace cnnc
