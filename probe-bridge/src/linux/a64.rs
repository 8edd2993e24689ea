//! As much of A64 as it takes to know where a function's arguments still are, and which addresses it
//! hands on (DDI 0487, "A64 Instruction Set Encoding").

/// Which general-purpose registers an instruction may write, as a bit each; `None` where the next
/// instruction may not be the one behind it, or nothing is known of it.
pub(super) const fn written(word: u32) -> Option<u32> {
    let (destination, base) = (register_bit(word, 0), register_bit(word, 5));
    match (word >> 25) & 0xf {
        // Data processing: immediate, register, and SIMD, which may move into a general register.
        0b1000 | 0b1001 | 0b0101 | 0b1101 | 0b0111 | 0b1111 => Some(destination),
        0b1010 | 0b1011 => system(word),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => Some(load_store(word, destination, base)),
        _ => None,
    }
}

/// The register at such a bit of the word; none for 31.
const fn register_bit(word: u32, at: u32) -> u32 {
    (1 << ((word >> at) & 0x1f)) & !(1 << 31)
}

/// Hints, barriers and system registers; what branches is none of these.
const fn system(word: u32) -> Option<u32> {
    const SCRATCH_AND_LINK: u32 = 1 << 16 | 1 << 17 | 1 << 30;
    if word & 0xffff_f01f == 0xd503_201f {
        // Pointer authentication is among the hints.
        return Some(SCRATCH_AND_LINK);
    }
    if word & 0xff00_0000 != 0xd500_0000 {
        return None;
    }
    let reads = word & 1 << 21 != 0;
    Some(if reads { register_bit(word, 0) } else { 0 })
}

const fn load_store(word: u32, destination: u32, base: u32) -> u32 {
    let simd = word & 1 << 26 != 0;
    match (word >> 27) & 0b111 {
        // Pairs.
        0b101 => {
            let load = word & 1 << 22 != 0;
            let loaded = if load && !simd { destination | register_bit(word, 10) } else { 0 };
            let writes_back = word & 1 << 23 != 0;
            loaded | if writes_back { base } else { 0 }
        }
        // One register.
        0b111 => {
            let store = word & 0b11 << 22 == 0;
            let unsigned_offset = word & 1 << 24 != 0;
            let atomic = !unsigned_offset && word & 1 << 21 != 0 && word & 0b11 << 10 == 0;
            let loaded = if simd || (store && !atomic) { 0 } else { destination };
            let writes_back = !unsigned_offset && word & 1 << 21 == 0 && word & 1 << 10 != 0;
            loaded | if writes_back { base } else { 0 }
        }
        // Exclusives, literals and what else there is.
        _ => destination | base | register_bit(word, 10) | register_bit(word, 16),
    }
}

/// The registers whose values are known along a straight piece of code.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    registers: [Option<u64>; 31],
}

impl Constants {
    /// What a register holds, if that is known.
    pub(super) fn get(&self, register: usize) -> Option<u64> {
        *self.registers.get(register)?
    }

    /// Follows one instruction at `address`; true where it is a call, behind which the argument registers
    /// are not known any more.
    pub(super) fn follow(&mut self, address: u64, word: u32) -> bool {
        let value = self.value(address, word);
        let call = word & 0xfc00_0000 == 0x9400_0000;
        if call {
            // Registers that a call need not keep (AAPCS64, "General-purpose registers").
            self.forget(0x4007_ffff);
        } else {
            self.forget(written(word).unwrap_or_default());
        }
        if let (Some(value), Some(register)) = (value, self.registers.get_mut(field(word, 0))) {
            *register = Some(value);
        }
        call
    }

    /// What an instruction puts into its destination, where that is known.
    fn value(&self, address: u64, word: u32) -> Option<u64> {
        if word & 0x1f00_0000 == 0x1000_0000 {
            let immediate = i64::from(word.cast_signed() >> 5) & 0x7_ffff;
            let immediate = (immediate << 2 | i64::from(word >> 29 & 0b11)) << 43 >> 43;
            let page = word & 1 << 31 != 0;
            return Some(match page {
                true => (address & !0xfff).wrapping_add_signed(immediate << 12),
                false => address.wrapping_add_signed(immediate),
            });
        }
        if word & 0xff80_0000 == 0x9100_0000 {
            let immediate = u64::from(word >> 10 & 0xfff) << (12 * (word >> 22 & 1));
            return Some(self.get(field(word, 5))?.wrapping_add(immediate));
        }
        if word & 0xffe0_ffe0 == 0xaa00_03e0 {
            return self.get(field(word, 16));
        }
        None
    }

    fn forget(&mut self, registers: u32) {
        for (number, register) in self.registers.iter_mut().enumerate() {
            if registers >> number & 1 != 0 {
                *register = None;
            }
        }
    }
}

/// The register number at such a bit of the word.
const fn field(word: u32, at: u32) -> usize {
    (word >> at & 0x1f) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prologues_leave_arguments_alone() {
        for (word, registers) in [
            (0xd503_233f, 1 << 16 | 1 << 17 | 1 << 30), // paciasp
            (0xa9bd_7bfd, 0),                           // stp x29, x30, [sp, #-48]!
            (0x9100_03fd, 1 << 29),                     // mov x29, sp
            (0xa901_53f3, 0),                           // stp x19, x20, [sp, #16]
            (0xaa00_03f3, 1 << 19),                     // mov x19, x0
            (0xd538_4114, 1 << 20),                     // mrs x20, sp_el0
            (0xf940_0400, 1 << 0),                      // ldr x0, [x0, #8]
            (0xf800_8441, 1 << 2),                      // str x1, [x2], #8
            (0xa8c1_0440, 1 << 0 | 1 << 1 | 1 << 2),    // ldp x0, x1, [x2], #16
            (0xb820_0041, 1 << 1),                      // ldadd w0, w1, [x2]
            (0xfd00_0041, 0),                           // str d1, [x2]
            (0xd518_1000, 0),                           // msr sctlr_el1, x0
        ] {
            assert_eq!(written(word), Some(registers), "{word:#x}");
        }
        for word in [0x9400_0001, 0x1400_0001, 0xb400_0040, 0x5400_0040, 0xd65f_03c0, 0xd420_0000, 0] {
            assert_eq!(written(word), None, "{word:#x}");
        }
    }

    #[test]
    fn addresses_are_followed_until_a_call() {
        let mut constants = Constants::default();
        let at = 0xffff_8000_0801_0ffc;
        assert!(!constants.follow(at, 0xf000_0001)); // adrp x1, +3 pages
        assert_eq!(constants.get(1), Some(0xffff_8000_0801_3000));
        assert!(!constants.follow(at, 0x9104_0033)); // add x19, x1, #0x100
        assert_eq!(constants.get(19), Some(0xffff_8000_0801_3100));
        assert!(!constants.follow(at, 0xaa13_03e2)); // mov x2, x19
        assert!(!constants.follow(at, 0x10ff_ffe3)); // adr x3, .-4
        assert_eq!(constants.get(3), Some(at - 4));
        assert!(constants.follow(at, 0x9400_0001));
        assert_eq!(constants.get(2), None);
        assert_eq!(constants.get(19), Some(0xffff_8000_0801_3100));
    }
}
