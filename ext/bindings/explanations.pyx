# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Binding of ext/core/multisets.hpp; the arguments are those of fusion.reference.explanations."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

import numpy as np

include "association_settings.pxi"


cdef extern from "multisets.hpp" namespace "fusion" nogil:
    ctypedef struct Part:
        int32_t shopper, product, quantity, place

    ctypedef struct Item:
        int32_t product, place, known

    cdef struct Event:
        const double *delta_g
        const double *sigma_g
        size_t n
        const uint8_t *inside
        const int32_t *facing_product
        size_t facings

    cdef struct Shoppers:
        const double *hands
        const double *vision
        const int32_t *owners
        size_t n, places, products

    cdef struct Goods:
        const double *mass_g
        const int32_t *by_mass
        const uint8_t *present
        size_t n

    cdef struct Explanations:
        Part (*parts)[3]
        double (*terms)[4]
        double *log_score
        size_t capacity, n

    cdef struct ExplainRoom:
        Item *items
        double *weights
        uint8_t *joined

    void c_explain "fusion::explain"(const Event &, const Shoppers &, const Goods &, double,
                                     const AssociationSettings &, ExplainRoom, Explanations &)


def explain(const double[::1] delta_g, const double[::1] sigma_g, const uint8_t[:, ::1] inside,
            const int32_t[::1] facing_product, const double[:, ::1] hands, const double[:, ::1] vision,
            const int32_t[::1] owners, const double[::1] mass_g, const int32_t[::1] by_mass, const uint8_t[::1] present,
            double null, int32_t[:, :, ::1] parts, double[:, ::1] terms, double[::1] log_score, s):
    cdef AssociationSettings settings = unpack(s)
    cdef Event event
    cdef Shoppers who
    cdef Goods goods
    cdef Explanations out
    cdef ExplainRoom room
    cdef size_t most = max(settings.max_units, settings.max_restocked)
    cdef int32_t[:, ::1] items = np.empty((facing_product.shape[0] + mass_g.shape[0] + 1, 3), np.int32)
    cdef double[:, ::1] weights = np.empty((items.shape[0], most))
    cdef uint8_t[:, ::1] joined = np.empty((inside.shape[0], inside.shape[0]), np.uint8)
    event.delta_g, event.sigma_g, event.n = &delta_g[0], &sigma_g[0], delta_g.shape[0]
    event.inside = &inside[0, 0]
    event.facing_product = &facing_product[0] if facing_product.shape[0] else NULL
    event.facings = facing_product.shape[0]
    who.hands = &hands[0, 0] if hands.shape[0] else NULL
    who.vision = &vision[0, 0] if vision.size else NULL
    who.owners = &owners[0] if owners.shape[0] else NULL
    who.n, who.places, who.products = hands.shape[0], inside.shape[0], mass_g.shape[0]
    goods.mass_g = &mass_g[0] if mass_g.shape[0] else NULL
    goods.by_mass = &by_mass[0] if mass_g.shape[0] else NULL
    goods.present = &present[0] if mass_g.shape[0] else NULL
    goods.n = mass_g.shape[0]
    out.parts = <Part (*)[3]> &parts[0, 0, 0]
    out.terms = <double (*)[4]> &terms[0, 0]
    out.log_score = &log_score[0]
    out.capacity, out.n = parts.shape[0], 0
    room.items, room.weights, room.joined = <Item *> &items[0, 0], &weights[0, 0], &joined[0, 0]
    with nogil:
        c_explain(event, who, goods, null, settings, room, out)
    return out.n
