// What is compiled by itself.
#pragma once

#include <string>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// A function that is compiled by itself: a kernel's entry, or a loop in the body of its parallel
/// loop, large or one of many, which the entry calls. (A fused kernel holds a whole network; its
/// layers' loops are compiled side by side.)
struct CodeUnit {
  const Kernel* kernel = nullptr;
  const For* part = nullptr;  // null: the entry
  std::string symbol;
  std::vector<Var> arguments;  // of a part: the variables that it takes from its surroundings
  /// The storages that it uses. An entry finds them through KernelContext::places, a part has their
  /// addresses for arguments, both in this order.
  std::vector<BufferId> buffers;
  std::size_t statements = 0;  // a measure of the work to compile it
  /// The same as an earlier one but for variables and buffers: it has that one's symbol, and is not
  /// compiled, nor are its parts listed.
  bool is_repeated = false;
};

/// The units of the kernels called `kernel` (of all where empty), each entry ahead of its parts.
/// They point into `program`. `repeat`: whether several may be one function.
std::vector<CodeUnit> code_units(const Program& program, bool repeat,
                                 const std::string& kernel = "");

}  // namespace cnnc
