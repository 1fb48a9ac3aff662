#include "codegen/bounds_report.h"

#include <atomic>

namespace cnnc {

void BoundsReport::attach(KernelContext& context) {
  reports_ = 0;
  first_.reset();
  context.bounds_report = this;
  context.out_of_bounds = [](KernelContext* c, std::int64_t kernel, std::int64_t buffer,
                             std::int64_t dimension, std::int64_t index) {
    auto& report = *static_cast<BoundsReport*>(c->bounds_report);
    if (std::atomic_ref(report.reports_).exchange(1) == 0)
      report.first_ = OutOfBounds{kernel, buffer, dimension, index};
  };
}

std::string describe(const OutOfBounds& access, const Program& program) {
  const Kernel& kernel = program.kernels.at(static_cast<std::size_t>(access.kernel));
  const Buffer& buffer = program.buffer(static_cast<BufferId>(access.buffer));
  return fmt::format("kernel '{}': index {} of dimension {} of {} : {} is out of bounds",
                     kernel.name, access.index, access.dimension, buffer.name,
                     to_string(buffer.type));
}

}  // namespace cnnc
