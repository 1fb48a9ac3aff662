#include "runtime/pictures/dot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ir/base/diagnostic.h"
#include "runtime/pictures/markup.h"
#include "runtime/pictures/subprocess.h"

namespace cnnc {
namespace {

struct Look {
  std::string_view shape, style, fill, border;
};

Look look_of(NodeShape shape) {
  switch (shape) {
    case NodeShape::operation: return {"box", "rounded,filled", "", "#5b6b82"};
    case NodeShape::memory: return {"cylinder", "filled", "#dce8f7", "#7f9cc4"};
    case NodeShape::input: return {"invhouse", "filled", "#dff1e0", "#6fa573"};
    case NodeShape::output: return {"ellipse", "filled", "#dff1e0", "#6fa573"};
  }
  return {};
}

/// For a quoted string of the language.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c != '\n')
      result += c;
    else
      result += "\\n";
  }
  return result + "\"";
}

std::string node_text(const PictureNode& node, std::size_t index) {
  const Look look = look_of(node.shape);
  std::string label = fmt::format("<b>{}</b>", escape_markup(node.name));
  if (!node.details.empty())
    label += fmt::format("<br/><font point-size=\"9\" color=\"#44505f\">{}</font>",
                         escape_markup(node.details));
  return fmt::format(
      "n{} [label=<{}>, shape={}, style=\"{}\", fillcolor=\"{}\", color=\"{}\", tooltip={}];\n",
      index, label, look.shape, look.style,
      look.fill.empty() ? heat_colour(node.heat) : std::string(look.fill), look.border,
      quoted(node.tooltip.empty() ? node.name : node.tooltip));
}

}  // namespace

std::string heat_colour(double heat) {
  using Colour = std::array<double, 3>;
  constexpr std::array<Colour, 4> kStops = {
      Colour{255, 255, 255}, {255, 240, 178}, {253, 174, 97}, {215, 90, 60}};
  const double at = std::sqrt(std::clamp(heat, 0.0, 1.0)) * (kStops.size() - 1);
  const auto below = std::min<std::size_t>(static_cast<std::size_t>(at), kStops.size() - 2);
  const double part = at - static_cast<double>(below);
  std::string text = "#";
  for (std::size_t i = 0; i < 3; ++i)
    text += fmt::format("{:02x}",
                        std::lround(kStops[below][i] * (1 - part) + kStops[below + 1][i] * part));
  return text;
}

void drop_single_boxes(BoxPicture& picture) {
  std::vector<PictureBox> kept;
  for (std::size_t b = 0; b < picture.boxes.size(); ++b) {
    std::vector<PictureNode*> inside;
    for (PictureNode& node : picture.nodes)
      if (node.box == static_cast<int>(b)) inside.push_back(&node);
    if (inside.empty()) continue;
    if (inside.size() > 1) {
      for (PictureNode* node : inside) node->box = static_cast<int>(kept.size());
      kept.push_back(picture.boxes[b]);
      continue;
    }
    PictureNode& node = *inside.front();
    node.box = -1;
    const std::string& title = picture.boxes[b].title;
    node.details += (node.details.empty() || title.empty() ? "" : ", ") + title;
  }
  picture.boxes = std::move(kept);
}

std::string to_dot(const BoxPicture& picture) {
  std::string text = fmt::format(
      "digraph {} {{\n"
      "  graph [label={}, labelloc=t, fontsize=16, fontname=\"Helvetica\", rankdir=TB, "
      "nodesep=0.25,"
      " ranksep=0.35, bgcolor=white];\n"
      "  node [fontname=\"Helvetica\", fontsize=11, margin=\"0.12,0.06\", height=0.3];\n"
      "  edge [fontname=\"Helvetica\", fontsize=9, fontcolor=\"#55606e\", color=\"#5b6b82\","
      " arrowsize=0.7];\n",
      quoted(picture.title), quoted(picture.title));
  for (std::size_t b = 0; b < picture.boxes.size(); ++b) {
    const PictureBox& box = picture.boxes[b];
    text += fmt::format(
        "  subgraph cluster_{} {{\n    graph [label={}, labeljust=l, fontsize=11, style=\"rounded,"
        "filled\", fillcolor=\"{}\", color=\"{}\", margin=8];\n",
        b, quoted(box.title), box.warm ? "#fbf3ee" : "#f1f5fb", box.warm ? "#d9b9a3" : "#a9bbd6");
    for (std::size_t n = 0; n < picture.nodes.size(); ++n)
      if (picture.nodes[n].box == static_cast<int>(b))
        text += "    " + node_text(picture.nodes[n], n);
    text += "  }\n";
  }
  for (std::size_t n = 0; n < picture.nodes.size(); ++n)
    if (picture.nodes[n].box < 0) text += "  " + node_text(picture.nodes[n], n);
  for (const PictureEdge& edge : picture.edges)
    text += fmt::format("  n{} -> n{} [label={}{}];\n", edge.from, edge.to, quoted(edge.label),
                        edge.faint ? ", style=dashed, color=\"#b3a79d\"" : "");
  return text + "}\n";
}

std::string svg_of(std::string_view dot) {
  const auto result = run_filter({"dot", "-Tsvg"}, dot);
  if (!result)
    fail(
        "a picture as SVG needs graphviz, whose program `dot` is not installed (apt install "
        "graphviz); --emit dot needs nothing");
  if (result->code != 0) {
    const std::string_view said = result->error;
    fail("graphviz could not draw the picture: {}",
         said.substr(0, said.find_last_not_of(" \n") + 1));
  }
  return result->output;
}

}  // namespace cnnc
