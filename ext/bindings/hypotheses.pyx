# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/hypotheses.hpp; the arguments are those of fusion.reference.hypotheses and records."""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc

import numpy as np

include "association_settings.pxi"
include "records.pxi"


cdef extern from "hypotheses.hpp" namespace "fusion" nogil:
    ctypedef struct Part:
        int32_t shopper, product, quantity, place

    ctypedef struct Doubt:
        int32_t owner, product

    ctypedef struct Branch:
        double value

    ctypedef struct Pair:
        double value

    cdef struct Explanations:
        Part (*parts)[3]
        double *log_score
        size_t capacity, n

    cdef struct Scene:
        const int32_t *plates
        size_t n
        int32_t main_plate, joint_main_plate, products, facings

    cdef struct Carried:
        const int32_t *owners
        size_t n, products
        const uint8_t *marks

    cdef cppclass Evidence:
        pass

    cdef struct UpdateRoom:
        int32_t *order
        int32_t *column
        double *reach
        Branch *branches
        Record *trial
        uint64_t *prints

    cdef struct Lineage:
        double *share
        double *joint_share
        int32_t *columns
        double *chosen
        size_t columns_room, columns_used

    size_t branches_needed(const Hypotheses &, size_t)
    size_t c_update "fusion::update"(const Hypotheses &, const Evidence &, const Scene &, const AssociationSettings &,
                                     UpdateRoom, Hypotheses &, Lineage &)
    void c_ask "fusion::ask"(const Explanations &, size_t, double, const Scene &, const Carried &,
                             const AssociationSettings &, uint8_t *, uint8_t *)
    size_t c_forget "fusion::forget"(int32_t, Hypotheses &, Record *, uint64_t *, double *)
    size_t c_join "fusion::join"(const Hypotheses &, const Hypotheses &, double, Pair *, Hypotheses &, int32_t (*)[2])
    bint c_certain "fusion::certain"(const Hypotheses &, int32_t)
    void c_add_to_all "fusion::add_to_all"(const Record *, size_t, const Hypotheses &, Hypotheses &)
    size_t c_list_doubts "fusion::list_doubts"(const Hypotheses &, Doubt *)


cdef extern from *:
    """
    static inline fusion::Evidence evidence_of(const fusion::Explanations& all, std::size_t first_joint,
                                               const double* echo, const double* together) {
        return {all, first_joint, echo, together};
    }
    """
    Evidence evidence_of(const Explanations &, size_t, const double *, const double *) nogil


cdef Explanations listed(int32_t[:, :, ::1] parts, double[::1] log_score) noexcept:
    cdef Explanations all
    all.parts = <Part (*)[3]> &parts[0, 0, 0]
    all.log_score = &log_score[0]
    all.capacity = all.n = parts.shape[0]
    return all


cdef Scene seen(const int32_t[::1] plates, int32_t main_plate, int32_t joint_main_plate, int32_t products,
                int32_t facings) noexcept:
    cdef Scene scene
    scene.plates, scene.n = &plates[0], plates.shape[0]
    scene.main_plate, scene.joint_main_plate = main_plate, joint_main_plate
    scene.products, scene.facings = products, facings
    return scene


def update(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, const double[::1] echo,
           const double[::1] together, int32_t[:, :, ::1] parts, double[::1] log_score, size_t first_joint,
           const int32_t[::1] plates, const int32_t[::1] main_plates, int32_t products, int32_t facings,
           double[::1] new_weight, int32_t[::1] new_count, int32_t[:, :, ::1] new_records, double[:, ::1] share,
           double[:, ::1] joint_share, int32_t[::1] columns, double[:, ::1] chosen, s):
    cdef AssociationSettings settings = unpack(s)
    cdef Hypotheses old = view(weight, count, records), new = view(new_weight, new_count, new_records)
    cdef Explanations explanations = listed(parts, log_score)
    cdef Scene scene = seen(plates, main_plates[0], main_plates[1], products, facings)
    cdef Lineage lineage
    lineage.share, lineage.joint_share = &share[0, 0], &joint_share[0, 0]
    lineage.columns, lineage.chosen, lineage.columns_room = &columns[0], &chosen[0, 0], chosen.shape[1]
    cdef int32_t[:, ::1] whole = np.empty((2, parts.shape[0]), np.int32)
    cdef double[::1] reach = np.empty(parts.shape[0])
    cdef int32_t[:, ::1] trial = np.empty((records.shape[1], 3), np.int32)
    cdef uint64_t[::1] prints = np.empty(new_weight.shape[0] + weight.shape[0], np.uint64)
    cdef UpdateRoom room
    room.order, room.column, room.reach = &whole[0, 0], &whole[1, 0], &reach[0]
    room.trial, room.prints = <Record *> &trial[0, 0], &prints[0]
    room.branches = <Branch *> malloc(branches_needed(old, new.n) * sizeof(Branch))
    if room.branches == NULL:
        raise MemoryError
    cdef size_t kept
    with nogil:
        kept = c_update(old, evidence_of(explanations, first_joint, &echo[0], &together[0]), scene, settings, room,
                        new, lineage)
        free(room.branches)
    return kept, lineage.columns_used


def ask(int32_t[:, :, ::1] parts, double[::1] log_score, size_t first_joint, double null, const int32_t[::1] plates,
        int32_t facings, const int32_t[::1] owners, const uint8_t[:, ::1] carried, uint8_t[::1] back,
        uint8_t[::1] found, s):
    if not back.shape[0]:
        return
    cdef AssociationSettings settings = unpack(s)
    cdef Explanations explanations = listed(parts, log_score)
    cdef Scene scene = seen(plates, plates[0], plates[0], back.shape[0], facings)
    cdef Carried known
    known.owners = &owners[0] if owners.shape[0] else NULL
    known.n, known.products = owners.shape[0], back.shape[0]
    known.marks = &carried[0, 0] if owners.shape[0] else NULL
    with nogil:
        c_ask(explanations, first_joint, null, scene, known, settings, &back[0], &found[0])


def forget(int32_t owner, double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, double[:, ::1] share):
    cdef Hypotheses hypotheses = view(weight, count, records)
    cdef int32_t[:, ::1] trial = np.empty((records.shape[1], 3), np.int32)
    cdef uint64_t[::1] prints = np.empty(weight.shape[0], np.uint64)
    cdef size_t kept
    with nogil:
        kept = c_forget(owner, hypotheses, <Record *> &trial[0, 0], &prints[0], &share[0, 0])
    return kept


def join(double[::1] weight, int32_t[::1] count, int32_t[:, :, ::1] records, double[::1] other_weight,
         int32_t[::1] other_count, int32_t[:, :, ::1] other_records, double[::1] new_weight, int32_t[::1] new_count,
         int32_t[:, :, ::1] new_records, int32_t[:, ::1] source, s):
    cdef double negligible = s.negligible
    cdef Hypotheses a = view(weight, count, records), b = view(other_weight, other_count, other_records)
    cdef Hypotheses new = view(new_weight, new_count, new_records)
    cdef double[:, ::1] pairs = np.empty((a.n * b.n, 2))
    cdef size_t kept
    with nogil:
        kept = c_join(a, b, negligible, <Pair *> &pairs[0, 0], new, <int32_t (*)[2]> &source[0, 0])
    return kept


def certain(int32_t[::1] count, int32_t[:, :, ::1] records, int32_t owner):
    return c_certain(rows(count, records), owner)


def add_to_all(const int32_t[:, ::1] found, int32_t[::1] count, int32_t[:, :, ::1] records, int32_t[::1] new_count,
               int32_t[:, :, ::1] new_records):
    cdef Hypotheses old = rows(count, records), new = rows(new_count, new_records)
    with nogil:
        c_add_to_all(<const Record *> &found[0, 0] if found.shape[0] else NULL, found.shape[0], old, new)


def list_doubts(int32_t[::1] count, int32_t[:, :, ::1] records, int32_t[:, ::1] doubtful):
    cdef Hypotheses all = rows(count, records)
    cdef size_t n
    with nogil:
        n = c_list_doubts(all, <Doubt *> &doubtful[0, 0])
    return n
