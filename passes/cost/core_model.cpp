#include "passes/cost/core_model.h"

#include <algorithm>
#include <cmath>

#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

constexpr double kLoadPorts = 2;
constexpr double kLatency = 4;          // of an addition or fma
constexpr double kStoreForwarding = 5;  // more, where the sum goes through memory
constexpr double kDivision = 8;         // slots of a vector port; roots likewise
constexpr double kFunction = 20;        // exp, log, tanh, once they are expanded

bool is_local(const Buffer& buffer) {
  return buffer.memory == Memory::reg || buffer.memory == Memory::stack;
}

bool contiguous(const std::vector<Expr>& index, const Var& lane) {
  for (std::size_t i = 0; i < index.size(); ++i)
    if (stride_in(index[i], lane) != (i + 1 == index.size() ? 1 : 0)) return false;
  return true;
}

/// Whether the value contains the element that it replaces: an accumulation in another form.
bool reads_own_result(const Assignment& assignment) {
  bool found = false;
  walk(assignment.value, [&](const Expr& e) {
    const auto* load = e.as<Load>();
    found |=
        load && load->buffer == assignment.buffer && same_index(load->index, *assignment.index);
  });
  return found;
}

class Counter {
 public:
  Counter(const Program& program, const Target& target, const Dependences& dependences,
          const Frame& frame)
      : program_(program), target_(target), dependences_(dependences), frame_(frame) {}

  Occupation run(const Expr& value) {
    count(value);
    return result_;
  }

  Occupation run(const Assignment& assignment) {
    const Buffer& buffer = program_.buffer(assignment.buffer);
    const bool local = is_local(buffer);
    count(assignment.value);
    double copies = 1, chained = 1;
    for (const auto& [var, trips] : frame_.copies) {
      copies *= trips;
      if (!dependences_.depends(*assignment.index, var)) chained *= trips;
    }
    if (frame_.lane) copies *= parts(buffer.type.scalar);
    if (assignment.reduction) result_.slots.vector += copies;
    if (assignment.reduction == Reduction::add && is_float(buffer.type.scalar))
      result_.flops += frame_.statements() * frame_.lanes;
    if (!local) result_.slots.store += copies;
    if (!local && assignment.reduction) result_.slots.load += copies;
    const bool chain = assignment.reduction || reads_own_result(assignment);
    if (chain && !(frame_.serial && dependences_.depends(*assignment.index, frame_.serial)))
      result_.slots.chain = chained * (kLatency + (local ? 0 : kStoreForwarding));
    return result_;
  }

 private:
  /// Vector registers that the lanes take.
  double parts(ScalarType type) const {
    return std::ceil(frame_.lanes * static_cast<double>(size_of(type)) /
                     static_cast<double>(target_.vector_bytes));
  }

  bool varies_by_lane(const Expr& expr) const {
    return frame_.lane && dependences_.depends(expr, frame_.lane);
  }

  /// How often `expr` differs in one iteration of the serial loop, lanes aside.
  double copies_of(const Expr& expr) const {
    double copies = 1;
    for (const auto& [var, trips] : frame_.copies)
      if (dependences_.depends(expr, var)) copies *= trips;
    return copies;
  }

  void operation(const Expr& expr, double slots, double flops) {
    const bool vector = varies_by_lane(expr);
    const double copies = copies_of(expr);
    result_.slots.vector += slots * copies * (vector ? parts(expr.type()) : 1);
    if (is_float(expr.type()))
      result_.flops += flops * copies * frame_.times * (vector ? frame_.lanes : 1);
  }

  void count(const Expr& expr) {
    if (expr.as<Const>() || expr.as<Var>()) return;
    if (std::ranges::any_of(seen_, [&](const Expr& other) { return same(expr, other); })) return;
    seen_.push_back(expr);
    if (const auto* load = expr.as<Load>()) {
      count_load(*load, expr);
    } else if (const auto* unary = expr.as<Unary>()) {
      using enum UnaryOp;
      const bool function = unary->op == exp || unary->op == log || unary->op == tanh;
      operation(expr,
                function            ? kFunction
                : unary->op == sqrt ? kDivision
                                    : 1,
                function || unary->op == sqrt ? 1 : 0);
      count(unary->x);
    } else if (const auto* binary = expr.as<Binary>()) {
      using enum BinaryOp;
      const bool quotient = binary->op == div;
      const bool term = binary->op == add || binary->op == sub || binary->op == mul;
      operation(expr, quotient ? kDivision : 1, quotient || term ? 1 : 0);
      count(binary->a);
      count(binary->b);
    } else if (const auto* product = expr.as<Fma>()) {
      operation(expr, 1, 2);
      for (const Expr& e : {product->a, product->b, product->c}) count(e);
    } else if (const auto* choice = expr.as<Select>()) {
      operation(expr, 1, 0);
      for (const Expr& e : {choice->condition, choice->a, choice->b}) count(e);
    } else if (const auto* cast = expr.as<Cast>()) {
      operation(expr, 1, 0);
      count(cast->x);
    }
  }

  void count_load(const Load& load, const Expr& expr) {
    for (const Expr& index : load.index)
      walk(index, [&](const Expr& e) {
        if (e.as<Load>()) count(e);
      });
    if (is_local(program_.buffer(load.buffer))) return;
    double copies = copies_of(expr);
    if (varies_by_lane(expr)) {
      if (contiguous(load.index, frame_.lane)) {
        copies *= parts(expr.type());
      } else {
        copies *= frame_.lanes;
        result_.slots.vector += copies;  // lanes are put together one by one
      }
    }
    result_.slots.load += copies;
  }

  const Program& program_;
  const Target& target_;
  const Dependences& dependences_;
  const Frame& frame_;
  std::vector<Expr> seen_;
  Occupation result_;
};

}  // namespace

double Slots::cycles() const {
  return std::max({vector / kVectorPorts, load / kLoadPorts, store, chain});
}

Slots& Slots::operator+=(const Slots& other) {
  vector += other.vector, load += other.load, store += other.store;
  chain = std::max(chain, other.chain);
  return *this;
}

double Frame::statements() const {
  double result = times;
  for (const auto& copy : copies) result *= copy.second;
  return result;
}

void Dependences::bind(const Let& let) {
  auto& sources = lets_[let.var];
  sources.clear();
  walk(let.value, [&](const Expr& e) {
    if (const auto* var = e.as<Var>()) sources.push_back(*var);
  });
}

bool Dependences::depends(const Expr& expr, const Var& var) const {
  bool found = false;
  walk(expr, [&](const Expr& e) {
    const auto* other = e.as<Var>();
    if (!other || found) return;
    found = *other == var;
    if (const auto let = lets_.find(*other); let != lets_.end())
      for (const Var& source : let->second) found |= depends(Expr(source), var);
  });
  return found;
}

bool Dependences::depends(const std::vector<Expr>& exprs, const Var& var) const {
  return std::ranges::any_of(exprs, [&](const Expr& e) { return depends(e, var); });
}

std::optional<Assignment> assignment(const Stmt& stmt) {
  if (const auto* store = stmt.as<Store>())
    return Assignment{store->buffer, &store->index, store->value};
  if (const auto* add = stmt.as<Accumulate>())
    return Assignment{add->buffer, &add->index, add->value, add->op};
  return std::nullopt;
}

Occupation occupation(const Program& program, const Target& target, const Dependences& dependences,
                      const Frame& frame, const Let& let) {
  return Counter(program, target, dependences, frame).run(let.value);
}

Occupation occupation(const Program& program, const Target& target, const Dependences& dependences,
                      const Frame& frame, const Assignment& assignment) {
  return Counter(program, target, dependences, frame).run(assignment);
}

}  // namespace cnnc
