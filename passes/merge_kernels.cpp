#include "passes/merge_kernels.h"

#include <algorithm>
#include <map>
#include <set>

#include "passes/footprint.h"
#include "passes/nest.h"

namespace cnnc {

namespace {

/// Of each buffer: whether its rows are groups (otherwise samples).
using RowKinds = std::map<BufferId, bool>;

/// Whether every access in `block` to a buffer in `shared` stays within one sample of the group
/// (first index is a sample variable) or, with `whole_group`, within the group's own slot (first
/// index is the group), and is of the kind that `rows` knows.
bool stays_inside(const Program& program, const Block& block, const std::set<BufferId>& shared,
                  const Var& group, bool whole_group, RowKinds& rows) {
  if (shared.empty()) return true;
  const auto samples = sample_variables(block);
  for (const BufferAccess& access : accesses(block)) {
    const BufferId storage = program.storage(access.buffer);
    if (!shared.contains(storage)) continue;
    if (access.index.empty() || !has_own_rows(program, access.buffer)) return false;
    const auto* var = access.index.front().as<Var>();
    const bool by_group = var && *var == group;
    if (!var || !(samples.contains(*var) || (whole_group && by_group))) return false;
    if (rows.try_emplace(storage, by_group).first->second != by_group) return false;
  }
  return true;
}

std::set<BufferId> shared_and_written(const Footprint& a, const Footprint& b) {
  std::set<BufferId> shared;
  for (BufferId id : a.writes)
    if (b.reads.contains(id) || b.writes.contains(id)) shared.insert(id);
  for (BufferId id : b.writes)
    if (a.reads.contains(id)) shared.insert(id);
  return shared;
}

/// Puts `stmt` as early among `block` as what it depends on allows: the zeros that a sum over the
/// group starts with do not stand between loops over samples.
void insert_early(const Program& program, const Stmt& stmt, Block& block) {
  std::size_t at = block.size();
  if (stmt.as<For>()) {
    const Footprint mine = footprint(program, {stmt});
    while (at > 0 && block[at - 1].as<For>() &&
           !footprint(program, {block[at - 1]}).conflicts_with(mine))
      --at;
  }
  block.insert(block.begin() + static_cast<std::ptrdiff_t>(at), stmt);
}

/// Joins the sample loops of a group's body where one may follow the other sample by sample.
Block join_samples(const Program& program, const Block& body, const Var& group) {
  Block result;
  for (const Stmt& stmt : body) {
    const auto* loop = stmt.as<For>();
    if (!loop || loop->axis != BatchAxis::samples) {
      insert_early(program, stmt, result);
      continue;
    }
    if (wants_samples(*loop)) {
      result.push_back(stmt);
      continue;
    }
    // The nearest earlier sample loop, if everything between does not depend on this one.
    const Footprint mine = footprint(program, {stmt});
    std::size_t at = result.size();
    while (at > 0) {
      if (result[at - 1].as<Let>() || result[at - 1].as<Alloc>()) at = 0;  // the loop may need it
      if (at == 0) break;
      const auto* other = result[at - 1].as<For>();
      if (other && other->axis == BatchAxis::samples && !wants_samples(*other)) break;
      if (footprint(program, {result[at - 1]}).conflicts_with(mine))
        at = 0;
      else
        --at;
    }
    bool joined = false;
    if (at > 0) {
      auto& other = *result[at - 1].as<For>();
      const Block renamed = substitute(loop->body, {{loop->var, Expr(other.var)}});
      Block both = other.body;
      both.insert(both.end(), renamed.begin(), renamed.end());
      const auto shared = shared_and_written(footprint(program, other.body), mine);
      const Stmt whole{with_body(other, both)};
      RowKinds rows;
      if (same(loop->end, other.end) &&
          stays_inside(program, {whole}, shared, group, false, rows)) {
        other.body = std::move(both);
        joined = true;
      }
    }
    if (!joined) result.push_back(stmt);
  }
  return result;
}

class Merger {
 public:
  explicit Merger(const Program& program) : program_(program) {
    for (const Kernel& kernel : program.kernels)
      footprints_.push_back(footprint(program, kernel.body));
  }

  Program run() {
    Program result = program_;
    result.kernels.clear();
    std::vector<bool> done(program_.kernels.size());
    std::size_t left = done.size();
    while (left > 0) {
      // First what runs over no samples, as early as its inputs allow; then one merged kernel of
      // all that can follow one another.
      for (std::size_t i = 0; i < done.size(); ++i) {
        if (done[i] || group_loop(program_.kernels[i]) || !ready(i, done)) continue;
        result.kernels.push_back(program_.kernels[i]);
        done[i] = true;
        --left;
      }
      std::vector<std::size_t> members;
      for (std::size_t i = 0; i < done.size(); ++i) {
        if (done[i] || !group_loop(program_.kernels[i]) || !ready(i, done)) continue;
        if (!members.empty() && !may_join(members, i)) continue;
        members.push_back(i);
        done[i] = true;
        --left;
      }
      if (!members.empty()) result.kernels.push_back(merged(members));
    }
    return result;
  }

 private:
  /// Whether every earlier kernel that `i` depends on is done.
  bool ready(std::size_t i, const std::vector<bool>& done) const {
    for (std::size_t j = 0; j < i; ++j)
      if (!done[j] && footprints_[j].conflicts_with(footprints_[i])) return false;
    return true;
  }

  bool may_join(const std::vector<std::size_t>& members, std::size_t candidate) const {
    const For& mine = *group_loop(program_.kernels[candidate]);
    for (std::size_t member : members) {
      const For& other = *group_loop(program_.kernels[member]);
      if (!same(mine.begin, other.begin) || !same(mine.end, other.end)) return false;
      const auto shared = shared_and_written(footprints_[member], footprints_[candidate]);
      RowKinds rows;
      if (!stays_inside(program_, mine.body, shared, mine.var, true, rows) ||
          !stays_inside(program_, other.body, shared, other.var, true, rows))
        return false;
    }
    return true;
  }

  Kernel merged(const std::vector<std::size_t>& members) const {
    const Kernel& first = program_.kernels[members.front()];
    if (members.size() == 1) return first;
    Kernel result{fmt::format("{}..{}", first.name, program_.kernels[members.back()].name), {}, {}};
    For loop = *group_loop(first);
    loop.body.clear();
    for (std::size_t member : members) {
      const Kernel& kernel = program_.kernels[member];
      const For& each = *group_loop(kernel);
      const Block body = substitute(each.body, {{each.var, Expr(loop.var)}});
      loop.body.insert(loop.body.end(), body.begin(), body.end());
      for (const std::string& layer : kernel.layers)
        if (std::find(result.layers.begin(), result.layers.end(), layer) == result.layers.end())
          result.layers.push_back(layer);
    }
    loop.body = join_samples(program_, loop.body, loop.var);
    result.body = {Stmt{std::move(loop)}};
    return result;
  }

  const Program& program_;
  std::vector<Footprint> footprints_;
};

}  // namespace

Program merge_kernels(const Program& program, const PassContext&) { return Merger(program).run(); }

}  // namespace cnnc
