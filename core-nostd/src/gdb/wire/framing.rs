//! From bytes to packets.

/// What a byte completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incoming {
    /// A packet, whose checksum is right: [`Receiver::payload`] has it.
    Packet,
    /// A packet whose checksum is wrong, or which ends in no checksum.
    Damaged,
    /// A packet that does not fit into the buffer; all of it has been taken.
    Oversized,
    /// Byte 0x03: the client wants the target halted.
    Interrupt,
    /// The client did not get the last packet.
    Resend,
}

/// Where in a packet the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before one.
    Between,
    /// In its payload.
    Payload,
    /// In its payload, behind an escape character.
    Escaped,
    /// At the first digit of its checksum.
    FirstDigit,
    /// At the second digit; the value of the first is known.
    SecondDigit(Option<u8>),
}

/// Takes bytes and finds packets in them, whatever they are.
///
/// Bytes between packets that mean nothing are passed over, and `$` begins a packet anew wherever it
/// stands, so that one that was cut off costs nothing but itself.
#[derive(Debug)]
pub(crate) struct Receiver<'b> {
    buffer: &'b mut [u8],
    /// How many bytes of the payload have come; more than the buffer holds where it is too long.
    length: usize,
    sum: u8,
    state: State,
}

impl<'b> Receiver<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0, sum: 0, state: State::Between }
    }

    /// The longest payload that can be taken, in bytes.
    pub(crate) const fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// The payload of the last [`Incoming::Packet`], with its escapes undone.
    pub(crate) fn payload(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Takes one byte.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Incoming> {
        match self.state {
            State::Between => return self.between(byte),
            State::Payload => return self.in_payload(byte),
            State::Escaped => {
                self.sum = self.sum.wrapping_add(byte);
                self.keep(byte ^ ESCAPE_BIT);
                self.state = State::Payload;
            }
            State::FirstDigit | State::SecondDigit(_) if byte == b'$' => self.begin(),
            State::FirstDigit => self.state = State::SecondDigit(digit(byte)),
            State::SecondDigit(first) => {
                self.state = State::Between;
                let sum = first.zip(digit(byte)).map(|(first, second)| first << 4 | second);
                return Some(match sum {
                    Some(sum) if sum == self.sum && self.length <= self.buffer.len() => Incoming::Packet,
                    Some(sum) if sum == self.sum => Incoming::Oversized,
                    _ => Incoming::Damaged,
                });
            }
        }
        None
    }

    fn between(&mut self, byte: u8) -> Option<Incoming> {
        match byte {
            b'$' => self.begin(),
            INTERRUPT => return Some(Incoming::Interrupt),
            b'-' => return Some(Incoming::Resend),
            _ => {}
        }
        None
    }

    fn in_payload(&mut self, byte: u8) -> Option<Incoming> {
        match byte {
            b'#' => {
                self.state = State::FirstDigit;
                return None;
            }
            b'$' => {
                self.begin();
                return None;
            }
            INTERRUPT if !self.is_data() => return Some(Incoming::Interrupt),
            ESCAPE => self.state = State::Escaped,
            _ => self.keep(byte),
        }
        self.sum = self.sum.wrapping_add(byte);
        None
    }

    /// Whether the packet is one of those that carry bytes which are not text.
    fn is_data(&self) -> bool {
        let begun = self.buffer.get(..self.length).unwrap_or(self.buffer);
        begun.starts_with(b"X") || begun.starts_with(b"qSearch:")
    }

    fn begin(&mut self) {
        (self.length, self.sum, self.state) = (0, 0, State::Payload);
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.buffer.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        } else {
            self.length = self.buffer.len().saturating_add(1);
        }
    }
}

/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// The byte before an escaped one, and the bit that an escaped one is changed in.
pub(super) const ESCAPE: u8 = b'}';
pub(super) const ESCAPE_BIT: u8 = 0x20;

/// The value of a hexadecimal digit.
pub(super) const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// What some bytes complete, and the payloads of the packets among it.
    fn receive(capacity: usize, bytes: &[u8]) -> (Vec<Incoming>, Vec<Vec<u8>>) {
        let mut buffer = std::vec![0; capacity];
        let mut receiver = Receiver::new(&mut buffer);
        let (mut incoming, mut payloads) = (Vec::new(), Vec::new());
        for &byte in bytes {
            if let Some(what) = receiver.push(byte) {
                incoming.push(what);
                if what == Incoming::Packet {
                    payloads.push(receiver.payload().to_vec());
                }
            }
        }
        (incoming, payloads)
    }

    #[test]
    fn packets_are_found_between_anything() {
        let (incoming, payloads) = receive(16, b"+++$g#67noise$?#3f-\x03$$m$m#$m#6d");
        let expected =
            [Incoming::Packet, Incoming::Packet, Incoming::Resend, Incoming::Interrupt, Incoming::Packet];
        assert_eq!(incoming, expected);
        assert_eq!(payloads, [b"g", b"?", b"m"]);
    }

    #[test]
    fn a_wrong_checksum_is_no_packet() {
        for bytes in [&b"$g#68"[..], b"$g#6z", b"$g#z7", b"$#01"] {
            assert_eq!(receive(16, bytes).0, [Incoming::Damaged], "{bytes:?}");
        }
        assert_eq!(receive(16, b"$#00").0, [Incoming::Packet]);
    }

    #[test]
    fn an_oversized_packet_is_taken_to_its_end() {
        let (incoming, payloads) = receive(4, b"$aaaaa#e5$aaaa#84");
        assert_eq!(incoming, [Incoming::Oversized, Incoming::Packet]);
        assert_eq!(payloads, [b"aaaa"]);
    }

    #[test]
    fn escapes_are_undone_and_summed_as_they_came() {
        // '}' 0x03 is '#'.
        let sum = b"X}\x03z".iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let bytes = [&b"$X}\x03z#"[..], std::format!("{sum:02x}").as_bytes()].concat();
        assert_eq!(receive(16, &bytes).1, [b"X#z"]);
    }

    #[test]
    fn an_interrupt_counts_in_the_middle_of_a_packet_but_not_in_data() {
        assert_eq!(receive(16, b"$m4\x030#d1").0, [Incoming::Interrupt, Incoming::Packet]);
        assert_eq!(receive(16, b"$\x03g#67").0, [Incoming::Interrupt, Incoming::Packet]);
        assert_eq!(receive(16, b"$X\x03#5b").1, [b"X\x03"]);
    }
}
