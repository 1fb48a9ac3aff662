// Text in SVG and in graphviz's labels.
#pragma once

#include <string>
#include <string_view>

namespace cnnc {

/// `text` with the characters that markup is made of replaced by their entities.
std::string escape_markup(std::string_view text);

}  // namespace cnnc
