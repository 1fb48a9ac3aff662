#include "passes/finish/math_functions.h"

#include <bit>
#include <limits>
#include <span>
#include <vector>

namespace cnnc {
namespace {

// A floating-point type's layout and the constants that depend on it.
struct Format {
  explicit Format(ScalarType scalar) : type(scalar), narrow(scalar == ScalarType::f32) {}

  ScalarType type;
  bool narrow;
  ScalarType bits_type = narrow ? ScalarType::i32 : ScalarType::i64;
  int mantissa = narrow ? 23 : 52;  // stored bits
  std::int64_t bias = narrow ? 127 : 1023;
  // Adding this rounds to an integer (ties to even) and leaves that in the low bits.
  double magic = narrow ? 0x1.8p23 : 0x1.8p52;
  // ln 2 in two parts; products of the first with exponents are exact.
  double ln2_high = narrow ? 0x1.63p-1 : 0x1.62e42feep-1;
  double ln2_low = narrow ? -0x1.bd0105c610ca8p-13 : 0x1.a39ef35793c76p-33;

  Expr real(double value) const { return constant(type, value); }
  Expr integer(std::int64_t value) const { return integer_constant(bits_type, value); }
  Expr bits(const Expr& x) const { return bit_cast_expr(bits_type, x); }
  Expr from_bits(const Expr& x) const { return bit_cast_expr(type, x); }
  std::int64_t bits_of(double value) const {
    return narrow ? std::bit_cast<std::int32_t>(static_cast<float>(value))
                  : std::bit_cast<std::int64_t>(value);
  }
  Expr shift_left(const Expr& x, int by) const {
    return binary(BinaryOp::shift_left, x, integer(by));
  }
  Expr shift_right(const Expr& x, int by) const {
    return binary(BinaryOp::shift_right, x, integer(by));
  }
  /// 2^n for an integer expression n within the exponents of normal numbers.
  Expr power_of_two(const Expr& n) const {
    return from_bits(shift_left(n + integer(bias), mantissa));
  }
  /// `magnitude` (not negative) with the sign of x.
  Expr with_sign_of(const Expr& magnitude, const Expr& x) const {
    const auto sign = bits(x) & integer(narrow ? std::int64_t{INT32_MIN} : INT64_MIN);
    return from_bits(binary(BinaryOp::bit_or, bits(magnitude), sign));
  }
};

// c[0] + x * (c[1] + x * (c[2] + ...))
Expr horner(const Format& format, const Expr& x, std::span<const double> coefficients) {
  Expr sum = format.real(coefficients.back());
  for (std::size_t i = coefficients.size() - 1; i-- > 0;)
    sum = sum * x + format.real(coefficients[i]);
  return sum;
}

// x = n * ln 2 + r with |r| <= ln 2 / 2, after Cody and Waite; and e^r - 1.
struct Reduced {
  Expr n;  // an integer
  Expr expm1;
};

// |x * log2 e| must be small against `magic`. For a NaN, n is some integer and expm1 is NaN.
Reduced reduce_exp(const Format& format, const Expr& x, const Share& share) {
  const auto shifted =
      share("exp_shifted", x * format.real(0x1.71547652b82fep0) + format.real(format.magic));
  const auto whole = share("exp_whole", shifted - format.real(format.magic));
  const auto n =
      share("exp_n", format.bits(shifted) - format.integer(format.bits_of(format.magic)));
  const auto r = share(
      "exp_r", (x - whole * format.real(format.ln2_high)) - whole * format.real(format.ln2_low));
  // Taylor's series of (e^r - 1 - r) / r^2; the first term left out is below 2^-27 or 2^-57 of e^r.
  std::vector<double> coefficients;
  double factorial = 2;
  for (int k = 2; k <= (format.narrow ? 7 : 13); factorial *= ++k)
    coefficients.push_back(1 / factorial);
  return {n, share("expm1", r + (r * r) * horner(format, r, coefficients))};
}

}  // namespace

Expr expand_exp(const Expr& x, const Share& share) {
  const Format format(x.type());
  // Beyond these, results are 0 and inf; NaN stays.
  const auto low = format.real(format.narrow ? -105 : -746);
  const auto high = format.real(format.narrow ? 89.5 : 710.5);
  const auto clamped = share("exp_x", min(max(x, low), high));
  const auto reduced = reduce_exp(format, clamped, share);
  // 2^n may be no normal number: multiply by two factors, of which only the second rounds.
  const auto half = share("exp_half", format.shift_right(reduced.n, 1));
  const auto scaled = (format.real(1) + reduced.expm1) * format.power_of_two(half);
  return scaled * format.power_of_two(reduced.n - half);
}

Expr expand_log(const Expr& x, const Share& share) {
  const Format format(x.type());
  const double lowest_normal = format.narrow ? 0x1p-126 : 0x1p-1022;
  // x = 2^k * (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). Denormals are scaled up first.
  const auto is_tiny = share("log_tiny", x < format.real(lowest_normal));
  const auto normal = select(is_tiny, x * format.real(format.narrow ? 0x1p25 : 0x1p54), x);
  const auto bits = share("log_bits", format.bits(normal));
  const auto k =
      share("log_k", format.shift_right(bits - format.integer(format.bits_of(0x1.6a09e667f3bcdp-1)),
                                        format.mantissa));
  const auto f = share(
      "log_f", format.from_bits(bits - format.shift_left(k, format.mantissa)) - format.real(1));
  const auto exponent =
      k - select(is_tiny, format.integer(format.narrow ? 25 : 54), format.integer(0));
  // As a float by way of the bits of `magic`: there is no vector instruction from i64 before
  // AVX-512.
  const auto whole =
      share("log_whole", format.from_bits(exponent + format.integer(format.bits_of(format.magic))) -
                             format.real(format.magic));
  // log(1 + f) = 2 atanh(s) = f - f^2/2 + s * (f^2/2 + z * (2/3 + 2/5 z + ...)) with s = f / (2 +
  // f), z = s^2 (FreeBSD's e_log.c explains the form, which loses no digits where f is small); the
  // series is Taylor's.
  const auto s = share("log_s", f / (f + format.real(2)));
  const auto z = share("log_z", s * s);
  std::vector<double> coefficients;
  for (int i = 3; i <= (format.narrow ? 9 : 21); i += 2) coefficients.push_back(2.0 / i);
  const auto half_square = share("log_half_square", format.real(0.5) * f * f);
  const auto rest =
      s * (half_square + z * horner(format, z, coefficients)) + whole * format.real(format.ln2_low);
  const auto finite = whole * format.real(format.ln2_high) - ((half_square - rest) - f);
  // inf and NaN are their own logarithms.
  const auto inf = std::numeric_limits<double>::infinity();
  const auto positive = select(x < format.real(inf), finite, x);
  const auto zero = equal(x, format.real(0));
  const auto not_negative = select(zero, format.real(-inf), positive);
  return select(x < format.real(0), format.real(std::numeric_limits<double>::quiet_NaN()),
                not_negative);
}

Expr expand_tanh(const Expr& x, const Share& share) {
  const Format format(x.type());
  // From 9.5 or 19.5 on the result rounds to 1.
  const auto magnitude = share("tanh_x", unary(UnaryOp::abs, x));
  const auto bounded = min(magnitude, format.real(format.narrow ? 9.5 : 19.5));
  const auto twice = share("tanh_2x", bounded * format.real(2));
  const auto reduced = reduce_exp(format, twice, share);
  // tanh |x| = E / (E + 2) with E = e^(2|x|) - 1, free of cancellation ...
  const auto power = share("tanh_power", format.power_of_two(reduced.n));
  const auto e = share("tanh_e", power * reduced.expm1 + (power - format.real(1)));
  // ... which is |x| + (E - 2|x| - |x| E) / (E + 2). Where x is small, E - 2|x| is exact and the
  // quotient small: hardly any rounding.
  const auto is_small = share("tanh_small", magnitude < format.real(0.55));
  const auto quotient = select(is_small, (e - twice) - magnitude * e, e) / (e + format.real(2));
  return format.with_sign_of(select(is_small, magnitude, format.real(0)) + quotient, x);
}

Expr expand_floor(const Expr& x, const Share& share) {
  const Format format(x.type());
  const auto limit = format.real(format.narrow ? 0x1p23 : 0x1p52);  // from here on all are whole
  const auto magnitude = share("floor_x", unary(UnaryOp::abs, x));
  const auto nearest = share("floor_nearest", format.with_sign_of((magnitude + limit) - limit, x));
  const auto down = select(x < nearest, nearest - format.real(1), nearest);
  return select(magnitude < limit, down, x);
}

}  // namespace cnnc
