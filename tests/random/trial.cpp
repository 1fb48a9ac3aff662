#include "tests/random/trial.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "passes/fuse/route_gradients.h"
#include "passes/lower/lower.h"
#include "tests/random/batch_split.h"
#include "tests/random/choices.h"
#include "tests/random/gradient.h"
#include "tests/random/numbers.h"
#include "tests/random/reference.h"

namespace cnnc::testing {
namespace {

struct Failed {
  std::string text;
};

[[noreturn]] void failed(std::string_view check, std::string_view what) {
  throw Failed{fmt::format("{}: {}", check, what)};
}

void expect_empty(std::string_view check, const std::string& difference) {
  if (!difference.empty()) failed(check, difference);
}

void expect_same_text(std::string_view check, const std::string& expected, const std::string& got) {
  if (expected != got) failed(check, fmt::format("the text\n{}\nbecame\n{}", expected, got));
}

bool is_loop_pass(std::string_view name) {
  return std::ranges::any_of(loop_passes(), [&](const auto& row) { return row.name == name; });
}

std::string describe(const Configuration& c) {
  return fmt::format("{} on {}, without [{}], tile [{}], caches 1/{}, {} threads{}{}",
                     c.mode == Mode::train ? "train" : "infer", c.target, fmt::join(c.skip, ", "),
                     fmt::join(c.tile, ","), c.smaller_caches, c.threads,
                     c.from_text ? ", from text" : "", c.quick ? ", quick" : "");
}

class Checker {
 public:
  Checker(const Trial& trial, const Language& language, Statistics& statistics)
      : trial_(trial), language_(language), statistics_(statistics) {}

  void run() {
    model_ = parse_model({"random.model", trial_.text}, language_);
    batch_ = model_.train->batch;
    check_text();
    count_layers();
    run_passes_of(Mode::train);
    run_passes_of(Mode::infer);
    check_exact();
    check_nodes();
    for (const Configuration& configuration : trial_.configurations) check(configuration);
    check_gradient_split();
    if (trial_.lane == Lane::real)
      expect_empty("gradient", gradient_difference(model_, language_, rows_with_variance(),
                                                   trial_.seed, statistics_));
  }

 private:
  Graph graph_of(Mode mode) const {
    return build_graph(model_, language_, mode, batch_, trial_.real).graph;
  }

  Tensors numbers(const Program& program, std::uint64_t more = 0) const {
    return numbers_for(program, model_, batch_, trial_.count, trial_.lane, trial_.seed + more);
  }

  void check_text() {
    const Model again = parse_model({"again.model", model_.canonical}, language_);
    expect_same_text("model text", model_.canonical, again.canonical);
    const std::string graph = print(graph_of(Mode::train));
    expect_same_text("model text", graph,
                     print(build_graph(again, language_, Mode::train, batch_, trial_.real).graph));
    expect_same_text("graph text", graph, print(parse_graph({"graph", graph}, language_.ops)));
  }

  void count_layers() {
    std::map<std::string, std::int64_t> layers, arguments;
    for (const LayerUse& use : model_.layers) {
      layers[use.layer] = 1;
      for (const ArgumentDef& def : language_.layers.at(use.layer)->arguments) {
        const AttributeValue* value = use.arguments.find(def.name);
        if (value != nullptr && (!def.fallback || *value != *def.fallback))
          arguments[use.layer + "." + def.name] = 1;
      }
    }
    count_choice("loss", model_.train->loss, language_.losses, layers, arguments);
    count_choice("optimizer", model_.train->optimizer, language_.optimizers, layers, arguments);
    count_choice("schedule", model_.train->schedule, language_.schedules, layers, arguments);
    ++statistics_.networks;
    statistics_.branched += has_branches(model_) ? 1 : 0;
    for (const auto& [name, n] : layers) ++statistics_.layers[name];
    for (const auto& [name, n] : arguments) ++statistics_.arguments[name];
    ++statistics_.batches[fmt::format("{:02}", batch_)];
  }

  template <class Rows>
  static void count_choice(const std::string& kind, const Choice& choice, const Rows& rows,
                           std::map<std::string, std::int64_t>& layers,
                           std::map<std::string, std::int64_t>& arguments) {
    layers[kind + " " + choice.name] = 1;
    for (const ArgumentDef& def : rows.find(choice.name)->second->arguments) {
      const AttributeValue* value = choice.arguments.find(def.name);
      if (value != nullptr && (!def.fallback || *value != *def.fallback))
        arguments[choice.name + "." + def.name] = 1;
    }
  }

  void count_ops(const Graph& graph) {
    for (const Node& node : graph.nodes) ops_.insert(node.op->name);
  }

  /// The whole pipeline, verified after every pass; counts what changed.
  void run_passes_of(Mode mode) {
    const PassContext context = trial_.configurations.empty()
                                    ? PassContext(host_target())
                                    : context_of(trial_.configurations.front());
    const CompileOptions options{
        .target = context.target, .verify_each = true, .config = context.config};
    std::string text;
    count_ops(graph_of(mode));
    run_pipeline(graph_of(mode), options, [&](std::string_view pass, const Ir& ir, auto) {
      const std::string now = print(ir);
      if (!text.empty() && now != text) changed_.insert(std::string(pass));
      text = now;
      const auto* graph = std::get_if<Graph>(&ir);
      if (graph != nullptr) count_ops(*graph);
      if (pass == "simplify:2") (mode == Mode::train ? step_ : inference_) = *graph;
      return true;
    });
    expect_same_text("loop text", text, print(parse_program({"program", text})));
    if (mode == Mode::train) return;
    std::set<std::string> groups;
    for (const PassInfo& row : list_passes())
      if (changed_.contains(row.stage)) groups.insert("group " + row.group);
    for (const auto* names : {&changed_, &groups})
      for (const std::string& name : *names) ++statistics_.passes[name];
    for (const std::string& op : ops_) ++statistics_.ops[op];
  }

  /// The graph's outputs where the references say that nothing is rounded.
  void check_exact() {
    if (trial_.lane != Lane::whole) return;
    for (const Mode mode : {Mode::train, Mode::infer}) {
      const Graph& graph = mode == Mode::train ? step_ : inference_;
      const Tensors inputs = numbers(lower(graph, host_target()));
      auto known = graph_inputs(graph, inputs, trial_.count);
      known.emplace("count", inputs.at("count"));
      const auto values = exact_values(graph, known);
      if (!values) continue;
      Tensors expected;
      for (const Output& output : graph.outputs)
        expected.emplace(output.name, values->at(output.value));
      if (mode == Mode::train) ++statistics_.exact;
      const auto from_graph = interpret(graph, known_only(graph, known), trial_.count);
      compare_exact("exact graph", expected, {from_graph.begin(), from_graph.end()});
      exact_[mode] = std::move(expected);
    }
  }

  static std::map<std::string, Tensor> known_only(const Graph& graph,
                                                  std::map<std::string, Tensor> inputs) {
    const bool has = std::ranges::any_of(graph.nodes, [](const Node& node) {
      return is_input(node) && input_name(node) == "count";
    });
    if (!has) inputs.erase("count");
    return inputs;
  }

  /// Zeros of either sign are one.
  void compare_exact(std::string_view check, const Tensors& expected, const Tensors& got) {
    ++statistics_.compared;
    expect_empty(check, difference(expected, got, [](ScalarType) { return 1e-300; }));
  }

  void compare_bits(const std::string& check, const Tensors& expected, const Tensors& got) {
    ++statistics_.compared;
    expect_empty(check, difference(expected, got, Preserves::bits));
  }

  /// Machine code that yields every node's value: each against its op's reference, on the operands
  /// that the machine code computed.
  void check_nodes() {
    Graph graph = step_;
    graph.outputs.clear();
    const auto tap = [](int node, std::size_t result) {
      return fmt::format("tap.{}.{}", node, result);
    };
    std::set<std::string> names;
    for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
      const Node& node = graph.nodes[static_cast<std::size_t>(i)];
      if (is_input(node)) continue;
      for (std::size_t r = 0; r < node.types.size(); ++r) {
        names.insert(tap(i, r));
        graph.outputs.push_back({tap(i, r), {i, static_cast<int>(r)}});
      }
    }
    Choices choices(trial_.seed, 3);
    Configuration configuration;
    if (!trial_.configurations.empty()) configuration = trial_.configurations.front();
    const PassContext context = context_of(configuration);
    std::vector<std::string> passes{"lower"};
    bool contracted = false;
    for (const auto& row : loop_passes()) {
      const bool skipped =
          std::ranges::find(configuration.skip, row.name) != configuration.skip.end();
      if (!skipped) passes.emplace_back(row.name);
      contracted |= !skipped && row.name == "contract_fma" && context.target.fma;
    }
    Program program = std::get<Program>(run_passes(graph, passes, context));
    const Tensors inputs = numbers(program);
    Executable executable = machine_code(std::move(program), context.target, true);
    ++statistics_.compiled;
    ThreadPool pool(configuration.threads);
    const Tensors results = called_rows(called(executable, inputs, names, trial_.count, pool),
                                        outputs_by_row(graph), trial_.count);
    NodeValues values;
    const auto known = graph_inputs(graph, inputs, trial_.count);
    for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
      const Node& node = graph.nodes[static_cast<std::size_t>(i)];
      for (std::size_t r = 0; r < node.types.size(); ++r)
        values[{i, static_cast<int>(r)}] =
            is_input(node) ? known.at(input_name(node)) : results.at(tap(i, r));
      ++statistics_.compared;
      expect_empty("op by op (" + describe(configuration) + ")",
                   node_difference(graph, i, values, trial_.count, contracted));
    }
  }

  /// The gradients of a batch are those of its parts.
  void check_gradient_split() {
    if (trial_.lane == Lane::special || trial_.count < 2 || trial_.configurations.empty()) return;
    const Configuration& configuration = trial_.configurations.back();
    const Tensors inputs = numbers(lower(step_, host_target()));
    expect_empty("batch split (" + describe(configuration) + ")",
                 batch_split_difference(graph_of(Mode::train), configuration, inputs, trial_.count,
                                        split_place(), statistics_));
  }

  /// One row may have no variance, which a batch_norm refuses.
  std::int64_t rows_with_variance() const {
    return std::min(batch_, std::max<std::int64_t>(trial_.count, 2));
  }

  /// Of the call's rows, at least two, so many come in a first call.
  std::int64_t split_place() const {
    return 1 + static_cast<std::int64_t>(trial_.seed) % (trial_.count - 1);
  }

  struct Base {
    Graph graph;
    Tensors inputs, results;  // with elementary functions expanded
    std::set<std::string> by_row, names;
  };

  /// The program as it is lowered and, where fuse runs, its pooled gradients are routed: passes
  /// that keep bits, and all else that fuse does, may not differ from it.
  Base base_of(const Configuration& configuration, const Target& target) {
    std::vector<std::string> skip;
    for (const std::string& pass : configuration.skip)
      if (!is_loop_pass(pass)) skip.push_back(pass);
    const CompileOptions options{.target = target, .skip = skip};
    Base base;
    base.graph = std::get<Graph>(ir_at(graph_of(configuration.mode), "simplify:2", options));
    base.by_row = outputs_by_row(base.graph);
    const Program lowered = lower(base.graph, target);
    base.inputs = numbers(lowered);
    base.results = expanded_results(lowered, base, target);
    for (const auto& [name, tensor] : base.results) base.names.insert(name);
    if (std::ranges::find(configuration.skip, "route_gradients") != configuration.skip.end())
      return base;
    const Program routed = route_gradients(lowered, target);
    if (print(routed) == print(lowered)) return base;
    ++statistics_.routed;
    const Tensors results = expanded_results(routed, base, target);
    if (trial_.lane != Lane::special)  // what is not finite meets fewer zeros
      expect_empty("routed", difference(base.results, results, Preserves::bound));
    base.results = results;
    return base;
  }

  Tensors expanded_results(const Program& program, const Base& base, const Target& target) const {
    const std::vector<std::string> expand{"expand_math"};
    return interpreted(std::get<Program>(run_passes(program, expand, target)), base);
  }

  void check(const Configuration& configuration) {
    const auto [target, config] = context_of(configuration);
    const Base base = base_of(configuration, target);
    const std::string how = " (" + describe(configuration) + ")";
    const CompileOptions options{
        .target = target, .skip = configuration.skip, .verify_each = true, .config = config};
    std::vector<std::string> regrouped;  // passes that changed the order or the rounding of sums
    std::string before;
    Program program = std::get<Program>(run_pipeline(
        graph_of(configuration.mode), options, [&](std::string_view pass, const Ir& ir, auto) {
          if (pass == "privatize" || pass == "expand_math")  // what they are given
            before = print(ir);
          else if ((pass == "strip_mine_sums" || pass == "contract_fma") && print(ir) != before)
            regrouped.emplace_back(pass);
          return true;
        }));
    Tensors expected = base.results;
    if (!regrouped.empty()) {
      CompileOptions without = options;
      without.skip.insert(without.skip.end(), regrouped.begin(), regrouped.end());
      compare_bits(
          "passes" + how, base.results,
          interpreted(std::get<Program>(run_pipeline(graph_of(configuration.mode), without)),
                      base));
      expected = interpreted(program, base);
    }
    const auto exact = exact_.find(configuration.mode);
    if (exact != exact_.end()) compare_exact("exact" + how, exact->second, expected);
    if (configuration.from_text) program = parse_program({"program", print(program)});
    Executable executable = machine_code(std::move(program), target, configuration.quick);
    ++statistics_.compiled;
    ++statistics_.configurations[fmt::format("target {}", configuration.target)];
    ++statistics_.configurations[fmt::format("threads {}", configuration.threads)];
    if (configuration.from_text) ++statistics_.configurations["from text"];
    if (configuration.quick) ++statistics_.configurations["quick"];
    if (!configuration.tile.empty()) ++statistics_.configurations["register_tile"];
    if (configuration.smaller_caches > 1) ++statistics_.configurations["smaller caches"];
    for (const auto& pass : configuration.skip) ++statistics_.configurations["without " + pass];
    check_calls(configuration, base, expected, executable, how);
  }

  Tensors interpreted(const Program& program, const Base& base) const {
    return called_rows(interpret_ir(program, base.inputs, 1), base.by_row, trial_.count);
  }

  void check_calls(const Configuration& configuration, const Base& base, const Tensors& expected,
                   Executable& executable, const std::string& how) {
    ThreadPool pool(configuration.threads);
    const auto call = [&](Tensors inputs, std::int64_t count) {
      if (inputs.contains("count")) inputs.at("count").set(0, static_cast<double>(count));
      return called_rows(called(executable, inputs, base.names, count, pool), base.by_row, count);
    };
    compare_bits("machine code" + how, expected, call(base.inputs, trial_.count));
    // Whatever an earlier call left behind, the same inputs give the same results.
    call(numbers(executable.program(), 77), trial_.count);
    compare_bits("machine code, called again" + how, expected, call(base.inputs, trial_.count));
    if (configuration.mode == Mode::infer && trial_.count > 1)
      check_split(base, expected, call, how);
  }

  /// A row's result does not depend on the rows beside it.
  template <class Call>
  void check_split(const Base& base, const Tensors& expected, const Call& call,
                   const std::string& how) {
    const std::int64_t first = split_place(), rest = trial_.count - first;
    compare_bits("rows in a call of fewer" + how, called_rows(expected, base.by_row, first),
                 call(base.inputs, first));
    Tensors moved = base.inputs;
    Tensor& image = moved.at("image");
    const auto row = static_cast<std::ptrdiff_t>(image.bytes().size()) / batch_;
    std::copy(image.bytes().begin() + first * row, image.bytes().begin() + trial_.count * row,
              image.bytes().begin());
    Tensors want;
    const Tensor& all = expected.at("output");
    TensorType type = all.type();
    type.dims.front() = rest;
    Tensor part(type);
    std::copy(all.bytes().end() - std::ssize(part.bytes()), all.bytes().end(),
              part.bytes().begin());
    want.emplace("output", part);
    compare_bits("rows in another call" + how, want, call(moved, rest));
  }

  const Trial& trial_;
  const Language& language_;
  Statistics& statistics_;
  Model model_;
  std::int64_t batch_ = 1;
  Graph step_, inference_;
  std::set<std::string> changed_, ops_;
  std::map<Mode, Tensors> exact_;
};

}  // namespace

PassContext context_of(const Configuration& configuration) {
  Target target =
      configuration.target == "native" ? host_target() : *named_target(configuration.target);
  target.l1_bytes /= configuration.smaller_caches;
  target.l2_bytes /= configuration.smaller_caches;
  PassConfig config{.tile = configuration.tile};
  if (configuration.smaller_caches > 1) config.band_bytes = 512;
  return {target, config};
}

bool has_branches(const Model& model) {
  std::map<int, int> uses;
  for (const LayerUse& use : model.layers)
    for (const int input : use.inputs) ++uses[input];
  return std::ranges::any_of(uses, [](const auto& use) { return use.second > 1; });
}

void Statistics::add(const Statistics& other) {
  networks += other.networks;
  branched += other.branched;
  exact += other.exact;
  compiled += other.compiled;
  compared += other.compared;
  splits += other.splits;
  routed += other.routed;
  near_kinks += other.near_kinks;
  directions += other.directions;
  for (const auto& [mine, theirs] : {std::pair{&ops, &other.ops},
                                     {&layers, &other.layers},
                                     {&arguments, &other.arguments},
                                     {&passes, &other.passes},
                                     {&configurations, &other.configurations},
                                     {&batches, &other.batches}})
    for (const auto& [name, number] : *theirs) (*mine)[name] += number;
}

std::string failure_of(const Trial& trial, const Language& language, Statistics* statistics) {
  Statistics unused;
  try {
    Checker(trial, language, statistics != nullptr ? *statistics : unused).run();
    return {};
  } catch (const Failed& failure) {
    return failure.text;
  } catch (const std::exception& error) {
    return fmt::format("exception: {}", error.what());
  }
}

}  // namespace cnnc::testing
