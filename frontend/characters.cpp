// Characters beyond ASCII that editors, word processors and web pages put in the place of those of
// the language: by name, since they look like what they replace, or like nothing.
#include <algorithm>

#include "frontend/lexer.h"

namespace cnnc::frontend {

namespace {

struct Named {
  char32_t first, last;
  std::string_view name, hint;
};

constexpr std::string_view kBlank = "write an ordinary blank";
constexpr std::string_view kQuote = "write \"text\"";
constexpr std::string_view kArrowHint = "layers are joined by `->`";
constexpr std::string_view kDash = "write `-`";

constexpr Named kNamed[] = {
    {0x00A0, 0x00A0, "a no-break space", kBlank},
    {0x00AD, 0x00AD, "a soft hyphen", "remove it"},
    {0x00B7, 0x00B7, "a middle dot", "a product is written 2*c"},
    {0x00D7, 0x00D7, "the multiplication sign", "a size is written 3x3, a product 2*c"},
    {0x2000, 0x200A, "a space of another width", kBlank},
    {0x200B, 0x200F, "an invisible character", "remove it"},
    {0x2010, 0x2015, "a dash of another width", kDash},
    {0x2018, 0x201F, "a typographic quote", kQuote},
    {0x2028, 0x2029, "a line separator", "end the line with Enter"},
    {0x202A, 0x202E, "an invisible character", "remove it"},
    {0x202F, 0x202F, "a no-break space", kBlank},
    {0x205F, 0x205F, "a space of another width", kBlank},
    {0x2060, 0x2064, "an invisible character", "remove it"},
    {0x2190, 0x21FF, "an arrow of another shape", kArrowHint},
    {0x2212, 0x2212, "the minus sign", kDash},
    {0x2715, 0x2716, "a multiplication sign", "a size is written 3x3, a product 2*c"},
    {0x2794, 0x27BF, "an arrow of another shape", kArrowHint},
    {0x27F0, 0x27FF, "an arrow of another shape", kArrowHint},
    {0x3000, 0x3000, "a wide space", kBlank},
    {0xFEFF, 0xFEFF, "a byte order mark", "it stands at the very beginning, if at all"},
    {0xFF01, 0xFF5E, "a character of double width", "write it in ASCII"},
};

constexpr bool is_space(char32_t code) {
  return code == 0xA0 || (code >= 0x2000 && code <= 0x200F) || (code >= 0x2028 && code <= 0x202F) ||
         (code >= 0x205F && code <= 0x2064) || code == 0x3000 || code == 0xFEFF || code == 0xAD;
}

char32_t decode(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() == 1) return byte(0);
  char32_t code = byte(0) & (0x7FU >> bytes.size());
  for (std::size_t i = 1; i < bytes.size(); ++i) code = code << 6 | (byte(i) & 0x3FU);
  return code;
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) {
  const auto length = sequence_length(text, at);
  if (length == 0) return {.length = 1};
  const auto code = decode(text.substr(at, length));
  const auto found = std::ranges::find_if(
      kNamed, [&](const Named& row) { return code >= row.first && code <= row.last; });
  const bool known = found != std::end(kNamed);
  const bool space = is_space(code);
  Character result{.length = length, .space = space};
  result.times = code == 0xD7 || code == 0x2715 || code == 0x2716;
  result.shown =
      space ? fmt::format("U+{:04X}", static_cast<unsigned>(code))
            : fmt::format("`{}` (U+{:04X})", text.substr(at, length), static_cast<unsigned>(code));
  if (known) {
    result.shown += fmt::format(", {}", found->name);
    result.hint = found->hint;
    result.arrow = found->hint == kArrowHint;
    result.dash = found->hint == kDash;
  }
  return result;
}

}  // namespace cnnc::frontend
