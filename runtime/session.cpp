#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/compile.h"
#include "runtime/executable.h"
#include "runtime/random.h"
#include "runtime/size_limit.h"
#include "runtime/threads.h"
#include "runtime/weights.h"

namespace cnnc {
namespace {

constexpr std::int64_t kDefaultBatch = 128;
constexpr std::int64_t kInferenceBatch = 128;

void write(Executable& executable, const std::string& name, const Tensor& tensor) {
  if (!executable.has(name)) return;
  const TensorRef ref = executable.tensor(name);
  CNNC_CHECK(ref.type == tensor.type(), "{} is {}, not {}", name, to_string(ref.type),
             to_string(tensor.type()));
  std::ranges::copy(tensor.bytes(), ref.bytes.begin());
}

template <class T>
void write_rows(Executable& executable, std::string_view name, std::span<const T> values) {
  if (!executable.has(name)) return;
  const auto memory = executable.tensor(name).template data<T>();
  CNNC_CHECK(values.size() <= memory.size(), "{} values for {}, which holds {}", values.size(),
             name, memory.size());
  std::ranges::copy(values, memory.begin());
}

void write_scalar(Executable& executable, std::string_view name, auto value) {
  if (!executable.has(name)) return;
  const TensorRef ref = executable.tensor(name);
  dispatch(ref.type.scalar, [&](auto zero) {
    const auto converted = static_cast<decltype(zero)>(value);
    std::memcpy(ref.bytes.data(), &converted, sizeof converted);
  });
}

double read(const TensorRef& ref, std::size_t index) {
  return dispatch(ref.type.scalar, [&](auto zero) {
    std::memcpy(&zero, ref.bytes.data() + index * sizeof zero, sizeof zero);
    return static_cast<double>(zero);
  });
}

}  // namespace

void gather(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch) {
  const auto size = static_cast<std::size_t>(dataset.image_size());
  batch.images.resize(indices.size() * size);
  batch.labels.resize(indices.size());
  batch.samples.assign(indices.begin(), indices.end());
  for (std::size_t row = 0; row < indices.size(); ++row) {
    std::memcpy(batch.images.data() + row * size, dataset.pixels_of(indices[row]).data(), size);
    batch.labels[row] = dataset.labels.at(static_cast<std::size_t>(indices[row]));
  }
}

struct Session::State {
  Model model;
  Language language;
  SessionOptions options;
  std::vector<Parameter> parameters;
  std::int64_t image_size = 0, classes = 0;
  ThreadPool pool;
  Tensors host;  // the weights, while no training program holds them
  std::optional<Executable> training, inference;
  bool inference_is_current = false;

  State(Model m, Language l, SessionOptions o)
      : model(std::move(m)), language(std::move(l)), options(std::move(o)), pool(options.threads) {}

  ModelGraph graph(Mode mode) const {
    return build_graph(model, language, mode,
                       mode == Mode::train ? *options.batch : kInferenceBatch, options.real);
  }

  Executable compiled(const Graph& graph) const {
    try {
      return compile(graph, {.target = *options.target,
                             .skip = options.skip,
                             .check_bounds = options.check_bounds,
                             .threads = options.threads});
    } catch (const Error& error) {
      fail("{}: {}", model.source.name, error.what());
    }
  }

  /// Makes `weights` the model's, forgetting what the optimizer remembers.
  void install(Tensors weights) {
    host = std::move(weights);
    inference_is_current = false;
    if (training) write_training();
  }

  void write_training() {
    for (const auto& [name, tensor] : host) write(*training, name, tensor);
    const Choice& optimizer = model.train->optimizer;
    for (const auto& suffix : language.optimizers.at(optimizer.name)->states(optimizer.arguments)) {
      for (const auto& parameter : parameters) {
        const std::string name = parameter.name + "." + suffix;
        if (parameter.trained && training->has(name))
          std::ranges::fill(training->tensor(name).bytes, std::byte{0});
      }
    }
  }

  /// Copies the weights out of the training program, if there is one.
  const Tensors& current() {
    if (!training) return host;
    for (auto& [name, tensor] : host) {
      if (training->has(name))
        std::ranges::copy(training->tensor(name).bytes, tensor.bytes().begin());
    }
    return host;
  }

  Executable& inference_program() {
    if (!inference) inference.emplace(compiled(graph(Mode::infer).graph));
    if (!inference_is_current) {
      for (const auto& [name, tensor] : current()) write(*inference, name, tensor);
      inference_is_current = true;
    }
    return *inference;
  }
};

Session::Session(Model model, Language language, SessionOptions options)
    : state_(std::make_unique<State>(std::move(model), std::move(language), std::move(options))) {
  State& state = *state_;
  const auto& train = state.model.train;
  if (!state.options.batch) state.options.batch = train ? train->batch : kDefaultBatch;
  if (*state.options.batch < 1 || *state.options.batch > kMaxBatch) {
    fail("{}: a batch of {} images; it must be from 1 to {}", state.model.source.name,
         *state.options.batch, kMaxBatch);
  }
  if (!state.options.target) state.options.target = host_target();

  const Mode mode = train ? Mode::train : Mode::infer;
  ModelGraph graph = state.graph(mode);
  check_size(state.model, graph, mode == Mode::train ? *state.options.batch : kInferenceBatch);
  state.parameters = std::move(graph.parameters);
  state.image_size = element_count(state.model.input, 1);
  const auto output = graph.graph.output("output");
  CNNC_CHECK(output.has_value(), "the graph of {} has no output", state.model.name);
  state.classes = element_count(graph.graph.type(*output).dims, 1);
  initialize(state.options.seed);
}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Model& Session::model() const { return state_->model; }
const Language& Session::language() const { return state_->language; }
const SessionOptions& Session::options() const { return state_->options; }
const std::vector<Parameter>& Session::parameters() const { return state_->parameters; }
std::int64_t Session::image_size() const { return state_->image_size; }
std::int64_t Session::classes() const { return state_->classes; }
int Session::threads() const { return state_->pool.size(); }

void Session::initialize(std::uint64_t seed) {
  Tensors weights;
  for (const auto& parameter : state_->parameters)
    weights.emplace(parameter.name, cnnc::initialize(parameter, seed));
  state_->install(std::move(weights));
}

void Session::set_weights(const Tensors& weights, std::string_view source) {
  state_->install(fit_weights(weights, state_->parameters, source));
}

Tensors Session::weights() { return state_->current(); }

std::chrono::duration<double> Session::compile_training() {
  using Clock = std::chrono::steady_clock;
  State& state = *state_;
  if (state.training) return {};
  if (!state.model.train)
    fail("{}: has no train section, so it cannot be trained", state.model.source.name);
  const auto start = Clock::now();
  state.training.emplace(state.compiled(state.graph(Mode::train).graph));
  const auto stop = Clock::now();
  state.write_training();
  return stop - start;
}

StepResult Session::train_step(const Batch& batch, const StepInputs& inputs) {
  State& state = *state_;
  if (batch.count() < 1 || batch.count() > *state.options.batch ||
      static_cast<std::int64_t>(batch.images.size()) != batch.count() * state.image_size ||
      batch.samples.size() != batch.labels.size()) {
    fail(
        "a step takes 1 to {} images of {} bytes, each with a label and a number; got {} labels, "
        "{} numbers, {} bytes",
        *state.options.batch, state.image_size, batch.labels.size(), batch.samples.size(),
        batch.images.size());
  }
  for (const auto label : batch.labels) {
    if (label < 0 || label >= state.classes)
      fail("label {} of a model with {} classes", label, state.classes);
  }
  compile_training();
  Executable& program = *state.training;
  write_rows<std::uint8_t>(program, "image", batch.images);
  write_rows<std::int32_t>(program, "label", batch.labels);
  write_rows<std::int64_t>(program, "sample", batch.samples);
  write_scalar(program, "lr", inputs.learning_rate);
  write_scalar(program, "step", inputs.step);
  write_scalar(program, "epoch", inputs.epoch);
  write_scalar(program, "seed", state.options.seed);
  state.inference_is_current = false;
  program.run(batch.count(), state.pool);
  return {.loss = read(program.tensor("loss"), 0),
          .correct = static_cast<std::int64_t>(read(program.tensor("correct"), 0))};
}

std::vector<double> Session::infer(std::span<const std::uint8_t> images) {
  State& state = *state_;
  const auto size = static_cast<std::size_t>(state.image_size);
  if (images.size() % size != 0) {
    fail("{} bytes are not a whole number of images of {} bytes", images.size(), size);
  }
  Executable& program = state.inference_program();
  std::vector<double> result;
  const std::size_t total = images.size() / size;
  result.reserve(total * static_cast<std::size_t>(state.classes));
  for (std::size_t first = 0; first < total; first += kInferenceBatch) {
    const std::size_t count = std::min<std::size_t>(kInferenceBatch, total - first);
    write_rows(program, "image", images.subspan(first * size, count * size));
    program.run(static_cast<std::int64_t>(count), state.pool);
    const TensorRef output = program.tensor("output");
    for (std::size_t i = 0; i < count * static_cast<std::size_t>(state.classes); ++i)
      result.push_back(read(output, i));
  }
  return result;
}

}  // namespace cnnc
