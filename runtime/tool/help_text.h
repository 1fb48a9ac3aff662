// The prose of `cnnc --help`.
#pragma once

#include <string_view>

namespace cnnc {

inline constexpr std::string_view kDescription = R"(
cnnc compiles a small convolutional network, written as a page of text, into native code that
trains it and native code that runs it.
)";

inline constexpr std::string_view kFooter = R"(
Examples
  cnnc examples/mnist.model                              what the network is made of, and its cost
  cnnc examples/mnist.model --train                      train it; writes mnist.safetensors
  cnnc examples/mnist.model --train --epochs 2 --lr 0.05 --metrics run.jsonl
  cnnc examples/mnist.model --eval                       accuracy of mnist.safetensors on the test set
  cnnc examples/mnist.model --predict 0 1 2              three images of the test set
  cnnc examples/mnist.model --predict digit.png          a picture of your own, any size and colour
  cnnc examples/mnist.model --show-data first.png        the first ten images with their labels
  cnnc examples/mnist.model --bench --json figures.json  how fast it is here, beside the machine's peak
  cnnc examples/mnist.model --explain                    what the cost model says of every kernel
  cnnc examples/mnist.model --emit graph                 the network as a graph
  cnnc examples/mnist.model --emit loops --for infer     the loops that run it
  cnnc examples/mnist.model --emit assembly --kernel NAME --target x86-64-v4
  cnnc examples/mnist.model --emit svg --stop-after fuse -o fused.svg   what was fused, as a picture
  cnnc examples/mnist.model --diff fuse                  what a pass changes
  cnnc examples/mnist.model --time-passes
  cnnc --list-layers sgd                                 its arguments and conventions; so of any other
  cnnc examples/mnist.model --emit fuse --batch 2 -o net.loops
  cnnc net.loops --run register_tile --run vectorize --interpret  passes one by one, run by the interpreter

Data are looked for in --data, else $CNNC_DATA, else ./data, ~/.local/share/cnnc and
/usr/share/datasets; a model with `data = mnist` reads the folder mnist/ there.

Exit codes: 0 done; 1 a mistake in an input (model, data, weights, picture), or
what the machine lacks or forbids; 2 wrong usage; 3 the loss or an output is not
finite; 130 stopped by Ctrl-C (weights are saved).
)";

}  // namespace cnnc
