//! As much of a GICv3 as private interrupts need: a distributor that is on or off, and for each core its
//! redistributor and its interface.

/// The redistributors' offset in the GIC's range, and the size of one.
const REDISTRIBUTOR: u64 = 0xa_0000;
const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// `ICC_IAR1_EL1` where there is nothing to acknowledge.
const SPURIOUS: u32 = 1023;
/// The distributor's `GICD_CTLR.EnableGrp1`.
const GROUP_1: u32 = 1 << 1;

/// The interrupt controller.
#[derive(Debug)]
pub struct Gic {
    control: u32,
    cores: Vec<Interface>,
}

/// One core's part.
#[derive(Debug)]
struct Interface {
    asleep: bool,
    group: u32,
    enabled: u32,
    priorities: [u8; 32],
    /// Lines of devices that are asserted.
    lines: u32,
    active: u32,
    mask: u8,
    group_1: bool,
    /// Priorities of what is being handled, outermost first.
    running: Vec<(u32, u8)>,
}

impl Default for Interface {
    fn default() -> Self {
        Self {
            asleep: true,
            group: 0,
            enabled: 0,
            priorities: [0; 32],
            lines: 0,
            active: 0,
            mask: 0,
            group_1: false,
            running: Vec::new(),
        }
    }
}

impl Gic {
    /// For so many cores.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        Self { control: 0, cores: (0..cores).map(|_| Interface::default()).collect() }
    }

    /// Reads a register of the distributor or of a redistributor.
    pub(super) fn read(&self, offset: u64) -> u32 {
        match self.redistributor(offset) {
            None if offset == 0 => self.control,
            None => 0,
            Some((number, register)) => {
                let Some(core) = self.cores.get(number) else { return 0 };
                match register {
                    // GICR_TYPER: which core, and whether it is the last.
                    0x08 => (number as u32) << 8 | u32::from(number + 1 == self.cores.len()) << 4,
                    0x0c => number as u32,
                    // GICR_WAKER: ProcessorSleep and ChildrenAsleep.
                    0x14 => u32::from(core.asleep) * 0b110,
                    0x1_0080 => core.group,
                    0x1_0100 | 0x1_0180 => core.enabled,
                    0x1_0200 | 0x1_0280 => core.lines,
                    0x1_0300 | 0x1_0380 => core.active,
                    0x1_0400..0x1_0420 => {
                        let first = (register as usize - 0x1_0400) & !3;
                        core.priorities
                            .iter()
                            .skip(first)
                            .take(4)
                            .rev()
                            .fold(0, |word, &priority| word << 8 | u32::from(priority))
                    }
                    _ => 0,
                }
            }
        }
    }

    /// Writes a register of the distributor or of a redistributor.
    pub(super) fn write(&mut self, offset: u64, value: u32) {
        let Some((number, register)) = self.redistributor(offset) else {
            if offset == 0 {
                self.control = value;
            }
            return;
        };
        let Some(core) = self.cores.get_mut(number) else { return };
        match register {
            0x14 => core.asleep = value & 0b10 != 0,
            0x1_0080 => core.group = value,
            0x1_0100 => core.enabled |= value,
            0x1_0180 => core.enabled &= !value,
            0x1_0400..0x1_0420 => {
                let first = (register as usize - 0x1_0400) & !3;
                for (place, byte) in core.priorities.iter_mut().skip(first).zip(value.to_le_bytes()) {
                    *place = byte;
                }
            }
            _ => {}
        }
    }

    /// Asserts or releases a private interrupt's line.
    pub fn set_line(&mut self, core: usize, number: u32, asserted: bool) {
        if let Some(core) = self.cores.get_mut(core) {
            core.lines = core.lines & !(1 << number) | u32::from(asserted) << number;
        }
    }

    /// Whether a core's IRQ is asserted.
    #[must_use]
    pub fn irq(&self, core: usize) -> bool {
        self.highest_pending(core).is_some()
    }

    /// `ICC_IAR1_EL1`: takes the highest pending interrupt.
    pub fn acknowledge(&mut self, core: usize) -> u32 {
        let Some(number) = self.highest_pending(core) else { return SPURIOUS };
        if let Some(core) = self.cores.get_mut(core) {
            core.active |= 1 << number;
            let priority = core.priorities.get(number as usize).copied().unwrap_or_default();
            core.running.push((number, priority));
        }
        number
    }

    /// `ICC_EOIR1_EL1`: an interrupt is handled.
    pub fn end(&mut self, core: usize, number: u32) {
        if let Some(core) = self.cores.get_mut(core)
            && number < 32
        {
            core.active &= !(1 << number);
            core.running.retain(|&(running, _)| running != number);
        }
    }

    /// `ICC_PMR_EL1`.
    pub fn priority_mask(&mut self, core: usize) -> Option<&mut u8> {
        Some(&mut self.cores.get_mut(core)?.mask)
    }

    /// `ICC_IGRPEN1_EL1.Enable`.
    pub fn group_1(&mut self, core: usize) -> Option<&mut bool> {
        Some(&mut self.cores.get_mut(core)?.group_1)
    }

    fn highest_pending(&self, core: usize) -> Option<u32> {
        let core = self.cores.get(core)?;
        if self.control & GROUP_1 == 0 || !core.group_1 || core.asleep {
            return None;
        }
        let pending = core.lines & core.enabled & core.group & !core.active;
        let running = core.running.last().map_or(u8::MAX, |&(_, priority)| priority);
        (0..32)
            .filter(|number| pending >> number & 1 != 0)
            .map(|number| (core.priorities.get(number as usize).copied().unwrap_or_default(), number))
            .filter(|&(priority, _)| priority < core.mask && priority < running)
            .min()
            .map(|(_, number)| number)
    }

    fn redistributor(&self, offset: u64) -> Option<(usize, u64)> {
        let offset = offset.checked_sub(REDISTRIBUTOR)?;
        Some(((offset / REDISTRIBUTOR_SIZE) as usize, offset % REDISTRIBUTOR_SIZE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIC whose core 0 takes interrupt 27.
    fn enabled() -> Gic {
        let mut gic = Gic::new(1);
        gic.write(0, 0b1_0010);
        gic.write(REDISTRIBUTOR + 0x14, 0);
        gic.write(REDISTRIBUTOR + 0x1_0080, 1 << 27);
        gic.write(REDISTRIBUTOR + 0x1_0418, 0x8080_8080);
        gic.write(REDISTRIBUTOR + 0x1_0100, 1 << 27);
        *gic.priority_mask(0).unwrap() = 0xff;
        *gic.group_1(0).unwrap() = true;
        gic
    }

    #[test]
    fn a_level_is_taken_once_until_it_is_handled() {
        let mut gic = enabled();
        assert!(!gic.irq(0));
        gic.set_line(0, 27, true);
        assert!(gic.irq(0));
        assert_eq!(gic.acknowledge(0), 27);
        assert!(!gic.irq(0));
        assert_eq!(gic.acknowledge(0), SPURIOUS);
        gic.end(0, 27);
        assert!(gic.irq(0), "the line is still asserted");
        gic.set_line(0, 27, false);
        assert!(!gic.irq(0));
    }

    #[test]
    fn masks_and_switches_hold_an_interrupt_back() {
        let mut gic = enabled();
        gic.set_line(0, 27, true);
        *gic.priority_mask(0).unwrap() = 0x80;
        assert!(!gic.irq(0), "only priorities above the mask come through");
        *gic.priority_mask(0).unwrap() = 0x81;
        assert!(gic.irq(0));
        gic.write(REDISTRIBUTOR + 0x1_0180, 1 << 27);
        assert!(!gic.irq(0));
        gic.write(REDISTRIBUTOR + 0x1_0100, 1 << 27);
        gic.write(0, 0);
        assert!(!gic.irq(0));
    }
}
