"""The kernels in C++17, bound from ``ext/bindings``; same names and signatures as `fusion.reference`."""
