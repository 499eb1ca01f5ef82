// fusion.native.changepoints: one signal a call; the GIL is released while the kernel of ext/core runs.

// GCC packs the three numbers of a curve two by two and loses a tenth of the speed to unpacking them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "changepoints.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <stdexcept>
#include <vector>

namespace py = pybind11;
namespace cp = fusion::changepoints;
using Doubles = py::array_t<double, py::array::c_style>;

namespace {

// Storage of the kernel's work for `count` samples.
class Rooms {
  public:
    explicit Rooms(std::size_t count) : start_(new std::int32_t[count]), level_(new double[count]) {}

    cp::Work work(std::size_t capacity) {
        reals_.resize(4 * (capacity + 1));
        curves_.resize(2 * capacity);
        cp::Work work{};
        for (std::size_t i = 0; i < 2; ++i) {
            double* reals = reals_.data() + 2 * i * (capacity + 1);
            work.room[i] = {reals, reals + capacity + 1, curves_.data() + i * capacity, 0, 0};
        }
        work.capacity = static_cast<std::int64_t>(capacity);
        work.start = start_.get();
        work.level = level_.get();
        return work;
    }

  private:
    std::vector<double> reals_;
    std::vector<cp::Curve> curves_;
    std::unique_ptr<std::int32_t[]> start_;  // not set to zero: a month of samples takes a while
    std::unique_ptr<double[]> level_;
};

py::tuple segment(const Doubles& grams, const Doubles& weights, double penalty_g2, double bound_g) {
    // The wrapper has validated what users give; this keeps a slip there from reaching memory that is not ours.
    if (grams.ndim() != 1 || grams.shape(0) > std::numeric_limits<std::int32_t>::max()) {
        throw std::invalid_argument("grams has the wrong shape");
    }
    if (weights.ndim() != 1 || (weights.shape(0) != 0 && weights.shape(0) != grams.shape(0))) {
        throw std::invalid_argument("weights has the wrong shape");
    }
    if (!(penalty_g2 > 0.0) || !std::isfinite(penalty_g2) || !(bound_g > 0.0))
        throw std::invalid_argument("penalty_g2 and bound_g must be positive, the penalty finite");
    const cp::Signal signal{grams.data(), weights.shape(0) ? weights.data() : nullptr, grams.shape(0)};
    Rooms rooms(static_cast<std::size_t>(signal.count));
    cp::Work work{};
    std::int64_t count;
    {
        const py::gil_scoped_release release;
        std::size_t capacity = 512;
        do {
            work = rooms.work(capacity);
            capacity *= 2;
        } while (cp::solve(signal, penalty_g2, bound_g, work) == cp::kTooManyPieces);
        count = cp::count_segments(signal, work);
    }
    py::array_t<std::int64_t> start(count);
    Doubles level(count), weight(count), loss(count);
    const cp::Segments out{start.mutable_data(), level.mutable_data(), weight.mutable_data(), loss.mutable_data(),
                           count};
    {
        const py::gil_scoped_release release;
        cp::trace(signal, work, bound_g, out);
    }
    return py::make_tuple(start, level, weight, loss);
}

}  // namespace

PYBIND11_MODULE(changepoints, m, py::mod_gil_not_used()) {
    m.doc() = "Changes in the level of a whole signal; what is solved and why stands in changepoints.hpp.";
    m.def("segment", &segment, py::arg("grams").noconvert(), py::arg("weights").noconvert(), py::arg("penalty_g2"),
          py::arg("bound_g"),
          "Segment grams (n,), weights (n,) or (0,) for all ones: first samples, levels, weights within the bound and "
          "losses of the segments.");
}
