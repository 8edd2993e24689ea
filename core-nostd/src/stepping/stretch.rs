//! Code that a step through a range can run through as one.

use super::instruction::{Effect, Flow};
use super::{a64, exclusive::Exits};
use crate::breakpoint::Instruction;

/// The most instructions of a stretch.
const MAX_INSTRUCTIONS: u64 = u32::BITS as u64;

/// A64 code around a PC that can run on its own, interrupts masked, with breakpoints on its exits: whatever way
/// it takes, the core comes to one of these, or takes a synchronous exception.
///
/// Nothing in it depends on the interrupt masks or changes them, and nothing changes how addresses are
/// translated. What does, and whatever goes where only registers know, is not in it but an exit of it. So is a load
/// exclusive, for its sequence must not be left in the middle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stretch {
    first: u64,
    last: u64,
    exits: Exits,
}

impl Stretch {
    /// The stretch around `pc` within `start..end`, at whose end the range ends as well; `fetch` reads an
    /// instruction.
    ///
    /// `None` where it would have fewer than two instructions, or more exits than `room`, even without its
    /// branches.
    pub fn find(
        start: u64,
        end: u64,
        pc: u64,
        room: usize,
        mut fetch: impl FnMut(u64) -> Option<u32>,
    ) -> Option<Self> {
        let begin = start.checked_next_multiple_of(4)?.max(pc.saturating_sub(4 * MAX_INSTRUCTIONS / 2));
        let end = end.min(begin.saturating_add(4 * MAX_INSTRUCTIONS));
        [true, false].iter().find_map(|&branches| {
            let mut walk = Walk { begin, end, room, reached: 0, exits: Exits::new() };
            walk.from(pc, branches, &mut fetch)
        })
    }

    /// Address of the first instruction, not of the one that is executed first.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Address of the last instruction.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Where to stop.
    #[must_use]
    pub fn exits(&self) -> &[u64] {
        self.exits.all()
    }
}

/// A way through all that can be reached.
struct Walk {
    begin: u64,
    end: u64,
    room: usize,
    /// The instructions that are reached, a bit each from `begin` on.
    reached: u32,
    exits: Exits,
}

impl Walk {
    fn from(
        &mut self,
        pc: u64,
        branches: bool,
        fetch: &mut impl FnMut(u64) -> Option<u32>,
    ) -> Option<Stretch> {
        let (mut inside, mut done) = (0_u32, 0_u32);
        self.reach(pc)?;
        loop {
            let index = (self.reached & !done).trailing_zeros();
            if index == u32::BITS {
                break;
            }
            let bit = 1_u32 << index;
            done |= bit;
            let address = self.begin.wrapping_add(4 * u64::from(index));
            let next = address.wrapping_add(4);
            match fetch(address).map(Kind::of) {
                Some(Kind::Plain) => self.reach(next)?,
                Some(Kind::Branch { offset, always }) if branches => {
                    self.reach(address.wrapping_add_signed(offset))?;
                    if !always {
                        self.reach(next)?;
                    }
                }
                _ => {
                    self.leave(address)?;
                    continue;
                }
            }
            inside |= bit;
        }
        let at = |index: u32| self.begin.wrapping_add(4 * u64::from(index));
        (inside.count_ones() >= 2).then(|| Stretch {
            first: at(inside.trailing_zeros()),
            last: at((u32::BITS - 1).wrapping_sub(inside.leading_zeros())),
            exits: self.exits,
        })
    }

    fn reach(&mut self, address: u64) -> Option<()> {
        if !(self.begin..self.end).contains(&address) || !address.is_multiple_of(4) {
            return self.leave(address);
        }
        self.reached |= 1_u32.checked_shl((address.wrapping_sub(self.begin) / 4) as u32)?;
        Some(())
    }

    fn leave(&mut self, address: u64) -> Option<()> {
        self.exits.add(address)?;
        (self.exits.all().len() <= self.room).then_some(())
    }
}

/// What an instruction is to a stretch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// In it, as is the next one.
    Plain,
    /// In it, with the one that it branches to, and unless it does so `always`, the next one.
    Branch { offset: i64, always: bool },
    /// Not in it.
    Exit,
}

impl Kind {
    fn of(word: u32) -> Self {
        if a64::effect(word) != Effect::Ordinary || is_system(word) {
            return Self::Exit;
        }
        match Flow::of(word, Instruction::A64).0 {
            Flow::Next | Flow::EndExclusive => Self::Plain,
            // B: the top bits are 000101.
            Flow::Branch { offset } => Self::Branch { offset, always: word >> 26 == 0b00_0101 },
            Flow::LoadExclusive | Flow::Leaves => Self::Exit,
        }
    }
}

/// Whether it is a system instruction (DDI 0487, "System instruction class encoding overview") that may do more
/// than its place among others tells: all but hints, barriers and reads of registers.
const fn is_system(word: u32) -> bool {
    let hint_or_barrier = matches!(word & 0xffff_f01f, 0xd503_201f | 0xd503_301f);
    let read = word & 0xfff0_0000 == 0xd530_0000;
    word & 0xff00_0000 == 0xd500_0000 && !hint_or_barrier && !read
}

/// Whether a step of an instruction leaves the registers that rule translation as they are, whatever else it does or
/// causes: `word` is no A64 instruction that writes a system register, or asks an Exception level above for
/// something.
#[must_use]
pub const fn keeps_translation(word: u32, set: Instruction) -> bool {
    matches!(set, Instruction::A64) && !is_system(word) && word & 0xff00_0000 != 0xd400_0000
}

/// Whether a step of an instruction that ends at none of the vectors leaves `PSTATE` as it is but for flags and
/// `BTYPE`: `word` is an A64 instruction that keeps translation and is neither an exception return nor a branch to a
/// register, which looks like one.
#[must_use]
pub const fn keeps_pstate(word: u32, set: Instruction) -> bool {
    keeps_translation(word, set) && word & 0xfe00_0000 != 0xd600_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    const PC: u64 = 0x4000_1000;

    const ADD: u32 = 0x9100_0421; // add x1, x1, #1
    const B_NE_8: u32 = 0x5400_0041;
    const CBNZ_BACK_ONE: u32 = 0xb5ff_ffe2; // cbnz x2, .-4
    const BL: u32 = 0x9400_0100;
    const RET: u32 = 0xd65f_03c0;

    /// The exits of the stretch at instruction `from` in a range that is all of `words`, counted in instructions.
    fn exits(words: &[u32], from: usize, room: usize) -> Option<Vec<i64>> {
        let end = PC + 4 * words.len() as u64;
        let fetch = |address: u64| words.get(usize::try_from(address.checked_sub(PC)? / 4).ok()?).copied();
        let stretch = Stretch::find(PC, end, PC + 4 * from as u64, room, fetch)?;
        Some(stretch.exits().iter().map(|exit| exit.wrapping_sub(PC) as i64 / 4).collect())
    }

    extern crate std;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_loop_is_left_behind_it_and_by_its_branches_out() {
        assert_eq!(exits(&[ADD, CBNZ_BACK_ONE], 0, 4), Some(vec![2]));
        assert_eq!(exits(&[ADD, CBNZ_BACK_ONE], 1, 4), Some(vec![2]), "from its middle");
        assert_eq!(exits(&[ADD, ADD, B_NE_8, CBNZ_BACK_ONE], 0, 4), Some(vec![4]));
        // cbnz x2, .-8, out of the range at its start
        assert_eq!(exits(&[ADD, 0xb5ff_ffc2, ADD], 0, 4), Some(vec![-1, 3]));
    }

    #[test]
    fn what_only_registers_know_is_an_exit() {
        for exit in [
            BL,
            RET,
            0xd400_0001, // svc #0
            0xd51b_4225, // msr daif, x5
            0xd53b_4220, // mrs x0, daif
            0xd518_2000, // msr ttbr0_el1, x0
            0xd503_207f, // wfi
            0xd503_2041, // no hint: Rt is not 31
            0xd508_871f, // tlbi vmalle1
            0x885f_fc20, // ldaxr w0, [x1]
        ] {
            assert_eq!(exits(&[ADD, ADD, exit, ADD], 0, 4), Some(vec![2]), "{exit:#010x}");
            assert_eq!(exits(&[ADD, ADD, exit, ADD], 2, 4), None, "{exit:#010x}");
        }
        for plain in [
            0xd503_201f, // nop
            0xd503_233f, // paciasp
            0xd503_3fdf, // isb
            0xd53b_e040, // mrs x0, cntvct_el0
            0xc802_7c20, // stxr w2, x0, [x1]
        ] {
            assert_eq!(exits(&[ADD, plain, ADD], 0, 4), Some(vec![3]), "{plain:#010x}");
        }
    }

    #[test]
    fn writes_of_system_registers_and_calls_may_change_translation() {
        for (word, expected) in [
            (ADD, true),
            (RET, true),
            (0xd69f_03e0, true),  // eret
            (0xd538_2000, true),  // mrs x0, ttbr0_el1
            (0xd503_3fdf, true),  // isb
            (0xd518_2000, false), // msr ttbr0_el1, x0
            (0xd51b_4225, false), // msr daif, x5
            (0xd508_871f, false), // tlbi vmalle1
            (0xd400_0002, false), // hvc #0
            (0xd400_0001, false), // svc #0
        ] {
            assert_eq!(keeps_translation(word, Instruction::A64), expected, "{word:#010x}");
            assert!(!keeps_translation(word, Instruction::A32) && !keeps_translation(word, Instruction::T32));
        }
    }

    #[test]
    fn what_may_write_pstate_does_not_keep_it() {
        for (word, expected) in [
            (ADD, true),
            (CBNZ_BACK_ONE, true),
            (BL, true),
            (0xd53b_4220, true),  // mrs x0, daif
            (0xf940_0281, true),  // ldr x1, [x20]
            (RET, false),         // as ERET, by its class
            (0xd69f_03e0, false), // eret
            (0xd50b_4225, false), // a system instruction
            (0xd503_41df, false), // msr daifset, #1
            (0xd500_401f, false), // cfinv
            (0xd400_0001, false), // svc #0
        ] {
            assert_eq!(keeps_pstate(word, Instruction::A64), expected, "{word:#010x}");
        }
    }

    #[test]
    fn what_cannot_be_reached_counts_for_nothing() {
        let b_12 = 0x1400_0003;
        assert_eq!(exits(&[ADD, b_12, RET, RET, ADD], 0, 4), Some(vec![5]));
    }

    #[test]
    fn with_little_room_it_ends_at_the_first_branch() {
        let words = [ADD, ADD, B_NE_8, BL, RET];
        assert_eq!(exits(&words, 0, 2), Some(vec![3, 4]));
        assert_eq!(exits(&words, 0, 1), Some(vec![2]));
        assert_eq!(exits(&words, 0, 0), None);
        assert_eq!(exits(&words, 1, 1), None, "one instruction is stepped");
    }

    #[test]
    fn a_long_range_is_run_in_pieces() {
        let words = [ADD; 100];
        assert_eq!(exits(&words, 0, 4), Some(vec![32]));
        assert_eq!(exits(&words, 50, 4), Some(vec![66]));
        assert_eq!(exits(&words, 90, 4), Some(vec![100]));
    }

    #[test]
    fn what_cannot_be_read_and_the_end_of_the_address_space_are_exits() {
        let find = |start, end, pc| Stretch::find(start, end, pc, 4, |at| (at < 0x8000).then_some(ADD));
        assert_eq!(find(0x7ff0, 0x9000, 0x7ff0).unwrap().exits(), [0x8000]);
        assert_eq!(find(0, u64::MAX, u64::MAX - 3), None);
        let top = u64::MAX - 15;
        let stretch = Stretch::find(top, u64::MAX, top, 4, |_| Some(ADD)).unwrap();
        assert_eq!((stretch.first(), stretch.last(), stretch.exits()), (top, u64::MAX - 3, &[0][..]));
    }
}
