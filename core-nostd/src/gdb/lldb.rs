//! What lldb asks beyond what gdb does.

use core::fmt::Write as _;

use crate::debugger::AccessError;
use crate::target::{MVersion, Target, TargetError};

use super::failure::Handled;
use super::layout::Layout;
use super::packet::Thread;
use super::run::PROCESS;
use super::session::Exchange;

/// The smallest page that there is, for what the tables do not map.
const PAGE: u64 = 4096;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    /// Answers `qHostInfo`.
    pub(super) fn write_host(&mut self) {
        self.write_machine();
        // On Arm the access has not been made when a watchpoint stops it: the client steps over it.
        self.reply.text("watchpoint_exceptions_received:before;");
    }

    /// Answers `qProcessInfo`.
    pub(super) fn write_process(&mut self) {
        self.reply.text("pid:");
        self.reply.number(PROCESS);
        self.reply.byte(b';');
        self.write_machine();
    }

    fn write_machine(&mut self) {
        let (triple, pointer) = match self.session.layout.built_in() {
            Layout::Aarch64 { .. } => ("aarch64-unknown-unknown", b'8'),
            Layout::Aarch32 => ("arm-unknown-unknown", b'4'),
            Layout::M(profile) => {
                let triple = match profile.version {
                    MVersion::V6 => "thumbv6m-unknown-unknown",
                    MVersion::V7 => "thumbv7em-unknown-unknown",
                    MVersion::V8Baseline => "thumbv8m.base-unknown-unknown",
                    MVersion::V8Mainline => "thumbv8m.main-unknown-unknown",
                };
                (triple, b'4')
            }
        };
        self.reply.text("triple:");
        self.reply.hex(triple.as_bytes());
        self.reply.text(";ptrsize:");
        self.reply.byte(pointer);
        self.reply.text(";endian:little;");
    }

    /// Answers `qWatchpointSupportInfo`.
    pub(super) fn write_watchpoints(&mut self) {
        self.reply.text("num:");
        // This number is a decimal one. A reply takes any text that fits.
        let _ = write!(self.reply, "{}", self.debugger.target().capabilities().watchpoints);
        self.reply.byte(b';');
    }

    /// Answers `qGDBServerVersion`.
    pub(super) fn write_version(&mut self) {
        self.reply.text(concat!("name:trapline;version:", env!("CARGO_PKG_VERSION"), ";"));
    }

    /// Answers `qMemoryRegionInfo`: the page or block around an address, as the selected core sees it.
    pub(super) fn write_memory_region(&mut self, address: u64) -> Handled<(), T::Error> {
        let translation = match self.debugger.translate(self.session.selected, address) {
            Ok(translation) => Some(translation),
            Err(AccessError::Target(error)) => return Err(error.into()),
            Err(error) => match error.into_lost() {
                Some(error) => return Err(TargetError::Lost(error).into()),
                None => None,
            },
        };
        let block = translation.map_or(PAGE, |translation| translation.block);
        self.reply.text("start:");
        self.reply.number(address & !(block - 1));
        self.reply.text(";size:");
        self.reply.number(block);
        self.reply.byte(b';');
        if let Some(translation) = translation {
            let all = crate::translation::Permissions { read: true, write: true, execute: true };
            let (el0, el1) = translation.mapping.map_or((all, all), |mapping| (mapping.el0, mapping.el1));
            self.reply.text("permissions:");
            for (letter, allowed) in [
                (b'r', el0.read || el1.read),
                (b'w', el0.write || el1.write),
                (b'x', el0.execute || el1.execute),
            ] {
                if allowed {
                    self.reply.byte(letter);
                }
            }
            self.reply.byte(b';');
        }
        Ok(())
    }

    /// Answers `qThreadStopInfo`.
    pub(super) fn write_thread_stop(&mut self, thread: Thread) -> Handled<(), T::Error> {
        let core = self.core_of(thread)?;
        let stop = self.debugger.stop().filter(|stop| stop.core == core);
        self.write_stop_of(core, stop.map(|stop| stop.reason))
    }
}
