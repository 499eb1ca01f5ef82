/* Problems for the kernels and their solutions. */
    .section .golden, "a"
    .balign 8
    .global golden_kernels
golden_kernels: .incbin "golden/golden.kernels"
    .section .note.GNU-stack, "", %progbits
