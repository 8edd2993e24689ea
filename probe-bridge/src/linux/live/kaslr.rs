//! How far a kernel has moved: address space layout randomisation gives it a new place at every start.

use super::{Memory, Unreadable};
use crate::linux::Kernel;

/// Where a kernel is is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// Neither the exception vectors nor the memory lead to it.
    #[error(
        "this kernel is not in the memory: its banner is neither where the exception vectors of a core say, nor \
         at a multiple of 64 KiB of the physical memory; is it the kernel that runs?"
    )]
    Nowhere,
    /// It is in memory and has not chosen its address yet.
    #[error(
        "the kernel is at physical {physical:#x} and has not chosen its address yet: it runs with the MMU off; \
         ask again behind start_kernel"
    )]
    NotYet {
        /// Where its first byte is.
        physical: u64,
    },
}

/// How much higher than it was linked the kernel runs, in bytes.
///
/// `vectors` are the values of `VBAR_EL1` of the cores: in the kernel each points to one of its tables. Where
/// none does, the kernel is looked for in the physical memory, and says by itself where it is.
///
/// # Errors
/// [`NotFound`].
pub fn slide(
    kernel: &Kernel,
    vectors: impl IntoIterator<Item = u64>,
    memory: &mut dyn Memory,
) -> Result<u64, NotFound> {
    let runs = |slide: u64, memory: &mut dyn Memory| {
        has_banner(kernel, slide, |address, bytes| memory.read(address, bytes))
    };
    for vector in vectors {
        for table in tables(kernel) {
            let slide = vector.wrapping_sub(table);
            if slide.is_multiple_of(STEP) && runs(slide, memory) == Some(true) {
                return Ok(slide);
            }
        }
    }
    by_memory(kernel, memory)
}

/// The kernel is at a multiple of so many bytes, physically and virtually.
const STEP: u64 = 64 << 10;

/// Where exception vectors may be: one table, or one of four that guard against speculation.
fn tables(kernel: &Kernel) -> impl Iterator<Item = u64> {
    const TABLE: u64 = 0x800;
    let at = |name: &'static str| kernel.symbols().named(name).next().map(|symbol| symbol.address);
    let guarded = at("__bp_harden_el1_vectors").into_iter();
    at("vectors")
        .into_iter()
        .chain(guarded.flat_map(|first| (0..4).map(move |number| first + TABLE * number)))
}

/// Whether the kernel's banner is where it should be; `None` where it has none.
fn has_banner(
    kernel: &Kernel,
    slide: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), Unreadable>,
) -> Option<bool> {
    let banner = kernel.banner()?;
    let address = kernel.symbols().named("linux_banner").next()?.address;
    let mut found = vec![0; banner.len()];
    let there = read(address.wrapping_add(slide), &mut found).is_ok() && found == banner.as_bytes();
    Some(there)
}

/// Looks for the banner in the physical memory, and asks the kernel how far its addresses are from there.
fn by_memory(kernel: &Kernel, memory: &mut dyn Memory) -> Result<u64, NotFound> {
    let base = kernel.symbols().base();
    let distance = kernel.symbols().named("kimage_voffset").next().ok_or(NotFound::Nowhere)?.address;
    for (first, length) in memory.regions() {
        let last = first.saturating_add(length);
        let mut physical = first.next_multiple_of(STEP);
        while physical < last {
            // From link addresses to here.
            let moved = physical.wrapping_sub(base);
            let mut read = |address: u64, bytes: &mut [u8]| memory.read_physical(address, bytes);
            if has_banner(kernel, moved, &mut read) == Some(true) {
                let mut word = [0; 8];
                let known = read(distance.wrapping_add(moved), &mut word).is_ok();
                let slide = physical.wrapping_add(u64::from_le_bytes(word)).wrapping_sub(base);
                if known && word != [0; 8] && slide.is_multiple_of(STEP) {
                    return Ok(slide);
                }
                return Err(NotFound::NotYet { physical });
            }
            physical += STEP;
        }
    }
    Err(NotFound::Nowhere)
}
