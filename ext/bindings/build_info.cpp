// How the native modules were built, and what this processor offers; for `fusion info`.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

namespace {

#if defined(_MSC_VER)
const std::string kCompiler = "MSVC " + std::to_string(_MSC_FULL_VER);
#else
const std::string kCompiler = "GCC or Clang " __VERSION__;
#endif

/// Vector extensions that the compiler was allowed to use everywhere in this build.
std::vector<std::string> compiled_features() {
    std::vector<std::string> names;
#if defined(__SSE2__) || defined(_M_X64)
    names.push_back("sse2");
#endif
#if defined(__AVX2__)
    names.push_back("avx2");
#endif
#if defined(__AVX512F__)
    names.push_back("avx512f");
#endif
#if defined(__ARM_NEON)
    names.push_back("neon");
#endif
    return names;
}

/// Vector extensions that this processor has.
std::vector<std::string> processor_features() {
    std::vector<std::string> names;
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("sse2")) names.push_back("sse2");
    if (__builtin_cpu_supports("avx2")) names.push_back("avx2");
    if (__builtin_cpu_supports("avx512f")) names.push_back("avx512f");
#else
    names = compiled_features();
#endif
    return names;
}

}  // namespace

PYBIND11_MODULE(build_info, m, pybind11::mod_gil_not_used()) {
    m.doc() = "How the native modules were built, and what this processor offers.";
    m.attr("compiler") = kCompiler;
    m.attr("flags") = FUSION_FLAGS;
    m.attr("version") = FUSION_VERSION;
    m.def("compiled_features", &compiled_features);
    m.def("processor_features", &processor_features);
}
