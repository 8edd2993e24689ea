//! The data watchpoint unit (DDI 0403, "The Data Watchpoint and Trace unit"; DDI 0553, same title).

use super::Architecture;
use super::memory::Access;

const MATCHED: u32 = 1 << 24;

/// One comparator.
#[derive(Clone, Copy, Debug, Default)]
struct Comparator {
    address: u32,
    mask: u32,
    function: u32,
}

/// The unit's registers.
#[derive(Clone, Debug)]
pub(super) struct Dwt {
    architecture: Architecture,
    comparators: Vec<Comparator>,
}

impl Dwt {
    pub(super) fn new(architecture: Architecture) -> Self {
        let comparators = if architecture == Architecture::V6M { 2 } else { 4 };
        Self { architecture, comparators: vec![Comparator::default(); comparators] }
    }

    pub(super) fn read(&mut self, offset: u32) -> u32 {
        let architecture = self.architecture;
        let count = self.comparators.len() as u32;
        let Some((comparator, register)) = self.comparator(offset) else {
            // DWT_CTRL: comparators; no trace packets, no counters. Armv6-M has only the number.
            let lacks = if architecture == Architecture::V6M { 0 } else { 0x0f00_0000 };
            return if offset == 0 { count << 28 | lacks } else { 0 };
        };
        match (register, architecture) {
            (0x0, _) => comparator.address,
            (0x4, Architecture::V6M | Architecture::V7M) => comparator.mask,
            (0x8, _) => {
                let function = comparator.function;
                comparator.function &= !MATCHED;
                // ID: data addresses with values, and the limits of ranges.
                let id = if architecture == Architecture::V8M { 0b1_1110 << 27 } else { 0 };
                id | function
            }
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, offset: u32, value: u32) {
        let architecture = self.architecture;
        let Some((comparator, register)) = self.comparator(offset) else { return };
        match (register, architecture) {
            (0x0, _) => comparator.address = value,
            // Masks of up to 32 KiB.
            (0x4, Architecture::V6M | Architecture::V7M) => comparator.mask = value.min(15),
            (0x8, Architecture::V6M | Architecture::V7M) => comparator.function = value & 0xf,
            (0x8, Architecture::V8M) => comparator.function = value & 0x0000_0c3f,
            _ => {}
        }
    }

    /// Whether an access is watched; the comparator remembers it.
    pub(super) fn watches(&mut self, access: &Access) -> bool {
        let last = access.address + access.size - 1;
        let mut hit = false;
        for number in 0..self.comparators.len() {
            let next = self.comparators.get(number + 1).copied().unwrap_or_default();
            let architecture = self.architecture;
            let Some(comparator) = self.comparators.get_mut(number) else { break };
            let (kind, first, end) = match architecture {
                Architecture::V6M | Architecture::V7M => {
                    let mask = (1 << comparator.mask) - 1;
                    let kind = match comparator.function & 0xf {
                        0b0101 => Some((true, false)),
                        0b0110 => Some((false, true)),
                        0b0111 => Some((true, true)),
                        _ => None,
                    };
                    (kind, comparator.address & !mask, comparator.address | mask)
                }
                Architecture::V8M => {
                    let kind = match comparator.function & 0x3f {
                        0b01_0100 => Some((true, true)),
                        0b01_0101 => Some((false, true)),
                        0b01_0110 => Some((true, false)),
                        _ => None,
                    };
                    let size = 1 << (comparator.function >> 10 & 0b11);
                    // The next one may be the limit of a range.
                    let end = if next.function & 0xf == 0b0111 {
                        next.address
                    } else {
                        comparator.address + size - 1
                    };
                    (kind, comparator.address, end)
                }
            };
            let Some((reads, writes)) = kind else { continue };
            if (if access.write { writes } else { reads }) && access.address <= end && first <= last {
                comparator.function |= MATCHED;
                hit = true;
            }
        }
        hit
    }

    /// Whether the address of an instruction that is executed is watched; the comparator remembers it.
    pub(super) fn watches_instruction(&mut self, pc: u32) -> bool {
        if self.architecture == Architecture::V8M {
            return false;
        }
        let mut hit = false;
        for comparator in &mut self.comparators {
            let mask = (1 << comparator.mask) - 1;
            if comparator.function & 0xf == 0b0100 && comparator.address & !mask == pc & !mask {
                comparator.function |= MATCHED;
                hit = true;
            }
        }
        hit
    }

    /// The comparator that an offset belongs to, and its register.
    fn comparator(&mut self, offset: u32) -> Option<(&mut Comparator, u32)> {
        let number = offset.checked_sub(0x020)? / 16;
        Some((self.comparators.get_mut(number as usize)?, offset & 0xf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(architecture: Architecture, registers: &[(u32, u32)]) -> Dwt {
        let mut unit = Dwt::new(architecture);
        for &(offset, value) in registers {
            unit.write(offset, value);
        }
        unit
    }

    #[test]
    fn a_mask_widens_and_a_function_narrows() {
        let mut unit = unit(Architecture::V7M, &[(0x020, 0x2000_0010), (0x024, 2), (0x028, 6)]);
        let access = |address, size, write| Access { address, size, write };
        assert!(unit.watches(&access(0x2000_0012, 2, true)));
        assert_eq!(unit.read(0x028), 6 | MATCHED);
        assert_eq!(unit.read(0x028), 6, "the flag is told once");
        assert!(!unit.watches(&access(0x2000_0012, 2, false)));
        assert!(!unit.watches(&access(0x2000_0014, 4, true)));
        assert!(unit.watches(&access(0x2000_000e, 4, true)), "an access that reaches into it");
    }

    #[test]
    fn instructions_are_watched_by_their_addresses() {
        let mut unit = unit(Architecture::V6M, &[(0x030, 0x0800_0106), (0x034, 1), (0x038, 4)]);
        assert!(unit.watches_instruction(0x0800_0106) && !unit.watches_instruction(0x0800_0108));
        assert_eq!(unit.read(0x038), 4 | MATCHED);
        assert_eq!(unit.read(0), 2 << 28);
        unit.write(0x040, 0x0800_0108);
        assert_eq!(unit.read(0x040), 0, "there is no third comparator");
    }

    #[test]
    fn sizes_and_limits_of_version_2() {
        let access = |address, write| Access { address, size: 1, write };
        let mut sized = unit(Architecture::V8M, &[(0x020, 0x2000_0010), (0x028, 0x815)]);
        assert!(sized.watches(&access(0x2000_0013, true)) && !sized.watches(&access(0x2000_0014, true)));
        assert!(!sized.watches(&access(0x2000_0013, false)));
        let registers = [(0x020, 0x2000_0010), (0x028, 0x14), (0x030, 0x2000_0021), (0x038, 0x07)];
        let mut range = unit(Architecture::V8M, &registers);
        assert!(range.watches(&access(0x2000_0021, false)) && !range.watches(&access(0x2000_0022, false)));
    }
}
