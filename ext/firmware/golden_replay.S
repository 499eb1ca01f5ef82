/* The golden recording and what must come of it. */
    .section .golden, "a"
    .macro file symbol, path
    .balign 8
    .global \symbol, \symbol\()_end
\symbol: .incbin "\path"
\symbol\()_end:
    .endm
    file golden_counts, "golden/golden.counts"
    file golden_records, "golden/golden.records"
    .section .note.GNU-stack, "", %progbits
