// A bitmap font of 5x7 pixels for printable ASCII, for labels in pictures.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/io/picture.h"

namespace cnnc {

inline constexpr std::int64_t kGlyphWidth = 5, kGlyphHeight = 7, kGlyphAdvance = 6, kDescent = 2;

/// Width in pixels of `text` at `scale`; its height is (kGlyphHeight + kDescent) * scale.
std::int64_t text_width(std::string_view text, std::int64_t scale);
/// Draws `text` with its top left corner at (row, column), clipped to the picture; bytes that are
/// not printable ASCII show as '?'.
void draw_text(Picture& picture, std::string_view text, std::int64_t row, std::int64_t column,
               std::int64_t scale, std::uint8_t grey);

}  // namespace cnnc
