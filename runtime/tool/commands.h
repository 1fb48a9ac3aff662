// What each command of the tool does.
#pragma once

#include "runtime/tool/options.h"

namespace cnnc {

enum ExitCode : int { kDone = 0, kBadInput = 1, kBadUsage = 2, kNotFinite = 3, kDefect = 70 };

/// Carries out `options` and returns the exit code: kDone, 128 + a signal that stopped training, or
/// what is wrong with some of several pictures, which was said then. Throws Error, UsageError,
/// NotFinite.
int run(const Options& options);

// One function a command; `run` chooses.
int run_summary(const Options& options);
int run_train(const Options& options);
int run_evaluate(const Options& options);
int run_predict(const Options& options);
int run_show_data(const Options& options);
int run_emit(const Options& options);
int run_run_passes(const Options& options);
int run_interpret(const Options& options);
int run_diff(const Options& options);
int run_time_passes(const Options& options);
int run_bench(const Options& options);
int run_explain(const Options& options);
int run_list_ops(const Options& options);
int run_list_layers(const Options& options);
int run_list_passes(const Options& options);

}  // namespace cnnc
