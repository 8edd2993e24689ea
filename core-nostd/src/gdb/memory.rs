//! Memory as the selected core sees it.

use crate::target::Target;

use super::failure::{Failure, Handled};
use super::packet::{Data, Features};
use super::session::Exchange;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// As many bytes as can be reached and as fit into the answer; an error where there are none.
    pub(super) fn read_memory(&mut self, address: u64, length: u64, binary: bool) -> Handled<(), T::Error> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let core = self.session.selected;
        match (binary, length) {
            // lldb asks so whether the packet is known.
            (true, 0) if !self.session.features.has(Features::BINARY_UPLOAD) => {
                self.ok();
                return Ok(());
            }
            (false, 0) => return Err(Failure::Malformed),
            (true, _) if self.session.features.has(Features::BINARY_UPLOAD) => self.reply.byte(b'b'),
            _ => {}
        }
        if length == 0 {
            return Ok(());
        }
        let debugger = &mut *self.debugger;
        let fill = |buffer: &mut [u8]| debugger.read_virtual(core, address, buffer);
        match binary {
            true => self.reply.escaped_of(length, fill)?,
            false => self.reply.hex_of(length, fill)?,
        }
        Ok(())
    }

    /// All bytes, or none.
    pub(super) fn write_memory(&mut self, address: u64, data: Data<'_>) -> Handled<(), T::Error> {
        let bytes = match data {
            Data::Binary(bytes) => bytes,
            Data::Hex(hex) => hex.decode(self.reply.scratch()).ok_or(Failure::Oversized)?,
        };
        self.debugger.write_virtual(self.session.selected, address, bytes)?;
        self.ok();
        Ok(())
    }
}
