//! A chip's memory as gdb is told of it.

use trapline_core::address::AddressRange;
use trapline_core::target::{MemoryKind, MemoryRegion, Refusal, TargetError};

use super::error::{BoardError, Result};

/// The 32-bit address space, in which all but `read_only` may be memory that can be written: what a description
/// leaves out may be a device. gdb takes hardware breakpoints of its own accord where memory is read-only.
#[must_use]
pub fn of(read_only: &[AddressRange]) -> Vec<MemoryRegion> {
    const END: u64 = 1 << 32;
    let mut sorted = read_only.to_vec();
    sorted.sort_by_key(|range| range.first());
    let mut regions = Vec::new();
    let mut next = 0;
    let mut add = |first: u64, end: u64, kind| {
        if let Some(length) = end.checked_sub(first)
            && let Ok(range) = AddressRange::new(first, length)
        {
            regions.push(MemoryRegion { range, kind });
        }
    };
    for range in sorted {
        // A description may be of a larger address space, and say the same twice.
        let (first, end) = (range.first().clamp(next, END), range.last().saturating_add(1).min(END));
        add(next, first, MemoryKind::Ram);
        add(first, end, MemoryKind::Rom);
        next = next.max(end);
    }
    add(next, END, MemoryKind::Ram);
    regions
}

/// An error of the memory's bus is the address's.
pub(super) fn told<T>(
    result: Result<T>,
    range: AddressRange,
) -> std::result::Result<T, TargetError<BoardError>> {
    result.map_err(|error| match error {
        BoardError::Fault { .. } => Refusal::NoMemory(range).into(),
        error => TargetError::Lost(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_address_space_is_told_and_what_is_flash() {
        let range = |first, length| AddressRange::new(first, length).unwrap();
        let flash = [range(0x0800_0000, 0x1_0000), range(0, 0x1000)];
        let regions: Vec<_> = of(&flash).iter().map(|region| (region.range.first(), region.kind)).collect();
        let expected = [
            (0, MemoryKind::Rom),
            (0x1000, MemoryKind::Ram),
            (0x0800_0000, MemoryKind::Rom),
            (0x0801_0000, MemoryKind::Ram),
        ];
        assert_eq!(regions, expected);
        // What lies above is nothing that a Cortex-M core reaches.
        assert_eq!(of(&[range(1 << 40, 0x1000), range(u64::MAX, 1)]), of(&[]));
        assert_eq!(of(&[]).iter().map(|region| region.range.len()).collect::<Vec<_>>(), [1 << 32]);
        let whole = of(&[range(0xffff_0000, 0x1_0000)]);
        assert_eq!(
            whole.last().map(|region| (region.range.last(), region.kind)),
            Some((0xffff_ffff, MemoryKind::Rom))
        );
        let overlapping = of(&[range(0, 0x1000), range(0x800, 0x1000)]);
        assert_eq!(overlapping[1].range, range(0x1000, 0x800));
    }
}
