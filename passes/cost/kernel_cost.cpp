#include "passes/cost/kernel_cost.h"

#include <algorithm>
#include <cmath>

#include "ir/loop/integer_range.h"
#include "passes/analysis/nest.h"
#include "passes/analysis/touched_bytes.h"
#include "passes/cost/core_model.h"

namespace cnnc {

namespace {

constexpr double kIteration = 1;         // cycles that an iteration of a serial loop takes at least
constexpr double kLoopExit = 8;          // cycles lost where a serial loop ends unforeseen
constexpr double kForkJoin = 3000;       // cycles to start a parallel loop and to wait for its end
constexpr std::int64_t kMostSteps = 16;  // iterations looked at one by one

class CostWalker {
 public:
  CostWalker(const Program& program, std::int64_t count, int threads, const Target& target)
      : program_(program), target_(target), threads_(threads), reads_(program), writes_(program) {
    context_.program = &program;
    context_.count = count;
  }

  KernelCost run(const Kernel& kernel) {
    for (const Stmt& stmt : kernel.body) {
      const double before = cost_.work.cycles;
      region({stmt}, Frame{});
      cost_.elapsed_cycles += elapsed(stmt, cost_.work.cycles - before);
    }
    cost_.read_bytes = reads_.bytes();
    cost_.written_bytes = writes_.bytes();
    return std::move(cost_);
  }

 private:
  double elapsed(const Stmt& stmt, double cycles) const {
    const auto* loop = stmt.as<For>();
    const double tasks = loop ? static_cast<double>(extent(*loop).value_or(1)) : 1;
    if (!loop || loop->kind != LoopKind::parallel || threads_ == 1 || tasks < 1) return cycles;
    return kForkJoin + cycles * std::ceil(tasks / threads_) / tasks;
  }

  /// Part of what one iteration occupies, and the memory that takes its result; kNone: a Let's.
  struct Part {
    BufferId result;
    Occupation work;
  };
  static constexpr BufferId kNone = -1;

  /// The statements that one iteration of a serial loop runs: what they occupy overlaps.
  void region(const Block& block, const Frame& frame) {
    std::vector<Part> parts;
    statements(block, frame, parts);
    Slots all;
    double sum = 0;
    for (const Part& part : parts) {
      all += part.work.slots;
      sum += part.work.slots.cycles();
      cost_.work.flops += part.work.flops;
    }
    const double least = frame.serial ? kIteration : 0;
    const double cycles = frame.times * std::max(all.cycles(), least);
    cost_.work.cycles += cycles;
    // What a Let holds belongs to the statement after it.
    BufferId result = kNone;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (part->result != kNone) result = program_.storage(part->result);
      if (result == kNone) continue;
      Work& work = cost_.by_result[result];
      work.flops += part->work.flops;
      if (sum > 0) work.cycles += cycles * part->work.slots.cycles() / sum;
    }
  }

  void statements(const Block& block, const Frame& frame, std::vector<Part>& parts) {
    for (const Stmt& stmt : block) {
      if (const auto* loop = stmt.as<For>())
        visit_loop(*loop, frame, parts);
      else if (const auto store = assignment(stmt))
        parts.push_back({store->buffer, assign(*store, frame)});
      else if (const auto* let = stmt.as<Let>())
        parts.push_back({kNone, bind(*let, frame)});
      else if (const auto* branch = stmt.as<If>())
        visit_if(*branch, frame, parts);
    }
  }

  void visit_loop(const For& loop, const Frame& frame, std::vector<Part>& parts) {
    const auto begin = range_of(loop.begin, context_), end = range_of(loop.end, context_);
    double trips = 1;
    if (const auto constant = extent(loop)) {
      trips = static_cast<double>(*constant);
    } else if (begin && end) {
      cost_.exact &= begin->single() && end->single();
      trips = std::max(0.0, (static_cast<double>(end->low) + static_cast<double>(end->high) -
                             static_cast<double>(begin->low) - static_cast<double>(begin->high)) /
                                2);
    } else {
      cost_.exact = false;
    }
    if (trips <= 0) return;
    std::optional<IntegerRange> all;
    if (begin && end) all = IntegerRange{begin->low, std::max(begin->low, end->high - 1)};
    bind(loop.var, all);
    if (loop.kind == LoopKind::unroll || loop.kind == LoopKind::vector) {
      Frame inner = frame;
      if (loop.kind == LoopKind::unroll) {
        inner.copies.emplace_back(loop.var, trips);
      } else {
        inner.lane = loop.var, inner.lanes = trips;
      }
      statements(loop.body, inner, parts);
      return;
    }
    Frame inner{.times = frame.statements(), .serial = loop.var};
    if (all && shapes_others(loop)) return step_by_step(loop, *all, inner);
    cost_.work.cycles += kLoopExit * inner.times;
    inner.times *= trips;
    region(loop.body, inner);
  }

  /// Runs over the values of the variable, since other loops' lengths depend on it: all of them, or
  /// the first, one that stands for those between, and the last.
  void step_by_step(const For& loop, const IntegerRange& all, const Frame& frame) {
    const std::int64_t length = all.high - all.low + 1;
    const auto step = [&](std::int64_t value, double weight) {
      bind(loop.var, IntegerRange{value, value});
      Frame inner = frame;
      inner.times *= weight;
      region(loop.body, inner);
    };
    if (length <= kMostSteps) {
      for (std::int64_t value = all.low; value <= all.high; ++value) step(value, 1);
    } else {
      step(all.low, 1);
      step(all.low + length / 2, static_cast<double>(length - 2));
      step(all.high, 1);
    }
  }

  /// Whether an inner loop's length or a branch depends on the loop's variable.
  static bool shapes_others(const For& loop) {
    std::vector<Var> carriers{loop.var};
    const auto depends = [&](const Expr& expr) {
      return std::ranges::any_of(carriers, [&](const Var& var) { return depends_on(expr, var); });
    };
    bool found = false;
    walk(loop.body, [&](const Stmt& stmt) {
      if (const auto* let = stmt.as<Let>())
        if (depends(let->value)) carriers.push_back(let->var);
      if (const auto* inner = stmt.as<For>())
        found |= !extent(*inner) && (depends(inner->begin) || depends(inner->end));
      if (const auto* branch = stmt.as<If>()) found |= depends(branch->condition);
    });
    return found;
  }

  void visit_if(const If& branch, const Frame& frame, std::vector<Part>& parts) {
    const auto condition = range_of(branch.condition, context_);
    const bool known = condition && condition->single();
    cost_.exact &= known;
    if (!known || condition->low != 0) statements(branch.then_body, frame, parts);
    if (!known || condition->low == 0) statements(branch.else_body, frame, parts);
  }

  void bind(const Var& var, const std::optional<IntegerRange>& range) {
    if (range)
      context_.variables[var] = *range;
    else
      context_.variables.erase(var);
  }

  Occupation bind(const Let& let, const Frame& frame) {
    bind(let.var, range_of(let.value, context_));
    dependences_.bind(let);
    touch_loads(let.value);
    return occupation(program_, target_, dependences_, frame, let);
  }

  Occupation assign(const Assignment& statement, const Frame& frame) {
    touch_loads(statement.value);
    touch(writes_, statement.buffer, *statement.index);
    if (statement.reduction) touch(reads_, statement.buffer, *statement.index);
    return occupation(program_, target_, dependences_, frame, statement);
  }

  void touch_loads(const Expr& expr) {
    walk(expr, [&](const Expr& e) {
      if (const auto* load = e.as<Load>()) touch(reads_, load->buffer, load->index);
    });
  }

  void touch(TouchedBytes& bytes, BufferId buffer, const std::vector<Expr>& index) {
    const Memory memory = program_.buffer(program_.storage(buffer)).memory;
    if (memory != Memory::reg && memory != Memory::stack && memory != Memory::thread)
      bytes.touch(buffer, index, context_);
  }

  const Program& program_;
  const Target& target_;
  int threads_;
  RangeContext context_;
  Dependences dependences_;
  TouchedBytes reads_, writes_;
  KernelCost cost_;
};

}  // namespace

KernelCost cost_of(const Program& program, const Kernel& kernel, std::int64_t count, int threads,
                   const Target& target) {
  KernelCost cost = CostWalker(program, count, threads, target).run(kernel);
  attribute_all(program, kernel, cost);
  return cost;
}

double peak_flops_per_cycle(const Target& target, ScalarType type) {
  return kVectorPorts * static_cast<double>(target.lanes(type)) * (target.fma ? 2 : 1);
}

}  // namespace cnnc
