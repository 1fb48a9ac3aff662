// The table of ops: collects the definitions that ops.def names.
#include "ir/graph/op.h"
#include "ir/graph/rules.h"

namespace cnnc {

#define CNNC_OP(name) OpDef name##_op();
#define CNNC_OPS(family) std::vector<OpDef> family##_ops();
#include "ir/ops/ops.def"
#undef CNNC_OP
#undef CNNC_OPS

namespace {

OpTable collect() {
  OpTable table;
#define CNNC_OP(name) table.add(name##_op());
#define CNNC_OPS(family) \
  for (OpDef & op : family##_ops()) table.add(std::move(op));
#include "ir/ops/ops.def"
#undef CNNC_OP
#undef CNNC_OPS
  return table;
}

}  // namespace

OpTable OpTable::standard() {
  // Made once and never changed, so that equal ops of two tables are one object.
  static const OpTable table = collect();
  return table;
}

void OpTable::add(OpDef op) { add(std::make_shared<const OpDef>(std::move(op))); }

void OpTable::add(OpRef op) {
  CNNC_CHECK(!op->name.empty() && op->type_rule, "op '{}' is incomplete", op->name);
  ops_.insert_or_assign(op->name, std::move(op));
}

OpRef OpTable::find(std::string_view name) const {
  const auto found = ops_.find(name);
  return found == ops_.end() ? nullptr : found->second;
}

}  // namespace cnnc
