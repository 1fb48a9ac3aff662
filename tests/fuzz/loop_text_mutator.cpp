// Changes programs for libFuzzer.
#include "tests/fuzz/mutate_text.h"

using namespace cnnc;

namespace {

Program parse(std::string text) { return parse_program({"p", std::move(text)}); }

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return fuzz::mutated(
      data, size, max_size, seed, parse,
      [](const Program& program, fuzz::Random& random) { return fuzz::edited(program, random); });
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size,
                                                 const std::uint8_t* b, std::size_t b_size,
                                                 std::uint8_t* out, std::size_t max_size,
                                                 unsigned seed) {
  return fuzz::crossed(fuzz::text_of(a, a_size), fuzz::text_of(b, b_size), out, max_size, seed,
                       parse, [](const Program& x, const Program& y, fuzz::Random& random) {
                         return fuzz::spliced(x, y, random);
                       });
}
