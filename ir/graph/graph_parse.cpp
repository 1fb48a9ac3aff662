// Reads the text of a graph, a line a node:
//
//   graph  = "graph" NAME "batch" "=" INTEGER "{" line* "return" [NAME "=" %VALUE ("," ...)*] "}"
//   line   = "optimizer" NAME [attributes] | %VALUE ("," ...)* "=" OP "(" [%VALUE ("," ...)*] ")"
//   [attributes] ":" types [@LABEL]
//
// After a mistake reading goes on at the next line; names that a wrong line defines are known as
// such, so that one mistake is reported once.
#include <cmath>
#include <limits>
#include <map>

#include "ir/base/lexer.h"
#include "ir/graph/graph.h"
#include "ir/graph/rules.h"

namespace cnnc {

namespace {

class GraphParser {
 public:
  GraphParser(const SourceText& source, const OpTable& ops, Places* places)
      : cursor_(source), ops_(ops), places_(places) {}

  Graph parse() {
    std::optional<Builder> builder;
    try {
      cursor_.expect("graph");
      std::string name = this->name("a name for the graph");
      cursor_.expect("batch");
      cursor_.expect("=");
      const Token place = cursor_.peek();
      const std::int64_t batch = cursor_.expect_integer("the batch size");
      if (batch < 1) cursor_.fail_at(place, fmt::format("the batch is {}", batch), "at least 1");
      cursor_.expect("{");
      builder.emplace(ops_, std::move(name), batch);
    } catch (const ParseFailure&) {
      cursor_.throw_errors();
    }
    builder_ = &*builder;
    while (!cursor_.at_end() && !cursor_.is("return") && !cursor_.is("}")) {
      recover([&] { line(); });
    }
    recover([&] { outputs(); });
    cursor_.throw_errors();
    return std::move(*builder).build();
  }

 private:
  /// Runs `read`; after a mistake, skips the rest of the line where it started.
  template <class F>
  void recover(F&& read) {
    const std::size_t start = cursor_.peek().location.line;
    try {
      read();
    } catch (const ParseFailure&) {
      while (!cursor_.at_end() && cursor_.peek().location.line <= start) cursor_.next();
    }
  }

  void line() {
    if (cursor_.is("optimizer")) {
      optimizer();
    } else {
      node();
    }
  }

  void optimizer() {
    const Token place = cursor_.next();
    if (builder_->graph().optimizer) cursor_.fail_at(place, "a graph has one optimizer");
    OptimizerSpec spec;
    spec.name = name("the optimizer's name");
    spec.arguments = attributes();
    builder_->set_optimizer(std::move(spec));
  }

  void node() {
    std::vector<Token> results;
    do {
      results.push_back(value_token("the name of a value, like %1"));
      if (values_.contains(std::string(results.back().text))) {
        cursor_.fail_at(results.back(), fmt::format("{} is defined twice", results.back().text));
      }
    } while (cursor_.accept(","));
    std::optional<Value> made;
    try {
      made = definition(results);
    } catch (const ParseFailure&) {
      define(results, std::nullopt);
      throw;
    }
    define(results, made);
  }

  void define(const std::vector<Token>& results, std::optional<Value> node) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (node) node->result = static_cast<int>(i);
      if (!values_.emplace(results[i].text, node).second && node) {
        cursor_.fail_at(results[i], fmt::format("{} is defined twice", results[i].text));
      }
    }
  }

  /// What follows the names of the results. Nothing where an operand's own definition was wrong.
  std::optional<Value> definition(const std::vector<Token>& results) {
    cursor_.expect("=");
    const Token op_name = cursor_.expect(TokenKind::word, "the name of an op");
    const OpRef op = ops_.find(op_name.text);
    if (op == nullptr) unknown_op(op_name);
    cursor_.expect("(");
    std::vector<Value> operands;
    bool known = true;  // all operands
    if (!cursor_.is(")")) {
      do {
        const auto operand = value();
        known = known && operand.has_value();
        operands.push_back(operand.value_or(Value{}));
      } while (cursor_.accept(","));
    }
    cursor_.expect(")");
    Attributes attributes = this->attributes();
    cursor_.expect(":");
    const Token types_place = cursor_.peek();
    std::vector<TensorType> types;
    do types.push_back(type());
    while (cursor_.accept(","));
    builder_->set_label(label());
    if (!known) return std::nullopt;

    Value made;
    try {
      made = builder_->add_node(op, std::move(operands), std::move(attributes));
    } catch (const Error& error) {
      cursor_.fail_at(op_name, error.what());
    }
    place({Part::Kind::node, static_cast<std::size_t>(made.node)}, op_name);
    check_types(op_name, types_place, types, builder_->graph().node(made).types);
    if (results.size() != types.size()) {
      cursor_.fail_at(results.front(), fmt::format("{} names for the {} results of {}",
                                                   results.size(), types.size(), op_name.text));
    }
    return made;
  }

  void check_types(const Token& op_name, const Token& place, const std::vector<TensorType>& written,
                   const std::vector<TensorType>& derived) {
    if (written == derived) return;
    const auto list = [](const std::vector<TensorType>& types) {
      std::string text;
      for (const TensorType& type : types) text += (text.empty() ? "" : ", ") + to_string(type);
      return text;
    };
    cursor_.fail_at(
        place, fmt::format("{} yields {}, not {}", op_name.text, list(derived), list(written)));
  }

  [[noreturn]] void unknown_op(const Token& token) {
    std::vector<std::string> names;
    for (const auto& [name, op] : ops_.all()) names.push_back(name);
    const std::string meant = closest(token.text, names);
    cursor_.fail_at(token, fmt::format("there is no op '{}'", token.text),
                    meant.empty() ? "" : fmt::format("did you mean '{}'?", meant));
  }

  void outputs() {
    cursor_.expect("return");
    if (!cursor_.is("}")) {
      do {
        const Token place = cursor_.peek();
        std::string output = name("the name of an output");
        cursor_.expect("=");
        const auto result = value();
        if (builder_->graph().output(output)) {
          cursor_.report(place.location, fmt::format("output '{}' is given twice", output));
        } else if (result) {
          this->place({Part::Kind::output, builder_->graph().outputs.size()}, place);
          builder_->output(std::move(output), *result);
        }
      } while (cursor_.accept(","));
    }
    cursor_.expect("}");
    if (!cursor_.at_end()) cursor_.fail_expected("the end of the text");
  }

  /// Of equal nodes, which are made once, the first counts.
  void place(Part part, const Token& token) {
    if (places_ != nullptr) places_->try_emplace(part, token.location);
  }

  Token value_token(std::string_view what) {
    if (cursor_.peek().kind != TokenKind::word || !cursor_.peek().text.starts_with('%')) {
      cursor_.fail_expected(what);
    }
    return cursor_.next();
  }

  /// Nothing where the value's own definition is wrong.
  std::optional<Value> value() {
    const Token token = value_token("a value, like %1");
    const auto found = values_.find(std::string(token.text));
    if (found == values_.end()) {
      cursor_.fail_at(token, fmt::format("{} is not defined", token.text),
                      "values are defined on a line before their use");
    }
    return found->second;
  }

  std::string name(std::string_view what) {
    const Token& token = cursor_.peek();
    if (token.kind == TokenKind::string) return unescape(cursor_.next().text);
    if (token.kind != TokenKind::word || !is_plain_word(token.text)) cursor_.fail_expected(what);
    return std::string(cursor_.next().text);
  }

  std::string label() {
    if (cursor_.accept("label")) return name("a label");
    const Token& token = cursor_.peek();
    if (token.kind != TokenKind::word || !token.text.starts_with('@')) return "";
    return std::string(cursor_.next().text.substr(1));
  }

  Attributes attributes() {
    Attributes result;
    if (!cursor_.accept("{") || cursor_.accept("}")) return result;
    do {
      const Token place = cursor_.peek();
      std::string attribute = name("the name of an attribute");
      if (result.find(attribute) != nullptr) {
        cursor_.fail_at(place, fmt::format("attribute '{}' is given twice", attribute));
      }
      cursor_.expect("=");
      result.set(std::move(attribute), attribute_value());
    } while (cursor_.accept(","));
    cursor_.expect("}");
    return result;
  }

  AttributeValue attribute_value() {
    const Token token = cursor_.peek();
    if (token.kind == TokenKind::string) return unescape(cursor_.next().text);
    if (cursor_.accept("true")) return true;
    if (cursor_.accept("false")) return false;
    if (!cursor_.accept("[")) return number();
    std::vector<std::int64_t> list;
    if (cursor_.accept("]")) return list;
    do list.push_back(cursor_.expect_integer("a whole number"));
    while (cursor_.accept(","));
    cursor_.expect("]");
    return list;
  }

  AttributeValue number() {
    const bool negative = cursor_.accept("-");
    const Token token = cursor_.peek();
    double real = 0;
    if (token.text == "inf" || token.text == "nan") {
      real = token.text == "inf" ? std::numeric_limits<double>::infinity() : std::nan("");
    } else if (token.kind != TokenKind::number) {
      cursor_.fail_expected("a number, a text, true, false or a list");
    } else if (const auto integer =
                   parse_integer(fmt::format("{}{}", negative ? "-" : "", token.text))) {
      cursor_.next();
      return *integer;
    } else if (const auto parsed = parse_real(token.text);
               parsed && token.text.find_first_of(".eE") != std::string_view::npos) {
      real = *parsed;
    } else {
      cursor_.fail_at(token, fmt::format("'{}' is no number that fits", token.text));
    }
    cursor_.next();
    return negative ? -real : real;
  }

  TensorType type() {
    const Token token = cursor_.expect(TokenKind::word, "a type, like f32[B,28,28,1]");
    const auto scalar = parse_scalar_type(token.text);
    if (!scalar) {
      cursor_.fail_at(token, fmt::format("'{}' is not an element type", token.text),
                      "f32, f64, i8, u8, i32, u32, i64 or bool");
    }
    TensorType result{*scalar, {}};
    cursor_.expect("[");
    if (cursor_.accept("]")) return result;
    do {
      result.dims.push_back(cursor_.accept("B") ? kBatch
                                                : cursor_.expect_integer("a dimension, or B"));
    } while (cursor_.accept(","));
    cursor_.expect("]");
    return result;
  }

  TokenCursor cursor_;
  const OpTable& ops_;
  Places* places_;
  Builder* builder_ = nullptr;
  std::map<std::string, std::optional<Value>> values_;
};

}  // namespace

Graph parse_graph(const SourceText& source, const OpTable& ops, Places* places) {
  return GraphParser(source, ops, places).parse();
}

}  // namespace cnnc
