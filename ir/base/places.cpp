#include "ir/base/places.h"

#include <algorithm>

namespace cnnc {

std::vector<std::string> messages_of(std::span<const Fault> faults) {
  std::vector<std::string> messages;
  for (const Fault& fault : faults) messages.push_back(fault.message);
  return messages;
}

void throw_faults(const SourceText& source, const Places& places, std::span<const Fault> faults) {
  if (faults.empty()) return;
  std::vector<Diagnostic> found;
  for (const Fault& fault : faults) {
    const auto place = places.find(fault.part);
    found.push_back({place == places.end() ? Location{} : place->second, fault.message, {}});
  }
  std::ranges::stable_sort(found, {}, [](const Diagnostic& each) {
    return std::pair(each.location.line, each.location.column);
  });
  std::string text;
  for (const Diagnostic& each : found) text += (text.empty() ? "" : "\n") + render(source, each);
  throw Error(text);
}

}  // namespace cnnc
