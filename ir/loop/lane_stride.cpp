#include "ir/loop/lane_stride.h"

#include <algorithm>

#include "ir/expr/arithmetic.h"

namespace cnnc {

std::optional<std::int64_t> lane_stride(const Dims& dims, const std::vector<Expr>& index,
                                        const Var& lane,
                                        const std::function<bool(const Var&)>& varies) {
  std::int64_t stride = 0, scale = 1;
  for (std::size_t i = dims.size(); i-- > 0; scale *= dims[i]) {
    bool known = true;
    walk(index[i], [&](const Expr& node) {
      const auto* var = node.as<Var>();
      if (var != nullptr && *var != lane && varies(*var)) known = false;
    });
    const auto step = stride_in(index[i], lane);
    if (!known || !step) return std::nullopt;
    stride = wrap(ScalarType::i64, stride + *step * scale);
  }
  return stride;
}

void LaneValues::bind(const Let& let) {
  if (varies(let.value)) lets_.push_back(let.var);
}

bool LaneValues::is_one_element(BufferId buffer, const std::vector<Expr>& index) const {
  const auto stride = lane_stride(program_->buffer(buffer).type.dims, index, lane_,
                                  [&](const Var& var) { return varies(var); });
  if (stride) return *stride == 0;
  return std::ranges::none_of(index, [&](const Expr& one) { return varies(one); });
}

bool LaneValues::varies(const Var& let) const {
  return std::ranges::find(lets_, let) != lets_.end();
}

bool LaneValues::varies(const Expr& expr) const {
  if (const auto* var = expr.as<Var>()) return *var == lane_ || varies(*var);
  if (const auto* load = expr.as<Load>()) return !is_one_element(load->buffer, load->index);
  return any_operand(expr, [&](const Expr& x) { return varies(x); });
}

}  // namespace cnnc
