//! The keys that are for the tool, in what is typed on a terminal that belongs to the guest.

/// Ctrl-A: the key in front of all that is for the tool.
const PREFIX: u8 = 0x01;

/// What the keys are, for the help text and for who asks for it.
pub(crate) const HELP: &str = "Ctrl-A x ends the guest, Ctrl-A Ctrl-A types a Ctrl-A, Ctrl-A h says this";

/// What is typed, on its way to the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Escape {
    after_prefix: bool,
}

/// What was found in what is typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Typed {
    /// What is the guest's.
    pub(crate) input: Vec<u8>,
    /// Whether the user wants to know the keys.
    pub(crate) help: bool,
    /// Whether the guest is to end; what was typed behind that is lost.
    pub(crate) end: bool,
}

impl Escape {
    /// Takes what was typed.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for &byte in bytes {
            let after_prefix = std::mem::replace(&mut self.after_prefix, false);
            match (after_prefix, byte) {
                (false, PREFIX) => self.after_prefix = true,
                (false, byte) | (true, byte @ PREFIX) => typed.input.push(byte),
                (true, b'x' | b'X') => {
                    typed.end = true;
                    break;
                }
                (true, b'h' | b'H' | b'?') => typed.help = true,
                (true, other) => typed.input.extend([PREFIX, other]),
            }
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&[u8]]) -> (Vec<u8>, bool, bool) {
        let mut escape = Escape::default();
        let (mut input, mut help, mut end) = (Vec::new(), false, false);
        for typed in pieces.iter().map(|piece| escape.take(piece)) {
            input.extend(typed.input);
            help |= typed.help;
            end |= typed.end;
        }
        (input, help, end)
    }

    #[test]
    fn what_is_not_for_the_tool_is_the_guests() {
        assert_eq!(typed(&[b"ls\r\x03"]), (b"ls\r\x03".to_vec(), false, false));
        assert_eq!(typed(&[b"\x01\x01a\x01e"]), (b"\x01a\x01e".to_vec(), false, false));
        assert_eq!(typed(&[b"\x01", b"", b"hx"]), (b"x".to_vec(), true, false));
    }

    #[test]
    fn the_guest_ends_however_the_keys_arrive() {
        assert_eq!(typed(&[b"a\x01x"]), (b"a".to_vec(), false, true));
        assert_eq!(typed(&[b"a\x01", b"xb"]), (b"a".to_vec(), false, true));
    }
}
