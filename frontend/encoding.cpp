// Which bytes a model text may have: UTF-8 without control characters other than tab and line ends.
#include "frontend/lexer.h"

namespace cnnc::frontend {

std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void check_encoding(std::string_view text, Mistakes& mistakes) {
  std::size_t line = 1;
  std::size_t line_begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const Location here{line, at - line_begin + 1, 1};
    const auto length = sequence_length(text, at);
    if (length == 0) {
      mistakes.add(here, fmt::format("byte 0x{:02x} is not UTF-8", byte),
                   "model texts are written in UTF-8");
      while (at < text.size() && sequence_length(text, at) == 0) ++at;
      continue;
    }
    if (byte == '\n') {
      ++line;
      line_begin = at + 1;
    } else if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7F) {
      mistakes.add(here,
                   byte == 0 ? "the text has a NUL byte"
                             : fmt::format("the text has the control character 0x{:02x}", byte),
                   "a model is plain text");
      while (at + 1 < text.size() && text[at + 1] == text[at]) ++at;
    }
    at += length;
  }
}

}  // namespace cnnc::frontend
