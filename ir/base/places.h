// The parts of an IR, where each stands in the text that it was read from, and what is wrong with
// one: so that a mistake that is found after reading still names its line.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc {

struct Part {
  enum class Kind : std::uint8_t { whole, node, output, buffer, kernel, statement };
  Kind kind = Kind::whole;
  std::size_t index = 0;      // of the node, output, buffer or kernel; of the statement's kernel
  std::size_t statement = 0;  // in the order of walk()

  auto operator<=>(const Part&) const = default;
};

/// Filled by the parsers. A part that is missing has no place in the text.
using Places = std::map<Part, Location>;

struct Fault {
  Part part;
  std::string message;
};

std::vector<std::string> messages_of(std::span<const Fault> faults);

/// Thrown by the interpreters for what is wrong with a part.
class PartError : public Error {
 public:
  PartError(Part part, const std::string& message) : Error(message), part_(part) {}
  const Part& part() const { return part_; }

 private:
  Part part_;
};

/// Throws one Error that renders all `faults`, each at its place in `source`, in the order of the
/// text; does nothing where there are none.
void throw_faults(const SourceText& source, const Places& places, std::span<const Fault> faults);

}  // namespace cnnc
