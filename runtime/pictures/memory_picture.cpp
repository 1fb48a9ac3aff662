#include "runtime/pictures/memory_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "passes/analysis/live_ranges.h"
#include "passes/finish/plan_memory.h"
#include "runtime/pictures/markup.h"

namespace cnnc {
namespace {

constexpr double kLeft = 70, kRight = 190, kTop = 44;  // margins
constexpr double kPlotHeight = 420;
constexpr double kNarrowest = 11;  // of a column that has a name
constexpr std::size_t kMostNames = 160;
constexpr std::array<std::string_view, 12> kColours = {"#8ecae6", "#ffb703", "#90be6d", "#f4a3a8",
                                                       "#b8a1d9", "#f9c784", "#7fd1b9", "#d4a373",
                                                       "#a3b9e0", "#e9d66b", "#c5cbd3", "#e8a5cf"};

/// As much of the text as fits into `width` pixels at `size`; empty where that is too little.
std::string fitted(const std::string& text, double width, double size) {
  const auto most = static_cast<std::size_t>(std::max(0.0, width / (0.56 * size)));
  if (text.size() <= most) return text;
  return most < 4 ? "" : text.substr(0, most - 1) + "…";
}

std::string size_text(double bytes) {
  if (bytes >= 1e6) return fmt::format("{:.2f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} KB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

/// The layer that a buffer's name begins with.
std::string layer_of(const Program& program, const std::string& name) {
  std::string best = "other";
  std::size_t length = 0;
  for (const Kernel& kernel : program.kernels)
    for (const std::string& layer : kernel.layers)
      if (layer.size() > length && name.starts_with(layer + ".")) {
        best = layer;
        length = layer.size();
      }
  return best;
}

/// 1, 2 or 5 times a power of ten, so that there are four to ten of them in `range`.
double tick_step(double range) {
  const double power = std::pow(10, std::floor(std::log10(std::max(range, 1.0) / 4)));
  for (const double factor : {5.0, 2.0})
    if (factor * power * 4 <= range) return factor * power;
  return power;
}

/// One map: rectangles over positions 0 .. length - 1.
struct Map {
  std::string title;
  std::vector<LiveRange> ranges;
  std::size_t length = 1;
  std::vector<std::string> names;  // of the positions; empty: numbers only
  std::string axis;                // what a position is
};

class Drawing {
 public:
  explicit Drawing(const Program& program) : program_(program) {}

  /// Adds a map below those drawn already.
  void add(const Map& map) {
    top_ += kTop;
    const double column = std::max(map.names.empty() ? 0.5 : kNarrowest,
                                   900 / static_cast<double>(std::max<std::size_t>(1, map.length)));
    const double width = column * static_cast<double>(map.length);
    double height_in_bytes = 1;
    for (const LiveRange& range : map.ranges)
      height_in_bytes = std::max(height_in_bytes, static_cast<double>(end_of(range)));
    const double scale = kPlotHeight / height_in_bytes, bottom = top_ + kPlotHeight;

    text(kLeft, top_ - 18, 14, map.title, "font-weight=\"bold\"");
    grid(width, height_in_bytes, scale, bottom);
    for (const LiveRange& range : map.ranges) rectangle(range, column, scale, bottom);
    alive_line(map, column, scale, bottom);
    svg_ += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"none\" "
        "stroke=\"#55606e\"/>\n",
        kLeft, top_, width, kPlotHeight);
    legend(kLeft + width + 16, top_ + 8, map);
    const double names_height = axis(map, column, width, bottom);
    width_ = std::max(width_, kLeft + width + kRight);
    top_ = bottom + names_height;
  }

  std::string finish() const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 "
        "0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" fill=\"#222a35\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{2}</svg>\n",
        width_, top_ + 16, svg_);
  }

 private:
  std::int64_t offset_of(const LiveRange& range) const {
    return program_.buffer(range.buffer).offset;
  }
  std::int64_t end_of(const LiveRange& range) const { return offset_of(range) + range.bytes; }

  void text(double x, double y, double size, const std::string& words,
            const std::string& more = "") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" {}>{}</text>\n", x, y,
                        size, more, escape_markup(words));
  }

  void line(double x1, double y1, double x2, double y2, const std::string& more) {
    svg_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1,
                        y1, x2, y2, more);
  }

  void grid(double width, double bytes, double scale, double bottom) {
    const double step = tick_step(bytes);
    for (int tick = 0; tick * step <= bytes; ++tick) {
      const double at = tick * step;
      line(kLeft, bottom - at * scale, kLeft + width, bottom - at * scale, "stroke=\"#e3e7ec\"");
      text(kLeft - 6, bottom - at * scale + 4, 10, at == 0 ? "0" : size_text(at),
           "text-anchor=\"end\"");
    }
  }

  std::string_view colour_of(const std::string& layer) {
    const auto known = colours_.try_emplace(layer, kColours[colours_.size() % kColours.size()]);
    return known.first->second;
  }

  void rectangle(const LiveRange& range, double column, double scale, double bottom) {
    const Buffer& buffer = program_.buffer(range.buffer);
    const double x = kLeft + column * static_cast<double>(range.first);
    const double width = column * static_cast<double>(range.last - range.first + 1);
    const double y = bottom - scale * static_cast<double>(end_of(range));
    const double height = scale * static_cast<double>(range.bytes);
    svg_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.2f}\" width=\"{:.1f}\" height=\"{:.2f}\" fill=\"{}\" "
        "stroke=\"#55606e\" stroke-width=\"0.6\"><title>{}: {}, {}, at {}, alive {} to "
        "{}</title></rect>\n",
        x, y, width, height, colour_of(layer_of(program_, buffer.name)), escape_markup(buffer.name),
        to_string(buffer.type), size_text(static_cast<double>(range.bytes)), offset_of(range),
        range.first, range.last);
    if (height < 11) return;
    const std::string name = fitted(buffer.name, width - 6, 10);
    if (!name.empty()) text(x + 4, y + std::min(height / 2 + 4, 14.0), 10, name);
  }

  /// The bytes that are alive at each position, and the most of them.
  void alive_line(const Map& map, double column, double scale, double bottom) {
    std::string points;
    for (std::size_t i = 0; i < map.length; ++i) {
      double alive = 0;
      for (const LiveRange& range : map.ranges)
        if (range.first <= i && i <= range.last) alive += static_cast<double>(range.bytes);
      const double x = kLeft + column * static_cast<double>(i), y = bottom - alive * scale;
      points += fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} ", x, y, x + column, y);
    }
    svg_ += fmt::format(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#c0392b\" stroke-width=\"1.6\"/>\n",
        points);
  }

  void legend(double x, double y, const Map& map) {
    line(x, y, x + 14, y, "stroke=\"#c0392b\" stroke-width=\"1.6\"");
    text(x + 20, y + 4, 10, "bytes alive");
    std::vector<std::string> shown;
    for (const LiveRange& range : map.ranges) {
      const std::string layer = layer_of(program_, program_.buffer(range.buffer).name);
      if (std::ranges::find(shown, layer) != shown.end() || shown.size() == 24) continue;
      shown.push_back(layer);
      y += 16;
      svg_ += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"14\" height=\"10\" fill=\"{}\" "
          "stroke=\"#55606e\" stroke-width=\"0.6\"/>\n",
          x, y - 5, colour_of(layer));
      text(x + 20, y + 4, 10, fitted(layer, kRight - 40, 10));
    }
  }

  /// Names below the columns, upright; the height that they take.
  double axis(const Map& map, double column, double width, double bottom) {
    if (map.names.empty()) {
      text(kLeft + width / 2, bottom + 18, 11, map.axis, "text-anchor=\"middle\"");
      return 28;
    }
    double height = 0;
    for (std::size_t i = 0; i < map.names.size(); ++i) {
      const double x = kLeft + column * (static_cast<double>(i) + 0.5) + 3;
      const std::string name = fitted(map.names[i], 230, 9);
      text(x, bottom + 8, 9, name,
           fmt::format("text-anchor=\"end\" transform=\"rotate(-90 {:.1f} {:.1f})\"", x,
                       bottom + 8));
      height = std::max(height, 5.2 * static_cast<double>(name.size()));
    }
    return height + 20;
  }

  const Program& program_;
  std::string svg_;
  std::map<std::string, std::string_view> colours_;
  double top_ = 0, width_ = 0;
};

Map arena_map(const Program& program) {
  Map map{.title = "",
          .ranges = arena_live_ranges(program),
          .length = program.kernels.size(),
          .names = {},
          .axis = "kernels, in their order"};
  const MemoryPlan plan = memory_plan(program);
  map.title =
      fmt::format("{}: arena {}, at least {} alive at once; {} kernels", program.name,
                  size_text(static_cast<double>(plan.arena_bytes)),
                  size_text(static_cast<double>(plan.arena_lower_bound)), program.kernels.size());
  if (program.kernels.size() <= kMostNames)
    for (const Kernel& kernel : program.kernels) map.names.push_back(kernel.name);
  return map;
}

/// The scratch of the kernel that needs the most; its ranges are empty where none has any.
Map scratch_map(const Program& program) {
  Map best;
  std::int64_t most = 0;
  for (const Kernel& kernel : program.kernels) {
    Map map{.title = "",
            .ranges = scratch_live_ranges(program, kernel),
            .length = 1,
            .names = {},
            .axis = "statements, in their order"};
    std::int64_t bytes = 0;
    for (const LiveRange& range : map.ranges) {
      bytes = std::max(bytes, program.buffer(range.buffer).offset + range.bytes);
      map.length = std::max(map.length, range.last + 1);
    }
    if (bytes <= most) continue;
    most = bytes;
    map.title = fmt::format("a worker's scratch in {}: {}, at least {} alive at once", kernel.name,
                            size_text(static_cast<double>(bytes)),
                            size_text(static_cast<double>(most_bytes_alive(map.ranges))));
    best = std::move(map);
  }
  return best;
}

}  // namespace

std::string memory_map(const Program& program) {
  for (const auto& ranges : {arena_map(program).ranges, scratch_map(program).ranges})
    for (const LiveRange& range : ranges)
      if (program.buffer(range.buffer).offset < 0)
        fail("{} has no place in memory yet: a memory map needs a program after plan_memory",
             program.buffer(range.buffer).name);
  Drawing drawing(program);
  drawing.add(arena_map(program));
  const Map scratch = scratch_map(program);
  if (!scratch.ranges.empty()) drawing.add(scratch);
  return drawing.finish();
}

}  // namespace cnnc
