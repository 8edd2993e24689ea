//! The cross-trigger interfaces, one a core, and the matrix that connects them (DDI 0487, "The Embedded Cross-Trigger
//! Interface").

use crate::dap::component::Identity;

/// Trigger output 0: the debug request to the core. Output 1: the restart request.
const DEBUG_REQUEST: u32 = 1;
const RESTART: u32 = 1 << 1;
/// Triggers of each direction.
const TRIGGERS: usize = 8;
/// Channels.
const CHANNELS: u32 = 0xf;

const IDENTITY: Identity = Identity {
    part: 0x9a8,
    class: 9,
    architecture: 0x4770_1a14,
    device_type: 0x14,
    // 4 channels, 8 triggers.
    device_id: 0x0004_0800,
};

/// One core's cross-trigger interface.
#[derive(Clone, Debug, Default)]
pub struct Cti {
    enabled: bool,
    gate: u32,
    inputs: [u32; TRIGGERS],
    outputs: [u32; TRIGGERS],
    /// Channels that software holds.
    set: u32,
    /// Trigger outputs that are asserted until they are acknowledged.
    asserted: u32,
    /// A restart request that has not reached the core yet.
    restart: bool,
}

/// What a write does beyond the interface itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// These channels have an event.
    Pulse(u32),
}

impl Cti {
    /// After reset.
    #[must_use]
    pub fn new() -> Self {
        Self { gate: CHANNELS, ..Self::default() }
    }

    /// Reads a register.
    #[must_use]
    pub fn read(&self, offset: u64) -> u32 {
        match offset {
            0x000 => u32::from(self.enabled),
            0x014 => self.set,
            0x020..0x040 => self.inputs.get((offset as usize - 0x020) / 4).copied().unwrap_or(0),
            0x0a0..0x0c0 => self.outputs.get((offset as usize - 0x0a0) / 4).copied().unwrap_or(0),
            0x134 => self.asserted,
            0x140 => self.gate,
            // CTILSR: there is no software lock.
            0xfb4 => 0,
            0xfb8 => 0,
            _ if Identity::covers(offset) => IDENTITY.read(offset),
            _ => 0,
        }
    }

    /// Writes a register.
    pub fn write(&mut self, offset: u64, value: u32) -> Effect {
        match offset {
            0x000 => self.enabled = value & 1 != 0,
            0x010 => self.asserted &= !value,
            0x014 => {
                let new = value & CHANNELS & !self.set;
                self.set |= value & CHANNELS;
                return Effect::Pulse(new);
            }
            0x018 => self.set &= !value,
            0x01c => return Effect::Pulse(value & CHANNELS),
            0x020..0x040 => {
                if let Some(input) = self.inputs.get_mut((offset as usize - 0x020) / 4) {
                    *input = value & CHANNELS;
                }
            }
            0x0a0..0x0c0 => {
                if let Some(output) = self.outputs.get_mut((offset as usize - 0x0a0) / 4) {
                    *output = value & CHANNELS;
                }
            }
            0x140 => self.gate = value & CHANNELS,
            _ => {}
        }
        Effect::None
    }

    /// Channels that the core's entry to Debug state has an event on: trigger input 0.
    #[must_use]
    pub fn channels_of_halt(&self) -> u32 {
        if self.enabled { self.inputs.first().copied().unwrap_or(0) } else { 0 }
    }

    /// Whether the core is asked to halt.
    #[must_use]
    pub const fn debug_request(&self) -> bool {
        self.asserted & DEBUG_REQUEST != 0
    }

    /// Takes the request to restart.
    pub fn take_restart(&mut self) -> bool {
        std::mem::take(&mut self.restart)
    }

    fn receive(&mut self, channels: u32) {
        if !self.enabled {
            return;
        }
        for (number, output) in self.outputs.iter().enumerate() {
            if output & channels == 0 {
                continue;
            }
            // A restart is an event, a debug request stays until it is acknowledged.
            match 1 << number {
                RESTART => self.restart = true,
                trigger => self.asserted |= trigger,
            }
        }
    }
}

/// Delivers an event on `channels` of interface `source`: to itself, and through its gate and theirs to the others.
pub fn pulse(ctis: &mut [&mut Cti], source: usize, channels: u32) {
    let outside = ctis.get(source).map_or(0, |cti| channels & cti.gate);
    for (number, cti) in ctis.iter_mut().enumerate() {
        let arriving = if number == source { channels } else { outside & cti.gate };
        cti.receive(arriving);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled() -> Cti {
        let mut cti = Cti::new();
        cti.write(0x000, 1);
        cti.write(0x0a0, 1); // halts on channel 0
        cti.write(0x0a4, 2); // restarts on channel 1
        cti
    }

    #[test]
    fn a_pulse_reaches_what_the_gates_let_through() {
        let (mut near, mut far) = (enabled(), enabled());
        far.write(0x140, 0);
        pulse(&mut [&mut near, &mut far], 0, 1);
        assert!(near.debug_request() && !far.debug_request());
        far.write(0x140, 1);
        pulse(&mut [&mut near, &mut far], 0, 1);
        assert!(far.debug_request());
        pulse(&mut [&mut near, &mut far], 0, 2);
        assert!(near.take_restart() && !near.take_restart());
        assert!(!far.take_restart(), "channel 1 is gated");
        near.write(0x010, 1);
        assert!(!near.debug_request());
    }

    #[test]
    fn without_the_enable_bit_nothing_happens() {
        let mut cti = enabled();
        cti.write(0x000, 0);
        pulse(&mut [&mut cti], 0, 1);
        assert!(!cti.debug_request());
    }
}
