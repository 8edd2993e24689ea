//! The remote serial protocol, as far as a client of the gdb server needs it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use trapline_core::gdb::Connection;

/// What the server has sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Rc<RefCell<Vec<u8>>>);

impl Connection for Sent {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Sent {
    /// What has been sent since the last call, as it is.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.borrow_mut())
    }

    /// The payloads of what has been sent since the last call, with run-length encoding undone.
    ///
    /// # Panics
    /// Where it is anything but whole packets and acknowledgements.
    pub(crate) fn packets(&self) -> Vec<String> {
        let bytes = self.take();
        let mut rest = &*bytes;
        let mut packets = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                b'+' | b'-' => {}
                b'$' => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'#') else {
                        panic!("a packet without an end: {:?}", String::from_utf8_lossy(&bytes))
                    };
                    let payload = &rest[..end];
                    assert_eq!(rest.get(end..end + 3), Some(&*checksum(payload)), "the checksum is wrong");
                    packets.push(expand(payload));
                    rest = &rest[end + 3..];
                }
                other => panic!("{other:#x} is no packet"),
            }
        }
        packets
    }
}

/// A packet around a payload, which may be wrong in itself.
pub(crate) fn packet(payload: &[u8]) -> Vec<u8> {
    [b"$", payload, &checksum(payload)].concat()
}

fn checksum(payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    format!("#{sum:02x}").into_bytes()
}

/// Undoes run-length encoding. What is no text stays recognisable as such.
fn expand(payload: &[u8]) -> String {
    let mut out = Vec::new();
    let mut bytes = payload.iter();
    while let Some(byte) = bytes.next() {
        match (byte, out.last().copied()) {
            (b'*', Some(last)) => {
                let count = bytes.next().copied().unwrap_or_default();
                assert!((32..=126).contains(&count), "a run of {count}");
                out.extend(std::iter::repeat_n(last, usize::from(count) - 29));
            }
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
