// Sizes that are too small or too large, with their numbers.
#include "frontend/expand.h"

namespace cnnc::frontend {

std::string Totals::add(std::int64_t parameters, std::int64_t activations) {
  std::string message;
  const auto add = [&](std::int64_t& total, std::int64_t added, std::int64_t limit,
                       std::string_view what) {
    const bool below = total <= limit;
    total += added;
    if (!below || total <= limit) return;
    message =
        fmt::format("up to this layer the model has {} {}; the limit is {}", total, what, limit);
  };
  add(activations_, activations, kMaxActivations, "activations a sample");
  add(parameters_, parameters, kMaxParameters, "parameters");
  return message;
}

std::optional<Dims> check_input_size(const Expression& expression, Mistakes& mistakes) {
  const auto size = evaluate(
      expression, [](std::string_view) { return nullptr; }, {}, mistakes);
  if (!size) return std::nullopt;
  const auto* dims = std::get_if<std::vector<std::int64_t>>(&size->value);
  if (!dims || dims->size() != 3) {
    mistakes.add(
        expression.location,
        fmt::format("the input's size is height x width x channels, not {}", describe(size->value)),
        size->factors.size() == 3 ? fmt::format("did you mean `input({})`?", size->meant_size())
                                  : "it is written `input(28x28x1)`");
    return std::nullopt;
  }
  for (const auto dim : *dims) {
    if (dim >= 1) continue;
    mistakes.add(expression.location,
                 fmt::format("the input's size is {}; no side can be zero", fmt::join(*dims, "x")));
    return std::nullopt;
  }
  if (!checked_element_count(*dims, 1, kMaxElements)) {
    mistakes.add(expression.location,
                 fmt::format("an input of {} is too large; the limit is {} numbers",
                             fmt::join(*dims, "x"), kMaxElements));
    return std::nullopt;
  }
  return *dims;
}

}  // namespace cnnc::frontend
