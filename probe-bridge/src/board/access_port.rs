//! Words behind a memory access port, in as few transfers as that takes.
//!
//! An interface of probe-rs borrows the session, so each visit to a bus makes a new one; that asks the port what it is
//! and sets it up, and each word then needs its address: some ten transfers for one. Here the port is set up once, it
//! is remembered which address comes next, and words in the same 16 bytes as that one go through banked data registers
//! without a new address (IHI 0031, "The Memory Access Port"). What is remembered is given up at every error.

use probe_rs::architecture::arm::{ArmDebugInterface, ArmError, FullyQualifiedApAddress};

use super::busy::Busy;

/// Control and status: the size of accesses, and what the address does after one.
const CSW: u64 = 0x00;
/// Transfer address, and its upper half.
const TAR: u64 = 0x04;
/// As above.
const TAR_HIGH: u64 = 0x08;
/// Data at the transfer address.
const DRW: u64 = 0x0c;
/// `BD0`: data in the same 16 bytes as the transfer address; `BD1` to `BD3` follow.
const BD0: u64 = 0x10;
/// Configuration.
const CFG: u64 = 0xf4;

/// `CSW.Size` and `CSW.AddrInc`: bits \[2:0\] and \[5:4\].
const SIZE_AND_INCREMENT: u32 = 0b11_0111;
/// Words, and the address advances by one after each.
const WORDS_ASCENDING: u32 = 0b01_0010;
/// `CFG.LA`: addresses have 64 bits.
const LARGE: u32 = 1 << 1;
/// The address is sure to advance within blocks of this size only.
const BLOCK: u64 = 1 << 10;

/// A memory access port, and what is known of it.
#[derive(Debug)]
pub(super) struct AccessPort {
    address: FullyQualifiedApAddress,
    identity: Option<Identity>,
    /// Whether the port is set up for words.
    settled: bool,
    /// Its transfer address.
    transfer_address: Option<u64>,
    /// Whether the last access went through a banked register, so that those are selected.
    banked: bool,
}

/// What never changes.
#[derive(Clone, Copy, Debug)]
struct Identity {
    /// `CSW` for words, with the protection that probe-rs chooses for this kind of port.
    control: u32,
    /// Whether addresses have 64 bits.
    large: bool,
}

impl AccessPort {
    /// A port of which nothing is known.
    pub(super) const fn new(address: FullyQualifiedApAddress) -> Self {
        Self { address, identity: None, settled: false, transfer_address: None, banked: false }
    }

    /// Where it is.
    pub(super) const fn address(&self) -> &FullyQualifiedApAddress {
        &self.address
    }

    /// Somebody else has used the port, or it may have been reset: it is set up anew.
    pub(super) const fn unsettle(&mut self) {
        (self.settled, self.transfer_address, self.banked) = (false, None, false);
    }

    /// Reads a word.
    pub(super) fn read(
        &mut self,
        interface: &mut dyn ArmDebugInterface,
        address: u64,
    ) -> Result<u32, ArmError> {
        self.attempt(|port| {
            let register = port.register(interface, address)?;
            let value = interface.read_raw_ap_register(&port.address, register)?;
            port.advance(register, 1);
            Ok(value)
        })
    }

    /// Writes a word.
    pub(super) fn write(
        &mut self,
        interface: &mut dyn ArmDebugInterface,
        address: u64,
        value: u32,
    ) -> Result<(), ArmError> {
        self.attempt(|port| {
            let register = port.register(interface, address)?;
            interface.write_raw_ap_register(&port.address, register, value)?;
            port.advance(register, 1);
            Ok(())
        })
    }

    /// Reads words that follow each other, and tells of each block.
    pub(super) fn read_block(
        &mut self,
        interface: &mut dyn ArmDebugInterface,
        address: u64,
        words: &mut [u32],
        busy: &Busy,
    ) -> Result<(), ArmError> {
        self.attempt(|port| {
            let (mut address, mut rest) = (address, words);
            while !rest.is_empty() {
                let count = fitting(address, rest.len());
                let (now, later) = rest.split_at_mut(count);
                port.direct(interface, address)?;
                match now {
                    [word] => *word = interface.read_raw_ap_register(&port.address, DRW)?,
                    words => interface.read_raw_ap_register_repeated(&port.address, DRW, words)?,
                }
                port.advance(DRW, count);
                busy.moved(4 * count);
                (address, rest) = (address.wrapping_add(4 * count as u64), later);
            }
            Ok(())
        })
    }

    /// Writes words that follow each other, and tells of each block.
    pub(super) fn write_block(
        &mut self,
        interface: &mut dyn ArmDebugInterface,
        address: u64,
        words: &[u32],
        busy: &Busy,
    ) -> Result<(), ArmError> {
        self.attempt(|port| {
            let (mut address, mut rest) = (address, words);
            while !rest.is_empty() {
                let count = fitting(address, rest.len());
                let (now, later) = rest.split_at(count);
                port.direct(interface, address)?;
                match *now {
                    [word] => interface.write_raw_ap_register(&port.address, DRW, word)?,
                    _ => interface.write_raw_ap_register_repeated(&port.address, DRW, now)?,
                }
                port.advance(DRW, count);
                busy.moved(4 * count);
                (address, rest) = (address.wrapping_add(4 * count as u64), later);
            }
            Ok(())
        })
    }

    /// After an error nobody knows how far it came.
    fn attempt<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R, ArmError>) -> Result<R, ArmError> {
        let result = work(self);
        if result.is_err() {
            self.unsettle();
        }
        result
    }

    /// The data register that leads to an address, with the transfer address set as it has to be.
    fn register(&mut self, interface: &mut dyn ArmDebugInterface, address: u64) -> Result<u64, ArmError> {
        self.settle(interface)?;
        let same_block = self.transfer_address.is_some_and(|known| known & !0xf == address & !0xf);
        // Between the two kinds of data registers the debug port has to be told another bank.
        if same_block && (self.banked || self.transfer_address != Some(address)) {
            self.banked = true;
            return Ok(BD0 + (address & 0xc));
        }
        self.direct(interface, address)?;
        Ok(DRW)
    }

    /// Sets the transfer address.
    fn direct(&mut self, interface: &mut dyn ArmDebugInterface, address: u64) -> Result<(), ArmError> {
        let identity = self.settle(interface)?;
        self.banked = false;
        if self.transfer_address == Some(address) {
            return Ok(());
        }
        let high = (address >> 32) as u32;
        if !identity.large && high != 0 {
            return Err(ArmError::OutOfBounds);
        }
        if identity.large && self.transfer_address.is_none_or(|known| known >> 32 != address >> 32) {
            interface.write_raw_ap_register(&self.address, TAR_HIGH, high)?;
        }
        interface.write_raw_ap_register(&self.address, TAR, address as u32)?;
        self.transfer_address = Some(address);
        Ok(())
    }

    /// So many words have gone through a data register.
    const fn advance(&mut self, register: u64, words: usize) {
        let Some(known) = self.transfer_address else { return };
        if register == DRW {
            let next = known.wrapping_add(4 * words as u64);
            self.transfer_address =
                if next & !(BLOCK - 1) == known & !(BLOCK - 1) { Some(next) } else { None };
        }
    }

    /// Sets the port up for words, where it is not.
    fn settle(&mut self, interface: &mut dyn ArmDebugInterface) -> Result<Identity, ArmError> {
        let identity = match self.identity {
            Some(identity) => identity,
            None => self.identify(interface)?,
        };
        if !self.settled {
            interface.write_raw_ap_register(&self.address, CSW, identity.control)?;
            (self.identity, self.settled) = (Some(identity), true);
        }
        Ok(identity)
    }

    /// Has probe-rs set the port up, and looks what it has made of it.
    fn identify(&self, interface: &mut dyn ArmDebugInterface) -> Result<Identity, ArmError> {
        drop(interface.memory_interface(&self.address)?);
        let control = interface.read_raw_ap_register(&self.address, CSW)?;
        let configuration = interface.read_raw_ap_register(&self.address, CFG)?;
        Ok(Identity {
            control: control & !SIZE_AND_INCREMENT | WORDS_ASCENDING,
            large: configuration & LARGE != 0,
        })
    }
}

/// How many of some words come before the next block.
fn fitting(address: u64, words: usize) -> usize {
    let left = (BLOCK - address % BLOCK).div_ceil(4);
    usize::try_from(left).map_or(words, |left| left.min(words))
}
