#include "runtime/tool/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <string_view>
#include <type_traits>

#include "runtime/tool/help_text.h"
#include "runtime/tool/option_rules.h"
#include "runtime/tool/unknown_arguments.h"

namespace cnnc {
namespace {

/// The largest whole number that a JSON reader keeps exactly.
constexpr std::int64_t kMaxSeed = std::int64_t{1} << 53;

/// A number as from_chars reads it, all of it: decimal, without signs and blanks in front. CLI11
/// would take 0100 for octal and round what does not fit, and its own texts do not say the range.
/// The text is replaced by the shortest one of the same number, which no reader takes otherwise.
template <class Number>
CLI::Validator in_range(Number low, Number high) {
  return CLI::Validator(
      [low, high](std::string& text) {
        Number value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool number = error == std::errc() && end == text.data() + text.size();
        if (!number || !(value >= low && value <= high)) {
          return fmt::format("{} is not a {} from {} to {}", text.empty() ? "''" : text,
                             std::is_integral_v<Number> ? "whole number" : "number", low, high);
        }
        text = fmt::format("{}", value);
        return std::string();
      },
      "", "");
}

CLI::Validator one_of(std::vector<std::string> words) {
  return CLI::Validator(
      [words](const std::string& text) {
        if (std::ranges::find(words, text) != words.end()) return std::string();
        return fmt::format("{} is not one of {}", text, fmt::join(words, ", "));
      },
      "", "");
}

struct Flags {
  bool train = false, evaluate = false, interpret = false, time_passes = false, no_shuffle = false,
       bench = false, explain = false;
  std::string precision = "f32", mode;
};

void add_commands(CLI::App& app, Options& options, Flags& flags) {
  app.add_option(
         "MODEL", options.model,
         "a model file (for the compiler's commands also FILE.graph or FILE.loops); alone: its "
         "table of layers")
      ->group("");
  const std::string group = "What to do with MODEL (nothing: show its table of layers)";
  app.add_flag("--train", flags.train, "train it and write its weights")->group(group);
  app.add_flag("--eval", flags.evaluate, "accuracy on the test set")->group(group);
  app.add_option("--predict", options.predictions,
                 "classes of PNG files or of test images by index")
      ->type_name("FILE.png|INDEX")
      ->group(group);
  app.add_option("--show-data", options.picture, "draw the first ten images with their labels")
      ->type_name("FILE.png")
      ->group(group);
  app.add_flag("--bench", flags.bench,
               "measure training and inference, fused and unfused, against the machine's peak")
      ->group(group);
  app.add_flag("--explain", flags.explain, "predict those figures, kernel by kernel; runs nothing")
      ->group(group);
}

void add_training_flags(CLI::App& app, Options& options, Flags& flags) {
  const std::string group = "Training";
  const auto count = in_range<std::int64_t>(1, 1'000'000'000);
  app.add_option("--epochs", options.epochs, "instead of the model's")
      ->type_name("N")
      ->transform(count)
      ->group(group);
  app.add_option("--steps", options.steps, "stop after N steps in all, then evaluate")
      ->type_name("N")
      ->transform(count)
      ->group(group);
  app.add_option("--batch", options.batch, "images a step, instead of the model's")
      ->type_name("N")
      ->transform(in_range<std::int64_t>(1, 65536))
      ->group(group);
  app.add_option("--lr", options.learning_rate, "learning rate, instead of the model's")
      ->type_name("X")
      ->transform(in_range(1e-30, 1e30))  // what is not 0 in f32
      ->group(group);
  app.add_option("--seed", options.seed,
                 "of initial weights, shuffling, dropout and --interpret (default 1)")
      ->type_name("N")
      ->transform(in_range<std::int64_t>(0, kMaxSeed))
      ->group(group);
  app.add_flag("--no-shuffle", flags.no_shuffle, "take the images in the order of the file")
      ->group(group);
  app.add_option("--init", options.init,
                 "start from these weights; momentum and schedule begin again")
      ->type_name("FILE.safetensors")
      ->group(group);
  app.add_flag("--overwrite", options.overwrite,
               "replace weights that are there; otherwise the new ones get another name")
      ->group(group);
  app.add_option("--metrics", options.metrics, "write loss and accuracy as JSON lines")
      ->type_name("FILE.jsonl")
      ->group(group);
}

void add_benchmark_flags(CLI::App& app, Options& options) {
  const std::string group = "Benchmarks";
  app.add_flag("--profile", options.profile, "measure every kernel, too")->group(group);
  app.add_option("--rounds", options.rounds, "times that everything is measured (default 7)")
      ->type_name("N")
      ->transform(in_range<std::int64_t>(1, 1000))
      ->group(group);
  app.add_option("--json", options.json, "write the figures as a JSON object")
      ->type_name("FILE")
      ->group(group);
}

void add_general_flags(CLI::App& app, Options& options, Flags& flags) {
  const std::string group = "Everywhere";
  app.add_option("--data", options.data, "the folder that holds mnist/ (else $CNNC_DATA)")
      ->type_name("FOLDER")
      ->group(group);
  app.add_option("--weights", options.weights,
                 "read by --eval and --predict (default: MODEL's stem + .safetensors)")
      ->type_name("FILE")
      ->group(group);
  app.add_option("-o,--output", options.output,
                 "weights of --train (default as above), results of --interpret; texts")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--threads", options.threads, "default: all usable cores")
      ->type_name("N")
      ->transform(in_range<std::int64_t>(1, 1024))
      ->group(group);
  app.add_option("--precision", flags.precision, "f32 (default) or f64")
      ->type_name("TYPE")
      ->check(one_of({"f32", "f64"}))
      ->group(group);
}

/// A flag that may be given several times, a name each time.
void add_repeatable(CLI::App& app, const std::string& flag, std::vector<std::string>& names,
                    const std::string& description, const std::string& group) {
  app.add_option(flag, names, description)
      ->type_name("PASS")
      ->expected(1)
      ->take_all()
      ->group(group);
}

void add_compiler_flags(CLI::App& app, Options& options, Flags& flags) {
  const std::string group = "The compiler, of MODEL, FILE.graph or FILE.loops";
  const auto text = [&](const char* flag, std::string& value, const char* description,
                        const char* type) {
    app.add_option(flag, value, description)->type_name(type)->group(group);
  };
  text("--emit", options.stage,
       "text of a stage: model, graph, a pass by name, loops, llvm, assembly; or a picture: dot, "
       "svg "
       "(of the graph, or after the pass of --stop-after), memory-map",
       "STAGE");
  text("--stop-after", options.stop_after, "text after this pass; with --time-passes: the last one",
       "PASS");
  text("--diff", options.diff, "what this pass changes, line by line", "PASS");
  add_repeatable(app, "--run", options.passes,
                 "run this pass alone and print the result (repeatable)", group);
  app.add_flag("--interpret", flags.interpret,
               "run it (after the passes of --run) statement by statement, print its results")
      ->group(group);
  text("--inputs", options.inputs, "of --interpret; random where not given (--seed)",
       "FILE.safetensors");
  app.add_flag("--time-passes", flags.time_passes, "how long each pass takes, and LLVM")
      ->group(group);
  add_repeatable(app, "--skip", options.skip, "leave this pass out (repeatable)", group);
  app.add_flag("--check-bounds", options.check_bounds,
               "machine code checks every index, to find mistakes of the compiler (slow)")
      ->group(group);
  app.add_option("--for", flags.mode, "which program (default: train where the model says how)")
      ->type_name("train|infer")
      ->check(one_of({"train", "infer"}))
      ->group(group);
  text("--kernel", options.kernel, "this kernel only", "NAME");
  text("--target", options.target, "native (default), x86-64, x86-64-v2, x86-64-v3, x86-64-v4",
       "NAME");
  const auto lists = [&](const char* flag, const char* description) {
    app.add_option(flag, options.listed, description)
        ->type_name("[NAME]")
        ->expected(0, 1)
        ->group(group);
  };
  lists("--list-ops", "ops of the graph IR, or all about one");
  lists("--list-layers",
        "what the model language offers; with NAME (conv, sgd, input, ...) its conventions");
  lists("--list-passes", "passes in their order, or all about one");
}

void check(const CLI::App& app, Options& options, const Flags& flags) {
  options.command = choose_command(app);
  check_applicability(app, options.command);
  const bool needs_model = options.command != Command::list_ops &&
                           options.command != Command::list_layers &&
                           options.command != Command::list_passes;
  if (needs_model && options.model.empty())
    throw UsageError("no model given: cnnc MODEL [--train | --eval | ...]");
  if (!needs_model && !options.model.empty()) {
    throw UsageError(fmt::format("{} takes no model", flag_of(options.command)));
  }
  const bool picture =
      options.stage == "dot" || options.stage == "svg" || options.stage == "memory-map";
  if (!options.stop_after.empty() && !options.stage.empty() && !picture)
    throw UsageError("--emit and --stop-after contradict each other: give one of them");
  check_distinct_files(options);
  options.real = *parse_scalar_type(flags.precision);
  options.shuffle = !flags.no_shuffle;
  if (!flags.mode.empty()) options.mode = flags.mode == "train" ? Mode::train : Mode::infer;
}

struct HelpFormatter : CLI::Formatter {
  HelpFormatter() { column_width(32); }
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: cnnc MODEL [--train | --eval | --predict ... | --show-data FILE | --bench | "
           "--emit STAGE | ...] "
           "[options]\n";
  }
};

/// CLI11's message, on one line.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

std::variant<Options, std::string> parse_options(int argc, const char* const* argv) {
  Options options;
  Flags flags;
  CLI::App app(std::string(kDescription.substr(1)), "cnnc");
  app.footer(std::string(kFooter));
  app.formatter(std::make_shared<HelpFormatter>());
  add_commands(app, options, flags);
  add_training_flags(app, options, flags);
  add_benchmark_flags(app, options);
  add_general_flags(app, options, flags);
  add_compiler_flags(app, options, flags);
  app.set_help_flag("-h,--help", "this text")->group("Everywhere");
  app.set_version_flag("--version", fmt::format("cnnc {}", CNNC_VERSION), "the version")
      ->group("Everywhere");
  app.allow_extras();  // refuse_unknown says more of them
  const std::span<const char* const> arguments(argv + std::min(argc, 1),
                                               static_cast<std::size_t>(std::max(argc - 1, 0)));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::CallForVersion& version) {
    return std::string(version.what()) + "\n";
  } catch (const CLI::ParseError& error) {
    refuse_unknown(app, options.model, arguments);  // where it began
    throw UsageError(one_line(error.what()));
  }
  refuse_unknown(app, options.model, arguments);
  check(app, options, flags);
  return options;
}

}  // namespace cnnc
