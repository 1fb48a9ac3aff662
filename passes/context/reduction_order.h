// What fixes the order in which sums are added up: lowering, and the three passes that change it on
// purpose (strip_mine_sums, route_gradients, route_input_gradients). Weights after training depend on
// these numbers in their last bits; so they are the same for every target, cache and number of
// cores, and none of them is a knob. (The bytes below are chosen for the smallest caches in use:
// 32 KB and 512 KB.)
#pragma once

#include <cstdint>

namespace cnnc {

/// Samples of a group: the unit in which a batch is handed to threads and reduced. A batch of 128
/// makes eight groups, work for as many cores; smaller groups cost more partial sums.
inline constexpr std::int64_t kGroupSize = 16;

/// Above this many results a sum over the batch is not split into groups: partial sums would cost
/// more than they gain.
inline constexpr std::int64_t kMaxGroupedResults = std::int64_t{1} << 16;
/// The same where a sample alone sums up that many terms, which pays for adding a sample's sums to
/// a group's; not doing so would read all samples again for every few results.
inline constexpr std::int64_t kLongTerms = 64, kMaxLongGroupedResults = std::int64_t{1} << 20;

/// Sums of few results go by columns (the last axis summed over): one sum for each result and
/// column, over rows and samples, which makes vectors of columns, then the sum of each result's
/// columns. That is worth it up to this many results,
inline constexpr std::int64_t kMaxResultsByColumn = 512;
/// for that many columns,
inline constexpr std::int64_t kFewestColumns = 8, kMostColumns = 64;
/// and where results that are neighbours in memory, times the elements between neighbouring columns
/// of what is loaded, are no more than this: the part of a vector that results would fill against
/// the work of putting columns together.
inline constexpr std::int64_t kMaxNeighbours = 12;
/// The same where so few vectors of results wait for one another term after term.
inline constexpr std::int64_t kFewVectors = 3, kMaxWaitingNeighbours = 20;

/// Sums of at most this many terms stay whole; longer ones go block by block,
inline constexpr std::int64_t kLongestSum = 512;
/// of that many terms, where an axis has to be split for it.
inline constexpr std::int64_t kBlockTerms = 256;

/// What a band of an image may take while gradients over it are added up (strip_mine_sums): three
/// quarters of the first-level cache.
inline constexpr std::int64_t kBandBytes = 24 << 10;
/// The results that are added to in each band: half of the second-level cache.
inline constexpr std::int64_t kBandResultBytes = 256 << 10;
/// A band of one row may be that many times as large as others: loops over bands outside of all
/// results read each row once, whatever part of it the cache loses.
inline constexpr double kOneRow = 4.0 / 3;
/// Shorter sums spend their time on being added up.
inline constexpr std::int64_t kFewestTermsOfBand = 8;

/// Weights of a block of channels, which all windows of a routed input gradient read in turn, beside
/// the pixels that one window reaches: what first-level caches hold.
inline constexpr std::int64_t kRoutedBlockBytes = 20 << 10;

}  // namespace cnnc
