#include "runtime/io/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "ir/base/diagnostic.h"
#include "runtime/io/picture.h"

namespace cnnc {
namespace {

constexpr std::array<std::string_view, 10> kAscii = {" ", ".", ":", "-", "=",
                                                     "+", "*", "#", "%", "@"};
constexpr std::array<std::string_view, 5> kShades = {" ", "░", "▒", "▓", "█"};
/// In TERM: takes 24-bit colour, even where COLORTERM does not say so (over ssh). The Linux console
/// and vt100 do not.
constexpr std::array<std::string_view, 7> kColourTerminals = {
    "256color", "xterm", "kitty", "alacritty", "foot", "tmux", "direct"};
constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool dumb() { return variable("TERM").empty() || variable("TERM") == "dumb"; }

bool true_colour() {
  if (!variable("NO_COLOR").empty() || dumb()) return false;
  if (variable("COLORTERM") == "truecolor" || variable("COLORTERM") == "24bit") return true;
  return std::any_of(kColourTerminals.begin(), kColourTerminals.end(), [](auto known) {
    return variable("TERM").find(known) != std::string_view::npos;
  });
}

bool utf8_locale() {
  for (const char* name :
       {"LC_ALL", "LC_CTYPE", "LANG"}) {  // the first that is set decides, as in setlocale()
    const auto value = variable(name);
    if (value.empty()) continue;
    return std::any_of(value.begin(), value.end(), [](char c) { return c == '8'; }) &&
           (value.find("UTF") != std::string_view::npos ||
            value.find("utf") != std::string_view::npos);
  }
  return false;
}

std::pair<std::int64_t, std::int64_t> drawn_size(const Dims& image, int max_columns) {
  const std::int64_t height = image[0], width = image[1];
  if (width <= max_columns) return {height, width};
  return {std::max<std::int64_t>(1, height * max_columns / width), max_columns};
}

std::array<int, 3> colour_at(const Picture& picture, std::int64_t y, std::int64_t x) {
  const auto* pixel =
      &picture.pixels[static_cast<std::size_t>((y * picture.width + x) * picture.channels)];
  return picture.channels == 1 ? std::array<int, 3>{pixel[0], pixel[0], pixel[0]}
                               : std::array<int, 3>{pixel[0], pixel[1], pixel[2]};
}

/// Rows y and y + 1 as upper half blocks: the foreground is the upper pixel, the background the
/// lower one.
std::string colour_line(const Picture& picture, std::int64_t y) {
  std::string line;
  std::array<int, 3> above = {-1, -1, -1}, below = {-1, -1, -1};  // what the terminal has now
  for (std::int64_t x = 0; x < picture.width; ++x) {
    if (const auto colour = colour_at(picture, y, x); colour != above) {
      line += fmt::format("\x1b[38;2;{};{};{}m", colour[0], colour[1], colour[2]);
      above = colour;
    }
    if (y + 1 < picture.height) {
      if (const auto colour = colour_at(picture, y + 1, x); colour != below) {
        line += fmt::format("\x1b[48;2;{};{};{}m", colour[0], colour[1], colour[2]);
        below = colour;
      }
    }
    line += "▀";
  }
  return line + "\x1b[0m";
}

std::string shaded_line(const Picture& grey, std::int64_t y,
                        std::span<const std::string_view> shades) {
  std::string line;
  for (std::int64_t x = 0; x < grey.width; ++x) {
    const int upper = colour_at(grey, y, x)[0];
    const int lower = y + 1 < grey.height ? colour_at(grey, y + 1, x)[0] : upper;
    line += shades[static_cast<std::size_t>(upper + lower) * shades.size() / 511];
  }
  return line;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::min(seconds, 359'999.0) + 0.5);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string_view without_last_part(std::string_view text) {
  const auto comma = text.rfind(", ");
  return text.substr(0, comma == text.npos ? 0 : comma);
}

/// The first `columns` characters of UTF-8 text.
std::string cut(std::string_view text, int columns) {
  std::size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    const bool starts = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (starts && seen++ == columns) break;
  }
  return std::string(text.substr(0, end));
}

/// To a terminal that is gone, nothing can be said.
void write_text(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

int columns_of(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string> wrapped(std::string_view text, int columns) {
  columns = std::max(columns, 1);
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && columns_of(line) + 1 + columns_of(word) > columns)
      lines.push_back(std::exchange(line, {}));
    while (columns_of(word) > columns) {
      lines.push_back(cut(word, columns));
      word.remove_prefix(lines.back().size());
    }
    line += fmt::format("{}{}", line.empty() ? "" : " ", word);
  }
  lines.push_back(std::move(line));
  return lines;
}

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

int terminal_width(int fd) {
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

Shading shading_for(int fd) {
  if (is_terminal(fd) && true_colour()) return Shading::colour;
  return utf8_locale() ? Shading::utf8 : Shading::ascii;
}

int drawn_width(const Dims& image, int max_columns) {
  return static_cast<int>(drawn_size(image, max_columns).second);
}

std::vector<std::string> draw_image(std::span<const std::uint8_t> pixels, const Dims& image,
                                    Shading shading, int max_columns) {
  CNNC_CHECK(image.size() == 3 && (image[2] == 1 || image[2] == 3) && max_columns > 0,
             "image of {}", to_string(image));
  CNNC_CHECK(static_cast<std::int64_t>(pixels.size()) == image[0] * image[1] * image[2],
             "{} bytes for {}", pixels.size(), to_string(image));
  Picture picture(image[0], image[1], image[2]);
  std::copy(pixels.begin(), pixels.end(), picture.pixels.begin());
  const auto [height, width] = drawn_size(image, max_columns);
  if (width != picture.width) picture = resize(picture, height, width);
  if (shading != Shading::colour) picture = with_channels(picture, 1);

  std::vector<std::string> lines;
  for (std::int64_t y = 0; y < picture.height; y += 2) {
    switch (shading) {
      case Shading::colour: lines.push_back(colour_line(picture, y)); break;
      case Shading::utf8: lines.push_back(shaded_line(picture, y, kShades)); break;
      case Shading::ascii: lines.push_back(shaded_line(picture, y, kAscii)); break;
    }
  }
  return lines;
}

std::string progress_line(std::string_view label, std::int64_t done, std::int64_t total,
                          std::string_view text, double elapsed_seconds, int width) {
  const double part =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0)
                : 0.0;
  constexpr int kLeastCells = 6;
  const std::string time =
      part > 0 && part < 1
          ? fmt::format(", ETA {}", clock_text(elapsed_seconds * (1 - part) / part))
          : "";
  std::string rest;
  int room = 0;
  for (;; text = without_last_part(text)) {
    rest = fmt::format("{}/{}{}{}{}", done, total, text.empty() ? "" : " ", text, time);
    room = width - columns_of(label) - columns_of(rest) - 4;  // "[] ", the blank after the label
    if (room >= kLeastCells || text.empty()) break;
  }
  if (room < kLeastCells) return cut(fmt::format("{} {}", label, rest), width);
  const int cells = std::min(room, 24), full = static_cast<int>(part * cells + 0.5);
  return fmt::format("{} [{}{}] {}", label, std::string(static_cast<std::size_t>(full), '#'),
                     std::string(static_cast<std::size_t>(cells - full), '-'), rest);
}

Progress::Progress(int fd, std::string label, std::int64_t total)
    : fd_(fd),
      label_(std::move(label)),
      total_(total),
      terminal_(is_terminal(fd) && !dumb()),
      start_(Clock::now()),
      next_(start_) {}

Progress::~Progress() { clear(); }

bool Progress::due() const { return terminal_ && Clock::now() >= next_; }

void Progress::update(std::int64_t done, std::string_view text) {
  if (!due()) return;
  const auto now = Clock::now();
  const std::chrono::duration<double> elapsed = now - start_;
  // One column less than there are: a full line would wrap.
  write_text(fd_,
             fmt::format("\r{}\x1b[K", progress_line(label_, done, total_, text, elapsed.count(),
                                                     terminal_width(fd_) - 1)));
  drawn_ = true;
  next_ = now + kRedraw;
}

void Progress::clear() {
  if (drawn_) write_text(fd_, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace cnnc
