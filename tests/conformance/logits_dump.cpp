// Prints the model's float32 logits, to compare with transformers and peft, and a GPU with the CPU (the
// program is built for both): for each NUL-terminated user turn on standard input, the prompt's ids and the
// logits after its last token (raw float32). Usage: logits_dump MODEL [ADAPTER_DIRECTORY] > out, with a model
// as in a job file (a GGUF file, a name, a shape). Each prompt is int32 count, int32 vocabulary, int32 ids,
// float32 logits [vocabulary].

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "worker/device.h"
#include "worker/losses/log_probs.h"
#include "worker/models/adapter_file.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"

using namespace apportion;

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  c10::NoGradGuard no_gradient;
  const auto files = open_model(argv[1]);
  const Tokenizer tokenizer(files->tokenizer());
  const ChatTemplate chat(files->tokenizer(), tokenizer);
  const WeightSource weights(files->tensors());
  Llama model(weights, files->shape(), at::kFloat, compute_device(0));
  std::unique_ptr<Adapter> adapter;
  if (argc > 2) {
    adapter = std::make_unique<Adapter>(load_adapter(argv[2], model.shape(), model.device()));
    adapter->refresh(at::kFloat);
  }
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\0', begin);
    std::vector<int32_t> ids = chat.encode_prompt(text.substr(begin, end - begin));
    begin = end == std::string::npos ? text.size() : end + 1;
    TokenTree tree;
    tree.add_path(no_node, ids);
    std::vector<int32_t> queries;
    for (int32_t node = 0; node < tree.size(); ++node) queries.push_back(node);
    TokenRows rows = token_rows(tree, queries, packed_block_rows, model.shape(), model.device());
    at::Tensor hidden = model.hidden(rows, adapter.get());
    at::Tensor logits = logits_of(model, hidden.narrow(0, tree.size() - 1, 1)).cpu().contiguous();
    const auto count = static_cast<int32_t>(ids.size());
    const auto vocabulary = static_cast<int32_t>(logits.numel());
    std::fwrite(&count, sizeof count, 1, stdout);
    std::fwrite(&vocabulary, sizeof vocabulary, 1, stdout);
    std::fwrite(ids.data(), sizeof(int32_t), ids.size(), stdout);
    std::fwrite(logits.data_ptr<float>(), sizeof(float), static_cast<size_t>(logits.numel()), stdout);
  }
  return 0;
}
