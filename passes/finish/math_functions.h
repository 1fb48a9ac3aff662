// exp, log, tanh and floor made of arithmetic that every target has as vector instructions: no
// libm, no branches, no conversions between floats and integers that could meet a NaN. For f32 and
// f64; special values as IEEE 754 and C's functions have them; no flush to zero.
//
// Largest error seen, in units in the last place of the exact result, over four million arguments
// each, with and without fma contraction (tests/passes/expand_math_test.cpp measures it on fewer):
//
//          f32    f64
//   exp    1.04   0.99
//   log    0.86   0.80
//   tanh   1.63   1.91
//   floor  0      0
#pragma once

#include <functional>
#include <string>

#include "ir/expr/expr.h"

namespace cnnc {

/// Gives a value a name, so that it is computed once however often it is used.
using Share = std::function<Expr(std::string name, Expr value)>;

Expr expand_exp(const Expr& x, const Share& share);
Expr expand_log(const Expr& x, const Share& share);
Expr expand_tanh(const Expr& x, const Share& share);
Expr expand_floor(const Expr& x, const Share& share);

}  // namespace cnnc
