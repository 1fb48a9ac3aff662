// What a person should hear before a training begins.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/train/session.h"

namespace cnnc {

/// "m.model:3:9: warning: ..." where the last batch of an epoch over `images` images is a single
/// one and a layer cannot learn from that; otherwise empty.
std::string last_batch_warning(const Session& session, std::int64_t images);

}  // namespace cnnc
