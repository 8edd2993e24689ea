//! What a debugger that walks the board reads: component and peripheral identification (IHI 0029), and ROM tables.

/// Offset of the first register of a component's last 256 bytes.
const MANAGEMENT: u64 = 0xf00;

/// How a component presents itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The part number, 12 bits, with Arm for its designer.
    pub part: u16,
    /// The class of the component: 1 a ROM table, 9 a debug component, 0xe generic.
    pub class: u8,
    /// `DEVARCH`, with PRESENT set, or 0.
    pub architecture: u32,
    /// `DEVTYPE`.
    pub device_type: u8,
    /// `DEVID`.
    pub device_id: u32,
}

impl Identity {
    /// Reads one of the identification registers, 0xf00 to 0xffc; 0 where there is none.
    #[must_use]
    pub const fn read(&self, offset: u64) -> u32 {
        // JEP106 code of Arm: identity 0x3b, four continuations.
        let value = match offset {
            0xfbc => return self.architecture,
            0xfc8 => return self.device_id,
            0xfcc => self.device_type,
            0xfd0 => 0x04,
            0xfe0 => self.part as u8,
            0xfe4 => (self.part >> 8) as u8 & 0xf | 0xb0,
            0xfe8 => 0x0b,
            0xff0 => 0x0d,
            0xff4 => self.class << 4,
            0xff8 => 0x05,
            0xffc => 0xb1,
            _ => 0,
        };
        value as u32
    }

    /// Whether an offset is in the range of the identification registers.
    #[must_use]
    pub const fn covers(offset: u64) -> bool {
        offset >= MANAGEMENT
    }
}

/// Reads a ROM table whose entries lead to components at `offsets` from the table.
#[must_use]
pub fn rom_table(identity: &Identity, offsets: &[u32], offset: u64) -> u32 {
    if Identity::covers(offset) {
        // MEMTYPE: the bus of the table leads to memory as well.
        return if offset == 0xfcc { 1 } else { identity.read(offset) };
    }
    offsets.get(offset as usize / 4).map_or(0, |entry| entry | 0b11)
}
