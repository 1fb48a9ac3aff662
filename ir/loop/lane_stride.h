// How the iterations of a vector loop, its lanes, reach memory: what the verifier and code
// generation must see alike.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/loop/loop.h"

namespace cnnc {

/// Elements from one lane's access to the next one's, where the form of `index` shows them; 0: all
/// lanes access one element. `varies` says which other variables, Lets, differ from lane to lane.
std::optional<std::int64_t> lane_stride(const Dims& dims, const std::vector<Expr>& index,
                                        const Var& lane,
                                        const std::function<bool(const Var&)>& varies);

/// What the values in a vector loop depend on: their lanes, or not.
class LaneValues {
 public:
  LaneValues(const Program& program, Var lane) : program_(&program), lane_(std::move(lane)) {}

  /// A Let in the loop: whether its variable varies follows from its value.
  void bind(const Let& let);
  /// Whether all lanes access one element of `buffer`, as far as forms show it.
  bool is_one_element(BufferId buffer, const std::vector<Expr>& index) const;

 private:
  bool varies(const Var& let) const;
  bool varies(const Expr& expr) const;

  const Program* program_;
  Var lane_;
  std::vector<Var> lets_;  // those that vary
};

}  // namespace cnnc
