//! The way to the client: frames around payloads, acknowledgements, and the last packet once more.

use super::super::Connection;
use super::reply::{Reply, digit_of};

/// Bytes in front of a payload: `+`, which acknowledges the packet that is answered, and `$`.
const BEFORE: usize = 2;
/// Bytes behind it: `#` and the checksum.
const BEHIND: usize = 3;

/// A connection with the buffer that packets leave from.
#[derive(Debug)]
pub(crate) struct Link<'b, C> {
    connection: C,
    buffer: &'b mut [u8],
    /// Whether packets are acknowledged.
    acknowledges: bool,
    /// How long the payload of the last packet is.
    last: Option<usize>,
}

impl<'b, C: Connection> Link<'b, C> {
    pub(crate) const fn new(connection: C, buffer: &'b mut [u8]) -> Self {
        Self { connection, buffer, acknowledges: true, last: None }
    }

    pub(crate) const fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    pub(crate) const fn acknowledges(&self) -> bool {
        self.acknowledges
    }

    /// From now on no packet is acknowledged.
    pub(crate) const fn end_acknowledgements(&mut self) {
        self.acknowledges = false;
    }

    /// The payload of the next packet, to be written and then sent by [`Self::send`].
    pub(crate) fn reply(&mut self) -> Reply<'_> {
        self.reply_from(0)
    }

    /// The payload of the next packet, of which the first `length` bytes have been written already.
    pub(crate) fn reply_from(&mut self, length: usize) -> Reply<'_> {
        let end = self.buffer.len().saturating_sub(BEHIND);
        Reply::new(self.buffer.get_mut(BEFORE..end).unwrap_or_default(), length)
    }

    /// Sends the first `length` bytes that were written into [`Self::reply`] as a packet. `answers` says
    /// whether it also acknowledges the packet that the client sent.
    pub(crate) fn send(&mut self, length: usize, answers: bool) -> Result<(), C::Error> {
        let payload = self.buffer.get(BEFORE..BEFORE + length).unwrap_or_default();
        let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        if let Some(place) = self.buffer.first_chunk_mut() {
            *place = *b"+$";
        }
        let behind = BEFORE + length;
        if let Some(place) = self.buffer.get_mut(behind..behind + BEHIND).and_then(<[u8]>::first_chunk_mut) {
            *place = [b'#', digit_of(sum >> 4), digit_of(sum)];
        }
        self.last = Some(length);
        self.frame(length, answers && self.acknowledges)
    }

    /// Sends the last packet once more.
    pub(crate) fn resend(&mut self) -> Result<(), C::Error> {
        match self.last {
            Some(length) if self.acknowledges => self.frame(length, false),
            _ => Ok(()),
        }
    }

    /// Acknowledges a packet that has no answer yet, or says that it came to harm.
    pub(crate) fn acknowledge(&mut self, arrived: bool) -> Result<(), C::Error> {
        if !self.acknowledges {
            return Ok(());
        }
        self.connection.send(if arrived { b"+" } else { b"-" })?;
        self.connection.flush()
    }

    fn frame(&mut self, length: usize, acknowledged: bool) -> Result<(), C::Error> {
        let begin = if acknowledged { 0 } else { 1 };
        self.connection.send(self.buffer.get(begin..BEFORE + length + BEHIND).unwrap_or_default())?;
        self.connection.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use std::string::String;

    #[derive(Default)]
    struct Sent(String);

    impl Connection for Sent {
        type Error = Infallible;

        fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.0.push_str(core::str::from_utf8(bytes).unwrap());
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Infallible> {
            self.0.push('|');
            Ok(())
        }
    }

    fn send(link: &mut Link<'_, Sent>, payload: &str, answers: bool) -> String {
        let mut reply = link.reply();
        reply.text(payload);
        let length = reply.len();
        let Ok(()) = link.send(length, answers);
        core::mem::take(&mut link.connection().0)
    }

    #[test]
    fn a_packet_leaves_in_one_piece() {
        let mut buffer = [0; 16];
        let mut link = Link::new(Sent::default(), &mut buffer);
        assert_eq!(send(&mut link, "OK", true), "+$OK#9a|");
        assert_eq!(send(&mut link, "", false), "$#00|");
        assert_eq!(link.reply().room(), 11);
        link.end_acknowledgements();
        assert_eq!(send(&mut link, "OK", true), "$OK#9a|");
    }

    #[test]
    fn the_last_packet_comes_again_while_packets_are_acknowledged() {
        let mut buffer = [0; 16];
        let mut link = Link::new(Sent::default(), &mut buffer);
        let Ok(()) = link.resend();
        assert_eq!(send(&mut link, "OK", true), "+$OK#9a|");
        let Ok(()) = link.resend();
        assert_eq!(link.connection().0, "$OK#9a|");
        link.end_acknowledgements();
        let Ok(()) = link.resend();
        let Ok(()) = link.acknowledge(false);
        assert_eq!(link.connection().0, "$OK#9a|");
    }
}
