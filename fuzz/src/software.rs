//! Whatever is planted, lifted, read, written and removed, in whatever order: readers see memory as the target's
//! software wrote it, and when all is removed memory holds just that.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::Instruction;
use trapline_core::pool::Owner;
use trapline_core::software::{BreakInstruction, Restore, SiteState, SoftwareBreakpoints};

const MEMORY: usize = 64;

#[derive(Arbitrary, Debug)]
enum Step {
    Insert {
        place: u8,
        instruction: u8,
        owner: u8,
    },
    Remove {
        place: u8,
        owner: u8,
    },
    RemoveOwner(u8),
    Write {
        place: u8,
        bytes: [u8; 6],
        length: u8,
    },
    /// The target's own software writes, of which nobody tells.
    Overwrite {
        place: u8,
        byte: u8,
    },
    Lift(u8),
    Resume,
    Reset([u8; 4]),
}

/// Memory, what is planted in it, and what it would hold without.
struct Machine {
    memory: [u8; MEMORY],
    plain: [u8; MEMORY],
    table: SoftwareBreakpoints<6>,
}

impl Machine {
    fn resume(&mut self) {
        let mut after = None;
        while let Some(site) = self.table.next_pending(after) {
            assert!(after < Some(site.address), "{site:?} again");
            after = Some(site.address);
            let Some(bytes) = self
                .memory
                .get_mut(site.address.0 as usize..)
                .and_then(|rest| rest.get_mut(..site.planted.len()))
            else {
                panic!("{site:?} is outside memory");
            };
            match site.state {
                SiteState::Requested => {
                    let original = bytes.to_vec();
                    bytes.copy_from_slice(site.planted.as_slice());
                    self.table.planted(site.address, &original);
                }
                SiteState::Unwanted => {
                    if let Restore::Write(original) = site.restore(bytes) {
                        bytes.copy_from_slice(original.as_slice());
                    }
                    self.table.restored(site.address);
                }
                SiteState::Planted => panic!("nothing is to be done at {site:?}"),
            }
        }
        assert_eq!(self.table.next_pending(None), None);
    }

    /// Whether an instruction is planted in any of these bytes.
    fn is_planted(&self, first: usize, length: usize) -> bool {
        self.table.sites().any(|site| {
            let at = site.address.0 as usize;
            site.state != SiteState::Requested && at < first + length && first < at + site.planted.len()
        })
    }

    fn carry_out(&mut self, step: &Step) {
        let address = |place: u8| PhysicalAddress(u64::from(place % 32) * 2);
        let virtual_of = |place: u8| 0xffff_0000_0000_0000 + u64::from(place % 32) * 2;
        match *step {
            Step::Insert { place, instruction, owner } => {
                let set =
                    [Instruction::A64, Instruction::A32, Instruction::T32][usize::from(instruction % 3)];
                let fits = address(place).0 as usize + if set == Instruction::T32 { 2 } else { 4 } <= MEMORY;
                if fits {
                    let _ = self.table.insert(address(place), virtual_of(place), set, Owner(owner % 2));
                }
            }
            Step::Remove { place, owner } => {
                let _ = self.table.remove(virtual_of(place), None, Owner(owner % 2));
            }
            Step::RemoveOwner(owner) => self.table.remove_owner(Owner(owner % 2)),
            Step::Write { place, bytes, length } => {
                let place = usize::from(place) % (MEMORY - 6);
                let mut bytes = bytes[..usize::from(length % 7)].to_vec();
                self.plain[place..][..bytes.len()].copy_from_slice(&bytes);
                self.table.mask_write(PhysicalAddress(place as u64), &mut bytes);
                self.memory[place..][..bytes.len()].copy_from_slice(&bytes);
            }
            Step::Overwrite { place, byte } => {
                let place = usize::from(place) % MEMORY;
                if !self.is_planted(place, 1) {
                    self.memory[place] = byte;
                    self.plain[place] = byte;
                }
            }
            Step::Lift(place) => {
                if let Some(site) =
                    self.table.at(address(place)).filter(|site| site.state == SiteState::Planted)
                {
                    let at = site.address.0 as usize;
                    self.memory[at..][..site.original.len()].copy_from_slice(site.original.as_slice());
                    self.table.restored(site.address);
                }
            }
            Step::Resume => self.resume(),
            Step::Reset(bytes) => {
                self.memory = core::array::from_fn(|n| bytes[n % 4]);
                self.plain = self.memory;
                self.table.memory_replaced();
            }
        }
    }
}

/// Carries out any sequence of steps.
///
/// # Panics
/// Where a planted instruction shows, or is left.
pub fn check(data: &[u8]) {
    let memory = core::array::from_fn(|n| n as u8 ^ 0xa5);
    let mut machine =
        Machine { memory, plain: memory, table: SoftwareBreakpoints::new(BreakInstruction::Brk) };
    let mut source = Unstructured::new(data);
    while let Ok(step) = source.arbitrary::<Step>() {
        machine.carry_out(&step);
        let mut seen = machine.memory;
        machine.table.mask_read(PhysicalAddress(0), &mut seen);
        assert_eq!(seen, machine.plain, "{step:?} shows");
        if source.is_empty() {
            break;
        }
    }
    for owner in 0..2 {
        machine.table.remove_owner(Owner(owner));
    }
    machine.resume();
    assert_eq!(machine.memory, machine.plain);
    assert_eq!(machine.table.sites().count(), 0);
}
