#include "passes/fuse/fuse_kernels.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <map>
#include <optional>
#include <set>

#include "passes/analysis/footprint.h"
#include "passes/analysis/nest.h"

namespace cnnc {

namespace {

/// What the first index of each access to a buffer is.
enum class Rows : std::uint8_t { samples, group, other };

/// What a part of a group's loop touches, and by which rows: Rows::other also where in several
/// ways.
struct Touched {
  Footprint storages;
  std::map<BufferId, Rows> rows;

  void add(BufferId id, Rows kind) {
    const auto [known, fresh] = rows.try_emplace(id, kind);
    if (!fresh && known->second != kind) known->second = Rows::other;
  }
  void add(const Touched& more) {
    storages.reads.insert(more.storages.reads.begin(), more.storages.reads.end());
    storages.writes.insert(more.storages.writes.begin(), more.storages.writes.end());
    for (const auto& [id, kind] : more.rows) add(id, kind);
  }
};

/// `samples`: the variables of loops over the group's samples.
Touched touched_by(const Program& program, const Block& block, const Var& group,
                   const std::set<Var>& samples) {
  Touched result;
  for (const BufferAccess& access : accesses(block)) {
    const BufferId storage = program.storage(access.buffer);
    (access.write ? result.storages.writes : result.storages.reads).insert(storage);
    const auto* var = access.index.empty() ? nullptr : access.index.front().as<Var>();
    Rows kind = Rows::other;
    if (var && has_own_rows(program, access.buffer)) {
      if (*var == group) kind = Rows::group;
      if (samples.contains(*var)) kind = Rows::samples;
    }
    result.add(storage, kind);
  }
  return result;
}

std::set<BufferId> shared_and_written(const Footprint& a, const Footprint& b) {
  std::set<BufferId> shared;
  for (const BufferId id : b.writes)
    if (a.reads.contains(id) || a.writes.contains(id)) shared.insert(id);
  for (const BufferId id : b.reads)
    if (a.writes.contains(id)) shared.insert(id);
  return shared;
}

/// Whether every access to `id` stays within one sample of the group or, with `whole_group`, within
/// the group's own slot, and both do the same.
bool stays_inside(BufferId id, const Touched& a, const Touched& b, bool whole_group) {
  std::optional<Rows> rows;
  for (const Touched* each : {&a, &b}) {
    const auto found = each->rows.find(id);
    if (found == each->rows.end()) continue;
    if (found->second == Rows::other || (rows && *rows != found->second)) return false;
    rows = found->second;
  }
  return rows != Rows::group || whole_group;
}

/// Joins the sample loops of a group's body where one may follow the other sample by sample.
class SampleJoiner {
 public:
  SampleJoiner(const Program& program, const Var& group) : program_(program), group_(group) {}

  Block run(const Block& body) {
    for (const Stmt& stmt : body) add(stmt);
    Block result;
    for (Part& part : parts_) result.push_back(std::move(part.stmt));
    return result;
  }

 private:
  /// A statement of the new body.
  struct Part {
    Stmt stmt;
    Touched all;            // that it touches
    Touched inside;         // of a sample loop: without its bounds
    SampleUse uses;         // of a sample loop
    bool may_grow = false;  // a sample loop that others may join
  };
  using Place = std::list<Part>::iterator;

  void add(const Stmt& stmt) {
    const std::set<Var> samples = sample_variables({stmt});
    const auto touched = [&](const Block& block) {
      return touched_by(program_, block, group_, samples);
    };
    Part part{stmt, touched({stmt}), {}, {}, false};
    const auto* loop = stmt.as<For>();
    if (!loop || loop->axis != BatchAxis::samples) {
      insert_early(std::move(part));
    } else if (wants_samples(*loop)) {
      parts_.push_back(std::move(part));
    } else {
      part.inside = touched(loop->body);
      part.uses = sample_use(loop->body, loop->var);
      part.may_grow = true;
      const Place other = last_to_join(part);
      if (other == parts_.end() || !join(*other, part)) parts_.push_back(std::move(part));
    }
  }

  /// Puts `part` as early as what it depends on allows: the zeros that a sum over the group starts
  /// with do not stand between loops over samples.
  void insert_early(Part part) {
    Place at = parts_.end();
    if (part.stmt.as<For>())
      while (at != parts_.begin() && std::prev(at)->stmt.as<For>() &&
             !std::prev(at)->all.storages.conflicts_with(part.all.storages))
        --at;
    parts_.insert(at, std::move(part));
  }

  /// The nearest earlier sample loop, if everything between does not depend on this one; the end
  /// where there is none.
  Place last_to_join(const Part& part) {
    for (Place at = parts_.end(); at != parts_.begin();) {
      --at;
      if (at->stmt.as<Let>() || at->stmt.as<Alloc>()) break;  // the loop may need it
      if (at->may_grow) return at;
      if (at->all.storages.conflicts_with(part.all.storages)) break;
    }
    return parts_.end();
  }

  static bool join(Part& first, const Part& second) {
    auto& loop = *first.stmt.as<For>();
    const auto& more = *second.stmt.as<For>();
    const auto shared = shared_and_written(first.inside.storages, second.all.storages);
    if (!same(more.end, loop.end) || !std::ranges::all_of(shared, [&](BufferId id) {
          return stays_inside(id, first.all, second.all, false);
        }))
      return false;
    Block body = substitute(more.body, {{more.var, Expr(loop.var)}});
    std::ranges::move(body, std::back_inserter(loop.body));
    first.all.add(second.inside);
    first.inside.add(second.inside);
    first.uses.stores_sample |= second.uses.stores_sample;
    first.uses.shares_operand |= second.uses.shares_operand;
    first.may_grow = loop.body.size() < 2
                         ? !wants_samples(loop)
                         : !(first.uses.stores_sample && first.uses.shares_operand);
    return true;
  }

  const Program& program_;
  const Var& group_;
  std::list<Part> parts_;
};

class Merger {
 public:
  explicit Merger(const Program& program) : program_(program), kernels_(program.kernels.size()) {
    for (std::size_t i = 0; i < kernels_.size(); ++i) look_at(i);
    find_dependences();
  }

  /// First what runs over no samples, as early as its inputs allow; then one merged kernel of all
  /// that can follow one another; and so on.
  Program run() {
    Program result = program_;
    result.kernels.clear();
    while (!ready_.empty() || !ready_groups_.empty()) {
      while (!ready_.empty()) {
        const std::size_t i = ready_.extract(ready_.begin()).value();
        result.kernels.push_back(program_.kernels[i]);
        finish(i);
      }
      const std::vector<std::size_t> members = next_members();
      if (!members.empty()) result.kernels.push_back(merged(members));
    }
    return result;
  }

 private:
  struct Item {
    const For* groups = nullptr;       // its loop over groups
    Touched touched;                   // storages of the kernel; rows in the body of that loop
    std::size_t waits_for = 0;         // kernels that are not done
    std::vector<std::size_t> waiting;  // kernels for this one
  };

  void look_at(std::size_t i) {
    Item& item = kernels_[i];
    const Kernel& kernel = program_.kernels[i];
    item.groups = group_loop(kernel);
    if (item.groups) {
      const Block& body = item.groups->body;
      const Var& group = item.groups->var;
      item.touched = touched_by(program_, body, group, sample_variables(body));
    }
    item.touched.storages = footprint(program_, kernel.body);
  }

  /// A kernel waits for the last one before it that writes what it touches, and, where it writes
  /// itself, for those that read what that one wrote: these wait for all others.
  void find_dependences() {
    std::map<BufferId, std::size_t> writer;
    std::map<BufferId, std::vector<std::size_t>> readers;  // since then
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      const auto wait_for = [&](std::size_t other) {
        kernels_[other].waiting.push_back(i);
        ++kernels_[i].waits_for;
      };
      const auto& [reads, writes] = kernels_[i].touched.storages;
      for (const auto* ids : {&reads, &writes})
        for (const BufferId id : *ids)
          if (const auto found = writer.find(id); found != writer.end()) wait_for(found->second);
      for (const BufferId id : writes) {
        for (const std::size_t reader : readers[id]) wait_for(reader);
        readers[id].clear();
        writer[id] = i;
      }
      for (const BufferId id : reads)
        if (!writes.contains(id)) readers[id].push_back(i);
      if (kernels_[i].waits_for == 0) get_ready(i);
    }
  }

  void get_ready(std::size_t i) { (kernels_[i].groups ? ready_groups_ : ready_).insert(i); }

  void finish(std::size_t i) {
    for (const std::size_t other : kernels_[i].waiting)
      if (--kernels_[other].waits_for == 0) get_ready(other);
  }

  std::vector<std::size_t> next_members() {
    std::vector<std::size_t> members;
    std::map<BufferId, std::set<std::size_t>> users;  // among the members
    for (auto at = ready_groups_.begin(); at != ready_groups_.end();) {
      const std::size_t i = *at;
      if (!members.empty() && !may_join(members.front(), users, i)) {
        ++at;
        continue;
      }
      members.push_back(i);
      const auto& [reads, writes] = kernels_[i].touched.storages;
      for (const auto* ids : {&reads, &writes})
        for (const BufferId id : *ids) users[id].insert(i);
      ready_groups_.erase(at);
      finish(i);
      at = ready_groups_.upper_bound(i);
    }
    return members;
  }

  bool may_join(std::size_t first, const std::map<BufferId, std::set<std::size_t>>& users,
                std::size_t candidate) const {
    const Item& item = kernels_[candidate];
    const For &mine = *item.groups, &other = *kernels_[first].groups;
    if (!same(mine.begin, other.begin) || !same(mine.end, other.end)) return false;
    const auto fits = [&](BufferId id) {
      const auto found = users.find(id);
      if (found == users.end()) return true;
      const bool writes = item.touched.storages.writes.contains(id);
      return std::ranges::all_of(found->second, [&](std::size_t member) {
        const Touched& touched = kernels_[member].touched;
        return (!writes && !touched.storages.writes.contains(id)) ||
               stays_inside(id, item.touched, touched, true);
      });
    };
    return std::ranges::all_of(item.touched.storages.reads, fits) &&
           std::ranges::all_of(item.touched.storages.writes, fits);
  }

  Kernel merged(const std::vector<std::size_t>& members) const {
    const Kernel& first = program_.kernels[members.front()];
    if (members.size() == 1) return first;
    Kernel result{fmt::format("{}..{}", first.name, program_.kernels[members.back()].name), {}, {}};
    For loop = *group_loop(first);
    loop.body.clear();
    std::set<std::string> layers;
    for (std::size_t member : members) {
      const Kernel& kernel = program_.kernels[member];
      const For& each = *kernels_[member].groups;
      Block body = substitute(each.body, {{each.var, Expr(loop.var)}});
      std::ranges::move(body, std::back_inserter(loop.body));
      for (const std::string& layer : kernel.layers)
        if (layers.insert(layer).second) result.layers.push_back(layer);
    }
    loop.body = SampleJoiner(program_, loop.var).run(loop.body);
    result.body = {Stmt{std::move(loop)}};
    return result;
  }

  const Program& program_;
  std::vector<Item> kernels_;
  std::set<std::size_t> ready_, ready_groups_;  // kernels that wait for none
};

}  // namespace

Program fuse_kernels(const Program& program, const PassContext&) { return Merger(program).run(); }

}  // namespace cnnc
