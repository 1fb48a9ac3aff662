#include "ir/expr/evaluate.h"

#include <fmt/ranges.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "ir/base/diagnostic.h"
#include "ir/expr/arithmetic.h"

namespace cnnc {

struct CompiledExpr::Machine {
  Scalar* registers;
  std::span<const Scalar> variables;
  std::span<const MemoryView> memory;
  const std::int32_t* indices;
};

namespace {

using Step = CompiledExpr::Step;
using Machine = CompiledExpr::Machine;
using Run = void (*)(const Step&, Machine&);

constexpr std::size_t kUnaryOps = static_cast<std::size_t>(UnaryOp::logical_not) + 1;
constexpr std::size_t kBinaryOps = static_cast<std::size_t>(BinaryOp::shift_right) + 1;

template <class T>
T get(Scalar value) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(value.real);
  else
    return static_cast<T>(value.integer);
}

template <class T>
Scalar scalar(T value) {
  Scalar result;
  if constexpr (std::is_floating_point_v<T>)
    result.real = value;
  else
    result.integer = static_cast<std::int64_t>(value);
  return result;
}

template <class T>
T operand(const Machine& machine, std::int32_t index) {
  return get<T>(machine.registers[index]);
}

template <class T>
T apply_unary(UnaryOp op, T x) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case UnaryOp::neg: return -x;
      case UnaryOp::abs: return std::fabs(x);
      case UnaryOp::sqrt: return std::sqrt(x);
      case UnaryOp::floor: return std::floor(x);
      case UnaryOp::exp: return std::exp(x);
      case UnaryOp::log: return std::log(x);
      case UnaryOp::tanh: return std::tanh(x);
      default: break;
    }
  } else {
    constexpr auto type = ScalarTypeOf<T>::value;
    if (op == UnaryOp::logical_not) return static_cast<T>(x == T{});
    if (op == UnaryOp::abs && !(x < T{})) return x;
    if (op == UnaryOp::abs || op == UnaryOp::neg)
      return static_cast<T>(*fold(BinaryOp::sub, type, 0, static_cast<std::int64_t>(x)));
  }
  CNNC_CHECK(false, "{} has no meaning for {}", name_of(op), name_of(ScalarTypeOf<T>::value));
}

template <class T>
Scalar apply_float(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::add: return scalar(a + b);
    case BinaryOp::sub: return scalar(a - b);
    case BinaryOp::mul: return scalar(a * b);
    case BinaryOp::div: return scalar(a / b);
    case BinaryOp::min: return scalar(a < b || a != a ? a : b);
    case BinaryOp::max: return scalar(a > b || a != a ? a : b);
    case BinaryOp::less: return scalar(a < b);
    case BinaryOp::less_equal: return scalar(a <= b);
    case BinaryOp::equal: return scalar(a == b);
    case BinaryOp::not_equal: return scalar(a != b);
    default: break;
  }
  CNNC_CHECK(false, "{} has no meaning for {}", name_of(op), name_of(ScalarTypeOf<T>::value));
}

template <class T, UnaryOp op>
void unary_step(const Step& step, Machine& machine) {
  machine.registers[step.result] = scalar(apply_unary(op, operand<T>(machine, step.a)));
}

template <class T, BinaryOp op>
void binary_step(const Step& step, Machine& machine) {
  if constexpr (std::is_floating_point_v<T>) {
    machine.registers[step.result] =
        apply_float(op, operand<T>(machine, step.a), operand<T>(machine, step.b));
  } else {
    const auto value = fold(op, ScalarTypeOf<T>::value, machine.registers[step.a].integer,
                            machine.registers[step.b].integer);
    if (!value)
      fail("{} {} {} has no value", machine.registers[step.a].integer, name_of(op),
           machine.registers[step.b].integer);
    machine.registers[step.result].integer = *value;
  }
}

template <class T>
void fma_step(const Step& step, Machine& machine) {
  machine.registers[step.result] = scalar(std::fma(
      operand<T>(machine, step.a), operand<T>(machine, step.b), operand<T>(machine, step.c)));
}

void select_step(const Step& step, Machine& machine) {
  machine.registers[step.result] =
      machine.registers[machine.registers[step.a].integer != 0 ? step.b : step.c];
}

void variable_step(const Step& step, Machine& machine) {
  machine.registers[step.result] = machine.variables[static_cast<std::size_t>(step.a)];
}

// Out of range there is no value to agree on; saturating keeps the interpreter itself defined.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (value != value) return 0;
    if (value < static_cast<From>(std::numeric_limits<To>::min()))
      return std::numeric_limits<To>::min();
    if (value >= std::ldexp(From{1}, std::numeric_limits<To>::digits))
      return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
void cast_step(const Step& step, Machine& machine) {
  machine.registers[step.result] = scalar(convert<To>(operand<From>(machine, step.a)));
}

template <class To, class From>
void bits_step(const Step& step, Machine& machine) {
  if constexpr (sizeof(To) == sizeof(From))
    machine.registers[step.result] = scalar(std::bit_cast<To>(operand<From>(machine, step.a)));
}

template <class T>
Scalar read_as(const MemoryView& memory, std::int64_t offset) {
  // A byte that was never stored need not be a valid bool.
  std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T> value;
  std::memcpy(&value, memory.data + offset * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return scalar(static_cast<T>(value));
}

template <class T>
void load_step(const Step& step, Machine& machine) {
  CNNC_CHECK(static_cast<std::size_t>(step.a) < machine.memory.size(), "no buffer {}", step.a);
  const auto& memory = machine.memory[static_cast<std::size_t>(step.a)];
  CNNC_CHECK(memory.type == ScalarTypeOf<T>::value, "{} is not of type {}", memory.name,
             name_of(ScalarTypeOf<T>::value));
  constexpr std::int32_t kShort = 8;
  std::array<std::int64_t, kShort> few;
  std::vector<std::int64_t> many(step.c > kShort ? static_cast<std::size_t>(step.c) : 0);
  auto* index = step.c > kShort ? many.data() : few.data();
  for (std::int32_t i = 0; i < step.c; ++i)
    index[i] = machine.registers[machine.indices[step.b + i]].integer;
  const auto offset = checked_offset(memory, {index, static_cast<std::size_t>(step.c)});
  machine.registers[step.result] = read_as<T>(memory, offset);
}

template <class T, std::size_t... op>
constexpr std::array<Run, sizeof...(op)> unary_runs(std::index_sequence<op...>) {
  return {&unary_step<T, static_cast<UnaryOp>(op)>...};
}
template <class T, std::size_t... op>
constexpr std::array<Run, sizeof...(op)> binary_runs(std::index_sequence<op...>) {
  return {&binary_step<T, static_cast<BinaryOp>(op)>...};
}

Run run_of(UnaryOp op, ScalarType type) {
  return dispatch(type, [&](auto zero) {
    static constexpr auto runs = unary_runs<decltype(zero)>(std::make_index_sequence<kUnaryOps>());
    return runs.at(static_cast<std::size_t>(op));
  });
}

Run run_of(BinaryOp op, ScalarType type) {
  return dispatch(type, [&](auto zero) {
    static constexpr auto runs =
        binary_runs<decltype(zero)>(std::make_index_sequence<kBinaryOps>());
    return runs.at(static_cast<std::size_t>(op));
  });
}

Run run_of_cast(ScalarType to, ScalarType from, bool bits) {
  return dispatch(to, [&](auto to_zero) {
    return dispatch(from, [&](auto from_zero) -> Run {
      using To = decltype(to_zero);
      using From = decltype(from_zero);
      return bits ? &bits_step<To, From> : &cast_step<To, From>;
    });
  });
}

}  // namespace

// Flattens a tree into steps, operands first; a node that is shared becomes one step.
struct ExprCompiler {
  CompiledExpr& code;
  VariableSlots& slots;
  std::unordered_map<const ExprNode*, std::int32_t> done;

  std::int32_t compile(const Expr& expr) {
    CNNC_CHECK(static_cast<bool>(expr), "evaluation of an empty expression");
    const auto found = done.find(&expr.node());
    if (found != done.end()) return found->second;
    const auto result =
        std::visit([&](const auto& node) { return add(expr.type(), node); }, expr.node().value);
    done.emplace(&expr.node(), result);
    return result;
  }

  std::int32_t new_register(Scalar value = {}) {
    code.registers_.push_back(value);
    return static_cast<std::int32_t>(code.registers_.size()) - 1;
  }
  std::int32_t emit(Run run, std::int32_t a, std::int32_t b = 0, std::int32_t c = 0) {
    const auto result = new_register();
    code.steps_.push_back({run, result, a, b, c});
    return result;
  }

  std::int32_t add(ScalarType type, const Const& node) {
    return new_register(is_float(type) ? scalar(node.real) : scalar(node.integer));
  }
  std::int32_t add(ScalarType, const Var& var) {
    return emit(&variable_step, static_cast<std::int32_t>(slots.slot(var)));
  }
  std::int32_t add(ScalarType type, const Load& node) {
    std::vector<std::int32_t> index;
    index.reserve(node.index.size());
    for (const auto& expr : node.index) index.push_back(compile(expr));
    const auto first = static_cast<std::int32_t>(code.indices_.size());
    code.indices_.insert(code.indices_.end(), index.begin(), index.end());
    const auto run = dispatch(type, [](auto zero) -> Run { return &load_step<decltype(zero)>; });
    return emit(run, node.buffer, first, static_cast<std::int32_t>(index.size()));
  }
  std::int32_t add(ScalarType type, const Unary& node) {
    return emit(run_of(node.op, type), compile(node.x));
  }
  std::int32_t add(ScalarType, const Binary& node) {
    const auto a = compile(node.a);
    return emit(run_of(node.op, node.a.type()), a, compile(node.b));
  }
  std::int32_t add(ScalarType type, const Fma& node) {
    const auto a = compile(node.a);
    const auto b = compile(node.b);
    return emit(type == ScalarType::f32 ? &fma_step<float> : &fma_step<double>, a, b,
                compile(node.c));
  }
  std::int32_t add(ScalarType, const Select& node) {
    const auto condition = compile(node.condition);
    const auto a = compile(node.a);
    return emit(&select_step, condition, a, compile(node.b));
  }
  std::int32_t add(ScalarType type, const Cast& node) {
    return emit(run_of_cast(type, node.x.type(), node.bits), compile(node.x));
  }
};

CompiledExpr::CompiledExpr(const Expr& expr, VariableSlots& slots) {
  ExprCompiler compiler{*this, slots, {}};
  result_ = compiler.compile(expr);
}

Scalar CompiledExpr::operator()(std::span<const Scalar> variables,
                                std::span<const MemoryView> memory) {
  Machine machine{registers_.data(), variables, memory, indices_.data()};
  for (const auto& step : steps_) step.run(step, machine);
  return registers_[static_cast<std::size_t>(result_)];
}

MemoryView view_of(std::string_view name, const Tensor& tensor) {
  // Shared by readers and writers; who views a const tensor only reads.
  return {name, tensor.type().scalar, tensor.dims(), const_cast<std::byte*>(tensor.bytes().data())};
}

std::int64_t checked_offset(const MemoryView& memory, std::span<const std::int64_t> index) {
  std::int64_t offset = 0;
  bool inside = index.size() == memory.dims.size();
  for (std::size_t i = 0; inside && i < index.size(); ++i) {
    inside = index[i] >= 0 && index[i] < memory.dims[i];
    offset = offset * memory.dims[i] + index[i];
  }
  if (!inside)
    fail("{}[{}] is outside of {}[{}]", memory.name, fmt::join(index, ","), memory.name,
         fmt::join(memory.dims, ","));
  return offset;
}

Scalar read(const MemoryView& memory, std::int64_t offset) {
  return dispatch(memory.type, [&](auto zero) { return read_as<decltype(zero)>(memory, offset); });
}

void write(const MemoryView& memory, std::int64_t offset, Scalar value) {
  dispatch(memory.type, [&](auto zero) {
    using T = decltype(zero);
    const T element = get<T>(value);
    std::memcpy(memory.data + offset * static_cast<std::int64_t>(sizeof(T)), &element, sizeof(T));
  });
}

}  // namespace cnnc
