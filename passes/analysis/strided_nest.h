// Nests of loops by how far apart the elements are that they go through: what puts vectors together
// from rows, and takes rows apart, works on these.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ir/loop/loop.h"
#include "ir/target/target.h"
#include "passes/analysis/nest.h"

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

/// The nest around `store`, by its access to `buffer` at `index` along its loop `lane`; nothing
/// where it is no such nest of plain loops, or rows of the buffer can have no view.
std::optional<StridedNest> by_stride(const Program& program, const Nest& nest, const Store& store,
                                     BufferId buffer, const std::vector<Expr>& index,
                                     std::size_t lane);

/// Whether vectors whose lanes lie `stride` elements apart in memory are put together from whole
/// ones: further apart, or more than the lanes themselves, lane by lane is faster.
bool may_shuffle(std::int64_t stride, ScalarType type, const Target& target);

/// Calls `visit` with values of all variables of `loops`, which are plain, for each iteration.
void for_each_point(std::span<const For> loops,
                    const std::function<void(const Substitution&)>& visit);

/// `index` where the loops `lane` and `between` begin.
std::vector<Expr> at_begin(const StridedNest& nest, const std::vector<Expr>& index);

/// What makes the loops around `nest` those around `first`; nothing where they differ, or where the
/// lanes or their stride do.
std::optional<Substitution> same_loops(const StridedNest& nest, const StridedNest& first);

/// The dimension with which the rows begin that `lane` steps along in `index`.
std::size_t row_dimension(const std::vector<Expr>& index, const Var& lane);

/// A view of `buffer` in which a row is the last dimension, and where in it `nest`, whose access is
/// at `index`, begins.
struct FlatRow {
  BufferId view = -1;
  std::vector<Expr> begin;
};
FlatRow flat_row(Program& program, const StridedNest& nest, BufferId buffer,
                 const std::vector<Expr>& index);

/// vector for lane in 0 .. lanes { make(lane) }
Stmt vector_loop(std::int64_t lanes, const std::function<Stmt(const Expr& lane)>& make);

/// How many elements lie from `from` to `to`, indices of `buffer`, in one row, which begins with
/// dimension `row`. Nothing where they are in different rows, or differ by more than constants.
std::optional<std::int64_t> elements_between(const Program& program, BufferId buffer,
                                             std::size_t row, const std::vector<Expr>& from,
                                             const std::vector<Expr>& to);

/// Whether a store and an access may change places: to different buffers, or to elements apart.
bool keeps_apart(const Program& program, const Store& store, BufferId buffer,
                 const std::vector<Expr>& index);

/// A plain nest around several nests, each around one store that none of the others meets or reads,
/// as a nest for each; otherwise `stmt`.
Block distributed(const Program& program, const Stmt& stmt);

}  // namespace cnnc
