// The canonical text of a model: two spaces of indentation, `->` in front of what it leads to, one
// statement or setting a line, one empty line between sections. Where the author broke a chain it
// stays broken; lines that are too long are broken too. Comments are kept: in front of the element,
// statement or section that follows, or at the end of the line that they ended; those inside of an
// element move in front of it.
#include <string>

#include "frontend/ast.h"

namespace cnnc::frontend {

namespace {

constexpr std::size_t kWidth = 100;

struct Piece {
  std::string text;
  int precedence;  // sum 1, product 2, sign 3, operand 4
};

void combine(std::vector<Piece>& stack, std::string_view symbol, int precedence) {
  Piece right = std::move(stack.back());
  stack.pop_back();
  Piece& left = stack.back();
  if (left.precedence < precedence) left.text = "(" + left.text + ")";
  left.text += symbol;
  left.text += right.precedence <= precedence ? "(" + right.text + ")" : right.text;
  left.precedence = precedence;
}

std::string format(const Element& element) {
  std::string text(element.name.text);
  if (element.arguments.empty()) return text;
  text += '(';
  for (std::size_t i = 0; i < element.arguments.size(); ++i) {
    const Argument& argument = element.arguments[i];
    if (i > 0) text += ", ";
    if (argument.name) text += std::string(argument.name->text) + "=";
    text += format(argument.value);
  }
  return text + ")";
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  void line(std::string_view text, std::size_t indent) {
    out_.append(indent, ' ').append(text).push_back('\n');
    fresh_ = commented_ = false;
  }
  void open(std::string_view text) {
    line(text, 0);
    fresh_ = true;
  }
  void close() { line("}", 0); }
  // An empty line, except at the beginning of the text or of a body.
  void blank() {
    if (!fresh_ && !out_.ends_with("\n\n")) out_.push_back('\n');
  }
  void comment(const Comment& comment, std::size_t indent) {
    const bool fresh = fresh_;
    if (comment.trailing && !commented_ && !out_.empty() && !out_.ends_with("\n\n")) {
      out_.insert(out_.size() - 1, "  " + std::string(comment.text));
      fresh_ = fresh;
    } else {
      line(comment.text, indent);
    }
    commented_ = true;
  }
  // Comments in front of something that has an empty line in front if `blank_before`.
  void comments(const std::vector<Comment>& comments, std::size_t indent, bool blank_before) {
    for (const Comment& c : comments) {
      if (c.blank_before) blank();
      comment(c, indent);
    }
    if (blank_before) blank();
  }

  void chain(const Statement& statement, std::size_t indent) {
    std::string current;
    std::size_t current_indent = indent;
    if (statement.target) current = std::string(statement.target->text) + " = ";
    comments(statement.chain[0].comments, indent, statement.blank_before);
    for (std::size_t i = 0; i < statement.chain.size(); ++i) {
      const Element& element = statement.chain[i];
      const std::string text = format(element);
      if (i == 0) {
        current += text;
        continue;
      }
      const bool fits = current_indent + current.size() + 4 + text.size() <= kWidth;
      if (fits && !element.break_before && element.comments.empty()) {
        current += " -> " + text;
        continue;
      }
      line(current, current_indent);
      current_indent = indent + 2;
      for (const Comment& c : element.comments) comment(c, current_indent);
      current = "-> " + text;
    }
    line(current, current_indent);
  }

  void body(std::string_view header, const Body& body) {
    open(std::string(header) + " {");
    for (const Statement& statement : body.statements) chain(statement, 2);
    comments(body.closing, 2, false);
    close();
  }

 private:
  std::string out_;
  bool fresh_ = true;       // at the beginning of the text or of a body
  bool commented_ = false;  // the last line has a comment
};

void write(Writer& writer, const ModelSyntax& model) {
  writer.body("model " + std::string(model.name.text), model.body);
}

void write(Writer& writer, const BlockSyntax& block) {
  std::string header = "block " + std::string(block.name.text);
  for (std::size_t i = 0; i < block.parameters.size(); ++i) {
    const BlockParameter& parameter = block.parameters[i];
    header += i == 0 ? "(" : ", ";
    header += parameter.name.text;
    if (parameter.fallback) header += "=" + format(*parameter.fallback);
  }
  writer.body(header + (block.parameters.empty() ? "" : ")"), block.body);
}

void write(Writer& writer, const TrainSyntax& train) {
  writer.open("train {");
  for (const TrainEntry& entry : train.entries) {
    writer.comments(entry.comments, 2, entry.blank_before);
    writer.line(std::string(entry.key.text) + " = " +
                    (entry.choice ? format(*entry.choice) : format(entry.value)),
                2);
  }
  writer.comments(train.closing, 2, false);
  writer.close();
}

}  // namespace

std::string format(const Expression& expression) {
  std::vector<Piece> stack;
  for (const Term& term : expression.terms) {
    switch (term.kind) {
      case Term::Kind::negate: {
        Piece& top = stack.back();
        top.text = top.precedence <= 3 ? "-(" + top.text + ")" : "-" + top.text;
        top.precedence = 3;
        break;
      }
      case Term::Kind::add: combine(stack, " + ", 1); break;
      case Term::Kind::subtract: combine(stack, " - ", 1); break;
      case Term::Kind::multiply: combine(stack, "*", 2); break;
      case Term::Kind::divide: combine(stack, "/", 2); break;
      default: stack.push_back({std::string(term.text), 4});
    }
  }
  return stack.empty() ? std::string() : std::move(stack.back().text);
}

std::string format(const Syntax& syntax) {
  Writer writer;
  const auto separated = [&](const std::vector<Comment>& comments, bool blank_before) {
    bool first = true;
    for (const Comment& c : comments) {
      if (!c.trailing && (first || c.blank_before)) writer.blank();
      if (!c.trailing) first = false;
      writer.comment(c, 0);
    }
    if (first || blank_before) writer.blank();
  };
  for (const Section& section : syntax.sections) {
    separated(section.comments, section.blank_before);
    std::visit([&](const auto& content) { write(writer, content); }, section.content);
  }
  if (!syntax.closing.empty()) separated(syntax.closing, false);
  std::string text = writer.take();
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace cnnc::frontend
