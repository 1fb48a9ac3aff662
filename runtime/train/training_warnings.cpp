#include "runtime/train/training_warnings.h"

#include <algorithm>

namespace cnnc {

std::string last_batch_warning(const Session& session, std::int64_t images) {
  const std::int64_t batch = *session.options().batch;
  if (images % batch != 1) return {};
  try {
    build_graph(session.model(), session.language(), Mode::train, 1, session.options().real);
  } catch (const Error& error) {
    constexpr std::string_view kError = ": error: ";
    std::string text = error.what();
    text.resize(std::min(text.find('\n'), text.size()));
    if (const auto at = text.find(kError); at != text.npos)
      text.replace(at, kError.size(),
                   fmt::format(": warning: an epoch's last batch is one image ({} = {} * {} + 1). ",
                               images, images / batch, batch));
    return text;
  }
  return {};
}

}  // namespace cnnc
