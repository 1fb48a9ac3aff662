// random_uniform(seed i64[], step i64[], sample i64[B]) -> `dims` of `type`, uniform in [0, 1): 24
// random bits in f32, 32 in f64. Counter-based: an element depends on seed, step, its row's sample
// number, the attribute `use` and its place in the row, and on nothing else, so no state and no
// order matter. A row has a key of two words, into which the five numbers are mixed word by word
// with the finaliser of MurmurHash3 (Austin Appleby, public domain); an element is its place,
// spread by the golden ratio, mixed with one word of the key and then with the other.
#include <cmath>

#include "ir/graph/graph.h"
#include "ir/graph/rules.h"
#include "ir/ops/convolution.h"

namespace cnnc {
namespace {

constexpr auto kName = "random_uniform";
constexpr ScalarType kWord = ScalarType::u32;

Expr word(std::uint32_t value) { return integer_constant(kWord, value); }
Expr exclusive_or(Expr a, Expr b) { return binary(BinaryOp::bit_xor, std::move(a), std::move(b)); }
Expr shifted_right(const Expr& x, std::int64_t bits) {
  return binary(BinaryOp::shift_right, x, integer_constant(x.type(), bits));
}

Expr mix(Expr x) {
  x = exclusive_or(x, shifted_right(x, 16)) * word(0x85ebca6b);
  x = exclusive_or(x, shifted_right(x, 13)) * word(0xc2b2ae35);
  return exclusive_or(x, shifted_right(x, 16));
}

/// Adds the stages that make a word of each row's key and returns the number of the last one. Every
/// half of a number is mixed in by a stage of its own, since an expression that uses its operand
/// twice eight times over would double with each.
int add_key(std::vector<Stage>& stages, const std::string& name, std::uint32_t start,
            std::int64_t rows, std::int64_t use) {
  constexpr int kOperands = 3;
  Expr key = word(start);
  const auto absorb = [&](const Expr& number, const std::vector<Axis>& axes) {
    const Expr low = number & Expr(std::int64_t{0xffffffff});
    const Expr high = shifted_right(number, 32) & Expr(std::int64_t{0xffffffff});
    for (const Expr& half : {low, high}) {
      key = mix(exclusive_or(key, cast(kWord, half))) + word(0x9e3779b9);
      if (number.constant()) continue;
      const auto part = fmt::format("{}.{}", name, stages.size());
      stages.push_back({part, kWord, axes, {}, Reduction::add, key});
      std::vector<Expr> index;
      if (!axes.empty()) index = {axes[0].var};
      key = load(kOperands + static_cast<int>(stages.size()) - 1, kWord, index);
    }
  };
  absorb(Expr(use), {});
  absorb(load(0, ScalarType::i64, {}), {});
  absorb(load(1, ScalarType::i64, {}), {});
  const Axis n = make_axis("n", rows);
  absorb(load(2, ScalarType::i64, {n.var}), {n});
  return kOperands + static_cast<int>(stages.size()) - 1;
}

Computation compute(const OpContext& context) {
  const TensorType& type = context.results[0];
  const std::int64_t rows = type.dims[0], use = context.attributes.integer("use");
  Computation result;
  const int key0 = add_key(result.stages, "key0", 0x243f6a88, rows, use);
  const int key1 = add_key(result.stages, "key1", 0x85a308d3, rows, use);
  const std::vector<Axis> axes = axes_of(type.dims);
  Expr place(0);
  for (std::size_t i = 1; i < axes.size(); ++i)
    place = place * Expr(axes[i].extent) + Expr(axes[i].var);
  Expr bits = mix(cast(kWord, place) * word(0x9e3779b9) + load(key0, kWord, {axes[0].var}));
  bits = mix(exclusive_or(bits, load(key1, kWord, {axes[0].var})));
  const bool single = type.scalar == ScalarType::f32;
  // 24 bits go through i32, which every vector unit can convert.
  const Expr number = single ? cast(type.scalar, cast(ScalarType::i32, shifted_right(bits, 8)))
                             : cast(type.scalar, bits);
  const Expr value = number * constant(type.scalar, single ? 0x1p-24 : 0x1p-32);
  result.stages.push_back({"uniform", type.scalar, axes, {}, Reduction::add, value});
  result.results = {{false, static_cast<int>(result.stages.size()) - 1}};
  return result;
}

std::vector<TensorType> type_rule(const OpContext& context) {
  expect_operands(kName, context, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    expect_rank(kName, context, i, i == 2 ? 1 : 0);
    if (context.operands[i].scalar != ScalarType::i64)
      fail("{}: operand {} must be i64", describe(kName, context.operands), i + 1);
  }
  const Dims& dims = context.attributes.integers("dims");
  const ScalarType type = scalar_attribute(kName, context.attributes, "type");
  if (!is_float(type)) fail("{}: type must be f32 or f64, not {}", kName, name_of(type));
  if (dims.empty() || dims[0] != context.operands[2].dims[0])
    fail("{}: dims {} do not begin with the rows of {}", kName, to_string(dims),
         to_string(context.operands[2]));
  return {{type, dims}};
}

std::uint32_t reference_mix(std::uint32_t h) {
  h ^= h >> 16;
  h *= 2246822507U;
  h ^= h >> 13;
  h *= 3266489909U;
  return h ^ (h >> 16);
}

std::uint32_t reference_key(std::uint32_t key, std::span<const std::int64_t> numbers) {
  for (const std::int64_t number : numbers) {
    const auto bits = static_cast<std::uint64_t>(number);
    key = reference_mix(key ^ static_cast<std::uint32_t>(bits)) + 2654435769U;
    key = reference_mix(key ^ static_cast<std::uint32_t>(bits >> 32)) + 2654435769U;
  }
  return key;
}

std::vector<Tensor> reference(std::span<const Tensor> operands, std::span<const TensorType> results,
                              const Attributes& attributes) {
  Tensor result(results[0]);
  const std::int64_t rows = results[0].dims[0], columns = result.size() / rows;
  const bool single = results[0].scalar == ScalarType::f32;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t numbers[] = {
        attributes.integer("use"), operands[0].data<std::int64_t>()[0],
        operands[1].data<std::int64_t>()[0],
        operands[2].data<std::int64_t>()[static_cast<std::size_t>(row)]};
    const std::uint32_t key0 = reference_key(608135816U, numbers),
                        key1 = reference_key(2242054355U, numbers);
    for (std::int64_t i = 0; i < columns; ++i) {
      const std::uint32_t spread = static_cast<std::uint32_t>(i) * 2654435769U + key0;
      const std::uint32_t bits = reference_mix(reference_mix(spread) ^ key1);
      result.set(row * columns + i, single ? std::ldexp(bits >> 8, -24) : std::ldexp(bits, -32));
    }
  }
  return {result};
}

Sample sample(std::string name, std::int64_t use, Dims dims, std::string type) {
  const Range whole{-1e9, 1e9};
  return {std::move(name),
          {{ScalarType::i64, {}}, {ScalarType::i64, {}}, {ScalarType::i64, {dims[0]}}},
          {{"use", use}, {"dims", dims}, {"type", std::move(type)}},
          {whole, {1, 1e6}, {0, 6e4}}};
}

}  // namespace

OpDef random_uniform_op() {
  OpDef op;
  op.name = kName;
  op.description = "uniform random numbers in [0, 1), keyed by seed, step, sample, use and place";
  op.notes =
      "A number depends on where it stands in the data set, not in the batch: any batch size, "
      "number of "
      "threads or order of computation gives the same.";
  op.attributes = {"use", "dims", "type"};
  op.type_rule = type_rule;
  op.compute = compute;
  op.reference = reference;
  op.samples = {sample("dense", 0, {kBatch, 37}, "f32"),
                sample("image", 3, {kBatch, 3, 2, 5}, "f32"),
                sample("one_number", 1, {kBatch}, "f64"),
                sample("double", std::int64_t{1} << 40, {kBatch, 9}, "f64")};
  op.exact_on_integers = true;
  return op;
}

}  // namespace cnnc
