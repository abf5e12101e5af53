#include "coordinator/folder/pack.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "coordinator/folder/members.h"
#include "coordinator/folder/named_tasks.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

constexpr const char* root = "/";

/// Refuses a file inside the folder, where it could take a result's place.
void check_place(const std::string& directory, const std::string& file) {
  const fs::path folder = fs::weakly_canonical(directory);
  fs::path at = fs::weakly_canonical(file);
  if (fs::is_directory(at)) throw UserError("pack: " + file + " is a directory; give a file's name");
  while (at.has_relative_path()) {
    at = at.parent_path();
    if (at == folder)
      throw UserError("pack: " + file + " is inside the results folder " + directory +
                      "; give a place outside of it");
  }
}

/// The ids to pack. Throws UserError for a damaged result, and for a missing one that a cell names.
std::vector<std::string> whole_results(const std::string& directory, const FolderJobs& jobs,
                                       const DoneTold& told) {
  std::vector<std::string> ids;
  const auto named = named_tasks(directory, jobs);
  for (const auto& [id, task] : named) {
    told(ids.size(), 2 * named.size());
    const std::string path = result_path(directory, id);
    if (!task.finished && task.by_cell)
      throw UserError("pack: " + path + " is missing, which the index names; run its job again");
    if (!task.finished) continue;
    std::string why;
    if (verify_artefact(directory, read_task_record(path).task, why) != ArtefactState::verified)
      throw UserError("pack: " + why + "; run its job again to recompute it");
    ids.push_back(id);
  }
  if (ids.empty())
    throw UserError("pack: " + directory +
                    " holds no results: give the folder that `apportion run` wrote to");
  return ids;
}

/// Packs what was trained: every file in its folder.
void pack_trained(Hdf5Writer& writer, const std::string& folder, const std::string& group) {
  for (const std::string& name : names_in(folder)) {
    if (!is_regular_file(folder + "/" + name)) continue;
    const MappedFile file(folder + "/" + name);
    writer.bytes(group + "/" + name, file.bytes());
    writer.attribute(group + "/" + name, layout::sha256, sha256(file.bytes()));
  }
}

}  // namespace

size_t pack_folder(const std::string& directory, const std::string& file, bool adapters,
                   const DoneTold& told) {
  require_folder(directory, "pack");
  check_place(directory, file);
  FolderJobs jobs = read_folder_jobs(directory);
  if (jobs.cells.empty()) jobs.cells = rebuild_cells(directory);
  const std::vector<std::string> ids = whole_results(directory, jobs, told);
  Hdf5Writer writer(file);
  writer.attribute(root, layout::format, layout::pack_format);
  writer.attribute(root, layout::version_name, layout::pack_version);
  size_t copied = 0;
  for (const std::string& id : ids) {
    told(ids.size() + copied++, 2 * ids.size());
    const Hdf5Reader result(result_path(directory, id));
    const std::string group = std::string(layout::tasks) + "/" + id;
    writer.copy(result, group);
    writer.attribute(group, layout::source_sha256, sha256_file(result.path()));
    const std::string packed = std::string(layout::adapters) + "/" + id;
    for (const std::string& folder : {adapter_directory(directory, id), weights_directory(directory, id)}) {
      if (adapters) pack_trained(writer, folder, packed);
    }
  }
  write_cells(writer, jobs.cells);
  writer.commit();
  return ids.size();
}

std::vector<std::string> verify_pack(const std::string& file, size_t& seen, const DoneTold& told) {
  std::vector<std::string> faults;
  const Hdf5Reader reader(file);
  if (reader.text(root, layout::format) != layout::pack_format)
    reader.fail("this is an " + reader.text(root, layout::format) + ", not a pack");
  if (reader.integer(root, layout::version_name) != layout::pack_version)
    reader.fail("its layout is of another version");
  const std::vector<std::string> ids = reader.links(layout::tasks), parts = reader.links(root);
  std::vector<std::string> trained;
  if (std::find(parts.begin(), parts.end(), layout::adapters + 1) != parts.end())
    trained = reader.links(layout::adapters);
  seen = ids.size();
  size_t done = 0;
  for (const std::string& id : ids) {
    told(done++, ids.size() + trained.size());
    const std::string group = std::string(layout::tasks) + "/" + id;
    const nlohmann::json identity =
        nlohmann::json::parse(reader.text(group, layout::identity), nullptr, false);
    if (reader.text(group, layout::task) != id || task_id(identity) != id)
      faults.push_back(file + ": " + group + " is the result of another task");
  }
  for (const std::string& id : trained) {
    told(done++, ids.size() + trained.size());
    const std::string group = std::string(layout::adapters) + "/" + id;
    for (const std::string& name : reader.links(group)) {
      const std::vector<uint8_t> bytes = reader.dataset<uint8_t>(group + "/" + name).values;
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (sha256(text) != reader.text(group + "/" + name, layout::sha256))
        faults.push_back(file + ": " + group + "/" + name + " does not match its SHA-256");
    }
  }
  return faults;
}

}  // namespace apportion
