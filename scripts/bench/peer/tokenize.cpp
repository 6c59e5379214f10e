// llama.cpp's tokenizer on a plain clock; the peer of `clock tokenize` (clock.rs).
// Built and called by scripts/bench/tokenising.py:
//   g++ -O2 tokenize.cpp -lllama -o tokenize && ./tokenize VOCABULARY.gguf TEXT REPETITIONS
// Prints {"tokens": …, "digest": FNV-1a of the ids, "seconds": […]}; loading is not timed.
#include <llama.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

int main(int count, char ** words) {
    if (count != 4) {
        std::fprintf(stderr, "usage: tokenize VOCABULARY.gguf TEXT REPETITIONS\n");
        return 2;
    }
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model_params parameters = llama_model_default_params();
    parameters.vocab_only = true;
    llama_model * model = llama_model_load_from_file(words[1], parameters);
    std::ifstream file(words[2], std::ios::binary);
    if (!model || !file) {
        std::fprintf(stderr, "cannot read %s\n", model ? words[2] : words[1]);
        return 1;
    }
    std::stringstream stream;
    stream << file.rdbuf();
    const std::string text = stream.str();
    const llama_vocab * vocabulary = llama_model_get_vocab(model);
    // A token has at least one byte, give or take a prefix.
    std::vector<llama_token> ids(text.size() + 16);

    int tokens = 0;
    std::string seconds;
    const int repetitions = std::atoi(words[3]);
    for (int repetition = 0; repetition <= repetitions; ++repetition) {
        const auto begun = std::chrono::steady_clock::now();
        tokens = llama_tokenize(vocabulary, text.data(), (int32_t) text.size(), ids.data(),
                                (int32_t) ids.size(), /*add_special*/ false, /*parse_special*/ false);
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun;
        if (tokens < 0) {
            std::fprintf(stderr, "the text does not fit\n");
            return 1;
        }
        // The first one warms up.
        if (repetition > 0) {
            seconds += (seconds.empty() ? "" : ", ") + std::to_string(elapsed.count());
        }
    }
    uint64_t digest = 0xcbf29ce484222325;
    for (int i = 0; i < tokens; ++i) {
        digest = (digest ^ (uint32_t) ids[i]) * 0x100000001b3;
    }
    std::printf("{\"tokens\": %d, \"digest\": \"%016llx\", \"seconds\": [%s]}\n", tokens,
                (unsigned long long) digest, seconds.c_str());
    llama_model_free(model);
    return 0;
}
