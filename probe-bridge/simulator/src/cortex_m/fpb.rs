//! The breakpoint unit (DDI 0403, "Flash Patch and Breakpoint unit"; DDI 0553, same title; DDI 0419, "Breakpoint
//! unit").

use super::Architecture;

const KEY: u32 = 1 << 1;

/// The unit's registers.
#[derive(Clone, Debug)]
pub(super) struct Fpb {
    architecture: Architecture,
    enabled: bool,
    /// Instruction address comparators.
    comparators: Vec<u32>,
}

impl Fpb {
    pub(super) fn new(architecture: Architecture) -> Self {
        let comparators = if architecture == Architecture::V6M { 4 } else { 6 };
        Self { architecture, enabled: false, comparators: vec![0; comparators] }
    }

    pub(super) fn read(&self, offset: u32) -> u32 {
        match offset {
            0x000 => {
                let revision = match self.architecture {
                    Architecture::V6M | Architecture::V7M => 0,
                    Architecture::V8M => 1 << 28,
                };
                revision | (self.comparators.len() as u32) << 4 | u32::from(self.enabled)
            }
            0x008..0x100 => self.comparators.get((offset as usize - 8) / 4).copied().unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, offset: u32, value: u32) {
        match offset {
            0x000 if value & KEY != 0 => self.enabled = value & 1 != 0,
            0x008..0x100 => {
                if let Some(comparator) = self.comparators.get_mut((offset as usize - 8) / 4) {
                    *comparator = value;
                }
            }
            _ => {}
        }
    }

    /// Whether a comparator matches an instruction.
    pub(super) fn matches(&self, pc: u32) -> bool {
        self.enabled
            && self.comparators.iter().any(|&comparator| {
                if comparator & 1 == 0 {
                    return false;
                }
                match self.architecture {
                    Architecture::V8M => comparator & !1 == pc,
                    // The Code region only; REPLACE, or BP_MATCH, says which halfword of the word.
                    Architecture::V6M | Architecture::V7M => {
                        let halfwords = comparator >> 30;
                        let upper = pc & 0b10 != 0;
                        pc < 0x2000_0000
                            && comparator & 0x1fff_fffc == pc & !0b11
                            && halfwords & if upper { 0b10 } else { 0b01 } != 0
                    }
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_way_to_name_a_halfword() {
        let matching = |architecture, comparator| {
            let mut unit = Fpb::new(architecture);
            unit.write(0x008, comparator);
            assert!(!unit.matches(0x0800_0100), "it is off");
            unit.write(0x000, 0b11);
            [0x0800_0100, 0x0800_0102].map(|pc| unit.matches(pc))
        };
        assert_eq!(matching(Architecture::V6M, 0x4800_0101), [true, false]);
        assert_eq!(matching(Architecture::V7M, 0x4800_0101), [true, false]);
        assert_eq!(matching(Architecture::V7M, 0x8800_0101), [false, true]);
        assert_eq!(matching(Architecture::V7M, 0xc800_0101), [true, true]);
        assert_eq!(matching(Architecture::V8M, 0x0800_0101), [true, false]);
        assert_eq!(matching(Architecture::V8M, 0x0800_0103), [false, true]);
        assert_eq!(matching(Architecture::V8M, 0x0800_0102), [false, false]);
    }
}
