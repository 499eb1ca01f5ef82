# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/assignment.hpp and what stands on it; the arguments are those of fusion.reference.assignment."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t
from libcpp.vector cimport vector


cdef extern from "assignment.hpp" namespace "fusion" nogil:
    cdef struct Columns:
        double *price
        double *frozen
        double *open
        double *key
        double *reach
        double *from_ "from"
        int32_t *tree
        int32_t *owner
        int32_t *touched
        int32_t *waiting

    cdef struct SparseRows:
        const double *cost
        const int32_t *column
        const int64_t *start
        int32_t n, m

    bint c_valid_costs "fusion::valid_costs"(const double *, size_t)
    bint c_valid_rows "fusion::valid_rows"(const SparseRows &, int64_t)
    void c_assign "fusion::assign"(const double *, const double *, size_t, int32_t, int32_t, double *, int32_t *,
                                   Columns, int32_t *)
    void c_assign_sparse "fusion::assign"(SparseRows, const double *, Columns, int32_t *)


cdef extern from "k_best.hpp" namespace "fusion" nogil:
    cdef struct Alternative:
        double value

    cdef struct Ranking:
        int32_t *column
        double *total
        double *price
        int32_t *parent
        int32_t *row
        Alternative *branches
        double *costs
        double *dual

    int32_t c_k_best "fusion::k_best"(const double *, const double *, int32_t, int32_t, int32_t, Columns, Ranking)


cdef extern from "assignment_marginals.hpp" namespace "fusion" nogil:
    int32_t kMarginalRows
    bint c_marginals "fusion::marginals"(const double *, const double *, size_t, int32_t, int32_t, double *, double *,
                                         double *)


cdef int expect(bint fits) except -1:
    # The wrapper has validated what users give; this keeps a slip there from reaching memory that is not ours.
    if not fits:
        raise ValueError("the arrays have shapes that do not fit each other")
    return 0


cdef class Room:
    """Storage of a search over `size` columns or rows."""

    cdef vector[double] doubles
    cdef vector[int32_t] ints
    cdef Columns columns

    def __cinit__(self, size_t size):
        self.doubles.resize(6 * size)
        self.ints.resize(4 * size)
        cdef double *d = self.doubles.data()
        cdef int32_t *i = self.ints.data()
        cdef Columns *s = &self.columns
        s.price, s.frozen, s.open = d, d + size, d + 2 * size
        s.key, s.from_, s.reach = d + 3 * size, d + 4 * size, d + 5 * size
        s.tree, s.owner, s.touched, s.waiting = i, i + size, i + 2 * size, i + 3 * size


cdef SparseRows sparse(const double[::1] cost, const int32_t[::1] indices, const int64_t[::1] indptr,
                       int32_t m) except *:
    expect(indptr.shape[0] > 0 and indices.shape[0] == cost.shape[0])
    cdef SparseRows rows
    rows.n, rows.m = indptr.shape[0] - 1, m
    rows.cost = &cost[0] if cost.shape[0] else NULL
    rows.column = &indices[0] if cost.shape[0] else NULL
    rows.start = &indptr[0]
    return rows


def valid_costs(const double[::1] cost):
    return bool(c_valid_costs(&cost[0] if cost.shape[0] else NULL, cost.shape[0]))


def valid_rows(const double[::1] cost, const int32_t[::1] indices, const int64_t[::1] indptr, int32_t m):
    return bool(c_valid_rows(sparse(cost, indices, indptr, m), cost.shape[0]))


def assign(const double[:, :, ::1] cost, const double[:, ::1] miss, int32_t[:, ::1] columns):
    cdef Py_ssize_t batch = cost.shape[0]
    cdef int32_t n = cost.shape[1], m = cost.shape[2]
    expect(miss.shape[0] == batch and miss.shape[1] == n and columns.shape[0] == batch and columns.shape[1] == n)
    cdef Room room = Room(max(n, m))
    cdef vector[double] turned
    cdef vector[int32_t] rows_of
    if n > m:
        turned.resize(<size_t> n * m)
        rows_of.resize(m)
    if batch and n:
        with nogil:
            c_assign(&cost[0, 0, 0] if m else NULL, &miss[0, 0], batch, n, m, turned.data(), rows_of.data(),
                     room.columns, &columns[0, 0])


def assign_sparse(const double[::1] cost, const int32_t[::1] indices, const int64_t[::1] indptr, int32_t m,
                  const double[::1] miss, int32_t[::1] columns):
    cdef SparseRows rows = sparse(cost, indices, indptr, m)
    expect(miss.shape[0] == rows.n and columns.shape[0] == rows.n and c_valid_rows(rows, cost.shape[0]))
    cdef Room room = Room(max(rows.n, m))
    if rows.n:
        with nogil:
            c_assign_sparse(rows, &miss[0], room.columns, &columns[0])


def k_best(const double[:, ::1] cost, const double[::1] miss, int32_t[:, ::1] columns, double[::1] totals):
    cdef int32_t n = cost.shape[0], m = cost.shape[1], k = columns.shape[0], found
    expect(miss.shape[0] == n and columns.shape[1] == n and k > 0 and totals.shape[0] == k)
    cdef Room room = Room(max(n, m))
    cdef vector[double] doubles
    cdef vector[int32_t] ints
    cdef vector[Alternative] branches
    doubles.resize(<size_t> k * m + m + n)
    ints.resize(2 * <size_t> k)
    branches.resize(<size_t> k * n + 1)
    cdef Ranking r
    r.column = &columns[0, 0] if n else NULL
    r.total, r.price = &totals[0], doubles.data()
    r.costs, r.dual = r.price + <size_t> k * m, r.price + <size_t> k * m + m
    r.parent, r.row, r.branches = ints.data(), ints.data() + k, branches.data()
    cdef const double *first = &cost[0, 0] if n and m else NULL
    cdef const double *misses = &miss[0] if n else NULL
    with nogil:
        found = c_k_best(first, misses, n, m, k, room.columns, r)
    return found


def marginals(const double[:, :, ::1] weights, const double[:, ::1] miss, double[:, :, ::1] probability,
              double[::1] log_total):
    cdef Py_ssize_t batch = weights.shape[0]
    cdef int32_t n = weights.shape[1], m = weights.shape[2]
    cdef vector[double] before
    expect(n <= kMarginalRows and miss.shape[0] == batch and miss.shape[1] == n and log_total.shape[0] == batch)
    expect(probability.shape[0] == batch and probability.shape[1] == n and probability.shape[2] == m + 1)
    before.resize((<size_t> m + 1) << n)
    if batch:
        with nogil:
            c_marginals(&weights[0, 0, 0] if n and m else NULL, &miss[0, 0] if n else NULL, batch, n, m,
                        before.data(), &probability[0, 0, 0] if n else NULL, &log_total[0])
