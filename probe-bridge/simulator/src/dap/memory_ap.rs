//! A memory access port: `CSW`, `TAR`, `DRW` and what else belongs to it (IHI 0031, "The Memory Access Port").

use super::{BusError, Size, System};

/// The bus behind a memory access port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryApKind {
    /// APB: debug registers, words only.
    Apb,
    /// AHB: memory, bytes and halfwords as well.
    Ahb,
}

const CSW: u8 = 0x00;
const TAR: u8 = 0x04;
const TAR_HIGH: u8 = 0x08;
const DRW: u8 = 0x0c;
const BD0: u8 = 0x10;
const BD3: u8 = 0x1c;
const CFG: u8 = 0xf4;
const BASE: u8 = 0xf8;
const IDR: u8 = 0xfc;

/// `CSW.DeviceEn`, and a protection value that debuggers carry along.
const ENABLED: u32 = 0x0300_0040;
/// `CSW.Prot`, `CSW.AddrInc` and `CSW.Size`: what can be written.
const WRITABLE: u32 = 0x7f00_0037;
/// Addresses advance within blocks of this size.
const BLOCK: u64 = 1 << 10;

/// A memory access port.
#[derive(Clone, Debug)]
pub struct MemoryAp {
    number: u8,
    kind: MemoryApKind,
    base: u32,
    csw: u32,
    tar: u64,
}

impl MemoryAp {
    /// An access port, by its number, its bus and `BASE`, where a debugger begins to look for components.
    #[must_use]
    pub const fn new(number: u8, kind: MemoryApKind, base: u32) -> Self {
        Self { number, kind, base, csw: ENABLED | 0b010, tar: 0 }
    }

    /// Reads a register.
    pub(super) fn read(&mut self, system: &mut dyn System, register: u8) -> Result<u32, BusError> {
        Ok(match register {
            CSW => self.csw,
            TAR => self.tar as u32,
            TAR_HIGH => (self.tar >> 32) as u32,
            DRW => self.transfer(|number, address, size| {
                let value = system.read(number, address, size)?;
                Ok(value << (8 * (address & 3)))
            })?,
            BD0..=BD3 => system.read(self.number, self.banked(register), Size::Word)?,
            CFG => 0,
            BASE => self.base,
            IDR => match self.kind {
                MemoryApKind::Apb => 0x4477_0002,
                MemoryApKind::Ahb => 0x2477_0011,
            },
            _ => 0,
        })
    }

    /// Writes a register; the address behind the port that was written, if one was.
    pub(super) fn write(
        &mut self,
        system: &mut dyn System,
        register: u8,
        value: u32,
    ) -> Result<Option<u64>, BusError> {
        match register {
            CSW => {
                self.csw = self.csw & !WRITABLE | value & WRITABLE;
                if self.kind == MemoryApKind::Apb {
                    self.csw = self.csw & !0b111 | 0b010;
                }
            }
            TAR => self.tar = self.tar & !0xffff_ffff | u64::from(value),
            TAR_HIGH => self.tar = self.tar & 0xffff_ffff | u64::from(value) << 32,
            DRW => {
                let address = self.tar;
                self.transfer(|number, address, size| {
                    system.write(number, address, size, value >> (8 * (address & 3)))?;
                    Ok(0)
                })?;
                return Ok(Some(address));
            }
            BD0..=BD3 => {
                let address = self.banked(register);
                system.write(self.number, address, Size::Word, value)?;
                return Ok(Some(address));
            }
            _ => {}
        }
        Ok(None)
    }

    /// The address that a banked data register reaches.
    fn banked(&self, register: u8) -> u64 {
        self.tar & !0xf | u64::from(register & 0xc)
    }

    fn size(&self) -> Size {
        match self.csw & 0b111 {
            0 => Size::Byte,
            1 => Size::Half,
            _ => Size::Word,
        }
    }

    /// One access to `DRW`: one on the bus, or several smaller ones where they are packed.
    fn transfer(
        &mut self,
        mut access: impl FnMut(u8, u64, Size) -> Result<u32, BusError>,
    ) -> Result<u32, BusError> {
        let size = self.size();
        let (count, increment) = match self.csw >> 4 & 0b11 {
            0 => (1, 0),
            0b10 => (4 / size.bytes(), size.bytes()),
            _ => (1, size.bytes()),
        };
        let mut value = 0;
        for _ in 0..count {
            value |= access(self.number, self.tar & !(size.bytes() - 1), size)?;
            self.tar = self.tar & !(BLOCK - 1) | (self.tar + increment) & (BLOCK - 1);
        }
        Ok(value)
    }
}
