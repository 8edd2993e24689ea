//! What a running kernel has in its memory: tasks, messages, and how far it has moved.
//!
//! [`Memory`] is all that is needed of the machine; a dump serves as well as a guest. What is read is
//! hostile: lists may go round in circles, and sizes may be anything.

mod kaslr;
mod log;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;

pub use kaslr::{NotFound, slide};
pub use log::{Record, records};
pub use tasks::{State, Task, owner_of_stack, task, tasks};

use super::Kernel;
use super::btf::{Btf, BtfError, Field, NoField};

/// A machine's memory while it is halted.
pub trait Memory {
    /// Fills `bytes` from a virtual address of the kernel's.
    ///
    /// # Errors
    /// Where not all of it can be read.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable>;

    /// Fills `bytes` from a physical address.
    ///
    /// # Errors
    /// Where not all of it can be read.
    fn read_physical(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Unreadable>;

    /// The first address and the length of each part of the memory.
    fn regions(&self) -> Vec<(u64, u64)>;
}

/// Memory cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("the kernel's memory at {address:#x} cannot be read")]
pub struct Unreadable {
    /// The first address.
    pub address: u64,
}

/// Why a question to a running kernel has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// Memory cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The kernel's types lack something.
    #[error(transparent)]
    NoField(#[from] NoField),
    /// The kernel carries no types.
    #[error(transparent)]
    NoTypes(BtfError),
    /// The kernel has no such symbol.
    #[error("the kernel has no symbol '{name}'; with CONFIG_KALLSYMS_ALL=y it has those of its data")]
    NoSymbol {
        /// Its name.
        name: &'static str,
    },
    /// What is in memory cannot be.
    #[error(
        "the kernel's {what} makes no sense: {value:#x}; it has not started yet, or its memory is damaged"
    )]
    Broken {
        /// What it is.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

/// A kernel, and how far it has moved from where it was linked.
#[derive(Clone, Copy, Debug)]
pub struct Live<'k> {
    /// The kernel.
    pub kernel: &'k Kernel,
    /// How much higher it runs, in bytes.
    pub slide: u64,
}

impl<'k> Live<'k> {
    /// Where a symbol is now.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn symbol(&self, name: &'static str) -> Result<u64, LiveError> {
        let symbol = self.kernel.symbols().named(name).next().ok_or(LiveError::NoSymbol { name })?;
        Ok(symbol.address.wrapping_add(self.slide))
    }

    /// The kernel's types.
    fn types(&self) -> Result<&'k Btf, LiveError> {
        self.kernel.types().map_err(|error| LiveError::NoTypes(error.clone()))
    }

    /// A member of a struct.
    fn field(&self, structure: &str, path: &str) -> Result<Field, LiveError> {
        Ok(self.types()?.field(structure, path)?)
    }

    /// Where in a struct a member is.
    fn offset(&self, structure: &str, path: &str) -> Result<u64, LiveError> {
        Ok(self.field(structure, path)?.offset)
    }

    /// The size of a struct in bytes.
    fn size(&self, structure: &str) -> Result<u64, LiveError> {
        let types = self.types()?;
        let size = types.structure(structure).and_then(|id| types.size_of(id));
        let none = || NoField { structure: structure.to_owned(), path: "size".to_owned() };
        Ok(size.ok_or_else(none)?)
    }
}

/// A whole number of `N` bytes.
fn number<const N: usize>(memory: &mut dyn Memory, address: u64) -> Result<u64, Unreadable> {
    const { assert!(N <= 8, "a number has at most 64 bits") };
    let mut word = [0; 8];
    if let Some(bytes) = word.get_mut(..N) {
        memory.read(address, bytes)?;
    }
    Ok(u64::from_le_bytes(word))
}

/// What may be a pointer of the kernel's.
fn pointer(memory: &mut dyn Memory, address: u64, what: &'static str) -> Result<u64, LiveError> {
    let value = number::<8>(memory, address)?;
    // Kernel addresses are in the high half; with 52 bits they begin here.
    if value >> 52 == 0xfff { Ok(value) } else { Err(LiveError::Broken { what, value }) }
}
