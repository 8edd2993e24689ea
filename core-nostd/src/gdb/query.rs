//! Questions: what the server can do, and what the target is.

use core::fmt::Write as _;

use crate::target::Target;

use super::description;
use super::failure::{ErrorStyle, Failure, Handled};
use super::packet::{Features, Query, Transfer};
use super::search;
use super::session::Exchange;

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Exchange<'_, '_, T, CORES, SOFTWARE, BYTECODE>
{
    pub(super) fn query(&mut self, query: Query<'_>) -> Handled<(), T::Error> {
        match query {
            Query::Supported(features) => {
                if features.has(Features::ERROR_TEXT) {
                    self.session.errors = ErrorStyle::Text;
                }
                self.session.features = features;
                self.write_features();
            }
            Query::Transfer { object, annex, offset, length } => {
                self.transfer(object, annex, offset, length)?;
            }
            Query::FirstThreads => self.list_threads(true),
            Query::MoreThreads => self.list_threads(false),
            Query::CurrentThread => {
                self.reply.text("QC");
                self.write_thread(self.session.selected);
            }
            Query::ThreadName(thread) => self.write_thread_name(thread)?,
            // The target was there before the client: it is to be let go of at the end, not ended.
            Query::Attached => self.reply.text("1"),
            // There is no symbol that this server needs.
            Query::Symbols => self.ok(),
            Query::Echo(text) => {
                self.reply.text("qEcho:");
                self.reply.bytes(text);
            }
            Query::Checksum { address, length } if search::BUILT_IN => self.checksum(address, length)?,
            Query::Search { address, length, pattern } if search::BUILT_IN => {
                self.search(address, length, pattern)?;
            }
            Query::Host => self.write_host(),
            Query::Process => self.write_process(),
            Query::Watchpoints => self.write_watchpoints(),
            Query::Version => self.write_version(),
            Query::MemoryRegion(address) => self.write_memory_region(address)?,
            Query::ThreadStop(thread) => self.write_thread_stop(thread)?,
            Query::Checksum { .. } | Query::Search { .. } | Query::Command(_) | Query::Malformed => {
                return Err(Failure::Malformed);
            }
        }
        Ok(())
    }

    fn write_features(&mut self) {
        self.reply.text("PacketSize=");
        self.reply.number(self.session.packet_size as u64);
        self.reply.text(concat!(
            ";QStartNoAckMode+;swbreak+;hwbreak+;vContSupported+;qEcho+",
            ";qXfer:features:read+;qXfer:threads:read+;ConditionalBreakpoints+",
            ";SupportedWatchpointTypes=aarch64-mask,aarch64-bas",
        ));
        if self.debugger.target_mut().console().is_some() {
            self.reply.text(";BreakpointCommands+");
        }
        if self.debugger.target().region(0).is_some() {
            self.reply.text(";qXfer:memory-map:read+");
        }
        if self.session.errors == ErrorStyle::Text {
            self.reply.text(";error-message+");
        }
        if self.session.features.has(Features::BINARY_UPLOAD) {
            self.reply.text(";binary-upload+");
        }
    }

    /// A part of a document, with `m` in front of it where more follows and `l` where not.
    fn transfer(
        &mut self,
        object: Transfer,
        annex: &[u8],
        offset: u64,
        length: u64,
    ) -> Handled<(), T::Error> {
        match (object, annex) {
            (Transfer::Features, b"target.xml") | (Transfer::Threads | Transfer::MemoryMap, b"") => {}
            _ => return Err(Failure::Unsupported("there is no such document")),
        }
        self.reply.byte(b'l');
        let threads = self.threads();
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let mut window = description::Window::new(offset, wanted, self.reply);
        match object {
            Transfer::Features => {
                self.session.described = true;
                // The window ends the document where nothing more of it is wanted.
                let _ = description::target(&mut window, self.session.layout, self.debugger.target());
            }
            Transfer::MemoryMap => {
                let _ = description::memory_map(&mut window, self.debugger.target());
            }
            Transfer::Threads => {
                let _ = window.write_str("<?xml version=\"1.0\"?><threads>");
                for core in threads {
                    let name = super::threads::ThreadName::of(self.debugger, core)?;
                    let (id, number) = (u64::from(core.0) + 1, core.0);
                    let thread = write!(window, "<thread id=\"{id:x}\" core=\"{number}\" name=\"{name}\"/>");
                    if thread.is_err() {
                        break;
                    }
                }
                let _ = window.write_str("</threads>");
            }
        }
        if window.is_cut() {
            self.reply.set_first(b'm');
        }
        Ok(())
    }
}
