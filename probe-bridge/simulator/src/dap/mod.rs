//! The debug port and the access ports behind it (Arm IHI 0031, ADIv5).

pub mod component;
mod debug_port;
pub mod jtag;
mod memory_ap;

pub use debug_port::{DebugPort, Response, Space};
pub use memory_ap::{MemoryAp, MemoryApKind};

/// The size of one access on a bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
}

impl Size {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// A bus answered with an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bus answers {address:#x} with an error")]
pub struct BusError {
    /// The address.
    pub address: u64,
}

/// What lies behind the access ports: memory, and cores that run.
pub trait System: Send {
    /// Its access ports, by number.
    fn access_ports(&self) -> Vec<MemoryAp>;

    /// Reads `size` bytes through an access port, in the low bits.
    ///
    /// # Errors
    /// [`BusError`] where nothing answers.
    fn read(&mut self, port: u8, address: u64, size: Size) -> Result<u32, BusError>;

    /// Writes `size` bytes, the low bits of `value`, through an access port.
    ///
    /// # Errors
    /// [`BusError`] where nothing answers.
    fn write(&mut self, port: u8, address: u64, size: Size, value: u32) -> Result<(), BusError>;

    /// Lets every core that runs execute up to `instructions` instructions.
    fn run(&mut self, instructions: u32);

    /// Whether some core would execute something.
    fn is_running(&self) -> bool;

    /// The board's reset line is pulled, or released: the cores begin anew.
    fn set_reset(&mut self, asserted: bool);

    /// Something breaks, or is mended.
    fn suffer(&mut self, fault: Fault);

    /// Takes what the board has written to its serial line.
    fn take_serial(&mut self) -> Vec<u8>;
}

/// What can be wrong with a board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A core has no power (`EDPRSR.PU` is 0; a Cortex-M core answers no access), or has it again.
    CorePower {
        /// The core's number.
        core: u8,
        /// Whether it has power.
        on: bool,
    },
    /// Memory takes no write: its bus answers one with an error; or it does again.
    WriteProtected(bool),
    /// Debugging is not allowed (`DBGAUTHSTATUS_EL1`; `DHCSR.C_DEBUGEN` stays 0), or is again.
    Locked(bool),
}
