//! A few A64 instructions by hand, from DDI 0487, "A64 Base Instruction Descriptions".

/// A program as it is written: words, and where they are.
pub(crate) struct Program {
    base: u64,
    words: Vec<u32>,
}

impl Program {
    pub(crate) fn at(base: u64) -> Self {
        Self { base, words: Vec::new() }
    }

    /// A program that does nothing, for ever.
    pub(crate) fn idle(base: u64) -> Self {
        let mut program = Self::at(base);
        program.branch(base);
        program
    }

    /// The address of the next instruction.
    pub(crate) fn here(&self) -> u64 {
        self.base + 4 * self.words.len() as u64
    }

    /// Adds an instruction and returns its address.
    pub(crate) fn add(&mut self, word: u32) -> u64 {
        let address = self.here();
        self.words.push(word);
        address
    }

    /// Puts a 64-bit value into a register, by four instructions.
    pub(crate) fn load(&mut self, register: u32, value: u64) {
        for part in 0..4 {
            let immediate = (value >> (16 * part)) as u16;
            self.add(if part == 0 { movz(register, immediate) } else { movk(register, immediate, part) });
        }
    }

    /// Branches to an address within 128 MiB.
    pub(crate) fn branch(&mut self, to: u64) -> u64 {
        let offset = to.wrapping_sub(self.here()) as i64 / 4;
        self.add(0x1400_0000 | (offset as u32 & 0x03ff_ffff))
    }

    /// Calls a function within 128 MiB.
    pub(crate) fn call(&mut self, function: u64) -> u64 {
        let offset = function.wrapping_sub(self.here()) as i64 / 4;
        self.add(0x9400_0000 | (offset as u32 & 0x03ff_ffff))
    }

    /// Fills up with NOPs so that the next instruction is at an address.
    pub(crate) fn pad_to(&mut self, address: u64) {
        while self.here() < address {
            self.add(NOP);
        }
    }

    /// Branches to an address within 1 MiB where a register is not zero.
    pub(crate) fn branch_if_not_zero(&mut self, register: u32, to: u64) -> u64 {
        let offset = to.wrapping_sub(self.here()) as i64 / 4;
        self.add(0xb500_0000 | ((offset as u32 & 0x7_ffff) << 5) | register)
    }

    /// Asks PSCI for something: X0 is the function identifier.
    pub(crate) fn psci(&mut self, function: u32) {
        self.load(0, function.into());
        self.add(hvc(0));
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// PSCI's SYSTEM_OFF (DEN 0022).
pub(crate) const SYSTEM_OFF: u32 = 0x8400_0008;
/// PSCI's SYSTEM_RESET.
pub(crate) const SYSTEM_RESET: u32 = 0x8400_0009;
/// PSCI's CPU_ON, 64 bits.
pub(crate) const CPU_ON: u32 = 0xc400_0003;

pub(crate) const NOP: u32 = 0xd503_201f;
pub(crate) const RET: u32 = 0xd65f_03c0;

pub(crate) fn movz(register: u32, immediate: u16) -> u32 {
    0xd280_0000 | (u32::from(immediate) << 5) | register
}

pub(crate) fn movk(register: u32, immediate: u16, part: u32) -> u32 {
    0xf280_0000 | (part << 21) | (u32::from(immediate) << 5) | register
}

/// ADD Xd, Xn, #immediate.
pub(crate) fn add(to: u32, from: u32, immediate: u32) -> u32 {
    0x9100_0000 | (immediate << 10) | (from << 5) | to
}

/// SUB Xd, Xn, #immediate.
pub(crate) fn sub(to: u32, from: u32, immediate: u32) -> u32 {
    0xd100_0000 | (immediate << 10) | (from << 5) | to
}

/// STRB, STRH, STR W or STR X by the base-two logarithm of the size, no offset.
pub(crate) fn store(size: u32, register: u32, base: u32) -> u32 {
    0x3900_0000 | (size << 30) | (base << 5) | register
}

/// LDRB, LDRH, LDR W or LDR X by the base-two logarithm of the size, no offset.
pub(crate) fn load(size: u32, register: u32, base: u32) -> u32 {
    0x3940_0000 | (size << 30) | (base << 5) | register
}

pub(crate) fn brk(comment: u16) -> u32 {
    0xd420_0000 | (u32::from(comment) << 5)
}

pub(crate) fn hvc(comment: u16) -> u32 {
    0xd400_0002 | (u32::from(comment) << 5)
}
