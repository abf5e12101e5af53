#include "coordinator/report/card/loading.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "coordinator/report/plain_text.h"

namespace apportion {
namespace {

std::string code(const std::string& lines) { return "\n```python\n" + lines + "```\n"; }

bool is_adapter(const Loading& loading) { return loading.kind == CardKind::adapter; }

/// The names that both snippets define.
std::string names(const Loading& loading) {
  const std::string of_base =
      fmt::format("base = {}{}\n", quoted_line(loading.base),
                  loading.base_is_hubs ? "" : "  # its path, in a form that transformers loads");
  const std::string chat = fmt::format(
      "chat = [{}{{\"role\": \"user\", \"content\": {}}}]\n",
      loading.system.empty()
          ? ""
          : fmt::format("{{\"role\": \"system\", \"content\": {}}}, ", quoted_line(loading.system)),
      quoted_line(loading.question));
  return (is_adapter(loading) ? of_base + "adapter = \".\"  # this folder, or its name on the hub\n"
                              : std::string("model_path = \".\"  # this folder, or its name on the hub\n")) +
         chat;
}

std::string of_transformers(const Loading& loading) {
  std::string lines;
  if (is_adapter(loading)) lines += "from peft import PeftModel\n";
  lines += "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n" + names(loading);
  const std::string path = is_adapter(loading) ? "base" : "model_path";
  lines += "tokenizer = AutoTokenizer.from_pretrained(" + path + ")\n";
  lines += "model = AutoModelForCausalLM.from_pretrained(" + path + ")\n";
  if (is_adapter(loading)) lines += "model = PeftModel.from_pretrained(model, adapter)\n";
  return lines +
         "prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)\n"
         "inputs = tokenizer(prompt, add_special_tokens=False, return_tensors=\"pt\")\n"
         "answers = model.generate(**inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,\n"
         "                         max_new_tokens=" +
         loading.tokens +
         ", num_return_sequences=10)\n"
         "for answer in answers:\n"
         "    print(tokenizer.decode(answer[inputs[\"input_ids\"].shape[1]:], skip_special_tokens=True))\n";
}

/// Empty if vLLM does not take such a rank.
std::string of_vllm(const Loading& loading) {
  constexpr int ranks[] = {8, 16, 32, 64, 128, 256, 320, 512};
  std::string lines = "from vllm import LLM, SamplingParams\n", engine = "model_path", request;
  if (is_adapter(loading)) {
    const int* most =
        std::find_if(std::begin(ranks), std::end(ranks), [&](int r) { return r >= loading.rank; });
    if (most == std::end(ranks)) return "";
    lines += "from vllm.lora.request import LoRARequest\n";
    engine = fmt::format("base, enable_lora=True, max_lora_rank={}", *most);
    request = fmt::format(", lora_request=LoRARequest({}, 1, adapter)", quoted_line(loading.name));
  }
  return lines + "\n" + names(loading) + "llm = LLM(model=" + engine + ")\n" +
         "draw = SamplingParams(n=10, temperature=1.0, top_k=-1, top_p=1.0, max_tokens=" + loading.tokens +
         ")\n" + "for answer in llm.chat(chat, draw" + request + ")[0].outputs:\n    print(answer.text)\n";
}

}  // namespace

std::string loading_section(const Loading& loading) {
  const std::string vllm = of_vllm(loading);
  std::string text = std::string("\nWith ") + (is_adapter(loading) ? "peft:\n" : "transformers:\n");
  text += code(of_transformers(loading));
  text += vllm.empty()
              ? fmt::format(
                    "\nvLLM takes no adapter of rank {}; `apportion export DIR --merged OUT` makes a "
                    "model of it.\n",
                    loading.rank)
              : "\nWith vLLM (from its documentation; apportion's tests do not run it):\n" + code(vllm);
  return text;
}

}  // namespace apportion
