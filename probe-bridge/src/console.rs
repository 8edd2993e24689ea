//! What is typed on standard input, on its way into the guest's serial port.

use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use trapline_kvm::gdb_server::{End, Notifier};
use trapline_kvm::machine::Bus;

use crate::escape::{self, Escape};

/// Starts to carry standard input to the guest, until one of them ends. With `keys`, the keys for the tool
/// are the tool's.
///
/// # Errors
/// Where no thread can be started.
pub(crate) fn start(bus: Arc<Bus>, notifier: Arc<Notifier>, keys: bool) -> Result<()> {
    let carry = move || {
        let mut escape = keys.then(Escape::default);
        let mut buffer = [0; 1024];
        loop {
            let typed = match io::stdin().lock().read(&mut buffer) {
                Ok(count @ 1..) => buffer.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return,
            };
            let Some(escape) = &mut escape else {
                if !type_in(&bus, typed) {
                    return;
                }
                continue;
            };
            let typed = escape.take(typed);
            if typed.help {
                say!("\r\n{}\r", escape::HELP);
            }
            if typed.end {
                return notifier.finish(End::Asked);
            }
            if !type_in(&bus, &typed.input) {
                return;
            }
        }
    };
    // Nobody waits for it: it may be waiting for a key for ever.
    thread::Builder::new().name("console".to_owned()).spawn(carry).context("no thread can be started")?;
    Ok(())
}

/// Types all of it in, as fast as the guest reads it; false when the guest has ended.
fn type_in(bus: &Bus, mut input: &[u8]) -> bool {
    while !input.is_empty() {
        let taken = bus.type_in(input);
        input = input.get(taken..).unwrap_or_default();
        if !input.is_empty() && !bus.wait_for_room() {
            return false;
        }
    }
    true
}
