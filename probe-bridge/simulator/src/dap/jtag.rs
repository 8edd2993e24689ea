//! A JTAG debug port: the TAP controller (IEEE 1149.1) and the scan chains of IHI 0031, "The JTAG Debug Port".

use super::{DebugPort, Response, Space};

/// `IDCODE` of the debug port.
const IDCODE: u32 = 0x4ba0_0477;
/// The instructions, 4 bits.
const ABORT: u8 = 0x8;
const DPACC: u8 = 0xa;
const APACC: u8 = 0xb;
const IDCODE_INSTRUCTION: u8 = 0xe;
/// What an acknowledgement of a transfer looks like: the same for OK and FAULT.
const OK_OR_FAULT: u64 = 0b010;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Reset,
    Idle,
    Select(Chain),
    Capture(Chain),
    Shift(Chain),
    Exit1(Chain),
    Pause(Chain),
    Exit2(Chain),
    Update(Chain),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Chain {
    Data,
    Instruction,
}

impl State {
    /// The next state at a rising edge of TCK with this TMS.
    const fn next(self, tms: bool) -> Self {
        use Chain::{Data, Instruction};
        match (self, tms) {
            (Self::Reset, true) | (Self::Select(Instruction), true) => Self::Reset,
            (Self::Reset | Self::Idle | Self::Update(_), false) => Self::Idle,
            (Self::Idle | Self::Update(_), true) => Self::Select(Data),
            (Self::Select(Data), true) => Self::Select(Instruction),
            (Self::Select(chain), false) => Self::Capture(chain),
            (Self::Capture(chain) | Self::Shift(chain) | Self::Exit2(chain), false) => Self::Shift(chain),
            (Self::Capture(chain) | Self::Shift(chain), true) => Self::Exit1(chain),
            (Self::Exit1(chain) | Self::Pause(chain), false) => Self::Pause(chain),
            (Self::Exit1(chain) | Self::Exit2(chain), true) => Self::Update(chain),
            (Self::Pause(chain), true) => Self::Exit2(chain),
        }
    }
}

/// A TAP with a debug port behind it.
#[derive(Debug)]
pub struct Tap {
    state: State,
    instruction: u8,
    shift: u64,
    length: u32,
    /// What the last transfer read, for the next scan to carry out.
    result: u32,
}

impl Default for Tap {
    fn default() -> Self {
        Self { state: State::Reset, instruction: IDCODE_INSTRUCTION, shift: 0, length: 1, result: 0 }
    }
}

impl Tap {
    /// What TDO shows.
    #[must_use]
    pub const fn tdo(&self) -> bool {
        self.shift & 1 != 0
    }

    /// TRST.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// A rising edge of TCK.
    pub fn clock(&mut self, port: &mut DebugPort, tms: bool, tdi: bool) {
        match self.state {
            State::Capture(chain) => self.capture(chain),
            State::Shift(_) => {
                self.shift = self.shift >> 1 | u64::from(tdi) << (self.length - 1);
            }
            _ => {}
        }
        self.state = self.state.next(tms);
        match self.state {
            State::Reset => self.instruction = IDCODE_INSTRUCTION,
            State::Update(Chain::Instruction) => self.instruction = self.shift as u8 & 0xf,
            State::Update(Chain::Data) => self.update(port),
            _ => {}
        }
    }

    fn capture(&mut self, chain: Chain) {
        (self.shift, self.length) = match (chain, self.instruction) {
            (Chain::Instruction, _) => (0b0001, 4),
            (_, DPACC | APACC) => (u64::from(self.result) << 3 | OK_OR_FAULT, 35),
            (_, ABORT) => (OK_OR_FAULT, 35),
            (_, IDCODE_INSTRUCTION) => (u64::from(IDCODE), 32),
            _ => (0, 1),
        };
    }

    fn update(&mut self, port: &mut DebugPort) {
        let read = self.shift & 1 != 0;
        let address = (self.shift as u8 >> 1 & 0b11) << 2;
        let value = (self.shift >> 3) as u32;
        let space = match self.instruction {
            ABORT => return port.abort(value),
            DPACC => Space::Debug,
            APACC => Space::Access,
            _ => return,
        };
        let response = match (read, space, address) {
            // RDBUFF: the result of the last transfer is carried out by the next scan, and stays.
            (true, Space::Debug, 0xc) => Response::Ok(self.result),
            // ABORT is an instruction of its own here.
            (false, Space::Debug, 0x0) => Response::Ok(0),
            (true, ..) => port.read(space, address),
            (false, ..) => port.write(space, address, value),
        };
        self.result = match response {
            Response::Ok(value) => value,
            Response::Fault | Response::Silence => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_clocks_with_tms_high_reset_from_anywhere() {
        for pattern in 0_u32..1 << 10 {
            let mut state = State::Reset;
            for bit in 0..10 {
                state = state.next(pattern >> bit & 1 != 0);
            }
            for _ in 0..5 {
                state = state.next(true);
            }
            assert_eq!(state, State::Reset, "{pattern:#b}");
        }
    }

    #[test]
    fn a_scan_goes_through_all_its_states() {
        let walk = |bits: &[bool]| bits.iter().fold(State::Idle, |state, &tms| state.next(tms));
        assert_eq!(walk(&[true, false, false]), State::Shift(Chain::Data));
        assert_eq!(walk(&[true, true, false, false]), State::Shift(Chain::Instruction));
        assert_eq!(walk(&[true, false, true, false, true, true]), State::Update(Chain::Data));
        assert_eq!(walk(&[true, false, true, false, true, false]), State::Shift(Chain::Data));
    }
}
