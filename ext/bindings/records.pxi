# Hypotheses for the bindings of their kernels: the arrays of fusion.reference.records.

from libc.stddef cimport size_t
from libc.stdint cimport int32_t

cdef extern from "records.hpp" namespace "fusion" nogil:
    ctypedef struct Record:
        int32_t owner, product, quantity

    cdef struct Hypotheses:
        double *weight
        int32_t *count
        Record *records
        size_t n, stride


cdef Hypotheses rows(int32_t[::1] count, int32_t[:, :, ::1] records) noexcept:
    cdef Hypotheses h
    h.weight = NULL
    h.count = &count[0]
    h.records = <Record *> &records[0, 0, 0]
    h.n, h.stride = count.shape[0], records.shape[1]
    return h


cdef Hypotheses view(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records) noexcept:
    cdef Hypotheses h = rows(count, records)
    h.weight, h.n = &weight[0], weight.shape[0]
    return h
