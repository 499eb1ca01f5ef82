# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Weight events from load-cell streams (C++ core); twin of ``fusion.reference.segmentation``."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

import numpy as np
from numpy import float32, frombuffer, int32


cdef extern from "level.hpp" namespace "fusion" nogil:
    cdef cppclass Level:
        pass
    Level level() except +ValueError


cdef extern from "segmentation.hpp" namespace "fusion::segmentation" nogil:
    cdef enum Head:
        REZEROED
    cdef cppclass Config:
        int64_t block, settle, steady, history, hold, window, noise_blocks, push_blocks
        int64_t plateau, join, coincide, quick, calm, merge_ns, gap_ns
        float threshold, leak, drift, half_item_g, floor_g, drift_g
    cdef cppclass State:
        int64_t plates, capacity
        int64_t* head
    cdef cppclass Event:
        int64_t id, revision, start_ns, step_ns, end_ns, kind, final, first, count
        float quality
    cdef cppclass Out:
        int64_t events_count, members_count
        Event* events
        int32_t* plates
        float* deltas
        float* sigmas
    cdef cppclass PlateHealth:
        int32_t flags, spikes
        float noise_g, level_g, drift_g
        int64_t samples, missing, faults
    int64_t capacity_of(int64_t plates)
    int64_t storage_size(int64_t plates, int64_t capacity, const Config&)
    int64_t report_room(int64_t plates)
    State bind(void* storage, int64_t plates, int64_t capacity, const Config&)
    void start(const State&)
    void place(const State&, int64_t p, int32_t group, int32_t shared, float limit)
    bint ordered(const State&, const int64_t* sample_ns, int64_t n)
    int64_t advance(const State&, const Config&, Out&, const int64_t*, const float*, int64_t row, int64_t n, Level)
    void c_flush "fusion::segmentation::flush"(const State&, const Config&, Out&, Level)
    int64_t c_open_since "fusion::segmentation::open_since"(const State&)
    PlateHealth c_health "fusion::segmentation::health"(const State&, const Config&, int64_t p)


cdef class Stream:
    """State of one fixture's segmentation."""

    cdef Config _config
    cdef State _state
    cdef Out _out
    cdef Level _level
    cdef unsigned char[::1] _storage
    cdef unsigned char[::1] _events
    cdef int32_t[::1] _plates
    cdef float[::1] _deltas
    cdef float[::1] _sigmas

    def __init__(self, const int32_t[::1] groups, const int32_t[::1] shared, const float[::1] limits, tuple config):
        cdef Config* c = &self._config
        c.block, c.settle, c.steady, c.history, c.hold, c.window, c.noise_blocks, c.push_blocks = config[:8]
        c.plateau, c.join, c.coincide, c.quick, c.calm, c.merge_ns, c.gap_ns = config[8:15]
        c.threshold, c.leak, c.drift, c.half_item_g, c.floor_g, c.drift_g = config[15:]
        cdef int64_t p, plates = groups.shape[0], capacity = capacity_of(plates), room = report_room(plates)
        self._level = level()
        self._storage = np.zeros(storage_size(plates, capacity, c[0]), np.uint8)
        self._state = bind(&self._storage[0], plates, capacity, c[0])
        self._events = np.zeros(room * sizeof(Event), np.uint8)
        self._plates = np.zeros(room, np.int32)
        self._deltas = np.zeros(room, np.float32)
        self._sigmas = np.zeros(room, np.float32)
        self._out.events = <Event*>&self._events[0]
        self._out.plates = &self._plates[0]
        self._out.deltas = &self._deltas[0]
        self._out.sigmas = &self._sigmas[0]
        start(self._state)
        for p in range(plates):
            place(self._state, p, groups[p], shared[p], limits[p])

    def push(self, const int64_t[::1] sample_ns, const float[:, ::1] grams):
        """Take n samples of all plates; events as tuples in the order of `fusion.segmentation.WeightEvent`."""
        cdef int64_t row = 0, n = sample_ns.shape[0]
        cdef list found = []
        if grams.shape[0] != n or grams.shape[1] != self._state.plates:
            raise ValueError(f"grams must have shape ({n}, {self._state.plates})")
        if n == 0:
            return found
        if not ordered(self._state, &sample_ns[0], n):
            raise ValueError("sample_ns must not decrease, nor go back behind an earlier push")
        while row < n:
            with nogil:
                row = advance(self._state, self._config, self._out, &sample_ns[0], &grams[0, 0], row, n, self._level)
            if self._out.events_count:
                self._append(found)
        return found

    def flush(self):
        """End of the stream."""
        cdef list found = []
        c_flush(self._state, self._config, self._out, self._level)
        self._append(found)
        return found

    def open_since(self):
        """Onset of the earliest event that is not final, or -1."""
        return c_open_since(self._state)

    def health(self):
        """Flags, spikes, noise, level, drift, samples, missing, faults: (P,) each."""
        cdef int64_t p, plates = self._state.plates
        cdef PlateHealth h
        result = (
            np.empty(plates, np.int32),
            np.empty(plates, np.int32),
            np.empty(plates, np.float32),
            np.empty(plates, np.float32),
            np.empty(plates, np.float32),
            np.empty(plates, np.int64),
            np.empty(plates, np.int64),
            np.empty(plates, np.int64),
        )
        cdef int32_t[::1] flags = result[0], spikes = result[1]
        cdef float[::1] noise = result[2], level = result[3], drift = result[4]
        cdef int64_t[::1] samples = result[5], missing = result[6], faults = result[7]
        for p in range(plates):
            h = c_health(self._state, self._config, p)
            flags[p], spikes[p], noise[p], level[p], drift[p] = h.flags, h.spikes, h.noise_g, h.level_g, h.drift_g
            samples[p], missing[p], faults[p] = h.samples, h.missing, h.faults
        return result

    def rezeroed(self):
        """How often all plates were set to zero at once."""
        return self._state.head[<int>REZEROED]

    def save(self):
        """The whole state."""
        return bytes(self._storage)

    def load(self, const unsigned char[::1] data):
        """Replace the state by one that `save` gave for the same fixture and settings."""
        if data.shape[0] != self._storage.shape[0]:
            raise ValueError(f"data must have {self._storage.shape[0]} bytes; got {data.shape[0]}")
        memcpy(&self._storage[0], &data[0], data.shape[0])

    cdef _append(self, list found):
        cdef int64_t o
        cdef Event* e
        for o in range(self._out.events_count):
            e = &self._out.events[o]
            found.append(
                (
                    e.id,
                    e.revision,
                    e.start_ns,
                    e.step_ns,
                    e.end_ns,
                    frombuffer(PyBytes_FromStringAndSize(<char*>(self._out.plates + e.first), 4 * e.count), int32),
                    frombuffer(PyBytes_FromStringAndSize(<char*>(self._out.deltas + e.first), 4 * e.count), float32),
                    frombuffer(PyBytes_FromStringAndSize(<char*>(self._out.sigmas + e.first), 4 * e.count), float32),
                    e.kind,
                    e.final != 0,
                    <double>e.quality,
                )
            )
