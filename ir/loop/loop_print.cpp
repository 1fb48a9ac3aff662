// Loop IR as text. See ir/loop/loop_parse.cpp for the grammar.
#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "ir/expr/expr_text.h"
#include "ir/loop/loop.h"

namespace cnnc {
namespace {

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::stack || buffer.memory == Memory::reg;
}

std::string word_or_string(const std::string& name) {
  return is_plain_word(name) && !is_reserved_word(name) ? name : quoted(name);
}

std::string variable_word(const std::string& name) {
  std::string word = name.empty() ? "v" : name;
  for (auto& c : word)
    if (c == '.' || !is_plain_word(std::string("_") + c)) c = '_';
  if (!is_plain_word(word)) word = "_" + word;
  return is_reserved_word(word) ? word + "_" : word;
}

// Names in use, innermost scope last.
class Scopes {
 public:
  std::string claim(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !used_.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
    claimed_.push_back(name);
    return name;
  }
  std::size_t enter() const { return claimed_.size(); }
  void leave(std::size_t mark) {
    for (; claimed_.size() > mark; claimed_.pop_back()) used_.erase(claimed_.back());
  }

 private:
  std::unordered_set<std::string> used_;
  std::vector<std::string> claimed_;
};

class Printer {
 public:
  explicit Printer(const Program& program)
      : program_(program), buffer_names_(program.buffers.size()) {
    for (std::size_t i = 0; i < program.buffers.size(); ++i)
      buffer_names_[i] = is_local(program.buffers[i])
                             ? "<not allocated>"
                             : buffer_scopes_.claim(program.buffers[i].name);
    for (auto& name : buffer_names_) name = name == "<not allocated>" ? name : word_or_string(name);
  }

  std::string run(const std::function<bool(BufferId)>& with_buffer,
                  const std::vector<const Kernel*>& kernels) {
    out_ = "program " + word_or_string(program_.name);
    if (program_.batch > 0)
      out_ += fmt::format(" batch={} group={}", program_.batch, program_.group);
    out_ += " {\n";
    depth_ = 1;
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
      const auto id = static_cast<BufferId>(i);
      if (is_local(program_.buffers[i]) || !with_buffer(id)) continue;
      indent();
      buffer(id);
    }
    for (const auto* one : kernels) kernel(*one);
    return out_ + "}\n";
  }

 private:
  void indent() { out_.append(static_cast<std::size_t>(2 * depth_), ' '); }

  void buffer(BufferId id) {
    const auto& it = program_.buffer(id);
    out_ += fmt::format("{} : {} {}", buffer_name(id), to_string(it.type), name_of(it.memory));
    if (it.view_of) out_ += fmt::format(" view of {}", buffer_name(*it.view_of));
    if (it.offset >= 0) out_ += fmt::format(" offset {}", it.offset);
    if (it.memory == Memory::constant) constant_data(it.data);
    out_ += '\n';
  }

  void constant_data(const Tensor& data) {
    constexpr std::int64_t kPerLine = 16;
    out_ += " = [";
    for (std::int64_t i = 0; i < data.size(); ++i) {
      if (i > 0) out_ += ',';
      if (data.size() > kPerLine && i % kPerLine == 0) {
        out_ += "\n";
        out_.append(static_cast<std::size_t>(2 * depth_ + 2), ' ');
      } else if (i > 0) {
        out_ += ' ';
      }
      dispatch(data.type().scalar, [&](auto zero) {
        using T = decltype(zero);
        const T value = data.data<T>()[static_cast<std::size_t>(i)];
        if constexpr (std::is_floating_point_v<T>)
          out_ += real_text(value);
        else
          out_ += fmt::format("{}", static_cast<std::int64_t>(value));
      });
    }
    out_ += ']';
  }

  void kernel(const Kernel& kernel) {
    indent();
    out_ += "kernel " + word_or_string(kernel.name);
    for (std::size_t i = 0; i < kernel.layers.size(); ++i)
      out_ += (i == 0 ? " serves " : ", ") + word_or_string(kernel.layers[i]);
    out_ += kernel.once ? " once " : " ";
    block(kernel.body);
    out_ += '\n';
  }

  // `{`, the statements and `}`, without a newline behind it.
  void block(const Block& block) {
    const auto variables = variable_scopes_.enter();
    const auto buffers = buffer_scopes_.enter();
    out_ += "{\n";
    ++depth_;
    for (const auto& one : block) {
      indent();
      std::visit([&](const auto& stmt) { add(stmt); }, one.value);
      out_ += '\n';
    }
    --depth_;
    indent();
    out_ += '}';
    variable_scopes_.leave(variables);
    buffer_scopes_.leave(buffers);
  }

  void add(const For& loop) {
    const std::string range = text_of_range(loop);
    const auto mark = variable_scopes_.enter();
    if (loop.kind != LoopKind::serial) (out_ += name_of(loop.kind)) += ' ';
    out_ += fmt::format("for {} in {} ", bind(loop.var), range);
    block(loop.body);
    variable_scopes_.leave(mark);
  }
  std::string text_of_range(const For& loop) const {
    if (loop.axis == BatchAxis::groups) return "groups";
    if (const Var* group = group_of(loop)) return fmt::format("samples of {}", text(*group));
    return fmt::format("{} .. {}", text(loop.begin), text(loop.end));
  }
  void add(const Store& store) { assignment(store.buffer, store.index, " = ", store.value); }
  void add(const Accumulate& store) {
    const auto* op = store.op == Reduction::add   ? " += "
                     : store.op == Reduction::max ? " max= "
                                                  : " min= ";
    assignment(store.buffer, store.index, op, store.value);
  }
  void add(const Let& let) {
    const auto value = text(let.value);
    out_ += fmt::format("let {} : {} = {}", bind(let.var), name_of(let.var->type), value);
  }
  void add(const Alloc& alloc) {
    auto& name = buffer_names_.at(static_cast<std::size_t>(alloc.buffer));
    name = word_or_string(buffer_scopes_.claim(program_.buffer(alloc.buffer).name));
    out_ += "alloc ";
    buffer(alloc.buffer);
    out_.pop_back();
  }
  void add(const If& branch) {
    out_ += "if " + text(branch.condition) + " ";
    block(branch.then_body);
    if (branch.else_body.empty()) return;
    out_ += " else ";
    block(branch.else_body);
  }

  void assignment(BufferId buffer, const std::vector<Expr>& index, std::string_view op,
                  const Expr& value) {
    out_ += buffer_name(buffer);
    out_ += '[';
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (i > 0) out_ += ", ";
      append_expr(out_, index[i], names_);
    }
    (out_ += ']') += op;
    append_expr(out_, value, names_);
  }

  std::string text(const Expr& expr) const {
    std::string result;
    append_expr(result, expr, names_);
    return result;
  }

  const std::string& bind(const Var& var) {
    return variable_names_[var] = variable_scopes_.claim(variable_word(var->name));
  }

  std::string_view variable_name(const Var& var) const {
    const auto found = variable_names_.find(var);
    return found == variable_names_.end() ? std::string_view(var->name) : found->second;
  }
  std::string_view buffer_name(BufferId id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < buffer_names_.size() ? std::string_view(buffer_names_[index])
                                        : "<no such buffer>";
  }

  const Program& program_;
  std::string out_;
  int depth_ = 0;
  Scopes buffer_scopes_, variable_scopes_;
  std::vector<std::string>
      buffer_names_;  // as printed; those of local buffers change with their scope
  std::unordered_map<Var, std::string> variable_names_;
  const ExprNames names_{[this](const Var& var) { return variable_name(var); },
                         [this](BufferId id) { return buffer_name(id); }};
};

// Buffers that a kernel touches, with those that they are views of.
std::set<BufferId> buffers_of(const Program& program, const Kernel& kernel) {
  std::set<BufferId> used;
  walk_exprs(kernel.body, [&](const Expr& top) {
    walk(top, [&](const Expr& expr) {
      if (const auto* load = expr.as<Load>()) used.insert(load->buffer);
    });
  });
  walk(kernel.body, [&](const Stmt& stmt) {
    if (const auto* store = stmt.as<Store>()) used.insert(store->buffer);
    if (const auto* accumulate = stmt.as<Accumulate>()) used.insert(accumulate->buffer);
  });
  for (const auto id : std::set<BufferId>(used)) used.insert(program.storage(id));
  return used;
}

}  // namespace

std::string print(const Program& program) {
  std::vector<const Kernel*> kernels;
  for (const auto& kernel : program.kernels) kernels.push_back(&kernel);
  return Printer(program).run([](BufferId) { return true; }, kernels);
}

std::string print(const Program& program, const Kernel& kernel) {
  const auto used = buffers_of(program, kernel);
  return Printer(program).run([&](BufferId id) { return used.contains(id); }, {&kernel});
}

}  // namespace cnnc
