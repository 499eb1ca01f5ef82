// Scratch of the matching kernel for n detections.
#pragma once

#include "arrays.hpp"
#include "matching.hpp"

class MatchRoom {
  public:
    MatchRoom(std::size_t n, std::size_t cameras, std::size_t edges)
        : rays_(n),
          bodies_(2 * n),
          ints_(9 * n + cameras),
          edges_(edges),
          bits_(n * ((n + 63) / 64)),
          doubles_(n * n + 7 * n) {
        std::int32_t* i = ints_.data();
        double* d = doubles_.data() + n * n + n;
        const fusion::Columns columns{d,         d + n,     d + 2 * n, d + 3 * n, d + 4 * n,
                                      d + 5 * n, i + 5 * n, i + 6 * n, i + 7 * n, i + 8 * n};
        scratch = {rays_.data(),
                   bodies_.data(),
                   bodies_.data() + n,
                   i,
                   i + n,
                   i + 2 * n,
                   i + 3 * n,
                   i + 4 * n,
                   edges_.data(),
                   bits_.data(),
                   i + 9 * n,
                   doubles_.data(),
                   doubles_.data() + n * n,
                   columns,
                   static_cast<std::int64_t>(edges)};
    }

    fusion::MatchScratch scratch;

  private:
    Room<fusion::Ray8> rays_;
    Room<fusion::Body> bodies_;
    Room<std::int32_t> ints_;
    Room<fusion::Edge> edges_;
    Room<std::uint64_t> bits_;
    Room<double> doubles_;
};
