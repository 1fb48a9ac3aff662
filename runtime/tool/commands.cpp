#include "runtime/tool/commands.h"

#include <fmt/format.h>

#include "runtime/compile.h"
#include "runtime/exec/cores.h"
#include "runtime/inspect/summary.h"
#include "runtime/io/log.h"
#include "runtime/pictures/show_data.h"
#include "runtime/tool/inputs.h"
#include "runtime/train/evaluation.h"
#include "runtime/train/not_finite.h"

namespace cnnc {
namespace {

/// Useless numbers are those of the weights' file.
template <class Work>
auto in_weights(const Options& options, Work&& work) {
  try {
    return work();
  } catch (const NotFinite& error) {
    throw NotFinite(fmt::format("{}: {}", weights_path(options).string(), error.what()));
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
  const auto result = evaluate(session, read_dataset(options, session.model(), Split::test));
  in_weights(options, [&] { require_finite(result); });
  fmt::print("{}\n", to_string(result));
  return 0;
}

int run_show_data(const Options& options) {
  const Language language = Language::standard();
  const Model model = read_model(options.model, language);
  const Dataset data = read_dataset(options, model, Split::train);
  check_not_data("--show-data", options.picture, data);
  show_data(data, options.picture);
  log_beside(options.picture)
      .print("{}: the first images of {} with their labels\n", shown_name(options.picture),
             data.name);
  return 0;
}

namespace {

void note_threads(const Options& options) {
  using enum Command;
  const int cores = usable_cores();
  const bool runs = options.command == train || options.command == evaluate ||
                    options.command == predict || options.command == bench;
  if (!runs || options.threads <= cores) return;
  Log(stderr).print("cnnc: --threads {}: there {} {} core{} to use; more threads gain nothing\n",
                    options.threads, cores == 1 ? "is" : "are", cores, cores == 1 ? "" : "s");
}

}  // namespace

int run(const Options& options) {
  note_threads(options);
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
    case Command::list_ops: return run_list_ops(options);
    case Command::list_layers: return run_list_layers(options);
    case Command::list_passes: return run_list_passes(options);
  }
  return 0;
}

}  // namespace cnnc
