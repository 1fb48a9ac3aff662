// Loop nests: the view that scheduling passes take of a statement.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// Loops around a common body, outermost first; each loop's own body is empty here.
struct Nest {
  std::vector<For> loops;
  Block body;
};

/// The longest perfect nest that begins at `stmt` (no loops where it is not a For).
Nest nest_of(const Stmt& stmt);
/// The statements of that nest; with no loops just its body.
Block wrap(std::span<const For> loops, Block body);

/// The store that is all of `block`; null where there is none.
const Store* only_store(const Block& block);
/// The store that is all of the body of the nest that begins at `stmt`; null where there is none.
/// (Without the copies that nest_of makes.)
const Store* store_of_nest(const Stmt& stmt);

/// The same with loops over variables of their own: for a second copy of the nest.
Block wrap_in_fresh(std::span<const For> loops, const Block& body);

/// `block` with variables of its own for the lets among its statements: for a second copy of it.
Block with_fresh_lets(const Block& block);

/// A buffer that a statement reads or writes, with the index used.
struct BufferAccess {
  BufferId buffer;  // as written: maybe a view
  std::vector<Expr> index;
  bool write;
};
/// Every access in `block`, also those in bounds and indices. An Accumulate reads and writes.
std::vector<BufferAccess> accesses(const Block& block);
/// How many of them are to `buffer`, by that name; in all of a program.
std::size_t count_accesses(const Block& block, BufferId buffer);
std::size_t count_accesses(const Program& program, BufferId buffer);

/// Whether two accesses to one buffer are to different elements, whatever the variables are: a
/// dimension's indices are two constants.
bool are_apart(const std::vector<Expr>& a, const std::vector<Expr>& b);

/// Whether whatever `block` writes it accesses at the written element only, or else at elements
/// apart from it: then no point of the loops around it sees what another one wrote, and updating in
/// place is safe.
bool touches_written_elements_only(const Program& program, const Block& block);

/// Whether some index of `store` depends on `axis` alone among all axes, and by a constant stride:
/// then no two of its values store to one element.
bool separates(const Store& store, const For& axis, std::span<const For> axes);

/// Whether two accesses are to one element, whatever the variables are.
bool same_index(const std::vector<Expr>& a, const std::vector<Expr>& b);

/// Elements of memory between neighbours along `var`, where constant.
std::optional<std::int64_t> memory_stride(const Program& program, BufferId buffer,
                                          const std::vector<Expr>& index, const Var& var);

/// Elements from lane to lane at which a vector of that type is still faster to load than to put
/// together: further apart, it would read more vectors than it has lanes worth.
std::int64_t longest_stride(ScalarType type);

/// end - begin, where constant.
std::optional<std::int64_t> extent(const For& loop);
/// The same, or what is known only at run time counted as the samples of a full group.
std::int64_t assumed_extent(const Program& program, const For& loop);

/// Whether `loop` is serial, between bounds that are constants, and not over the batch, whose loops
/// stay whole.
bool is_plain(const For& loop);

/// Iterations `begin` .. `end` of `loop`, over a variable of their own.
For part_of(const For& loop, std::int64_t begin, std::int64_t end);

/// a * b of non-negative numbers, or the largest number where that is more.
std::int64_t saturating_product(std::int64_t a, std::int64_t b);

/// The loop over groups that is all of a kernel; null for other kernels.
const For* group_loop(const Kernel& kernel);

/// Whether a loop over samples is a reduction with one other output axis at most, and an operand
/// that is the same for every sample (a dense layer): tiling the samples is what lets it reuse that
/// operand.
bool wants_samples(const For& sample_loop);

/// What such a loop's common body does: whether it stores to its sample itself, and whether a loop
/// in it accesses what is the same for every sample.
struct SampleUse {
  bool stores_sample = false, shares_operand = false;
};
SampleUse sample_use(const Block& body, const Var& sample);

/// The loop over a group's samples, where it is all of the body of a kernel's group loop; null
/// otherwise.
const For* only_sample_loop(const Kernel& kernel);

/// `block` with buffer and index of each load, store and accumulation rewritten; `rewrite` takes
/// both as written.
Block map_accesses(const Block& block, const std::function<std::pair<BufferId, std::vector<Expr>>(
                                           BufferId, const std::vector<Expr>&)>& rewrite);
/// `block` with the indices of each load, store and accumulation rewritten; `rewrite` takes the
/// buffer as written and the index.
Block map_indices(
    const Block& block,
    const std::function<std::vector<Expr>(BufferId, const std::vector<Expr>&)>& rewrite);

/// `name`, or where a buffer of the program is called so, that with the first free number from 2
/// on.
std::string unused_name(const Program& program, const std::string& name);

/// A new register buffer, called `name` and a number. What uses it allocates it.
BufferId add_registers(Program& program, std::string_view name, TensorType type);

/// The last dimension with more than one element; the first one where there is none.
std::size_t last_dimension(const Dims& dims);

/// Whether buffers there may have a view more. Registers have none, blocks on the stack none but
/// those that are allocated with them, and those of constants would hold the numbers once more.
bool can_be_viewed(Memory memory);

/// `buffer` with its dimensions from `from` on as one: itself, or a view of the program, a new one
/// where it has none.
BufferId flat_view(Program& program, BufferId buffer, std::size_t from);
/// The same with those from `from` to before `to` as one.
BufferId merged_view(Program& program, BufferId buffer, std::size_t from, std::size_t to);

/// Whether another buffer is a view of `buffer`.
bool has_views(const Program& program, BufferId buffer);

/// Whether the rows of `buffer` are rows of the buffer that it views, if it is a view.
bool has_own_rows(const Program& program, BufferId buffer);

/// The variables of all loops over samples in `block`.
std::set<Var> sample_variables(const Block& block);

}  // namespace cnnc
