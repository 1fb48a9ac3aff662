// Nests of loops by how far apart the elements are that they go through: what puts vectors together
// from rows, and takes rows apart, works on these.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ir/loop.h"
#include "passes/nest.h"

namespace cnnc {

/// A nest around one store, each of whose iterations stores to an element of its own. An access
/// goes along rows: `lane` steps along one dimension, `stride` elements at a time, and the loops
/// `between` go from there to elements nearer than that, in this dimension and those after it;
/// those `around` go from row to row.
struct StridedNest {
  std::vector<For> around, between;
  For lane;
  std::int64_t stride = 1;
  Store store;
};

/// The store that is all of the nest's body; null where there is none.
const Store* only_store(const Nest& nest);

/// The nest around `store`, by its access to `buffer` at `index` along its loop `lane`; nothing
/// where it is no such nest of plain loops, or rows of the buffer can have no view.
std::optional<StridedNest> by_stride(const Program& program, const Nest& nest, const Store& store,
                                     BufferId buffer, const std::vector<Expr>& index,
                                     std::size_t lane);

/// Calls `visit` with values of all variables of `loops`, which are plain, for each iteration.
void for_each_point(std::span<const For> loops,
                    const std::function<void(const Substitution&)>& visit);

/// `index` where the loops `lane` and `between` begin.
std::vector<Expr> at_begin(const StridedNest& nest, const std::vector<Expr>& index);

/// What makes the loops around `nest` those around `first`; nothing where they differ, or where the
/// lanes or their stride do.
std::optional<Substitution> same_loops(const StridedNest& nest, const StridedNest& first);

/// Of a buffer whose rows begin with dimension `dimension`: a view in which that is the last one.
struct FlatRow {
  std::size_t dimension = 0;
  BufferId view = -1;
  std::vector<Expr> index;  // in the view, of the element at `begin`
};
/// The row along which `lane` steps in `index`.
std::size_t row_dimension(const std::vector<Expr>& index, const Var& lane);
FlatRow flat_row(Program& program, BufferId buffer, std::size_t dimension,
                 const std::vector<Expr>& begin);

/// How many elements lie from `from` to `to`, indices of `buffer`, in one row, which begins with
/// dimension `row`. Nothing where they are in different rows, or differ by more than constants.
std::optional<std::int64_t> elements_between(const Program& program, BufferId buffer,
                                             std::size_t row, const std::vector<Expr>& from,
                                             const std::vector<Expr>& to);

/// Whether two stores may change places: to different buffers, or to elements apart.
bool store_apart(const Program& program, const Store& a, const Store& b);

/// A plain nest around several nests, each around one store that none of the others meets or reads,
/// as a nest for each; otherwise `stmt`.
Block distributed(const Program& program, const Stmt& stmt);

}  // namespace cnnc
