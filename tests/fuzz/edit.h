// Small random changes of graphs and programs, most of which leave something that the verifier
// accepts: what fuzzers and property tests need to get behind the parsers.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "ir/graph/graph.h"
#include "ir/loop/loop.h"

namespace cnnc::fuzz {

using Random = std::mt19937_64;

/// 0 .. count - 1; the same on every machine. `count` is not 0.
inline std::size_t below(Random& random, std::size_t count) {
  return static_cast<std::size_t>(random() % count);
}

template <class T>
const T& any_of(Random& random, std::span<const T> all) {
  return all[below(random, all.size())];
}

/// A number that differs from `value`, mostly a little.
std::int64_t other_number(Random& random, std::int64_t value);
double other_number(Random& random, double value);
TensorType other_type(Random& random, const TensorType& type, bool batch);

/// `graph` with one thing changed: an attribute, an operand, an op, a node more or less, a type of
/// an input, an output. Types are derived anew; a node that has none any more is left out, and what
/// used it takes its first operand.
Graph edited(const Graph& graph, const OpTable& ops, Random& random);
/// `graph` with the nodes of `other` behind its own, some of which take values of `graph`.
Graph spliced(const Graph& graph, const Graph& other, const OpTable& ops, Random& random);

/// `program` with one thing changed: a statement, a bound, an index, an operator, a buffer, the
/// order of things. The verifier has to say whether it is still a program.
Program edited(const Program& program, Random& random);
/// `program` with some kernels of `other`, and their buffers, behind its own. Buffers of one name
/// and type are one.
Program spliced(const Program& program, const Program& other, Random& random);

}  // namespace cnnc::fuzz
