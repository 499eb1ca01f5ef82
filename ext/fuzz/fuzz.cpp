// Every function of the C ABI under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer:
//   clang++ -std=c++17 -g -O1 -DFUSION_BASELINE -Iext/core ext/fuzz/*.cpp ext/core/fusion*.cpp -o fuzz
//       -fsanitize=fuzzer,address,undefined,float-cast-overflow -fno-sanitize-recover=all
//   ./fuzz -max_total_time=600 -max_len=4096 -len_control=0
#include "parts.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    void (*const parts[])(Input&) = {segmentation, triangulation, assignment, ranking,    sparse,
                                     marginals,    matching,      tracking,   association};
    parts[in.byte() % (sizeof parts / sizeof *parts)](in);
    return 0;
}
