// Makes elementary functions of arithmetic, so that kernels call no library and vectorise. Before:
//
//   y[i] = exp(x[i])
//
// after (the Lets stand before the statement, in its block):
//
//   let exp_x : f32 = min(max(x[i], -105.0), 89.5)
//   let exp_shifted : f32 = exp_x * 1.442695 + 12582912.0
//   ...
//   let exp : f32 = (1.0 + expm1) * bits_f32((exp_half + 127_i32) << 23_i32) * ...
//   y[i] = exp
#include "passes/finish/expand_math.h"

#include "passes/finish/math_functions.h"

namespace cnnc {
namespace {

class Expander {
 public:
  explicit Expander(bool expand_floor) : expands_floor_(expand_floor) {}

  Block expand(const Block& block) {
    Block result;
    result.reserve(block.size());
    for (const auto& stmt : block) {
      std::vector<Done> done;
      Sink sink{result, done};
      auto expanded =
          std::visit([&](const auto& node) -> Stmt { return {expand(node, sink)}; }, stmt.value);
      result.push_back(std::move(expanded));
    }
    return result;
  }

 private:
  // A call that this statement has made already.
  struct Done {
    Expr call, value;
  };
  // Where Lets go, and the calls of the statement.
  struct Sink {
    Block& block;
    std::vector<Done>& done;
  };

  For expand(const For& loop, Sink& sink) {
    auto begin = expand(loop.begin, sink);
    auto end = expand(loop.end, sink);
    return {loop.var, std::move(begin), std::move(end), loop.kind, expand(loop.body), loop.axis};
  }
  Store expand(const Store& store, Sink& sink) {
    auto index = expand(store.index, sink);
    return {store.buffer, std::move(index), expand(store.value, sink)};
  }
  Accumulate expand(const Accumulate& store, Sink& sink) {
    auto index = expand(store.index, sink);
    return {store.op, store.buffer, std::move(index), expand(store.value, sink)};
  }
  Let expand(const Let& let, Sink& sink) { return {let.var, expand(let.value, sink)}; }
  Alloc expand(const Alloc& alloc, Sink&) { return alloc; }
  If expand(const If& branch, Sink& sink) {
    auto condition = expand(branch.condition, sink);
    return {std::move(condition), expand(branch.then_body), expand(branch.else_body)};
  }

  std::vector<Expr> expand(const std::vector<Expr>& exprs, Sink& sink) {
    std::vector<Expr> result;
    for (const auto& expr : exprs) result.push_back(expand(expr, sink));
    return result;
  }

  Expr expand(const Expr& expr, Sink& sink) {
    return transform(expr, [&](const Expr& node) -> Expr {
      const auto* call = node.as<Unary>();
      if (call == nullptr || !expands(call->op)) return {};
      for (const auto& known : sink.done)
        if (same(known.call, node)) return known.value;
      auto value = replacement(*call, sink.block);
      sink.done.push_back({node, value});
      return value;
    });
  }

  bool expands(UnaryOp op) const {
    return op == UnaryOp::exp || op == UnaryOp::log || op == UnaryOp::tanh ||
           (op == UnaryOp::floor && expands_floor_);
  }

  static Expr replacement(const Unary& call, Block& block) {
    const auto share = [&](std::string name, Expr value) -> Expr {
      if (value.as<Var>() != nullptr || value.as<Const>() != nullptr) return value;
      auto var = make_var(std::move(name), value.type());
      block.push_back({Let{var, std::move(value)}});
      return var;
    };
    const auto x = share("x", call.x);
    const std::string name(name_of(call.op));
    switch (call.op) {
      case UnaryOp::exp: return share(name, expand_exp(x, share));
      case UnaryOp::log: return share(name, expand_log(x, share));
      case UnaryOp::tanh: return share(name, expand_tanh(x, share));
      default: return share(name, expand_floor(x, share));
    }
  }

  bool expands_floor_;
};

}  // namespace

Program expand_math(const Program& program, const PassContext& context) {
  // Rounding instructions came with SSE4.1, which x86-64-v2 has.
  Expander expander(context.target.cpu == "x86-64");
  Program result = program;
  for (auto& kernel : result.kernels) kernel.body = expander.expand(kernel.body);
  return result;
}

}  // namespace cnnc
