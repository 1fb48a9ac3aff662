// What goes to a terminal: small images as characters, and a progress line.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/type.h"

namespace cnnc {

bool is_terminal(int fd);
/// Columns of the terminal `fd`; 80 where it is none or does not say.
int terminal_width(int fd);

/// How to draw: half blocks in 24-bit colour, UTF-8 shades (░▒▓█), or ASCII characters.
enum class Shading : std::uint8_t { colour, utf8, ascii };
/// colour for a terminal with colours (TERM, COLORTERM, NO_COLOR), else utf8 in a UTF-8 locale,
/// else ascii.
Shading shading_for(int fd);

/// `pixels` [h, w, c] (c: 1 or 3) as lines of equal width, one column a pixel and one line two
/// rows. Wider images than `max_columns` are reduced. Without colour, brighter is denser: right for
/// a dark terminal.
std::vector<std::string> draw_image(std::span<const std::uint8_t> pixels, const Dims& image,
                                    Shading shading, int max_columns = 64);
/// Columns that each of these lines takes.
int drawn_width(const Dims& image, int max_columns = 64);

/// Columns that UTF-8 text takes, a character one.
int columns_of(std::string_view text);
/// `text` in lines of at most `columns`, broken at blanks; a longer word anywhere.
std::vector<std::string> wrapped(std::string_view text, int columns);

/// One line that is redrawn in place: `label [####----] 120/469 text, ETA 0:12`. On a terminal, at
/// most ten times a second; elsewhere silent. Cleared by clear() (before other output) and by the
/// destructor.
class Progress {
 public:
  Progress(int fd, std::string label, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether an update now would draw: false means that there is no need to format a text.
  bool due() const;
  /// `text` is the caller's: loss, accuracy, rate. Draws where due().
  void update(std::int64_t done, std::string_view text);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  int fd_;
  std::string label_;
  std::int64_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, next_;
};

/// The text of that line, at most `width` columns. Where they are few, the last parts of `text`,
/// which commas separate, are left out for the bar and the time.
std::string progress_line(std::string_view label, std::int64_t done, std::int64_t total,
                          std::string_view text, double elapsed_seconds, int width);

}  // namespace cnnc
