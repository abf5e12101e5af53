#include "shared/data/target.h"

#include "shared/base/error.h"
#include "shared/data/catalogue.h"

namespace apportion {
namespace {

/// Gives every subject of the dataset its shares in the file, and those of ood.csv that the file names.
void apply_file(Dataset& dataset, const std::string& file) {
  const std::map<std::string, std::vector<double>> shares = read_shares(file, dataset);
  for (Subject& subject : dataset.subjects) {
    const auto row = shares.find(subject.name);
    if (row == shares.end()) {
      throw UserError(file + " has no row for subject \"" + subject.name + "\" of " + dataset.path +
                      "; a target needs one for each of its " + std::to_string(dataset.subjects.size()));
    }
    subject.target = row->second;
  }
  for (Subject& subject : dataset.ood_subjects) {
    if (const auto row = shares.find(subject.name); row != shares.end()) subject.target = row->second;
  }
}

void give_to_all(Dataset& dataset, const std::vector<double>& shares) {
  for (Subject& subject : dataset.subjects) subject.target = shares;
  for (Subject& subject : dataset.ood_subjects) subject.target = shares;
}

void check_number(const Dataset& dataset, const TargetConfig& target) {
  if (target.shares.size() == dataset.categories.size()) return;
  std::string names;
  for (const Category& category : dataset.categories)
    names += (names.empty() ? "" : ", ") + category.names.front();
  throw UserError("target = " + print_target(target) + " has " + std::to_string(target.shares.size()) +
                  " shares, and " + dataset.path + " has " + std::to_string(dataset.categories.size()) +
                  " categories; give one share for each, in this order: " + names);
}

}  // namespace

void apply_target(Dataset& dataset, const TargetConfig& target) {
  const double even = 1.0 / static_cast<double>(dataset.categories.size());
  switch (target.kind) {
    case TargetKind::table:
      return;
    case TargetKind::even:
      return give_to_all(dataset, std::vector<double>(dataset.categories.size(), even));
    case TargetKind::shares:
      check_number(dataset, target);
      return give_to_all(dataset, target.shares);
    case TargetKind::file:
      return apply_file(dataset, target.file);
    case TargetKind::mix:
      break;
  }
  for (std::vector<Subject>* subjects : {&dataset.subjects, &dataset.ood_subjects}) {
    for (Subject& subject : *subjects) {
      for (double& share : subject.target) share = (1 - target.mix) * share + target.mix * even;
    }
  }
}

Dataset load_dataset(const DataConfig& data) {
  Dataset dataset = parse_dataset(find_dataset(data.dataset));
  apply_target(dataset, data.target);
  return dataset;
}

}  // namespace apportion
