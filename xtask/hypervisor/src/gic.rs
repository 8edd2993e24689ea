//! The machine's interrupt controller, a GICv3: two interrupts, taken to EL2, and one of them handed to the
//! guest.
#![expect(unsafe_code, reason = "device registers")]

use crate::system::{read, synchronize, write};

/// The virtual timer's private interrupt: a guest's own.
pub(crate) const VIRTUAL_TIMER: u32 = 27;
/// The UART's interrupt.
pub(crate) const UART: u32 = 33;

const DISTRIBUTOR: usize = 0x0800_0000;
const REDISTRIBUTORS: usize = 0x080a_0000;
/// From one core's redistributor to the next.
const REDISTRIBUTOR_SIZE: usize = 0x2_0000;
/// The second frame of a redistributor: private interrupts.
const PRIVATE: usize = 0x1_0000;

const CTLR: usize = 0;
const WAKER: usize = 0x14;
const IGROUPR: usize = 0x80;
const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const IPRIORITYR: usize = 0x400;
#[cfg(feature = "debugger")]
const IROUTER: usize = 0x6000;

/// GICD_CTLR: affinity routing and group 1.
const ARE_AND_GROUP_1: u32 = 1 << 4 | 1 << 1;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
/// In the middle of all priorities.
const PRIORITY: u8 = 0x80;
/// Interrupt numbers from here on say that there is none.
const FIRST_SPECIAL: u64 = 1020;

/// Turns the distributor on.
pub(crate) fn start() {
    store(DISTRIBUTOR + CTLR, ARE_AND_GROUP_1);
}

/// Lets interrupts reach this core, and virtual ones its guest.
pub(crate) fn start_core(core: usize) {
    let redistributor = REDISTRIBUTORS + core * REDISTRIBUTOR_SIZE;
    store(redistributor + WAKER, load(redistributor + WAKER) & !PROCESSOR_SLEEP);
    while load(redistributor + WAKER) & CHILDREN_ASLEEP != 0 {}
    let private = redistributor + PRIVATE;
    store(private + IGROUPR, load(private + IGROUPR) | 1 << VIRTUAL_TIMER);
    store_byte(private + IPRIORITYR + VIRTUAL_TIMER as usize, PRIORITY);

    // ICC_SRE_EL2: system registers, for EL1 as well.
    write!("S3_4_C12_C9_5", 0b1001);
    synchronize();
    // ICC_PMR_EL1; ICC_CTLR_EL1.EOImode: the end of an interrupt and its deactivation are two things;
    // ICC_IGRPEN1_EL1.
    write!("S3_0_C4_C6_0", 0xff);
    write!("S3_0_C12_C12_4", 1 << 1);
    write!("S3_0_C12_C12_7", 1);
    // ICH_VMCR_EL2: as after the guest's reset; ICH_HCR_EL2.En.
    write!("S3_4_C12_C11_7", 0);
    write!("S3_4_C12_C11_0", 1);
    synchronize();
}

/// Lets the UART's interrupt reach a core.
#[cfg(feature = "debugger")]
pub(crate) fn enable_uart(core: usize) {
    let (word, bit) = (UART as usize / 32 * 4, 1 << (UART % 32));
    store(DISTRIBUTOR + IGROUPR + word, load(DISTRIBUTOR + IGROUPR + word) | bit);
    store_byte(DISTRIBUTOR + IPRIORITYR + UART as usize, PRIORITY);
    store(DISTRIBUTOR + IROUTER + 8 * UART as usize, core as u32);
    store(DISTRIBUTOR + ISENABLER + word, bit);
}

/// Lets the virtual timer's interrupt reach a core, or not.
pub(crate) fn enable_timer(core: usize, on: bool) {
    let register = if on { ISENABLER } else { ICENABLER };
    store(REDISTRIBUTORS + core * REDISTRIBUTOR_SIZE + PRIVATE + register, 1 << VIRTUAL_TIMER);
}

/// Takes the interrupt that is signalled, if there is one still, and ends it but for its deactivation:
/// until that it is not signalled again.
pub(crate) fn acknowledge() -> Option<u32> {
    // ICC_IAR1_EL1.
    let number = read!("S3_0_C12_C12_0") & 0xff_ffff;
    if number >= FIRST_SPECIAL {
        return None;
    }
    // ICC_EOIR1_EL1.
    write!("S3_0_C12_C12_1", number);
    Some(number as u32)
}

/// Lets an interrupt be signalled again: ICC_DIR_EL1.
pub(crate) fn deactivate(number: u32) {
    write!("S3_0_C12_C11_1", u64::from(number));
    synchronize();
}

/// Hands the virtual timer's interrupt to the guest of this core, which deactivates it by ending it.
///
/// One list register does: the interrupt is not signalled again before that.
pub(crate) fn hand_over_timer() {
    const PENDING: u64 = 0b01 << 62;
    const HARDWARE: u64 = 1 << 61;
    const GROUP_1: u64 = 1 << 60;
    let number = u64::from(VIRTUAL_TIMER);
    // ICH_LR0_EL2.
    write!(
        "S3_4_C12_C12_0",
        PENDING | HARDWARE | GROUP_1 | u64::from(PRIORITY) << 48 | number << 32 | number
    );
    synchronize();
}

fn load(address: usize) -> u32 {
    // SAFETY: `address` is one of the registers above, mapped as device memory.
    unsafe { (address as *const u32).read_volatile() }
}

fn store(address: usize, value: u32) {
    // SAFETY: as in `load`.
    unsafe { (address as *mut u32).write_volatile(value) };
}

fn store_byte(address: usize, value: u8) {
    // SAFETY: as in `load`; priorities can be written byte by byte.
    unsafe { (address as *mut u8).write_volatile(value) };
}
