// Every name in the store's HDF5 files, with its type and shape, and the layout's version. docs/store.md is
// the same list for people. Legend: S subjects, P wordings, K categories, A distinct answers, T steps.
#pragma once

#include <cstdint>

namespace apportion::layout {

/// Raised when a name, a type or a meaning changes. A file has the version that its content needs: 2 where
/// stories are counted, 3 where answers are counted that are not listed, else 1.
inline constexpr int64_t version = 1;
inline constexpr int64_t story_version = 2;
inline constexpr int64_t unlisted_version = 3;
inline constexpr int64_t index_version = 1;
inline constexpr int64_t pack_version = 1;

// Attributes of the root of every file.
inline constexpr const char* format = "format";         // text, one of the three below
inline constexpr const char* version_name = "version";  // int64
inline constexpr const char* result_format = "apportion result";
inline constexpr const char* index_format = "apportion index";
inline constexpr const char* pack_format = "apportion pack";

// Attributes of the root of a result file: the task, all text.
inline constexpr const char* task = "task";           // the task's id
inline constexpr const char* kind = "kind";           // a name of config/task.cpp
inline constexpr const char* label = "label";         // for people
inline constexpr const char* identity = "identity";   // canonical JSON; its SHA-256 is the id
inline constexpr const char* inputs = "inputs";       // JSON array of task ids
inline constexpr const char* test_set = "test_set";   // a measure task's, else empty
inline constexpr const char* config_json = "config";  // JSON object of /config, in the option table's order
inline constexpr const char* content = "content";     // SHA-256 over what must be equal between runs
inline constexpr const char* adapter_digest =
    "adapter_digest";  // of a training task: SHA-256 of the safetensors (of all weights, when these were
                       // trained)

// Groups of text attributes.
inline constexpr const char* config = "/config";  // key = resolved value
inline constexpr const char* about = "/about";  // versions, host, threads, seconds: not compared between runs

// Datasets of a retention task; I keep prompts, N passages, Q questions.
inline constexpr const char* keep_kind = "/keep/kind";      // text [I]
inline constexpr const char* keep_prompt = "/keep/prompt";  // text [I]
inline constexpr const char* keep_tokens = "/keep/tokens";  // float64 [I] of the untouched model's answer
inline constexpr const char* keep_kl = "/keep/kl";          // float64 [I] KL(base || trained), summed
inline constexpr const char* keep_base_leak = "/keep/base_leak";           // float64 [I]
inline constexpr const char* keep_leak = "/keep/leak";                     // float64 [I]
inline constexpr const char* text_tokens = "/text/tokens";                 // float64 [N]
inline constexpr const char* text_base_nll = "/text/base_nll";             // float64 [N], nats
inline constexpr const char* text_nll = "/text/nll";                       // float64 [N]
inline constexpr const char* question_text = "/questions/text";            // text [Q]
inline constexpr const char* question_base_mass = "/questions/base_mass";  // float64 [Q]
inline constexpr const char* question_mass = "/questions/mass";            // float64 [Q]

// Datasets of a measure task.
inline constexpr const char* subjects = "/subjects";         // text [S]
inline constexpr const char* categories = "/categories";     // text [K]
inline constexpr const char* prompts = "/prompts";           // text [S, P], the user turns
inline constexpr const char* target = "/target";             // float64 [S, K], NaN where unknown
inline constexpr const char* counts = "/rounds/counts";      // uint64 [S, P, K + 2]: then unparsed, then cut
inline constexpr const char* no_story = "/rounds/no_story";  // uint64 [S, P], only where stories are counted
inline constexpr const char* judge_failed = "/rounds/failed";          // uint64 [S, P], only of a judge task
inline constexpr const char* near_boundary = "/rounds/near_boundary";  // uint64 [S, P]
inline constexpr const char* answer_subject = "/answers/subject";      // int32 [A]
inline constexpr const char* answer_prompt = "/answers/prompt";        // int32 [A], the wording's index
inline constexpr const char* answer_category =
    "/answers/category";  // int32 [A], -1 unparsed, -2 no story, -3 failed
inline constexpr const char* answer_count = "/answers/count";        // uint64 [A]
inline constexpr const char* answer_log_prob = "/answers/log_prob";  // float64 [A], natural logarithm
inline constexpr const char* answer_finish = "/answers/finish";      // uint8 [A], 0 end of turn, 1 cut
inline constexpr const char* answer_text = "/answers/text";          // text [A]
inline constexpr const char* steering = "/exact/steering";           // float64 [S, P, K], never renormalised
inline constexpr const char* low = "/exact/low";                     // float64 [S, P, K]
inline constexpr const char* high = "/exact/high";              // float64 [S, P, K], min(1, low + unexplored)
inline constexpr const char* unexplored = "/exact/unexplored";  // float64 [S, P]

// For a measure task that does not keep all answers as text; other files have none.
inline constexpr const char* unlisted = "/rounds/unlisted";                  // uint64 [S, P, K + 4]
inline constexpr const char* unlisted_answers = "/rounds/unlisted_answers";  // uint64 [S, P]

// Derived from the above, for readers: /metrics/NAME, float64 [S], NaN where meaningless;
// measure/metric_table.h says which there are.
inline constexpr const char* metrics = "/metrics/";

// Datasets of a training task: /log/NAME, float64 [T].
inline constexpr const char* log = "/log/";

// Datasets of a scale task. Legend: R ranks, N timed steps.
inline constexpr const char* step_seconds = "/steps/seconds";               // float64 [R, N]
inline constexpr const char* resident_seconds = "/steps/resident_seconds";  // float64 [R, N], or [R, 0]
inline constexpr const char* step_tokens = "/ranks/tokens";           // float64 [R], of all ranks in a step
inline constexpr const char* step_flops = "/ranks/flops";             // float64 [R], of all ranks in a step
inline constexpr const char* peak_flops = "/ranks/peak_flops";        // float64 [R]
inline constexpr const char* base_bytes = "/ranks/base_bytes";        // float64 [R]
inline constexpr const char* tensor_bytes = "/ranks/tensor_bytes";    // float64 [R], 0 where not known
inline constexpr const char* process_bytes = "/ranks/process_bytes";  // float64 [R], 0 where not known

// The index: external links, groups of soft links to them, and the text attributes of a cell.
inline constexpr const char* tasks = "/tasks";
inline constexpr const char* jobs = "/jobs";
inline constexpr const char* training = "training";            // subgroup of a cell
inline constexpr const char* retention = "retention";          // a link: the retention task
inline constexpr const char* judged = "judged";                // subgroup of a cell: links to its judge tasks
inline constexpr const char* cells = "cells";                  // a group: all cells again (cell_list.h)
inline constexpr const char* cell_texts = "/cells/texts";      // text [cells], JSON
inline constexpr const char* cell_targets = "/cells/targets";  // float64 [all targets, one after another]
inline constexpr const char* targets = "/targets";             // /targets/JOB/CELL/TEST SET: float64 [S, K]
inline constexpr const char* cell_job = "job";
inline constexpr const char* cell_name = "cell";
inline constexpr const char* cell_about =
    "about";  // JSON: dataset, method, model, target, swept [[key, value]], targets [test set]

// A pack: the index's groups over results copied into its /tasks, and files as bytes.
inline constexpr const char* source_sha256 = "source_sha256";  // of /tasks/ID: digest of its result.h5
inline constexpr const char* adapters = "/adapters";           // /adapters/ID/FILE: uint8 [bytes]
inline constexpr const char* sha256 = "sha256";                // digest of such a dataset

}  // namespace apportion::layout
