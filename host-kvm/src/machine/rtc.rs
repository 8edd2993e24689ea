//! The real-time clock, an Arm PL031: the host's time of day in whole seconds, without an alarm.

use std::sync::{Mutex, PoisonError};

use vm_superio::Rtc;
use vm_superio::rtc_pl031::NoEvents;

/// The guest-physical address of the clock's first register.
pub const RTC_BASE: u64 = 0x0901_0000;
/// The size of the clock's registers in bytes.
pub const RTC_SIZE: u64 = 0x1000;

/// The clock.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Rtc<NoEvents>>);

impl Clock {
    /// Reads the register at an offset. Accesses of other widths than its own see its low bytes.
    pub(super) fn read(&self, offset: u16, data: &mut [u8]) {
        let mut word = [0; 4];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(offset, &mut word);
        for (to, from) in data.iter_mut().zip(word) {
            *to = from;
        }
    }

    /// Writes the register at an offset.
    pub(super) fn write(&self, offset: u16, data: &[u8]) {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(data) {
            *to = *from;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(offset, &word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    /// DDI 0224, table 3-1: RTCDR, and PeriphID0 of a PL031.
    const DATA: u16 = 0x000;
    const PERIPHERAL_ID_0: u16 = 0xfe0;

    #[test]
    fn it_identifies_itself_and_tells_the_hosts_time() {
        let clock = Clock::default();
        let read = |offset| {
            let mut word = [0; 4];
            clock.read(offset, &mut word);
            u32::from_le_bytes(word)
        };
        assert_eq!(read(PERIPHERAL_ID_0), 0x31);
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32;
        let (before, told, after) = (now(), read(DATA), now());
        assert!((before..=after).contains(&told), "{before} {told} {after}");
    }
}
