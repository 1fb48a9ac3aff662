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

/// A nest around one store, each of whose iterations stores to an element of its own. Along `lane`,
/// the elements of an access lie `stride` apart in a row (the dimensions from the one along which it
/// steps on); along loops `between` nearer than that; those `around` go from row to row.
struct StridedNest {
  std::vector<For> around, between;
  For lane;
  std::int64_t stride = 1;
  Store store;
};

/// The store that is all of the nest's body; null where there is none.
const Store* only_store(const Nest& nest);

/// The nest around `store`, by its access to `buffer` at `index` along its loop `lane`; nothing where
/// it is no such nest of plain loops.
std::optional<StridedNest> by_stride(const Program& program, const Nest& nest, const Store& store,
                                     BufferId buffer, const std::vector<Expr>& index,
                                     std::size_t lane);

/// Calls `visit` with values of all variables of `loops`, which are plain, for each iteration.
void for_each_point(std::span<const For> loops,
                    const std::function<void(const Substitution&)>& visit);

/// `index` with the variables of loops at their begins.
std::vector<Expr> at_begin(const StridedNest& nest, const std::vector<Expr>& index);

/// What makes the loops around `nest` those around `first`; nothing where they differ, or where the
/// lanes do.
std::optional<Substitution> same_loops(const StridedNest& nest, const StridedNest& first);

/// How many elements lie from `from` to `to`, two indices of `buffer`. Nothing where they differ by
/// more than constants in some dimension.
std::optional<std::int64_t> elements_between(const Program& program, BufferId buffer,
                                             const std::vector<Expr>& from,
                                             const std::vector<Expr>& to);

/// A row of `buffer`, along which `lane` steps in `index`: a view in which it is one dimension, the
/// last, and what `begin` (at_begin) is there.
struct FlatRow {
  BufferId view;
  std::vector<Expr> index;
};
FlatRow flat_row(Program& program, BufferId buffer, const std::vector<Expr>& index,
                 const std::vector<Expr>& begin, const Var& lane);

}  // namespace cnnc
