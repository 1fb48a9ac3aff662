// What every program must satisfy, whichever pass made it.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/base/alignment.h"
#include "ir/expr/arithmetic.h"
#include "ir/expr/expr_text.h"
#include "ir/loop/lane_stride.h"
#include "ir/loop/loop.h"

namespace cnnc {
namespace {

constexpr std::size_t kMostErrors = 50;

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::stack || buffer.memory == Memory::reg;
}

bool is_planned(const Buffer& buffer) {
  return buffer.memory == Memory::arena || buffer.memory == Memory::thread;
}

class Verifier {
 public:
  Verifier(const Program& program, Need need) : program_(program), need_(need) {}

  std::vector<Fault> run() {
    buffers();
    std::unordered_set<std::string> names;
    for (std::size_t i = 0; i < program_.kernels.size(); ++i) {
      const auto& kernel = program_.kernels[i];
      where_ = fmt::format("kernel {}: ", kernel.name);
      part_ = {Part::Kind::kernel, i};
      statements_ = 0;
      copies_ = 0;
      local_bytes_ = 0;
      told_copies_ = told_bytes_ = false;
      if (!names.insert(kernel.name).second) complain("there are two kernels of this name");
      block(kernel.body);
    }
    return std::move(faults_);
  }

 private:
  template <class... Args>
  void complain(fmt::format_string<Args...> format, Args&&... args) {
    if (faults_.size() < kMostErrors)
      faults_.push_back({part_, where_ + fmt::format(format, std::forward<Args>(args)...)});
  }

  bool exists(BufferId id) const {
    return id >= 0 && static_cast<std::size_t>(id) < program_.buffers.size();
  }

  void buffers() {
    if ((program_.batch > 0) != (program_.group > 0))
      complain("a batch of {} rows in groups of {}", program_.batch, program_.group);
    std::unordered_set<std::string> names;
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
      const auto& it = program_.buffers[i];
      where_ = fmt::format("buffer {}: ", it.name);
      part_ = {Part::Kind::buffer, i};
      if (!is_local(it) && !names.insert(it.name).second) complain("there are two of this name");
      if (!checked_element_count(it.type.dims, -1, kMaxElements)) {
        complain("{} is no shape of a buffer", to_string(it.type.dims));
        continue;
      }
      if (it.memory == Memory::constant && it.data.type() != it.type)
        complain("its data are {}", to_string(it.data.type()));
      if (it.view_of) view(it);
      place(it);
    }
  }

  void place(const Buffer& it) {
    if (it.offset < 0) return;
    if (!is_planned(it) || it.view_of)
      return complain("only arena and thread buffers, no views, have an offset");
    if (it.offset % kBufferAlignment != 0)
      complain("its offset {} is no multiple of {}", it.offset, kBufferAlignment);
    if (it.offset > kMostPlannedBytes - byte_count(it.type))
      complain("its offset {} is too large: memory ends at {}", it.offset, kMostPlannedBytes);
  }

  void view(const Buffer& it) {
    if (!exists(*it.view_of)) return complain("view of a buffer that is not there");
    const auto& target = program_.buffer(*it.view_of);
    if (target.view_of) complain("view of the view {}", target.name);
    if (target.type.scalar != it.type.scalar ||
        element_count(target.type.dims, 1) != element_count(it.type.dims, 1))
      complain("{} cannot view {} {}", to_string(it.type), target.name, to_string(target.type));
    if (is_local(target) != is_local(it))
      complain("{} memory cannot view {} memory", name_of(it.memory), name_of(target.memory));
  }

  // Statements.

  void block(const Block& block) {
    std::vector<Var> bound;
    std::vector<BufferId> allocated;
    for (const auto& stmt : block) {
      part_ = {Part::Kind::statement, part_.index, statements_++};
      count_copies();
      std::visit([&](const auto& node) { check(node); }, stmt.value);
      if (const auto* let = stmt.as<Let>(); let != nullptr && bind(let->var, false))
        bound.push_back(let->var);
      if (const auto* alloc = stmt.as<Alloc>(); alloc != nullptr && allocate(alloc->buffer))
        allocated.push_back(alloc->buffer);
    }
    for (const auto& var : bound) variables_.erase(var);
    for (const auto id : allocated) allocated_.erase(id);
  }

  // Whether a variable may stand in a register buffer's index: a loop's with constant extent does.
  bool bind(const Var& var, bool in_register_index) {
    if (variables_.try_emplace(var, in_register_index).second) return true;
    complain("variable {} is bound again", var->name);
    return false;
  }

  bool allocate(BufferId id) {
    if (!exists(id)) {
      complain("alloc of a buffer that is not there");
      return false;
    }
    const auto& it = program_.buffer(id);
    if (!is_local(it)) complain("alloc of {}, which is {} memory", it.name, name_of(it.memory));
    if (it.view_of && !allocated_.contains(*it.view_of))
      complain("{} views a buffer that is not in scope", it.name);
    if (!it.view_of) local_bytes_ += std::min(byte_count(it.type), kMostLocalBytes + 1);
    if (need_ == Need::size && local_bytes_ > kMostLocalBytes && !std::exchange(told_bytes_, true))
      complain("with {} the kernel's stack and register buffers take more than {} bytes", it.name,
               kMostLocalBytes);
    if (allocated_.insert(id).second) return true;
    complain("{} is allocated again", it.name);
    return false;
  }

  // Unrolled copies and lanes are statements of their own by the time that LLVM sees them.
  void count_copies() {
    copies_ += written_out_;
    if (need_ == Need::size && copies_ > kMostCopies && !std::exchange(told_copies_, true))
      complain("written out, its vector and unrolled loops are more than {} statements",
               kMostCopies);
  }

  void check(const For& loop) {
    if (loop.var->type != ScalarType::i64)
      complain("loop variable {} is {}", loop.var->name, name_of(loop.var->type));
    typed(loop.begin, ScalarType::i64, "a loop's bound");
    typed(loop.end, ScalarType::i64, "a loop's bound");
    std::optional<std::int64_t> extent;
    if (loop.begin && loop.end) extent = constant_extent(loop);
    if (loop.axis != BatchAxis::none && loop.begin && loop.end) batch(loop);
    if (in_vector_) complain("loop {} is inside of a vector loop", loop.var->name);
    if (loop.kind == LoopKind::parallel && loops_ > 0)
      complain("parallel loop {} is inside of another loop", loop.var->name);
    if (loop.kind == LoopKind::vector && !extent)
      complain("vector loop {} has no constant extent", loop.var->name);
    const std::int64_t lanes = loop.kind == LoopKind::vector ? extent.value_or(1) : 1;
    if (need_ == Need::size && lanes > kMostLanes)
      complain("vector loop {} has {} lanes; machine code takes at most {}", loop.var->name, lanes,
               kMostLanes);
    ++loops_;
    body(loop, extent);
    --loops_;
  }

  void body(const For& loop, std::optional<std::int64_t> extent) {
    const auto outside_lanes = lanes_;
    const auto outside_copies = written_out_;
    const bool outside_vector = in_vector_;
    std::int64_t copies = 1;
    if (loop.kind == LoopKind::unroll) copies = extent.value_or(1);
    if (loop.kind == LoopKind::vector) copies = extent.value_or(1) / 4 + 1;
    written_out_ *= std::min(copies, kMostCopies / std::max<std::int64_t>(written_out_, 1) + 1);
    in_vector_ = in_vector_ || loop.kind == LoopKind::vector;
    if (loop.kind == LoopKind::vector && extent.value_or(0) > 1) lanes_.emplace(program_, loop.var);
    // Another worker sees memory, not what a register or a variable of this one holds.
    if (loop.kind == LoopKind::parallel) {
      for (const auto& [var, may_index] : variables_) outer_variables_.insert(var);
      outer_buffers_ = allocated_;
    }
    const bool bound = bind(loop.var, extent.has_value());
    if (loop.axis == BatchAxis::groups) groups_ = loop.var;
    block(loop.body);
    if (loop.axis == BatchAxis::groups) groups_ = {};
    if (bound) variables_.erase(loop.var);
    if (loop.kind == LoopKind::parallel) {
      outer_variables_.clear();
      outer_buffers_.clear();
    }
    in_vector_ = outside_vector;
    written_out_ = outside_copies;
    lanes_ = outside_lanes;
  }

  /// A loop over the batch has the bounds that it stands for.
  void batch(const For& loop) {
    const auto count = program_.find("count");
    if (program_.batch == 0 || !count ||
        program_.buffer(*count).type != TensorType{ScalarType::i64, {}})
      return complain("loop {} goes over a batch that the program does not have", loop.var->name);
    const bool groups = loop.axis == BatchAxis::groups;
    if (groups && loops_ > 0)
      complain("loop {} over groups is inside of another loop", loop.var->name);
    const Var* group = group_of(loop);
    if (!groups && (!group || !groups_ || *group != groups_))
      return complain("loop {} over samples is in no loop over their groups", loop.var->name);
    const For expected =
        groups ? over_groups(program_, loop.var, {}) : over_samples(program_, loop.var, *group, {});
    if (!same(loop.begin, expected.begin) || !same(loop.end, expected.end))
      complain("loop {} over the batch has other bounds", loop.var->name);
  }

  void check(const Store& store) { write(store.buffer, store.index, store.value); }
  void check(const Accumulate& store) {
    write(store.buffer, store.index, store.value);
    if (exists(store.buffer) && program_.buffer(store.buffer).type.scalar == ScalarType::boolean)
      complain("accumulation in bools");
  }
  void check(const Let& let) {
    typed(let.value, let.var->type, "the value of a let");
    if (lanes_ && faults_.empty()) lanes_->bind(let);
  }
  void check(const Alloc&) {}
  void check(const If& branch) {
    typed(branch.condition, ScalarType::boolean, "a condition");
    block(branch.then_body);
    block(branch.else_body);
  }

  void write(BufferId id, const std::vector<Expr>& index, const Expr& value) {
    access(id, index);
    for (const auto& it : index) typed(it, ScalarType::i64, "an index");
    if (!exists(id)) return;
    const auto& it = program_.buffer(id);
    typed(value, it.type.scalar, fmt::format("what is stored to {}", it.name));
    const auto memory =
        exists(program_.storage(id)) ? program_.buffer(program_.storage(id)).memory : it.memory;
    for (const auto written : {memory, it.memory})
      if (written == Memory::input || written == Memory::constant)
        return complain("{} is {} memory and cannot be written", it.name, name_of(written));
    if (lanes_ && faults_.empty() && lanes_->is_one_element(id, index))
      complain("all lanes of a vector loop write one element of {}", it.name);
  }

  // Expressions.

  void typed(const Expr& expr, ScalarType type, std::string_view what) {
    if (!expr) return complain("{} is empty", what);
    if (expr.type() != type)
      complain("{} must be {}, but {} is {}", what, name_of(type), text(expr),
               name_of(expr.type()));
    walk(expr, [&](const Expr& node) {
      std::visit([&](const auto& it) { check(node, it); }, node.node().value);
    });
  }

  void check(const Expr&, const Const&) {}
  void check(const Expr&, const Var& var) {
    if (!variables_.contains(var)) complain("variable {} is not in scope", var->name);
    if (outer_variables_.contains(var))
      complain("variable {} is bound outside of the parallel loop that uses it", var->name);
  }
  void check(const Expr& expr, const Load& node) {
    access(node.buffer, node.index);
    for (const auto& it : node.index)
      if (it.type() != ScalarType::i64) complain("index {} is {}", text(it), name_of(it.type()));
    if (exists(node.buffer)) agree(expr, program_.buffer(node.buffer).type.scalar == expr.type());
  }
  void check(const Expr& expr, const Unary& node) {
    agree(expr, accepts(node.op, node.x.type()) && expr.type() == node.x.type());
    const bool is_function =
        node.op == UnaryOp::exp || node.op == UnaryOp::log || node.op == UnaryOp::tanh;
    if (need_ == Need::code && is_function)
      complain("{} is no arithmetic: expand_math makes some of it", name_of(node.op));
  }
  void check(const Expr& expr, const Binary& node) {
    const auto type = node.a.type();
    agree(expr, node.b.type() == type && accepts(node.op, type) &&
                    expr.type() == (is_comparison(node.op) ? ScalarType::boolean : type));
  }
  void check(const Expr& expr, const Fma& node) {
    agree(expr, is_float(expr.type()) && node.a.type() == expr.type() &&
                    node.b.type() == expr.type() && node.c.type() == expr.type());
  }
  void check(const Expr& expr, const Select& node) {
    agree(expr, node.condition.type() == ScalarType::boolean && node.a.type() == expr.type() &&
                    node.b.type() == expr.type());
  }
  void check(const Expr& expr, const Cast& node) {
    agree(expr, !node.bits ||
                    (size_of(expr.type()) == size_of(node.x.type()) && size_of(expr.type()) >= 4));
  }

  void agree(const Expr& expr, bool types_agree) {
    if (!types_agree) complain("types do not agree in {} ({})", text(expr), name_of(expr.type()));
  }

  void access(BufferId id, const std::vector<Expr>& index) {
    if (!exists(id)) return complain("access to a buffer that is not there");
    const auto& it = program_.buffer(id);
    if (it.type.dims.size() != index.size())
      complain("{} indices for {} {}", index.size(), it.name, to_string(it.type));
    if (is_local(it) && !allocated_.contains(id)) complain("{} is not allocated here", it.name);
    if (outer_buffers_.contains(id) || outer_buffers_.contains(program_.storage(id)))
      complain("{} is allocated outside of the parallel loop that uses it", it.name);
    if (need_ == Need::code) placed(program_.storage(id));
    if (it.memory != Memory::reg) return;
    for (const auto& one : index)
      if (one && !may_index_register(one))
        complain("{} cannot index register buffer {}: it is not constant after unrolling",
                 text(one), it.name);
  }

  void placed(BufferId id) {
    if (!exists(id) || !is_planned(program_.buffer(id)) || program_.buffer(id).offset >= 0) return;
    if (displaced_.insert(id).second)
      complain("{} has no place in memory: plan_memory gives one", program_.buffer(id).name);
  }

  bool may_index_register(const Expr& index) const {
    bool constant = true;
    walk(index, [&](const Expr& node) {
      if (node.as<Load>() != nullptr) constant = false;
      if (const auto* var = node.as<Var>()) {
        const auto found = variables_.find(*var);
        constant = constant && (found == variables_.end() || found->second);
      }
    });
    return constant;
  }

  std::string text(const Expr& expr) const {
    std::string result;
    append_expr(result, expr,
                {[](const Var& var) { return std::string_view(var->name); },
                 [&](BufferId id) {
                   return exists(id) ? std::string_view(program_.buffer(id).name)
                                     : "<no such buffer>";
                 }});
    return result;
  }

  const Program& program_;
  Need need_;
  std::string where_;
  Part part_;
  std::size_t statements_ = 0;  // of this kernel, so far
  std::vector<Fault> faults_;
  std::unordered_map<Var, bool> variables_;     // in scope, and whether each may index registers
  std::unordered_set<BufferId> allocated_;      // in scope
  std::unordered_set<BufferId> displaced_;      // told to have no place
  std::unordered_set<Var> outer_variables_;     // of the parallel loop around
  std::unordered_set<BufferId> outer_buffers_;  // likewise
  std::optional<LaneValues> lanes_;             // of the vector loop around, if it has several
  Var groups_;                                  // of the loop over groups around the statement
  bool in_vector_ = false;
  int loops_ = 0;
  std::int64_t written_out_ = 1;  // copies of the statement here
  std::int64_t copies_ = 0;       // of all of this kernel, so far
  std::int64_t local_bytes_ = 0;  // likewise
  bool told_copies_ = false, told_bytes_ = false;
};

}  // namespace

std::vector<Fault> find_faults(const Program& program, Need need) {
  return Verifier(program, need).run();
}

std::vector<std::string> verify_errors(const Program& program, Need need) {
  return messages_of(find_faults(program, need));
}

void verify(const Program& program, std::string_view stage, Need need) {
  const auto errors = verify_errors(program, need);
  if (errors.empty()) return;
  std::string text = fmt::format("after {}, program {} is broken:", stage, program.name);
  for (std::size_t i = 0; i < std::min<std::size_t>(errors.size(), 10); ++i)
    text += "\n  " + errors[i];
  throw InternalError(text);
}

}  // namespace cnnc
