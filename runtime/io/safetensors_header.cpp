#include "runtime/io/safetensors_header.h"

#include <set>
#include <string>
#include <vector>

#include "ir/base/diagnostic.h"

namespace cnnc {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 8;                    // a header is three deep
constexpr std::int64_t kMaxValues = 4'000'000;  // parsed values take many times the bytes of text

/// Looks for what the parser would take: the last of two equal keys, any depth, any number of
/// values. Its own filter of values looks at all of an object after each of its members.
class HeaderCheck : public nlohmann::json_sax<Json> {
 public:
  bool too_deep() const { return depth_ > kMaxDepth; }
  bool too_many() const { return values_ > kMaxValues; }
  const std::string& duplicate() const { return duplicate_; }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) duplicate_ = key;
    return duplicate_.empty() && value();
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;  // the parser says it
  }

 private:
  bool value() { return ++values_ <= kMaxValues; }
  bool enter() { return ++depth_ <= kMaxDepth && value(); }
  bool leave() {
    --depth_;
    return true;
  }

  std::vector<std::set<std::string>> keys_;
  std::string duplicate_;
  int depth_ = 0;
  std::int64_t values_ = 0;
};

/// Two things that the parser passes over, though the format forbids them, and other readers refuse
/// the file.
void check_encoding(std::string_view text, std::string_view name) {
  if (text.starts_with("\xef\xbb\xbf"))
    fail("{}: byte 8: the header begins with a byte order mark, expected `{{`", name);
  if (const auto at = text.find('\0'); at != text.npos)
    fail("{}: byte {}: the header holds a NUL; it may be padded with blanks only", name, 8 + at);
}

}  // namespace

Json parse_header(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check_encoding(text, name);
  HeaderCheck check;
  Json::sax_parse(text, &check);
  if (check.too_deep()) fail("{}: byte 8: the header is nested deeper than {}", name, kMaxDepth);
  if (check.too_many()) fail("{}: byte 8: the header has more than {} values", name, kMaxValues);
  if (!check.duplicate().empty())
    fail("{}: byte 8: the header has `{}` twice", name, check.duplicate());
  Json header;
  try {
    header = Json::parse(text);
  } catch (const Json::parse_error& error) {
    fail("{}: byte {}: the header is not valid JSON (its byte {})", name, 8 + error.byte,
         error.byte);
  } catch (const Json::out_of_range&) {
    fail("{}: byte 8: the header has a number that is too large to be one", name);
  }
  if (!header.is_object())
    fail("{}: byte 8: the header is {}, expected an object", name, header.type_name());
  return header;
}

}  // namespace cnnc
