// What the bindings of batches share: numpy arrays that are read and written in place, and the check of their shapes.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>

namespace py = pybind11;
using Doubles = py::array_t<double, py::array::c_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;
using Longs = py::array_t<std::int64_t, py::array::c_style>;

// The wrapper has validated what users give; this keeps a slip there from reaching memory that is not ours.
inline void expect(const char* name, const py::array& a, std::initializer_list<py::ssize_t> shape) {
    bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
    for (py::ssize_t i = 0; same && i < a.ndim(); ++i) same = a.shape(i) == shape.begin()[i];
    if (!same) throw std::invalid_argument(std::string(name) + " has the wrong shape");
}

inline py::ssize_t length(const py::array& a) {
    if (a.ndim() == 0) throw std::invalid_argument("arrays have the wrong shape");
    return a.shape(0);
}

// Scratch of a kernel, not initialised: what is not used costs no time.
template <class T>
class Room {
  public:
    explicit Room(std::size_t size) : elements_(new T[size]) {}
    T* data() { return elements_.get(); }

  private:
    std::unique_ptr<T[]> elements_;
};
