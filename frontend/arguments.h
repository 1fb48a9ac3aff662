// Arguments: which one goes where, what an expression is worth, and whether a value will do.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "frontend/ast.h"
#include "ir/language/layer.h"

namespace cnnc::frontend {

/// What a layer, block, optimizer ... calls one of its arguments.
struct Formal {
  std::string name;
  bool positional = false;
  std::optional<std::string> fallback;  // as shown to the user; nothing: required
};

/// Something that takes arguments, as messages speak of it.
struct Signature {
  std::string name;  // conv
  std::vector<Formal> formals;
  int operands = 0;           // names of values in front of the other arguments; -1: one or more
  bool takes_name = false;    // also `name=`
  bool begins_chain = false;  // no value stands in front of it: -1 means two or more
};

std::vector<Formal> formals_of(const std::vector<ArgumentDef>& arguments);

/// "`conv(filters, size, stride=1x1, name=...)`"
std::string written(const Signature& signature);

/// The written arguments in the order of a signature. Views into the syntax.
struct Bound {
  std::vector<const Expression*> values;  // one a formal; null: not given
  std::vector<const Expression*> operands;
  const Expression* name = nullptr;
  bool ok = true;  // nothing was reported
};
Bound bind_arguments(const Element& element, const Signature& signature, Mistakes& mistakes);

/// The value of an expression.
struct Evaluated {
  AttributeValue value;    // a word is its text
  std::optional<int> use;  // the value of a layer that this word names (-1: the input)
  /// The factors of a product of nothing but numbers (3*3) or of nothing but parameters (h*w), as
  /// numbers: who wants a size most likely meant 3x3.
  Dims factors = {};
  bool of_numbers = false;  // they are written as numbers

  /// "3x3", where this is such a product; otherwise empty.
  std::string meant_size() const {
    return factors.size() < 2 ? std::string() : fmt::format("{}", fmt::join(factors, "x"));
  }
};

/// Block parameters by name: null where there is none.
using Lookup = std::function<const Evaluated*(std::string_view)>;

/// Nothing where a mistake was reported: an unknown name in arithmetic, an overflow, a division
/// that leaves a rest. `known`: names to suggest.
std::optional<Evaluated> evaluate(const Expression& expression, const Lookup& lookup,
                                  const std::vector<std::string>& known, Mistakes& mistakes);

/// The value as the argument wants it, its range checked. Nothing where a mistake was reported.
/// `where` is added to hints: what a block's use has to do with it.
std::optional<AttributeValue> convert(const Evaluated& evaluated, const ArgumentDef& def,
                                      std::string_view callee, const Expression& expression,
                                      const std::vector<std::string>& known, std::string_view where,
                                      Mistakes& mistakes);

/// "at least 1", where a number of `value` is less than that; nothing where all are in range.
std::string violated_range(const AttributeValue& value, const ArgumentDef& def);

/// "the word `same`", "1.5" ... for messages.
std::string describe(const AttributeValue& value);

/// All arguments of a row of a table outside of any block: an optimizer, a loss, a schedule.
std::optional<Attributes> check_arguments(const Element& element,
                                          const std::vector<ArgumentDef>& defs, Mistakes& mistakes);

}  // namespace cnnc::frontend
