#include "runtime/io/weights.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace cnnc {
namespace {

std::string names_of(const Tensors& tensors) {
  constexpr std::size_t kShown = 8;
  std::string text;
  std::size_t shown = 0;
  for (const auto& [name, tensor] : tensors) {
    if (shown++ == kShown) return text + fmt::format(" and {} more", tensors.size() - kShown);
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "no tensor at all" : text;
}

bool counts_batches(std::string_view name) { return name.ends_with(".num_batches_tracked"); }

Tensor converted(const Tensor& tensor, const Parameter& parameter, std::string_view source) {
  const TensorType& type = tensor.type();
  if (!is_float(type.scalar) || type.dims != parameter.type.dims) {
    fail("{}: {} is {}, but the model needs {}", source, parameter.name, to_string(type),
         to_string(parameter.type));
  }
  Tensor result(parameter.type);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = tensor.get(i);
    result.set(i, value);
    if (!std::isfinite(result.get(i))) {
      fail("{}: {} holds {} at element {}: these weights are of no use; train again", source,
           parameter.name, value, i);
    }
    if (value < parameter.low) {
      fail("{}: {} holds {} at element {}, but nothing below {} has a meaning there", source,
           parameter.name, value, i, parameter.low);
    }
  }
  return result;
}

}  // namespace

Tensors fit_weights(const Tensors& loaded, std::span<const Parameter> parameters,
                    std::string_view source) {
  Tensors result;
  for (const auto& parameter : parameters) {
    const auto found = loaded.find(parameter.name);
    if (found == loaded.end()) {
      fail("{}: {} {} is missing: weights of another model? The file holds {}", source,
           parameter.name, to_string(parameter.type), names_of(loaded));
    }
    result.emplace(parameter.name, converted(found->second, parameter, source));
  }
  for (const auto& [name, tensor] : loaded) {
    if (!result.contains(name) && !counts_batches(name)) {
      fail("{}: {} {} is not a parameter of the model, which needs {}", source, name,
           to_string(tensor.type()), names_of(result));
    }
  }
  return result;
}

std::vector<std::string> ignored_tensors(const Tensors& loaded,
                                         std::span<const Parameter> parameters) {
  std::set<std::string_view> needed;
  for (const auto& parameter : parameters) needed.insert(parameter.name);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : loaded) {
    if (counts_batches(name) && !needed.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace cnnc
