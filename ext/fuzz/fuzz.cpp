// Every function of the C ABI under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer:
//   clang++ -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined,float-cast-overflow -fno-sanitize-recover=all
//       -Iext/core ext/fuzz/*.cpp ext/core/fusion*.cpp -o fuzz && ./fuzz -max_total_time=600
#include "parts.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    void (*const parts[])(Input&) = {segmentation, triangulation, assignment, ranking,
                                     sparse,       marginals,     matching,   tracking};
    parts[in.byte() % (sizeof parts / sizeof *parts)](in);
    return 0;
}
