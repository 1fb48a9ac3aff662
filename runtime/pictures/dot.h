// Pictures of boxes and arrows, as text for graphviz.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cnnc {

enum class NodeShape : std::uint8_t { operation, memory, input, output };

struct PictureNode {
  std::string name;     // its first line
  std::string details;  // a second line, smaller; may be empty
  std::string tooltip;
  NodeShape shape = NodeShape::operation;
  double heat = 0;  // 0 .. 1: its share of the cost
  int box = -1;     // index into boxes; -1: in none
};

struct PictureEdge {
  std::size_t from = 0, to = 0;  // indices into nodes
  std::string label;
  bool faint = false;
};

/// A frame around nodes.
struct PictureBox {
  std::string title;  // may be empty
  bool warm = false;  // of two tints
};

struct BoxPicture {
  std::string title;
  std::vector<PictureNode> nodes;
  std::vector<PictureEdge> edges;
  std::vector<PictureBox> boxes;
};

/// Takes away the boxes that hold one node only; their titles become the node's details.
void drop_single_boxes(BoxPicture& picture);

/// The text that graphviz reads. Node i is called `n<i>`.
std::string to_dot(const BoxPicture& picture);

/// What graphviz's `dot` makes of such a text, as SVG. Throws Error where it is not installed, with
/// what to do, or refuses the text.
std::string svg_of(std::string_view dot);

/// A colour from white over yellow to red for 0 .. 1: #rrggbb.
std::string heat_colour(double heat);

}  // namespace cnnc
