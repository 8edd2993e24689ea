//! The gdb server: `gdb`.

use core::hint::black_box;

use trapline_core::gdb;

use crate::machine::{Lost, Machine};

type Server = gdb::Server<'static, Machine, Wire, 4, 64>;

/// A connection of which the compiler knows nothing.
struct Wire;

impl gdb::Connection for Wire {
    type Error = Lost;

    #[inline(never)]
    fn send(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        black_box(bytes);
        black_box(Ok(()))
    }

    #[inline(never)]
    fn flush(&mut self) -> Result<(), Lost> {
        black_box(Ok(()))
    }
}

/// Links them.
pub(crate) fn link() {
    debug![gdb::Closed, gdb::Status];
    debug![gdb::ServerError<Lost, Lost>];
    error![gdb::ServerError<Lost, Lost>];
    link![
        Server::new,
        Server::status,
        Server::connection,
        Server::receive,
        Server::receive_with,
        Server::report_output,
        Server::report_stop,
        Server::report_exit
    ];
}
