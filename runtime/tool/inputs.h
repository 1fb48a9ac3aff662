// From the tool's options to what the library takes: model, target, data, weights.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "frontend/model.h"
#include "ir/target/target.h"
#include "runtime/compile.h"
#include "runtime/io/dataset.h"
#include "runtime/io/seen_images.h"
#include "runtime/tool/options.h"
#include "runtime/train/session.h"

namespace cnnc {

/// A model text longer than this is no model.
inline constexpr std::int64_t kMaxModelFile = std::int64_t{1} << 20;

/// The text of a graph or a program longer than this is none of ours.
inline constexpr std::int64_t kMaxIrFile = std::int64_t{1} << 28;

/// Throws UsageError: "unknown pass fuze; did you mean fuse?", or with all candidates.
[[noreturn]] void throw_unknown(std::string_view what, const std::string& word,
                                std::span<const std::string> candidates);

Model read_model(const std::filesystem::path& path, const Language& language);

/// What the file at `path` holds by its name: FILE.graph or FILE.loops; nothing: a model.
std::optional<std::string> ir_level(const std::filesystem::path& path);
/// An IR and the text that it stands in, which a model's graph does not.
struct IrFile {
  Ir ir;
  SourceText source;
  Places places;
};
/// The IR in FILE.graph or FILE.loops, verified, or the graph of a model (--for, --batch,
/// --precision). Throws UsageError where one of those flags is given for a text of an IR.
IrFile read_ir(const Options& options);

/// --target; throws UsageError for an unknown one, and Error where code for it is to run here but
/// this machine cannot.
Target choose_target(const Options& options, bool runs_here);
/// --skip, --run, --diff, --stop-after; throws UsageError for a pass that does not exist.
void check_passes(const Options& options);
SessionOptions session_options(const Options& options);

/// The data set that the train section names; throws Error for a model without one.
Dataset read_dataset(const Options& options, const Model& model, Split split);

/// Throws UsageError where the file that `flag` writes is one of the data set.
void check_not_data(std::string_view flag, const std::filesystem::path& file, const Dataset& data);

/// --weights or -o, by default the model's stem + .safetensors in the current folder.
std::filesystem::path weights_path(const Options& options);

/// session.set_weights, with a line on standard error for tensors that are left out.
void use_weights(Session& session, const Tensors& weights, const std::string& source);

/// A session with the weights of --weights (or the default file), and what their training saw where
/// the file says it.
struct TrainedSession {
  Session session;
  std::optional<SeenImages> seen;
};
TrainedSession open_session(const Options& options);

}  // namespace cnnc
