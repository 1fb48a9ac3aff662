#include "frontend/lexer.h"

#include <algorithm>

namespace cnnc::frontend {

namespace {

constexpr std::string_view kArrow = "\xE2\x86\x92";
constexpr std::string_view kSymbols = "{}(),=+-*/";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_digit(c) || is_letter(c); }

// digits (x digits)+
bool is_size(std::string_view text) {
  bool digit = false;
  bool joined = false;
  for (char c : text) {
    if (is_digit(c)) {
      digit = true;
    } else if (c == 'x' && digit) {
      digit = false;
      joined = true;
    } else {
      return false;
    }
  }
  return digit && joined;
}

// digits [. digits] [e [+-] digits], with a point or an exponent
bool is_real(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const auto begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > begin;
  };
  if (!digits()) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

class Lexer {
 public:
  Lexer(std::string_view text, Mistakes& mistakes) : text_(text), mistakes_(mistakes) {}

  Tokens run() {
    while (at_ < text_.size()) step();
    push(TokenKind::end, 0);
    return std::move(result_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  Location here(std::size_t length) const {
    return {line_, at_ - line_begin_ + 1, std::max<std::size_t>(length, 1)};
  }

  void step() {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      line_begin_ = ++at_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '#') {
      comment();
    } else if (is_letter(c)) {
      word();
    } else if (is_foreign(0)) {
      foreign();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '"') {
      quoted();
    } else if (const auto length = wrong_arrow()) {
      mistakes_.add(here(length), fmt::format("unexpected `{}`", text_.substr(at_, length)),
                    "layers are joined by `->`");
      push(TokenKind::arrow, length);
    } else if (text_.substr(at_).starts_with("->")) {
      push(TokenKind::arrow, 2);
    } else if (text_.substr(at_).starts_with(kArrow)) {
      push(TokenKind::arrow, kArrow.size());
    } else if (kSymbols.find(c) != std::string_view::npos) {
      push(TokenKind::symbol, 1);
    } else {
      stray();
    }
  }

  void push(TokenKind kind, std::size_t length) {
    result_.tokens.push_back({kind, text_.substr(at_, length), here(length), line_ != last_line_,
                              line_ > last_line_ + 1 && last_line_ > 0, result_.comments.size()});
    at_ += length;
    last_line_ = line_;
  }

  void comment() {
    const auto end = std::min(text_.find('\n', at_), text_.size());
    auto comment = text_.substr(at_, end - at_);
    while (comment.back() == ' ' || comment.back() == '\t' || comment.back() == '\r') {
      comment.remove_suffix(1);
    }
    result_.comments.push_back(
        {comment, line_ == last_line_, line_ > last_line_ + 1 && last_line_ > 0});
    at_ = end;
    last_line_ = line_;
  }

  // A byte of a character beyond ASCII that is no arrow.
  bool is_foreign(std::size_t ahead) const {
    return static_cast<unsigned char>(peek(ahead)) >= 0x80 &&
           !text_.substr(at_ + ahead).starts_with(kArrow);
  }

  // What some write for ->: the bytes that it has, or 0.
  std::size_t wrong_arrow() const {
    for (const std::string_view arrow : {"-->", "=>", "|>", "|", ">"}) {
      if (text_.substr(at_).starts_with(arrow)) return arrow.size();
    }
    return 0;
  }

  void word() {
    std::size_t length = 0;
    Character strange;  // the first that cannot be in a name
    while (is_word(peek(length)) || is_foreign(length)) {
      const bool foreign = is_foreign(length);
      const auto character = foreign ? character_at(text_, at_ + length) : Character{};
      if (character.space || character.times || character.arrow) break;
      if (foreign && strange.shown.empty()) strange = character;
      length += character.length;
    }
    if (!strange.shown.empty()) {
      mistakes_.add(here(length), fmt::format("unexpected {}", strange.shown),
                    strange.hint.empty() ? "names have the letters a to z, digits and _ only"
                                         : std::string(strange.hint));
    } else if (length > kMaxNameLength) {
      mistakes_.add(here(length), fmt::format("a name of {} characters", length),
                    fmt::format("names have at most {}", kMaxNameLength));
    }
    push(TokenKind::word, length);
  }

  // White space is left out, a multiplication sign or arrow taken for what it means, anything else
  // for part of a name.
  void foreign() {
    auto character = character_at(text_, at_);
    if (character.dash && peek(character.length) == '>') {
      ++character.length;
      character.arrow = true;
      character.hint = "layers are joined by `->`";
    }
    if (!character.space && !character.times && !character.arrow) return word();
    mistakes_.add(here(character.length), fmt::format("unexpected {}", character.shown),
                  std::string(character.hint));
    if (character.arrow) {
      push(TokenKind::arrow, character.length);
      return;
    }
    if (character.times) {
      push(TokenKind::symbol, character.length);
      result_.tokens.back().text = "*";
      return;
    }
    while (is_foreign(0) && character_at(text_, at_).space) at_ += character_at(text_, at_).length;
  }

  // Takes everything that could have been meant as one number, then looks what it is.
  void number() {
    std::size_t length = 1;
    const auto exponent_sign = [&] {
      const char before = peek(length - 1);
      return (peek(length) == '+' || peek(length) == '-') && is_digit(peek(length + 1)) &&
             (before == 'e' || before == 'E');
    };
    std::size_t times = 0;  // 3×3 is one number
    while (true) {
      const auto character = is_foreign(length) ? character_at(text_, at_ + length) : Character{};
      if (character.times && is_digit(peek(length + character.length))) {
        if (times == 0) times = length;
        length += character.length;
      } else if (is_word(peek(length)) || peek(length) == '.' || exponent_sign()) {
        ++length;
      } else {
        break;
      }
    }
    const auto number = text_.substr(at_, length);
    auto kind = TokenKind::real;
    if (std::all_of(number.begin(), number.end(), is_digit)) {
      kind = TokenKind::integer;
    } else if (is_size(number)) {
      kind = TokenKind::size;
    } else if (!is_real(number)) {
      mistakes_.add(here(length),
                    times > 0 ? "unexpected " + character_at(text_, at_ + times).shown
                              : fmt::format("`{}` is not a number", cut(number)),
                    "a number is written 32, 0.5 or 1e-4, a size 3x3 or 28x28x1");
      kind = TokenKind::integer;
      push(kind, length);
      result_.tokens.back().text = "1";  // so that what follows is checked
      return;
    }
    push(kind, length);
  }

  void quoted() {
    const auto end = text_.find_first_of("\"\n", at_ + 1);
    if (end == std::string_view::npos || text_[end] == '\n') {
      const auto length = std::min(text_.find_first_of(",) \n", at_), text_.size()) - at_;
      mistakes_.add(here(1), "the text that begins here has no closing quote",
                    "write \"text\" on one line");
      push(TokenKind::text, length);
      return;
    }
    push(TokenKind::text, end + 1 - at_);
  }

  // A run of a character that nothing can begin with is one mistake.
  void stray() {
    const char c = text_[at_];
    std::size_t length = 1;
    while (at_ + length < text_.size() && text_[at_ + length] == c) ++length;
    std::string hint;
    if (c == ';') hint = "statements end with their line";
    if (c == '[' || c == ']') hint = "sizes are written 3x3";
    if (c == '\'') hint = "write \"text\"";
    const bool control = c < ' ' || c == 0x7F;  // reported already
    if (!control) mistakes_.add(here(length), fmt::format("unexpected `{}`", c), hint);
    at_ += length;
  }

  static std::string cut(std::string_view text) {
    return text.size() > 40 ? std::string(text.substr(0, 37)) + "..." : std::string(text);
  }

  std::string_view text_;
  Mistakes& mistakes_;
  Tokens result_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;
  std::size_t last_line_ = 0;  // of the last token or comment
};

}  // namespace

Tokens lex(std::string_view text, Mistakes& mistakes) { return Lexer(text, mistakes).run(); }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameLength && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), is_word);
}

}  // namespace cnnc::frontend
