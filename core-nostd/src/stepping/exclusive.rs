//! Load exclusive to store exclusive, as one step.

use super::instruction::Flow;
use crate::breakpoint::Instruction;

/// The most instructions of an exclusive sequence, the load and the store among them. Longer ones are
/// stepped like any other code.
pub const MAX_INSTRUCTIONS: u64 = 16;

/// The most addresses at which an exclusive sequence, or a stretch of code, may be left.
pub const MAX_EXITS: usize = 4;

/// A load exclusive, the store exclusive that belongs to it, and what lies between.
///
/// An exception clears the exclusive monitor, so a sequence that is stepped through instruction by
/// instruction never succeeds. It has to run to one of its exits as a whole: behind its store exclusive
/// or `CLREX`, or where a branch leaves it. A branch back to its own load stays inside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ExclusiveSequence {
    first: u64,
    last: u64,
    exits: Exits,
}

/// Where code is left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Exits {
    addresses: [u64; MAX_EXITS],
    count: usize,
}

impl Exits {
    pub(super) const fn new() -> Self {
        Self { addresses: [0; MAX_EXITS], count: 0 }
    }

    /// Adds an exit, if it is none already; `None` where there is no room.
    pub(super) fn add(&mut self, exit: u64) -> Option<()> {
        if !self.all().contains(&exit) {
            *self.addresses.get_mut(self.count)? = exit;
            self.count += 1;
        }
        Some(())
    }

    pub(super) fn all(&self) -> &[u64] {
        self.addresses.get(..self.count).unwrap_or_default()
    }
}

impl ExclusiveSequence {
    /// The sequence that begins with the A64 instruction at `pc`; `fetch` reads an instruction.
    ///
    /// `None` where there is no load exclusive at `pc`, no store exclusive within
    /// [`MAX_INSTRUCTIONS`], more than [`MAX_EXITS`] exits, an instruction in between that calls, returns
    /// or makes an exception, or one that cannot be read. Such code is stepped instruction by
    /// instruction.
    pub fn find(pc: u64, fetch: impl FnMut(u64) -> Option<u32>) -> Option<Self> {
        Self::find_in(Instruction::A64, pc, fetch)
    }

    /// The same in any instruction set. `fetch` reads the 4 bytes at an address as a little-endian word;
    /// for T32 the last 2 of them may be zeros where they cannot be read.
    pub fn find_in(set: Instruction, pc: u64, mut fetch: impl FnMut(u64) -> Option<u32>) -> Option<Self> {
        let after = |address: u64, offset: i64| {
            let next = address.wrapping_add_signed(offset);
            if matches!(set, Instruction::A64) { next } else { next & 0xffff_ffff }
        };
        let (Flow::LoadExclusive, mut length) = Flow::of(fetch(pc)?, set) else { return None };
        let mut targets = heapless::Vec::<u64, { MAX_INSTRUCTIONS as usize }>::new();
        let mut address = pc;
        for _ in 1..MAX_INSTRUCTIONS {
            address = after(address, i64::from(length));
            let (flow, own_length) = Flow::of(fetch(address)?, set);
            length = own_length;
            match flow {
                Flow::Next => {}
                // Never full: one push an instruction.
                Flow::Branch { offset } => targets.push(after(address, offset)).ok()?,
                Flow::EndExclusive => {
                    return Self::new(pc, address, after(address, i64::from(length)), &targets);
                }
                // A second load exclusive begins a sequence of its own.
                Flow::LoadExclusive | Flow::Leaves => return None,
            }
        }
        None
    }

    fn new(first: u64, last: u64, behind: u64, targets: &[u64]) -> Option<Self> {
        let mut exits = Exits::new();
        exits.add(behind)?;
        for &target in targets.iter().filter(|target| !(first..=last).contains(*target)) {
            exits.add(target)?;
        }
        Some(Self { first, last, exits })
    }

    /// Address of the load exclusive.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Address of the store exclusive.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Where to stop: behind the store exclusive, then the targets of branches out of the sequence.
    /// None of them lies inside it.
    #[must_use]
    pub fn exits(&self) -> &[u64] {
        self.exits.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PC: u64 = 0x4000_1000;

    const LDAXR: u32 = 0x885f_fc20; // ldaxr w0, [x1]
    const STLXR: u32 = 0x8802_fc23; // stlxr w2, w3, [x1]
    const ADD: u32 = 0x1100_0403; // add w3, w0, #1
    const CBNZ_BACK_TWO: u32 = 0x35ff_ffc2; // cbnz w2, .-8

    fn find(words: &[u32]) -> Option<ExclusiveSequence> {
        let index = |address: u64| usize::try_from(address.checked_sub(PC)? / 4).ok();
        ExclusiveSequence::find(PC, |address| words.get(index(address)?).copied())
    }

    #[test]
    fn an_increment_stops_behind_its_store() {
        let sequence = find(&[LDAXR, ADD, STLXR, CBNZ_BACK_TWO]).unwrap();
        assert_eq!((sequence.first(), sequence.last()), (PC, PC + 8));
        assert_eq!(sequence.exits(), [PC + 12]);
    }

    #[test]
    fn a_compare_and_swap_may_leave_by_its_branch() {
        let b_ne_12 = 0x5400_0061;
        let sequence = find(&[LDAXR, 0x6b04_001f, b_ne_12, STLXR, CBNZ_BACK_TWO]).unwrap();
        assert_eq!(sequence.exits(), [PC + 16, PC + 20]);
        // A branch to the instruction behind the store is the same exit.
        let b_ne_8 = 0x5400_0041;
        assert_eq!(find(&[LDAXR, 0x6b04_001f, b_ne_8, STLXR]).unwrap().exits(), [PC + 16]);
    }

    #[test]
    fn a_branch_back_to_the_load_stays_inside() {
        let cbnz_w0_back_one = 0x35ff_ffe0;
        let sequence = find(&[LDAXR, cbnz_w0_back_one, STLXR]).unwrap();
        assert_eq!(sequence.exits(), [PC + 12]);
        let cbnz_w0_back_three = 0x35ff_ffa0;
        assert_eq!(find(&[LDAXR, ADD, cbnz_w0_back_three, STLXR]).unwrap().exits(), [PC + 16, PC - 4]);
    }

    #[test]
    fn clrex_ends_a_sequence_as_a_store_does() {
        assert_eq!(find(&[LDAXR, 0xd503_3f5f]).unwrap().exits(), [PC + 8]);
    }

    #[test]
    fn sixteen_instructions_are_a_sequence_and_seventeen_are_not() {
        let mut words = [ADD; 17];
        words[0] = LDAXR;
        words[15] = STLXR;
        assert_eq!(find(&words).unwrap().last(), PC + 60);
        (words[15], words[16]) = (ADD, STLXR);
        assert_eq!(find(&words), None);
    }

    #[test]
    fn what_cannot_run_to_a_store_is_no_sequence() {
        for words in [
            &[ADD, STLXR][..],            // no load
            &[LDAXR, ADD],                // unreadable in the middle
            &[],                          // unreadable
            &[LDAXR, 0x9400_0010, STLXR], // bl
            &[LDAXR, 0xd65f_03c0, STLXR], // ret
            &[LDAXR, 0xd400_0001, STLXR], // svc
            &[LDAXR, LDAXR, STLXR],       // a load of its own
        ] {
            assert_eq!(find(words), None, "{words:x?}");
        }
    }

    #[test]
    fn more_ways_out_than_there_is_room_for_are_no_sequence() {
        // cbz w0 to five different places behind the store; four exits in all are the most.
        let out = |index: u32| 0x3400_0000 | (20 + index) << 5;
        assert_eq!(find(&[LDAXR, out(0), out(5), out(10), STLXR]).unwrap().exits().len(), 4);
        assert_eq!(find(&[LDAXR, out(0), out(5), out(10), out(15), STLXR]), None);
    }

    #[test]
    fn the_end_of_the_address_space_does_not_panic() {
        let words = [LDAXR, STLXR];
        let sequence = ExclusiveSequence::find(u64::MAX - 3, |address| {
            words.get(if address == u64::MAX - 3 { 0 } else { 1 }).copied()
        });
        assert_eq!(sequence.unwrap().exits(), [4]);
    }

    #[test]
    #[cfg_attr(not(feature = "aarch32"), ignore = "takes the feature aarch32")]
    fn sequences_of_a32_and_t32_stop_behind_their_store() {
        // ldrex r0, [r1]; teq r0, r2; strexeq r3, r4, [r1]; teqeq r3, #1; bne back
        let a32 = [0xe191_0f9f, 0xe130_0002, 0x0181_3f94];
        let index = |address: u64| usize::try_from(address.checked_sub(PC)? / 4).ok();
        let fetch = |address| a32.get(index(address)?).copied();
        assert_eq!(ExclusiveSequence::find_in(Instruction::A32, PC, fetch).unwrap().exits(), [PC + 12]);

        // ldrex r0, [r1]; cmp r0, r2; bne .+10; strex r3, r4, [r1]: 4, 2, 2 and 4 bytes.
        let t32 = [0x51, 0xe8, 0x00, 0x0f, 0x90, 0x42, 0x03, 0xd1, 0x41, 0xe8, 0x00, 0x43];
        let fetch = |address: u64| {
            let from = usize::try_from(address.checked_sub(PC)?).ok()?;
            let mut bytes = [0; 4];
            let there = t32.get(from..)?;
            for (byte, from) in bytes.iter_mut().zip(there) {
                *byte = *from;
            }
            Some(u32::from_le_bytes(bytes))
        };
        let sequence = ExclusiveSequence::find_in(Instruction::T32, PC, fetch).unwrap();
        assert_eq!((sequence.last(), sequence.exits()), (PC + 8, &[PC + 12, PC + 16][..]));
        assert_eq!(ExclusiveSequence::find(PC, fetch), None, "it is no A64 code");
    }
}
