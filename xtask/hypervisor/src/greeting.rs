//! Whether a new client speaks, on a line that does not say that the last one has gone.

/// What a client sends once, before all others: gdb the second, lldb both.
const GREETINGS: [&[u8]; 2] = [b"$QStartNoAckMode", b"$qSupported"];

/// Looks for greetings in what arrives, a byte at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Greetings {
    /// How much of each has just arrived.
    matched: [usize; GREETINGS.len()],
    /// Which this client has sent.
    sent: [bool; GREETINGS.len()],
}

impl Greetings {
    /// Takes the next byte. If it completes what this client has sent before, a new one speaks, and has
    /// sent what is returned.
    pub(crate) fn push(&mut self, byte: u8) -> Option<&'static [u8]> {
        let mut new = None;
        for (((greeting, matched), sent), number) in
            GREETINGS.iter().zip(&mut self.matched).zip(&mut self.sent).zip(0..)
        {
            // `$` begins a packet and is nowhere else in one.
            *matched = match greeting.get(*matched) {
                Some(expected) if *expected == byte => *matched + 1,
                _ => usize::from(byte == b'$'),
            };
            if *matched == greeting.len() {
                if *sent {
                    new = Some((number, *greeting));
                }
                *sent = true;
            }
        }
        let (number, greeting) = new?;
        *self = Self::default();
        if let Some(sent) = self.sent.get_mut::<usize>(number) {
            *sent = true;
        }
        Some(greeting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greetings of new clients in what arrives.
    fn new_clients(text: &str) -> Vec<&str> {
        let mut greetings = Greetings::default();
        let new = text.bytes().filter_map(|byte| greetings.push(byte));
        new.map(|greeting| str::from_utf8(greeting).unwrap()).collect()
    }

    #[test]
    fn one_client_greets_once_in_each_way() {
        assert_eq!(new_clients("+$qSupported:xmlRegisters=i386#77+$QStartNoAckMode#b0+$g#67"), [""; 0]);
        assert_eq!(new_clients("+$QStartNoAckMode#b0+$qSupported:x#77$m1,4#00"), [""; 0]);
    }

    #[test]
    fn a_second_greeting_is_a_new_clients() {
        let gdb = "+$qSupported:a#77+$QStartNoAckMode#b0$?#3f";
        assert_eq!(new_clients(&[gdb, gdb, gdb].concat()), ["$qSupported", "$qSupported"]);
        let lldb = "+$QStartNoAckMode#b0+$qSupported:b#77$?#3f";
        assert_eq!(new_clients(&[lldb, lldb].concat()), ["$QStartNoAckMode"]);
        // In the middle of a packet as well.
        assert_eq!(new_clients("$qSupported#00$M1,4:$qSupp$qSupported#00"), ["$qSupported"]);
    }
}
