// Loop text: what parses prints, reparses and prints the same; what verifies can be interpreted
// within a limit of steps, and goes through every loop pass, which leaves what verifies.
#include "passes/pipeline/pipeline.h"
#include "tests/fuzz/fuzz.h"

using namespace cnnc;

namespace {

constexpr std::int64_t kMostBytes = 1 << 20;
constexpr std::int64_t kMostSteps = 20'000;

bool is_small(const Program& program) {
  std::int64_t total = 0;
  for (const Buffer& buffer : program.buffers) {
    const auto count = checked_element_count(buffer.type.dims, 1, kMostBytes);
    if (!count || buffer.offset > kMostBytes) return false;
    total += *count * static_cast<std::int64_t>(size_of(buffer.type.scalar)) + buffer.offset;
  }
  return total <= kMostBytes;
}

void interpret_zeros(const Program& program) {
  std::map<std::string, Tensor> buffers;
  for (const Buffer& buffer : program.buffers)
    if (!buffer.view_of && (buffer.memory == Memory::input || buffer.memory == Memory::state))
      buffers.emplace(buffer.name, Tensor(buffer.type));
  try {
    interpret(program, buffers, kMostSteps);
  } catch (const Error&) {  // an access out of bounds, say
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Tally parsed("parsed"), verified("accepted by the verifier");
  Program program;
  try {
    program = parse_program({"p", std::string(fuzz::text_of(data, size))});
  } catch (const Error& error) {
    fuzz::require_position(error, "p");
    parsed.count(false);
    return 0;
  }
  parsed.count(true);
  const std::string text = print(program);
  try {
    fuzz::require(print(parse_program({"p", text})) == text, "printing is stable", text);
  } catch (const Error& error) {
    fuzz::require(false, "the printed text parses", error.what());
  }
  const bool good = find_faults(program).empty();
  verified.count(good);
  if (!good) return 0;
  const bool small = is_small(program);
  if (small) interpret_zeros(program);
  for (const auto& pass : loop_passes()) {
    program = run_pass(pass, program, *named_target("x86-64-v3"));
    verify(program, pass.name);
  }
  if (small && is_small(program)) interpret_zeros(program);
  return 0;
}
