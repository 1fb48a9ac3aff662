#include "runtime/commands.h"

#include <fmt/format.h>

#include "runtime/compile.h"
#include "runtime/evaluation.h"
#include "runtime/inputs.h"
#include "runtime/show_data.h"
#include "runtime/summary.h"

namespace cnnc {
namespace {

void print_arguments(std::span<const ArgumentDef> arguments) {
  for (const auto& argument : arguments) {
    fmt::print("      {:<16} {}{}\n", argument.name, argument.description,
               argument.fallback
                   ? fmt::format(" (default {})", argument_text(argument, *argument.fallback))
                   : "");
  }
}

template <class Table>
void print_rows(std::string_view title, const Table& table) {
  fmt::print("{}\n", title);
  for (const auto& [name, row] : table) {
    fmt::print("  {:<18} {}\n", name, row->description);
    print_arguments(row->arguments);
  }
}

}  // namespace

int run_summary(const Options& options) {
  const Language language = Language::standard();
  fmt::print("{}", summary(read_model(options.model, language), language));
  return 0;
}

int run_evaluate(const Options& options) {
  Session session = open_session(options).session;
  fmt::print("{}\n",
             to_string(evaluate(session, read_dataset(options, session.model(), Split::test))));
  return 0;
}

int run_show_data(const Options& options) {
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  const Dataset data = read_dataset(options, model, Split::train);
  show_data(data, options.picture);
  fmt::print("{}: the first images of {} with their labels\n", options.picture, data.name);
  return 0;
}

int run_list_ops() {
  const OpTable ops = OpTable::standard();
  for (const auto& [name, op] : ops.all()) fmt::print("{:<22} {}\n", name, op->description);
  return 0;
}

int run_list_layers() {
  const Language language = Language::standard();
  print_rows("layers", language.layers);
  print_rows("losses", language.losses);
  print_rows("optimizers", language.optimizers);
  print_rows("schedules", language.schedules);
  return 0;
}

int run_list_passes() {
  for (const auto& pass : list_passes())
    fmt::print("{:<6} {:<18} {:<6} {}\n", pass.level, pass.name,
               pass.preserves == Preserves::bits ? "bits" : "bound", pass.description);
  return 0;
}

int run(const Options& options) {
  switch (options.command) {
    case Command::summary: return run_summary(options);
    case Command::train: return run_train(options);
    case Command::evaluate: return run_evaluate(options);
    case Command::predict: return run_predict(options);
    case Command::show_data: return run_show_data(options);
    case Command::emit: return run_emit(options);
    case Command::run_passes: return run_run_passes(options);
    case Command::interpret: return run_interpret(options);
    case Command::diff: return run_diff(options);
    case Command::time_passes: return run_time_passes(options);
    case Command::bench: return run_bench(options);
    case Command::explain: return run_explain(options);
    case Command::list_ops: return run_list_ops();
    case Command::list_layers: return run_list_layers();
    case Command::list_passes: return run_list_passes();
  }
  return 0;
}

}  // namespace cnnc
