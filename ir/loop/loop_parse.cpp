// Reads the text of loop IR:
//
//   program NAME [batch=N group=N] {
//     NAME : TYPE[DIMS] MEMORY [view of NAME] [offset N] [= [NUMBERS]]     a buffer a line;
//                                                                          numbers for constants
//     kernel NAME serves NAME, NAME [once] {
//       [parallel | vector | unroll] for VAR in EXPR .. EXPR { ... }
//       [parallel] for VAR in groups { ... }
//       for VAR in samples of VAR { ... }
//       NAME[EXPR, EXPR] = EXPR                                            or += max= min=
//       let VAR : TYPE = EXPR
//       alloc NAME : TYPE[DIMS] stack|register
//       if EXPR { ... } else { ... }
//     }
//   }
//
// A name that is no plain word stands in quotes. A broken statement is reported and skipped, so
// that one run reports all mistakes.
#include <algorithm>
#include <unordered_map>

#include "ir/expr/arithmetic.h"
#include "ir/expr/expr_text.h"
#include "ir/loop/loop.h"

namespace cnnc {
namespace {

constexpr int kMaxBlockNesting = 256;

// Names in scope. Nothing is shadowed, so leaving a scope forgets the names that it added.
template <class T>
class ScopedNames {
 public:
  const T* find(std::string_view name) const {
    const auto found = known_.find(std::string(name));
    return found == known_.end() ? nullptr : &found->second;
  }
  bool add(const std::string& name, T value) {
    const bool is_new = known_.try_emplace(name, std::move(value)).second;
    if (is_new) order_.push_back(name);
    return is_new;
  }
  std::size_t mark() const { return order_.size(); }
  void forget(std::size_t mark) {
    for (; order_.size() > mark; order_.pop_back()) known_.erase(order_.back());
  }

 private:
  std::unordered_map<std::string, T> known_;
  std::vector<std::string> order_;
};

class LoopParser {
 public:
  LoopParser(const SourceText& source, Places* places) : cursor_(source), places_(places) {}

  Program run() {
    attempt([&] { program(); });
    cursor_.throw_errors();
    return std::move(program_);
  }

 private:
  // Runs one rule; a mistake in it costs the rest of its statement.
  template <class F>
  void attempt(F&& rule) {
    try {
      rule();
    } catch (const ParseFailure&) {
      cursor_.skip_statement();
      while (cursor_.accept("else")) cursor_.skip_statement();
    }
  }

  // Statements up to the closing brace; each consumes something.
  template <class F>
  void braced(F&& statement) {
    cursor_.expect("{");
    while (!cursor_.at_end() && !cursor_.is("}")) {
      const auto before = cursor_.peek().location;
      attempt(statement);
      if (cursor_.peek().location == before && !cursor_.is("}")) cursor_.next();
    }
    cursor_.expect("}");
  }

  std::string name(std::string_view what) {
    const auto token = cursor_.peek();
    if (token.kind == TokenKind::string) return unescape(cursor_.next().text);
    if (token.kind != TokenKind::word || !is_plain_word(token.text)) cursor_.fail_expected(what);
    return std::string(cursor_.next().text);
  }

  void place(Part part, const Token& token) {
    if (places_ != nullptr) places_->try_emplace(part, token.location);
  }

  void program() {
    cursor_.expect("program");
    program_.name = name("the program's name");
    if (cursor_.is("batch")) batch();
    braced([&] { cursor_.is("kernel") ? kernel() : global_buffer(); });
    if (!cursor_.at_end()) cursor_.fail_expected("the end of the text");
  }

  void batch() {
    program_.batch = size("batch", "the most rows of a call");
    program_.group = size("group", "the rows of a group");
  }

  std::int64_t size(std::string_view word, std::string_view what) {
    cursor_.expect(word);
    cursor_.expect("=");
    const auto token = cursor_.peek();
    const auto value = cursor_.expect_integer(what);
    if (value < 1 || value > kMaxElements)
      cursor_.fail_at(token, fmt::format("{} must be 1 to {}", what, kMaxElements));
    return value;
  }

  void global_buffer() {
    const auto token = cursor_.peek();
    auto buffer = declaration();
    if (buffer.memory == Memory::stack || buffer.memory == Memory::reg)
      cursor_.fail_at(token, fmt::format("{} buffers live in kernels", name_of(buffer.memory)),
                      "declare it there: alloc " + buffer.name + " : ...");
    declare(token, std::move(buffer));
  }

  BufferId declare(const Token& token, Buffer buffer) {
    const auto id = static_cast<BufferId>(program_.buffers.size());
    if (!buffers_.add(buffer.name, id))
      cursor_.fail_at(token, fmt::format("there is a buffer '{}' already", buffer.name));
    place({Part::Kind::buffer, program_.buffers.size()}, token);
    program_.buffers.push_back(std::move(buffer));
    return id;
  }

  Buffer declaration() {
    Buffer buffer;
    buffer.name = name("a buffer's name");
    cursor_.expect(":");
    buffer.type.scalar = scalar_type();
    dims(buffer.type.dims);
    buffer.memory = memory();
    if (cursor_.accept("view")) {
      cursor_.expect("of");
      view(buffer);
    }
    if (cursor_.accept("offset")) {
      const auto token = cursor_.peek();
      buffer.offset = cursor_.expect_integer("an offset in bytes");
      if (buffer.offset < 0) cursor_.fail_at(token, "an offset is not below zero");
    }
    if (buffer.memory == Memory::constant) data(buffer);
    return buffer;
  }

  ScalarType scalar_type() {
    const auto token = cursor_.expect(TokenKind::word, "a type");
    const auto type = parse_scalar_type(token.text);
    if (!type)
      cursor_.fail_at(token, fmt::format("'{}' is not a type", token.text),
                      "types: f32 f64 i8 u8 i32 u32 i64 bool");
    return *type;
  }

  void dims(Dims& dims) {
    const auto open = cursor_.expect("[");
    while (!cursor_.accept("]")) {
      if (!dims.empty()) cursor_.expect(",");
      dims.push_back(cursor_.expect_integer("an extent"));
      // A symbolic batch (-1) is no extent here.
      if (dims.back() <= 0) cursor_.fail_at(open, "every extent must be positive");
    }
    if (!checked_element_count(dims, 1, kMaxElements))
      cursor_.fail_at(open, fmt::format("a buffer has at most {} elements", kMaxElements));
  }

  Memory memory() {
    const auto token = cursor_.expect(TokenKind::word, "where the buffer lives");
    for (int i = 0; i <= static_cast<int>(Memory::reg); ++i)
      if (name_of(static_cast<Memory>(i)) == token.text) return static_cast<Memory>(i);
    cursor_.fail_at(token, fmt::format("'{}' is no kind of memory", token.text),
                    "input, state, output, constant, arena, thread, stack or register");
  }

  void view(Buffer& buffer) {
    const auto token = cursor_.peek();
    const auto target = name("the name of the viewed buffer");
    const auto* found = buffers_.find(target);
    if (found == nullptr)
      cursor_.fail_at(token, fmt::format("there is no buffer '{}' above", target));
    buffer.view_of = *found;
  }

  void data(Buffer& buffer) {
    cursor_.expect("=");
    const auto open = cursor_.expect("[");
    std::vector<Expr> values;
    while (!cursor_.accept("]")) {
      if (!values.empty()) cursor_.expect(",");
      values.push_back(element(buffer.type.scalar));
    }
    const auto count = element_count(buffer.type.dims, 1);
    if (static_cast<std::int64_t>(values.size()) != count)
      cursor_.fail_at(open, fmt::format("{} values for {} elements", values.size(), count));
    buffer.data = Tensor(buffer.type);
    dispatch(buffer.type.scalar, [&](auto zero) {
      using T = decltype(zero);
      const auto elements = buffer.data.data<T>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto* value = values[i].as<Const>();
        elements[i] = is_float(buffer.type.scalar) ? static_cast<T>(value->real)
                                                   : static_cast<T>(value->integer);
      }
    });
  }

  // A number without a suffix: its type is the buffer's.
  Expr element(ScalarType type) {
    if (!is_float(type)) {
      const auto token = cursor_.peek();
      const auto value = cursor_.expect_integer("an integer");
      if (wrap(type, value) != value)
        cursor_.fail_at(token, fmt::format("{} is no {}", value, name_of(type)));
      return integer_constant(type, value);
    }
    const bool negative = cursor_.accept("-");
    const auto token = cursor_.next();
    const auto text = (negative ? "-" : "") + std::string(token.text);
    const auto value = parse_real(text);
    if (!value) cursor_.fail_at(token, fmt::format("'{}' is no number", text));
    return constant(type, *value);
  }

  void kernel() {
    cursor_.expect("kernel");
    Kernel kernel;
    place({Part::Kind::kernel, program_.kernels.size()}, cursor_.peek());
    statements_ = 0;
    kernel.name = name("the kernel's name");
    if (cursor_.accept("serves")) {
      do kernel.layers.push_back(name("a layer's name"));
      while (cursor_.accept(","));
    }
    kernel.once = cursor_.accept("once");
    kernel.body = block();
    program_.kernels.push_back(std::move(kernel));
  }

  // Leaves the scope however its rule ends.
  struct Scope {
    explicit Scope(LoopParser& owner) : parser(owner) { ++parser.nesting_; }
    ~Scope() {
      --parser.nesting_;
      parser.variables_.forget(variables);
      parser.buffers_.forget(buffers);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    LoopParser& parser;
    std::size_t variables = parser.variables_.mark();
    std::size_t buffers = parser.buffers_.mark();
  };

  Block block() {
    const Scope scope(*this);
    if (nesting_ > 2 * kMaxBlockNesting)  // a loop is two scopes: its variable's and its body's
      cursor_.fail_at(cursor_.peek(), fmt::format("blocks nest deeper than {}", kMaxBlockNesting));
    Block block;
    braced([&] { statement(block); });
    return block;
  }

  void statement(Block& block) {
    place({Part::Kind::statement, program_.kernels.size(), statements_++}, cursor_.peek());
    if (cursor_.is("[", 1)) return assignment(block);
    if (cursor_.accept("let")) return let(block);
    if (cursor_.accept("alloc")) return alloc(block);
    if (cursor_.accept("if")) return branch(block);
    for (int i = 0; i <= static_cast<int>(LoopKind::unroll); ++i) {
      const auto kind = static_cast<LoopKind>(i);
      if (kind == LoopKind::serial ? cursor_.is("for") : cursor_.accept(name_of(kind)))
        return loop(block, kind);
    }
    cursor_.fail_expected("a statement: for, let, alloc, if or buffer[index] = value");
  }

  void loop(Block& block, LoopKind kind) {
    cursor_.expect("for");
    const auto token = cursor_.peek();
    auto var = make_var(name("the loop's variable"));
    cursor_.expect("in");
    For loop = range(var);
    loop.kind = kind;
    const Scope scope(*this);
    bind(token, var);
    loop.body = this->block();
    block.push_back({std::move(loop)});
  }

  For range(const Var& var) {
    const auto token = cursor_.peek();
    const bool groups = cursor_.is("groups") && cursor_.is("{", 1);
    if (groups || (cursor_.is("samples") && cursor_.is("of", 1))) {
      if (program_.batch == 0)
        cursor_.fail_at(token, "the program has no batch",
                        "write its sizes behind its name: batch=128 group=16");
      cursor_.next();
      return groups ? over_groups(program_, var, {}) : samples(var);
    }
    auto begin = typed(ScalarType::i64, "a loop's bound");
    cursor_.expect("..");
    auto end = typed(ScalarType::i64, "a loop's bound");
    return {var, std::move(begin), std::move(end), LoopKind::serial, {}};
  }

  For samples(const Var& var) {
    cursor_.expect("of");
    const auto token = cursor_.peek();
    const auto word = name("the variable of a loop over groups");
    const auto* group = variables_.find(word);
    if (group == nullptr) cursor_.fail_at(token, fmt::format("there is no variable '{}'", word));
    const auto count = program_.find("count");
    if (!count || program_.buffer(*count).type != TensorType{ScalarType::i64, {}})
      cursor_.fail_at(token, "there is no input 'count' of the rows of a call",
                      "declare it: count : i64[] input");
    return over_samples(program_, var, *group, {});
  }

  void let(Block& block) {
    const auto token = cursor_.peek();
    const auto word = name("a variable's name");
    cursor_.expect(":");
    auto var = make_var(word, scalar_type());
    cursor_.expect("=");
    Expr value;
    try {
      value = typed(var->type, "the value");
    } catch (const ParseFailure&) {
      variables_.add(word, var);  // so that its uses are not reported as well
      throw;
    }
    bind(token, var);
    block.push_back({Let{std::move(var), std::move(value)}});
  }

  void bind(const Token& token, const Var& var) {
    if (is_reserved_word(var->name))
      cursor_.fail_at(token, fmt::format("'{}' is a word of the language", var->name));
    if (!variables_.add(var->name, var))
      cursor_.fail_at(token, fmt::format("there is a variable '{}' already", var->name));
  }

  void alloc(Block& block) {
    const auto token = cursor_.peek();
    auto buffer = declaration();
    if (buffer.memory != Memory::stack && buffer.memory != Memory::reg)
      cursor_.fail_at(
          token,
          fmt::format("{} buffers are declared in front of the kernels", name_of(buffer.memory)),
          "alloc makes stack and register buffers");
    block.push_back({Alloc{declare(token, std::move(buffer))}});
  }

  void branch(Block& block) {
    If branch;
    branch.condition = typed(ScalarType::boolean, "a condition");
    branch.then_body = this->block();
    if (cursor_.accept("else")) branch.else_body = this->block();
    block.push_back({std::move(branch)});
  }

  void assignment(Block& block) {
    auto [memory, index] = parse_access(cursor_, scope_);
    if (cursor_.accept("=")) {
      block.push_back({Store{memory.buffer, std::move(index), typed(memory.type, "the value")}});
      return;
    }
    auto op = Reduction::add;
    if (!cursor_.accept("+=")) {
      op = cursor_.is("max") ? Reduction::max : Reduction::min;
      if (!cursor_.accept("max") && !cursor_.accept("min"))
        cursor_.fail_expected("=, +=, max= or min=");
      cursor_.expect("=");
    }
    block.push_back(
        {Accumulate{op, memory.buffer, std::move(index), typed(memory.type, "the value")}});
  }

  Expr typed(ScalarType type, std::string_view what) {
    const auto token = cursor_.peek();
    auto expr = parse_expr(cursor_, scope_);
    if (expr.type() != type)
      cursor_.fail_at(
          token, fmt::format("{} must be {}, not {}", what, name_of(type), name_of(expr.type())));
    return expr;
  }

  TokenCursor cursor_;
  Places* places_;
  Program program_;
  std::size_t statements_ = 0;  // of this kernel, so far
  int nesting_ = 0;
  ScopedNames<BufferId> buffers_;
  ScopedNames<Var> variables_;
  const ExprScope scope_{[this](std::string_view name) -> std::optional<Var> {
                           const auto* found = variables_.find(name);
                           return found == nullptr ? std::nullopt : std::optional(*found);
                         },
                         [this](std::string_view name) -> std::optional<ExprScope::Memory> {
                           const auto* found = buffers_.find(name);
                           if (found == nullptr) return std::nullopt;
                           const auto& type = program_.buffer(*found).type;
                           return ExprScope::Memory{*found, type.scalar, type.dims.size()};
                         }};
};

}  // namespace

Program parse_program(const SourceText& source, Places* places) {
  return LoopParser(source, places).run();
}

}  // namespace cnnc
