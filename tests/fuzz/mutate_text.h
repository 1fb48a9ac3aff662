// How libFuzzer changes the text of an IR: what parses is edited (edit.h) and printed, mostly so
// that the verifier has nothing to say; one in ten has bytes changed as usual.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace cnnc::fuzz {

/// The bytes of `text`, where there is room for them and there is any.
inline std::size_t put(const std::string& text, std::uint8_t* data, std::size_t max_size) {
  if (text.size() > max_size) return 0;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

/// `parse` gives an IR or throws Error; `edit` changes it. Of a text that does not parse, libFuzzer
/// keeps many: mostly the last one that did is changed in its place.
template <class Parse, class Edit>
std::size_t mutated(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed,
                    const Parse& parse, const Edit& edit) {
  constexpr int kTries = 4;
  using Ir = decltype(parse(std::string()));
  static std::optional<Ir> last;
  Random random(seed);
  if (below(random, 10) == 0) return LLVMFuzzerMutate(data, size, max_size);
  try {
    last = parse(std::string(text_of(data, size)));
  } catch (const Error&) {
    if (!last || below(random, 5) == 0) return LLVMFuzzerMutate(data, size, max_size);
  }
  for (int i = 0; i < kTries; ++i) {
    Ir other = edit(*last, random);
    for (std::size_t more = below(random, 3); more > 0; --more) other = edit(other, random);
    if (i + 1 < kTries && !find_faults(other).empty()) continue;
    if (const auto written = put(print(other), data, max_size)) return written;
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

/// Of two texts that parse, one; nothing of others.
template <class Parse, class Splice>
std::size_t crossed(std::string_view a, std::string_view b, std::uint8_t* out, std::size_t max_size,
                    unsigned seed, const Parse& parse, const Splice& splice) {
  Random random(seed);
  try {
    return put(print(splice(parse(std::string(a)), parse(std::string(b)), random)), out, max_size);
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace cnnc::fuzz
