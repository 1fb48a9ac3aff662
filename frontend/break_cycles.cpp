// Depth-first search over "uses", with a stack of its own: chains of blocks can be long.
#include "frontend/resolve.h"

namespace cnnc::frontend {

namespace {

enum class Mark : std::uint8_t { unseen, open, done };

struct Visit {
  std::size_t block;
  std::size_t chain = 0;
  std::size_t step = 0;
};

// The next step of the visit that uses a block, or null at the body's end.
Step* next_use(ResolvedBody& body, Visit& visit) {
  while (visit.chain < body.chains.size()) {
    auto& steps = body.chains[visit.chain].steps;
    if (visit.step == steps.size()) {
      ++visit.chain;
      visit.step = 0;
      continue;
    }
    Step& step = steps[visit.step++];
    if (step.kind == Step::Kind::block) return &step;
  }
  return nullptr;
}

std::string path(const std::vector<Visit>& stack, std::size_t target,
                 const std::vector<ResolvedBlock>& blocks) {
  const auto name = [&](std::size_t block) { return blocks[block].syntax->name.text; };
  std::size_t begin = stack.size();
  while (stack[begin - 1].block != target) --begin;
  std::string text;
  const std::size_t shown = std::min<std::size_t>(stack.size(), begin - 1 + 8);
  for (std::size_t i = begin - 1; i < shown; ++i)
    text += fmt::format("{} -> ", name(stack[i].block));
  return text + (shown < stack.size() ? "... -> " : "") + std::string(name(target));
}

}  // namespace

void break_cycles(std::vector<ResolvedBlock>& blocks, Mistakes& mistakes) {
  std::vector<Mark> marks(blocks.size(), Mark::unseen);
  for (std::size_t root = 0; root < blocks.size(); ++root) {
    if (marks[root] != Mark::unseen) continue;
    std::vector<Visit> stack{{root}};
    marks[root] = Mark::open;
    while (!stack.empty()) {
      Visit& visit = stack.back();
      Step* use = next_use(blocks[visit.block].body, visit);
      if (!use) {
        marks[visit.block] = Mark::done;
        stack.pop_back();
        continue;
      }
      const auto target = static_cast<std::size_t>(use->index);
      if (marks[target] == Mark::open) {
        mistakes.add(use->element->name.location,
                     fmt::format("the block `{}` uses itself", use->element->name.text),
                     path(stack, target, blocks));
        use->kind = Step::Kind::unknown;
      } else if (marks[target] == Mark::unseen) {
        marks[target] = Mark::open;
        stack.push_back({target});
      }
    }
  }
}

}  // namespace cnnc::frontend
