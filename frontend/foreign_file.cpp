// A file of another kind, given as a model by mistake: what it is, in one line, rather than every
// byte that is none of ours.
#include <algorithm>

#include "frontend/lexer.h"

namespace cnnc::frontend {

namespace {

using std::string_view_literals::operator""sv;

struct Kind {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;  // with what to do about it
};

const Kind kKinds[] = {
    {0, "\x89PNG"sv, "a PNG picture; pictures go with --predict"},
    {0, "\xFF\xD8\xFF"sv, "a JPEG picture"},
    {0, "GIF8"sv, "a GIF picture"},
    {0, "\x1F\x8B"sv, "compressed by gzip; unpack it first"},
    {0, "BZh"sv, "compressed by bzip2; unpack it first"},
    {0,
     "\xFD"
     "7zXZ"sv,
     "compressed by xz; unpack it first"},
    {0, "\x28\xB5\x2F\xFD"sv, "compressed by zstd; unpack it first"},
    {0, "PK\x03\x04"sv, "a ZIP archive, as PyTorch and Keras write them"},
    {0, "\x89HDF"sv, "an HDF5 file, as Keras writes them"},
    {0, "%PDF"sv, "a PDF document"},
    {0,
     "\x7F"
     "ELF"sv,
     "a program"},
    {0, "\xFF\xFE"sv, "text in UTF-16; save it as UTF-8"},
    {0, "\xFE\xFF"sv, "text in UTF-16; save it as UTF-8"},
    {0, "\0\0\x08"sv, "a file of images or labels (IDX)"},
    {4, "TFL3"sv, "a TensorFlow Lite model"},
    {2, "\0\0\0\0\0\0{\""sv, "a file of weights (safetensors); weights go with --weights"},
    {0, "\x08"sv, "binary, most likely an ONNX model"},
};

/// Whether at least an eighth of the first bytes, or the very first, can be no text.
bool is_binary(std::string_view text) {
  text = text.substr(0, 4096);
  std::size_t bad = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = sequence_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
    if (length == 0 || control) {
      if (at == 0) return true;
      ++bad;
    }
    at += std::max<std::size_t>(length, 1);
  }
  return bad > 0 && bad >= text.size() / 8;
}

/// Whether every other byte is NUL: ASCII in two bytes a character.
bool is_utf16(std::string_view text) {
  text = text.substr(0, 64);
  std::size_t nul[2] = {0, 0};
  for (std::size_t i = 0; i < text.size(); ++i) nul[i % 2] += text[i] == '\0' ? 1U : 0U;
  return text.size() >= 8 && std::max(nul[0], nul[1]) >= text.size() * 3 / 8 &&
         std::min(nul[0], nul[1]) == 0;
}

}  // namespace

std::string foreign_kind(std::string_view text) {
  if (is_utf16(text)) return "text in UTF-16; save it as UTF-8";
  for (const Kind& kind : kKinds) {
    if (text.size() > kind.offset && text.substr(kind.offset).starts_with(kind.bytes))
      return std::string(kind.name);
  }
  return is_binary(text) ? "binary" : "";
}

}  // namespace cnnc::frontend
