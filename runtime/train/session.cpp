#include "runtime/train/session.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "runtime/compile.h"
#include "runtime/exec/executable.h"
#include "runtime/exec/threads.h"
#include "runtime/io/weights.h"
#include "runtime/train/random.h"
#include "runtime/train/size_limit.h"

namespace cnnc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kDefaultBatch = 128;

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

int checked_threads(int threads) {
  if (threads < 0) fail("{} threads are too few: from 1, or 0 for all usable cores", threads);
  return threads;
}

double read(const TensorRef& ref, std::size_t index) {
  return dispatch(ref.type.scalar, [&](auto zero) {
    std::memcpy(&zero, ref.bytes.data() + index * sizeof zero, sizeof zero);
    return static_cast<double>(zero);
  });
}

}  // namespace

void gather(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch) {
  check_whole(dataset);
  for (const auto index : indices) {
    if (index < 0 || index >= dataset.count)
      fail("image {} of data set `{}`, which has images 0 to {}", index, dataset.name,
           dataset.count - 1);
  }
  const auto size = static_cast<std::size_t>(dataset.image_size());
  batch.images.resize(indices.size() * size);
  batch.labels.resize(indices.size());
  batch.samples.assign(indices.begin(), indices.end());
  for (std::size_t row = 0; row < indices.size(); ++row) {
    std::memcpy(batch.images.data() + row * size, dataset.pixels_of(indices[row]).data(), size);
    batch.labels[row] = dataset.labels[static_cast<std::size_t>(indices[row])];
  }
}

struct Session::State {
  std::mutex mutex;  // held by every call that sees weights or programs
  Model model;
  Language language;
  SessionOptions options;
  std::vector<Parameter> parameters;
  std::int64_t image_size = 0, classes = 0;
  std::int64_t inference_batch = 1;  // most images a call of the program that infers
  ThreadPool pool;
  Tensors host;  // the weights, while no training program holds them
  std::optional<Executable> training, inference;
  bool inference_is_current = false;

  State(Model m, Language l, SessionOptions o)
      : model(std::move(m)),
        language(std::move(l)),
        options(std::move(o)),
        pool(checked_threads(options.threads)) {}

  ModelGraph graph(Mode mode) const {
    return build_graph(model, language, mode,
                       mode == Mode::train ? *options.batch : inference_batch, options.real);
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

  std::chrono::duration<double> compile_training() {
    if (training) return {};
    if (!model.train) fail("{}: has no train section, so it cannot be trained", model.source.name);
    const auto start = Clock::now();
    training.emplace(compiled(graph(Mode::train).graph));
    const auto stop = Clock::now();
    write_training();
    return stop - start;
  }

  std::chrono::duration<double> compile_inference() {
    if (inference) return {};
    const auto start = Clock::now();
    inference.emplace(compiled(graph(Mode::infer).graph));
    return Clock::now() - start;
  }

  Executable& inference_program() {
    compile_inference();
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
  state.inference_batch =
      inference_batch(state.model, graph, mode == Mode::train ? *state.options.batch : 0);
  check_size(state.model, graph,
             mode == Mode::train ? *state.options.batch : state.inference_batch);
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
bool Session::yields_probabilities() const {
  return cnnc::yields_probabilities(state_->model, state_->language);
}
int Session::threads() const { return state_->pool.size(); }

void Session::initialize(std::uint64_t seed) {
  Tensors weights;
  for (const auto& parameter : state_->parameters)
    weights.emplace(parameter.name, cnnc::initialize(parameter, seed));
  const std::lock_guard lock(state_->mutex);
  state_->install(std::move(weights));
}

void Session::set_weights(const Tensors& weights, std::string_view source) {
  Tensors fitted = fit_weights(weights, state_->parameters, source);
  const std::lock_guard lock(state_->mutex);
  state_->install(std::move(fitted));
}

Tensors Session::weights() {
  const std::lock_guard lock(state_->mutex);
  return state_->current();
}

std::chrono::duration<double> Session::compile_training() {
  const std::lock_guard lock(state_->mutex);
  return state_->compile_training();
}

std::chrono::duration<double> Session::compile_inference() {
  const std::lock_guard lock(state_->mutex);
  return state_->compile_inference();
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
  const std::lock_guard lock(state.mutex);
  state.compile_training();
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
  const std::lock_guard lock(state.mutex);
  Executable& program = state.inference_program();
  std::vector<double> result;
  const std::size_t total = images.size() / size;
  result.reserve(total * static_cast<std::size_t>(state.classes));
  const auto batch = static_cast<std::size_t>(state.inference_batch);
  for (std::size_t first = 0; first < total; first += batch) {
    const std::size_t count = std::min(batch, total - first);
    write_rows(program, "image", images.subspan(first * size, count * size));
    program.run(static_cast<std::int64_t>(count), state.pool);
    const TensorRef output = program.tensor("output");
    for (std::size_t i = 0; i < count * static_cast<std::size_t>(state.classes); ++i)
      result.push_back(read(output, i));
  }
  return result;
}

}  // namespace cnnc
