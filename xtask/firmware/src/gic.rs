//! As much of a GICv3 as one private interrupt needs. Waits are bounded: a plainer model that answers 0
//! everywhere does not stop the firmware.
#![expect(unsafe_code, reason = "device registers and the GIC's system registers")]

use core::arch::asm;

const DISTRIBUTOR: usize = 0x0800_0000;
const REDISTRIBUTOR: usize = 0x080a_0000;
/// The redistributor's second frame: private and software-generated interrupts.
const PRIVATE: usize = REDISTRIBUTOR + 0x1_0000;

const GICD_CTLR: usize = DISTRIBUTOR;
const GICR_WAKER: usize = REDISTRIBUTOR + 0x14;
const GICR_IGROUPR0: usize = PRIVATE + 0x80;
const GICR_ISENABLER0: usize = PRIVATE + 0x100;
const GICR_IPRIORITYR: usize = PRIVATE + 0x400;

/// GICD_CTLR: affinity routing and group 1.
const ARE_AND_GROUP_1: u32 = 1 << 4 | 1 << 1;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;

/// Interrupt numbers from here on say that there is none.
pub(crate) const FIRST_SPECIAL: u32 = 1020;

/// Lets the private interrupt `number` through to this core.
pub(crate) fn enable(number: u32) {
    write(GICD_CTLR, ARE_AND_GROUP_1);
    write(GICR_WAKER, read(GICR_WAKER) & !PROCESSOR_SLEEP);
    for_a_while(|| read(GICR_WAKER) & CHILDREN_ASLEEP == 0);

    let bit = 1 << number;
    write(GICR_IGROUPR0, read(GICR_IGROUPR0) | bit);
    let priority = GICR_IPRIORITYR + (number as usize & !3);
    write(priority, 0x8080_8080);
    write(GICR_ISENABLER0, bit);

    // SAFETY: ICC_SRE_EL1.SRE, ICC_PMR_EL1, ICC_IGRPEN1_EL1: priorities down to the lowest reach this
    // core; interrupts are still masked in PSTATE.
    unsafe {
        asm!(
            "msr S3_0_C12_C12_5, {sre}",
            "isb",
            "msr S3_0_C4_C6_0, {lowest}",
            "msr S3_0_C12_C12_7, {on}",
            "isb",
            sre = in(reg) 7_u64,
            lowest = in(reg) 0xff_u64,
            on = in(reg) 1_u64,
            options(nostack, preserves_flags)
        );
    }
}

/// Takes the interrupt that is signalled: ICC_IAR1_EL1.
pub(crate) fn acknowledge() -> u32 {
    let number: u64;
    // SAFETY: called once for each IRQ exception, and followed by `end`.
    unsafe {
        asm!("mrs {}, S3_0_C12_C12_0", "dsb sy", out(reg) number, options(nostack, preserves_flags));
    }
    (number & 0xff_ffff) as u32
}

/// The interrupt `number` is handled: ICC_EOIR1_EL1.
pub(crate) fn end(number: u32) {
    // SAFETY: `number` came from `acknowledge`.
    unsafe {
        asm!("msr S3_0_C12_C12_1, {}", "isb", in(reg) u64::from(number), options(nostack, preserves_flags));
    }
}

fn for_a_while(done: impl Fn() -> bool) {
    let mut tries = 10_000;
    while tries > 0 && !done() {
        tries -= 1;
    }
}

fn read(address: usize) -> u32 {
    let value: u32;
    // SAFETY: `address` is one of the GIC registers above, mapped as device memory. Assembly, so that
    // the access is a plain load without write-back, which a hypervisor can emulate from its syndrome.
    unsafe {
        asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack, preserves_flags));
    }
    value
}

fn write(address: usize, value: u32) {
    // SAFETY: as in `read`.
    unsafe {
        asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack, preserves_flags));
    }
}
