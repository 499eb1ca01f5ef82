/* Start-up and semihosting on the MPS2 boards that QEMU has: AN386 (Cortex-M4F) and AN500 (Cortex-M7).
 *
 * The stack lies at the bottom of the RAM, below which is nothing: an overflow is a fault, and a fault an exit code. */
#include <string.h>

#include "port.h"

#define REGISTER(address) (*(volatile uint32_t*)(address))
#define SYSTICK_CONTROL REGISTER(0xe000e010)
#define SYSTICK_RELOAD REGISTER(0xe000e014)
#define SYSTICK_VALUE REGISTER(0xe000e018)
#define COPROCESSORS REGISTER(0xe000ed88)
#define CLOCK_HZ 25000000u
#define PAINT 0xdeadbeefu

extern uint32_t stack_low[], stack_high[], data_start[], data_end[], data_image[], bss_start[], bss_end[];
int main(void);

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_EXIT_EXTENDED = 32, WRITE_MODE = 4, APPEND_MODE = 8 };
static uintptr_t out, err;

static uintptr_t semihost(uintptr_t operation, const void* arguments) {
    register uintptr_t r0 __asm__("r0") = operation;
    register const void* r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uintptr_t console(uintptr_t mode) {
    const uintptr_t arguments[] = {(uintptr_t)":tt", mode, 3};
    return semihost(SYS_OPEN, arguments);
}

static void put(uintptr_t file, const void* data, size_t bytes) {
    const uintptr_t arguments[] = {file, (uintptr_t)data, bytes};
    if (semihost(SYS_WRITE, arguments) != 0) port_exit(4);
}

void port_start(void) {
    out = console(WRITE_MODE);
    err = console(APPEND_MODE);
    SYSTICK_RELOAD = 0xffffff;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5; /* the processor's clock, no interrupt */
}

void port_write(const void* data, size_t bytes) {
    put(out, data, bytes);
}

void port_say(const char* text, size_t bytes) {
    put(err, text, bytes);
}

uint32_t port_ticks(void) {
    return 0xffffff - SYSTICK_VALUE;
}

uint32_t port_instructions_per_tick(void) {
    return 1000000000u / CLOCK_HZ; /* an instruction takes a nanosecond */
}

uint32_t port_stack_used(void) {
    const uint32_t* lowest = stack_low;
    while (lowest < stack_high && *lowest == PAINT) ++lowest;
    return (uint32_t)((uintptr_t)stack_high - (uintptr_t)lowest);
}

_Noreturn void port_exit(int code) {
    const uintptr_t arguments[] = {0x20026, (uintptr_t)code}; /* ADP_Stopped_ApplicationExit */
    semihost(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

static _Noreturn void fault(void) {
    port_exit(70);
}

_Noreturn void reset(void) {
    COPROCESSORS |= 0xfu << 20; /* the FPU, before anything may use it */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    uint32_t* const here = __builtin_frame_address(0);
    for (uint32_t* word = stack_low; word < here - 16; ++word) *word = PAINT;
    memcpy(data_start, data_image, (size_t)((uintptr_t)data_end - (uintptr_t)data_start));
    memset(bss_start, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_start));
    port_exit(main());
}

__attribute__((section(".vectors"), used)) static const void* const vectors[16] = {
    stack_high, (void*)reset, (void*)fault, (void*)fault, (void*)fault, (void*)fault, (void*)fault, NULL,
    NULL,       NULL,         NULL,         (void*)fault, (void*)fault, NULL,         (void*)fault, (void*)fault};
