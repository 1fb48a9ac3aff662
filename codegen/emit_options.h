// How code is generated, where there is a choice.
#pragma once

namespace cnnc {

struct EmitOptions {
  /// Every index is checked against its dimension; see KernelContext::out_of_bounds.
  bool check_bounds = false;
  /// LLVM selects instructions and allocates registers in its quickest ways, for code that will not
  /// run for long: the same results from slower code, sooner.
  bool quick = false;
};

}  // namespace cnnc
