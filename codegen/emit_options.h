// How code is generated, where there is a choice.
#pragma once

namespace cnnc {

struct EmitOptions {
  /// Every index is checked against its dimension; see KernelContext::out_of_bounds.
  bool check_bounds = false;
};

}  // namespace cnnc
