// Messages as bytes: CBOR of one flat object per message, with the protocol's version and the message's kind.
// Each struct lists its fields once (`visit`), for both directions. message.h says what they mean.
#include "shared/link/message.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "shared/base/error.h"

namespace apportion {

namespace {

using Json = nlohmann::json;

/// Raised when a message gets, loses or changes a field.
constexpr int protocol_version = 7;

// The fields of each struct; `Fields` is a Writer or a Reader.

template <typename Fields>
void visit(Fields& fields, AnswerCount& answer) {
  fields("category", answer.category)("count", answer.count)("log_prob", answer.log_prob);
  fields("finish", answer.finish)("text", answer.text);
}

template <typename Fields>
void visit(Fields& fields, PromptResult& prompt) {
  fields("subject", prompt.subject)("wording", prompt.wording)("counts", prompt.counts);
  fields("steering", prompt.steering)("low", prompt.low)("unexplored", prompt.unexplored);
  fields("draws_near_boundary", prompt.draws_near_boundary)("no_story", prompt.no_story);
  fields("answers", prompt.answers);
  fields("unlisted_answers", prompt.unlisted_answers)("unlisted", prompt.unlisted);
}

template <typename Fields>
void visit(Fields& fields, TrainLog& log) {
  fields("step", log.step)("loss", log.loss)("kl", log.kl)("kto", log.kto)("retain", log.retain)("z", log.z);
  fields("z_unclamped", log.z_unclamped)("coverage", log.coverage)("grad_norm", log.grad_norm);
  fields("lr", log.lr)("tokens", log.tokens)("seconds", log.seconds);
}

template <typename Fields>
void visit(Fields& fields, Assign& assign) {
  fields("task", assign.task)("group", assign.group)("group_tag", assign.group_tag);
  fields("settings", assign.settings)("input", assign.input);
}

template <typename Fields>
void visit(Fields& fields, Progress& progress) {
  fields("task_id", progress.task_id)("stage", progress.stage)("step", progress.step)("steps",
                                                                                      progress.steps);
  fields("loss", progress.loss)("kl", progress.kl)("coverage", progress.coverage)("retain", progress.retain);
  fields("tokens_per_second", progress.tokens_per_second)("peak_share", progress.peak_share);
  fields("seconds_left", progress.seconds_left);
}

template <typename Fields>
void visit(Fields& fields, Note& note) {
  fields("task_id", note.task_id)("text", note.text)("warning", note.warning);
}

template <typename Fields>
void visit(Fields& fields, Histogram& histogram) {
  fields("task_id", histogram.task_id)("unit", histogram.unit)("prompts", histogram.prompts);
}

template <typename Fields>
void visit(Fields& fields, StepSample& sample) {
  fields("seconds", sample.seconds)("resident_seconds", sample.resident_seconds);
  fields("tokens", sample.tokens)("flops", sample.flops)("peak_flops", sample.peak_flops);
  fields("base_bytes", sample.base_bytes)("tensor_bytes", sample.tensor_bytes)("process_bytes",
                                                                               sample.process_bytes);
}

template <typename Fields>
void visit(Fields& fields, Done& done) {
  fields("task_id", done.task_id)("micro_batches", done.micro_batches)("units", done.units)(
      "base_peak_bytes", done.base_peak_bytes);
  fields("log", done.log)("adapter_digest", done.adapter_digest)("compute_type", done.compute_type);
  fields("threads", done.threads)("sample", done.sample)("retention", done.retention);
  fields("verdicts", done.verdicts);
}

template <typename Fields>
void visit(Fields& fields, Paused& paused) {
  fields("task_id", paused.task_id)("done", paused.done)("all", paused.all);
}

template <typename Fields>
void visit(Fields& fields, Failed& failed) {
  fields("reason", failed.reason)("exit_code", failed.exit_code)("task_id", failed.task_id);
  fields("is_of_storage", failed.is_of_storage);
}

template <typename Fields>
void visit(Fields&, Heartbeat&) {}

template <typename Fields>
void visit(Fields& fields, Stop& stop) {
  fields("exit_code", stop.exit_code);
}

const char* kind_of(const Assign&) { return "assign"; }
const char* kind_of(const Progress&) { return "progress"; }
const char* kind_of(const Note&) { return "note"; }
const char* kind_of(const Histogram&) { return "histogram"; }
const char* kind_of(const Done&) { return "done"; }
const char* kind_of(const Paused&) { return "paused"; }
const char* kind_of(const Failed&) { return "failed"; }
const char* kind_of(const Heartbeat&) { return "heartbeat"; }
const char* kind_of(const Stop&) { return "stop"; }

/// Types that JSON has; all others have a `visit`.
template <typename Value>
concept Plain = std::is_arithmetic_v<Value> || std::is_same_v<Value, std::string> ||
    std::is_same_v<Value, std::map<std::string, std::string>>;

class Writer {
 public:
  template <typename Value>
  Writer& operator()(const char* name, Value& value) {
    json_[name] = write(value);
    return *this;
  }
  Json take() { return std::move(json_); }

 private:
  template <typename Value>
  static Json write(Value& value) {
    if constexpr (Plain<Value> || std::is_same_v<Value, Task>) {
      return Json(value);
    } else if constexpr (std::is_same_v<Value, Finish>) {
      return static_cast<int>(value);
    } else {
      Writer fields;
      visit(fields, value);
      return fields.take();
    }
  }
  template <typename Value>
  static Json write(std::vector<Value>& values) {
    Json array = Json::array();
    for (Value& value : values) array.push_back(write(value));
    return array;
  }

  Json json_ = Json::object();
};

/// Throws a std::exception for a field that is missing or of another type.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  template <typename Value>
  Reader& operator()(const char* name, Value& value) {
    auto field = json_.find(name);
    if (field == json_.end()) throw std::runtime_error("no field " + std::string(name));
    try {
      read(*field, value);
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string(name) + ": " + error.what());
    }
    return *this;
  }

 private:
  template <typename Value>
  requires std::is_integral_v<Value>
  static void read(const Json& json, Value& value) {
    if (!json.is_number_integer()) throw std::runtime_error("not an integer");
    bool fits = json.is_number_unsigned() ? std::in_range<Value>(json.get<uint64_t>())
                                          : std::in_range<Value>(json.get<int64_t>());
    if (!fits) throw std::runtime_error("integer out of range");
    value = json.get<Value>();
  }
  static void read(const Json& json, bool& value) { value = json.get_ref<const bool&>(); }
  static void read(const Json& json, double& value) {
    if (!json.is_number()) throw std::runtime_error("not a number");
    value = json.get<double>();
  }
  static void read(const Json& json, std::string& value) { value = json.get_ref<const std::string&>(); }
  static void read(const Json& json, Task& value) { json.get_to(value); }
  static void read(const Json& json, std::map<std::string, std::string>& value) {
    if (!json.is_object()) throw std::runtime_error("not an object");
    json.get_to(value);
  }
  static void read(const Json& json, Finish& value) {
    int number = 0;
    read(json, number);
    if (number != static_cast<int>(Finish::end) && number != static_cast<int>(Finish::cut)) {
      throw std::runtime_error("neither end nor cut");
    }
    value = static_cast<Finish>(number);
  }
  template <typename Value>
  requires(!Plain<Value>) static void read(const Json& json, Value& value) {
    if (!json.is_object()) throw std::runtime_error("not an object");
    Reader fields(json);
    visit(fields, value);
  }
  template <typename Value>
  static void read(const Json& json, std::vector<Value>& values) {
    if (!json.is_array()) throw std::runtime_error("not an array");
    values.clear();
    values.reserve(json.size());
    for (const Json& element : json) read(element, values.emplace_back());
  }

  const Json& json_;
};

/// Goes through bytes without making values of them, and stops where lists and objects are nested deeper than
/// in any message: making values recurses once per level.
class DepthCheck : public nlohmann::json_sax<Json> {
 public:
  static bool is_too_deep(std::string_view bytes) {
    DepthCheck check;
    Json::sax_parse(bytes.begin(), bytes.end(), &check, Json::input_format_t::cbor);
    return check.depth_ > most_;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(size_t) override { return ++depth_ <= most_; }
  bool start_array(size_t) override { return ++depth_ <= most_; }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool leave() {
    --depth_;
    return true;
  }

  static constexpr int most_ = 100;
  int depth_ = 0;
};

/// The alternative of Message whose kind is `kind`, with its fields read.
template <size_t Index = 0>
Message read_kind(const std::string& kind, const Json& json) {
  if constexpr (Index == std::variant_size_v<Message>) {
    throw std::runtime_error("unknown kind " + kind);
  } else {
    std::variant_alternative_t<Index, Message> message;
    if (kind != kind_of(message)) return read_kind<Index + 1>(kind, json);
    Reader fields(json);
    visit(fields, message);
    return message;
  }
}

}  // namespace

std::string encode(const Message& message) {
  Message copy = message;  // `visit` serves both directions, so it takes references that are not const
  Json json = std::visit(
      [](auto& value) {
        Writer fields;
        visit(fields, value);
        Json object = fields.take();
        object["kind"] = kind_of(value);
        return object;
      },
      copy);
  json["version"] = protocol_version;
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

Message decode(std::string_view bytes, int from) {
  try {
    if (DepthCheck::is_too_deep(bytes)) throw std::runtime_error("values are nested more than 100 deep");
    Json json = Json::from_cbor(bytes.begin(), bytes.end());
    if (!json.is_object()) throw std::runtime_error("not an object");
    if (json.value("version", 0) != protocol_version) {
      throw std::runtime_error("not of version " + std::to_string(protocol_version) +
                               ": do all ranks run the same program?");
    }
    return read_kind(json.value("kind", std::string()), json);
  } catch (const std::exception& error) {
    std::string sender = from < 0 ? "the coordinator" : "rank " + std::to_string(from);
    throw DataError("message from " + sender, 0, error.what());
  }
}

}  // namespace apportion
