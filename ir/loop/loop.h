// Loop IR: programs of kernels, kernels of loops. The whole grammar:
//
//   Program = batch, Buffer*, Kernel*     kernels run in order, once each
//   Buffer  = name, type, memory          row-major; a view shares the memory of another
//   Kernel  = name, layers, Stmt*
//   Stmt    = For | Store | Accumulate | Let | Alloc | If
//   Expr    = Const | Var | Load | Unary | Binary | Fma | Select | Cast      (ir/expr/expr.h)
//
// A run-time scalar (count, lr, seed ...) is an input buffer without dimensions.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "ir/base/diagnostic.h"
#include "ir/base/places.h"
#include "ir/base/tensor.h"
#include "ir/base/type.h"
#include "ir/expr/expr.h"
#include "ir/expr/reduction.h"

namespace cnnc {

/// Where a buffer lives. `input`, `state` and `output` belong to the caller; `constant` holds data
/// of the program; `arena` lasts from kernel to kernel; `thread` is one worker's scratch; `stack`
/// and `register` live inside the Alloc that declares them. A register buffer has constant indices
/// once its loops are unrolled, but for a last one that may be a vector variable.
enum class Memory : std::uint8_t { input, state, output, constant, arena, thread, stack, reg };
std::string_view name_of(Memory memory);

struct Buffer {
  std::string name;
  TensorType type;  // all dimensions concrete
  Memory memory = Memory::arena;
  std::optional<BufferId> view_of;  // same memory as that (non-view) buffer
  std::int64_t offset =
      -1;       // bytes into the arena or the thread's scratch, once plan_memory has run
  Tensor data;  // of a constant
};

enum class LoopKind : std::uint8_t { serial, parallel, vector, unroll };
std::string_view name_of(LoopKind kind);

struct Stmt;
using Block = std::vector<Stmt>;

/// What of the batch a loop goes over. The rows of a call come in groups, which are handed to
/// threads and whose sums are added up apart: a kernel has a loop over groups, outermost, and inside
/// of it loops over the samples of one group, as many as the call has of them.
enum class BatchAxis : std::uint8_t { none, groups, samples };

/// for var in begin .. end. A vector loop has a constant extent, is innermost and its iterations
/// are independent; a parallel one is outermost, and its body uses nothing that is bound or
/// allocated outside of it. Bounds of loops over the batch are those of over_groups and
/// over_samples below.
struct For {
  Var var;
  Expr begin, end;
  LoopKind kind = LoopKind::serial;
  Block body;
  BatchAxis axis = BatchAxis::none;
};
struct Store {
  BufferId buffer = 0;
  std::vector<Expr> index;
  Expr value;
};
/// buffer[index] = buffer[index] op value
struct Accumulate {
  Reduction op = Reduction::add;
  BufferId buffer = 0;
  std::vector<Expr> index;
  Expr value;
};
/// Binds var for the rest of the enclosing block.
struct Let {
  Var var;
  Expr value;
};
/// Declares a stack or register buffer for the rest of the enclosing block; its contents are
/// undefined until stored.
struct Alloc {
  BufferId buffer = 0;
};
/// On a condition that depends on a vector variable: a mask.
struct If {
  Expr condition;
  Block then_body, else_body;
};

struct Stmt {
  std::variant<For, Store, Accumulate, Let, Alloc, If> value;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&value);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&value);
  }
};

struct Kernel {
  std::string name;                 // conv2.forward
  std::vector<std::string> layers;  // the layers it serves
  Block body;
  bool once = false;  // depends on states alone: need not run again until one of them has changed
};

struct Program {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  std::int64_t batch =
      0;  // most rows of a call, which the input `count` numbers; 0: it has no rows
  std::int64_t group = 0;  // rows of a group, part of the meaning: it fixes the order of sums

  const Buffer& buffer(BufferId id) const { return buffers.at(static_cast<std::size_t>(id)); }
  /// The buffer whose memory `id` uses: itself, or what it is a view of.
  BufferId storage(BufferId id) const { return buffer(id).view_of.value_or(id); }
  std::optional<BufferId> find(std::string_view name) const;
  std::int64_t groups() const;  // of a full batch
};

/// `loop` around another body.
For with_body(const For& loop, Block body);
/// for var in 0 .. groups() { body }
For over_groups(const Program& program, Var var, Block body);
/// for var in group*G .. min(group*G + G, count[]) { body }, G rows a group. The program has an
/// input `count`.
For over_samples(const Program& program, Var var, const Var& group, Block body);
/// The variable of the groups that a loop over samples stands in; null for other loops.
const Var* group_of(const For& loop);

/// end - begin where the bounds' form shows that it is constant: 16 for `x*16 .. x*16 + 16`. Never
/// negative.
std::optional<std::int64_t> constant_extent(const For& loop);

/// Calls `visit` on every statement of `block`, parents first.
void walk(const Block& block, const std::function<void(const Stmt&)>& visit);
/// Calls `visit` on every top-level expression (bound, index, value, condition) of every statement
/// of `block`.
void walk_exprs(const Block& block, const std::function<void(const Expr&)>& visit);
/// `block` with every top-level expression replaced by what `rewrite` makes of it.
Block map_exprs(const Block& block, const std::function<Expr(const Expr&)>& rewrite);
Block substitute(const Block& block, const Substitution& substitution);

/// The canonical text; print(parse(print(p))) == print(p).
std::string print(const Program& program);
std::string print(const Program& program, const Kernel& kernel);
/// Reads that text. Throws Error with positions. `places` (may be null) says where each buffer,
/// kernel and statement stands.
Program parse_program(const SourceText& source, Places* places = nullptr);

/// What a program must satisfy: to mean something; to be small enough for machine code as well; to
/// have what code generation needs.
enum class Need : std::uint8_t { meaning, size, code };

/// Statements of a kernel once its unrolled loops are written out, four lanes of a vector each
/// counting as one; lanes of vectors; bytes of its stack and register buffers: beyond these LLVM
/// would take minutes for it, or it would overflow the stack.
inline constexpr std::int64_t kMostCopies = 16384, kMostLanes = 256, kMostLocalBytes = 1 << 20;
/// Bytes of the arena, or of a worker's scratch.
inline constexpr std::int64_t kMostPlannedBytes = std::int64_t{1} << 36;

/// Checks types, ranks, scopes, that views and offsets fit, that vector loops are innermost with
/// constant extents and write an element a lane, that parallel ones use memory only, that register
/// indices are constant after unrolling, that nothing writes an input. For size: the limits above.
/// For code: that functions are arithmetic (expand_math) and buffers have places (plan_memory).
/// Throws InternalError naming `stage`: what fails here is a pass's mistake. A text that a person
/// wrote goes through find_faults, which returns the complaints instead; verify_errors are their
/// messages.
void verify(const Program& program, std::string_view stage, Need need = Need::meaning);
std::vector<Fault> find_faults(const Program& program, Need need = Need::meaning);
std::vector<std::string> verify_errors(const Program& program, Need need = Need::meaning);

/// Runs the program on `buffers` (by name: inputs and states in, outputs and states out) one
/// statement at a time, with every access checked; arithmetic is that of each expression's own
/// type. Throws Error (a PartError, where a statement is at fault) where an access is out of
/// bounds, and after `most_steps` statements.
void interpret(const Program& program, std::map<std::string, Tensor>& buffers,
               std::int64_t most_steps = std::numeric_limits<std::int64_t>::max());

/// Throws Error, a PartError where an offset is at fault, for what needs more memory than the
/// interpreter takes (ir/base/interpreter_memory.h). Nothing is allocated by that.
void check_interpreter_memory(const Program& program);

}  // namespace cnnc
