//! What has to be said to the host's processor in its own instructions.

#![cfg_attr(
    target_arch = "aarch64",
    expect(unsafe_code, reason = "cache maintenance and counters have instructions only")
)]

use vm_memory::VolatileSlice;
use vm_memory::bitmap::BitmapSlice;

/// Makes what was written to `memory`, a mapping of guest memory, visible to instruction fetches
/// through any other mapping of it on any processor (DDI 0487, "Synchronization and coherency issues
/// between data and instruction accesses").
pub(crate) fn synchronize<B: BitmapSlice>(memory: &VolatileSlice<'_, B>) {
    let guard = memory.ptr_guard();
    arch::synchronize(guard.as_ptr() as usize, memory.len());
}

/// The host's virtual counter, which the guest's counters are offsets of.
pub(crate) fn counter() -> u64 {
    arch::counter()
}

/// Ticks a second of the host's and every guest's counters.
pub(crate) fn counter_frequency() -> u64 {
    arch::counter_frequency()
}

/// Bytes that one `DC ZVA` writes, on the host as in its guests (`DCZID_EL0`); 0 where it is not known.
pub(crate) fn zeroing_block() -> u16 {
    arch::zeroing_block()
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use core::arch::asm;

    pub(super) fn synchronize(start: usize, length: usize) {
        let cache_type: u64;
        // SAFETY: CTR_EL0 can be read at EL0 or is emulated by Linux (arch/arm64, elf_hwcaps.rst).
        unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack, preserves_flags)) };
        // DDI 0487, CTR_EL0: DminLine [19:16] and IminLine [3:0] are log2 of the number of words of the
        // smallest line. Cleaning and invalidating where IDC or DIC say that it is not needed does no
        // harm, and needs no trust in a value that a hypervisor may have made up.
        let data_line = 4_usize << (cache_type >> 16 & 0xf);
        let instruction_line = 4_usize << (cache_type & 0xf);
        for line in lines(start, length, data_line) {
            // SAFETY: `line` is in the mapping that the caller holds, or in the same line as its first
            // byte. A clean to the point of unification changes no memory contents.
            unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
        for line in lines(start, length, instruction_line) {
            // SAFETY: as above; an invalidation of instruction caches changes no memory contents.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: barriers.
        unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
    }

    /// The addresses of all lines that hold a byte of the range.
    fn lines(start: usize, length: usize, line: usize) -> impl Iterator<Item = usize> {
        (start & !(line - 1)..start.saturating_add(length)).step_by(line)
    }

    pub(super) fn counter() -> u64 {
        let counter: u64;
        // SAFETY: Linux lets EL0 read CNTVCT_EL0 or emulates it; the ISB keeps the read in its place.
        unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) counter, options(nostack, preserves_flags)) };
        counter
    }

    pub(super) fn zeroing_block() -> u16 {
        let id: u64;
        // SAFETY: DDI 0487, DCZID_EL0: readable at every exception level without a trap but fine-grained
        // ones, which Linux does not set for its processes.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack, preserves_flags)) };
        // BS [3:0] is log2 of the number of words, at most 9.
        4_u16.checked_shl((id & 0xf) as u32).unwrap_or_default()
    }

    pub(super) fn counter_frequency() -> u64 {
        let frequency: u64;
        // SAFETY: Linux lets EL0 read CNTFRQ_EL0 or emulates it.
        unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
        frequency
    }
}

/// No vCPU of ours runs on another host, so there is nothing to be coherent with, and no time to keep.
#[cfg(not(target_arch = "aarch64"))]
mod arch {
    pub(super) fn synchronize(_start: usize, _length: usize) {}

    pub(super) fn counter() -> u64 {
        0
    }

    pub(super) fn zeroing_block() -> u16 {
        0
    }

    pub(super) fn counter_frequency() -> u64 {
        1
    }
}
