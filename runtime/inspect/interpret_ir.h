// Running a graph or a program in its interpreter, on given or made-up inputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/compile.h"
#include "runtime/io/safetensors.h"

namespace cnnc {

/// Values for an input that nobody gave: a function of (seed, its name, place), so that a graph and
/// the program made of it meet the same ones. Reals are uniform in [-1, 1), or in [0, 1) where the
/// name ends in `var` (a variance); u8 0 .. 255; other integers 0 .. 9; bools both. `type` is
/// concrete.
Tensor random_input(std::string_view name, const TensorType& type, std::uint64_t seed);

/// Throws Error for a tensor in `given` that is no input of `ir` or has another type than it.
void check_inputs(const Ir& ir, const Tensors& given);

/// The outputs of `ir` (of a program: what it calls output, and the states that it writes), with
/// the inputs of `given` and random ones for all others. Rows of the batch: `count` of `given`, by
/// default as many as the batch has. Throws what check_inputs, verifiers and interpreters find.
Tensors interpret_ir(const Ir& ir, const Tensors& given, std::uint64_t seed);

/// A line a tensor: name, type, CRC-32 of its bytes, its first values.
std::string describe(const Tensors& tensors);

}  // namespace cnnc
