//! Whatever is planted, lifted, read, written and removed, in whatever order: readers see memory as the target's
//! software wrote it, and when all is removed memory holds just that.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::PhysicalAddress;
use trapline_core::breakpoint::Instruction;
use trapline_core::pool::Owner;
use trapline_core::software::{Site, SiteState};

use crate::planting;

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
    /// The target's own software writes a byte, or over a whole break instruction, of which nobody tells.
    Overwrite {
        place: u8,
        byte: u8,
    },
    Lift(u8),
    Resume,
    Reset([u8; 4]),
}

/// Memory with what is planted in it, and what it would hold without.
struct Machine {
    planted: planting::Machine<6>,
    plain: Vec<u8>,
}

impl Machine {
    /// What is planted in this byte.
    fn planted_at(&self, byte: usize) -> Option<Site> {
        self.planted.table.sites().find(|site| {
            let first = site.address.0 as usize;
            site.state != SiteState::Requested && (first..first + site.planted.len()).contains(&byte)
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
                    let _ =
                        self.planted.table.insert(address(place), virtual_of(place), set, Owner(owner % 2));
                }
            }
            Step::Remove { place, owner } => {
                let _ = self.planted.table.remove(virtual_of(place), None, Owner(owner % 2));
            }
            Step::RemoveOwner(owner) => self.planted.table.remove_owner(Owner(owner % 2)),
            Step::Write { place, bytes, length } => {
                let place = usize::from(place) % (MEMORY - 6);
                let bytes = &bytes[..usize::from(length % 7)];
                self.plain[place..][..bytes.len()].copy_from_slice(bytes);
                self.planted.write(place, bytes);
            }
            Step::Overwrite { place, byte } => {
                let place = usize::from(place) % MEMORY;
                let (first, bytes) = match self.planted_at(place) {
                    Some(site) => {
                        // No byte of it is left, so that readers can tell.
                        let other = |planted: &u8| planted.wrapping_add(byte.max(1));
                        (site.address.0 as usize, site.planted.as_slice().iter().map(other).collect())
                    }
                    None => (place, vec![byte]),
                };
                self.planted.memory[first..][..bytes.len()].copy_from_slice(&bytes);
                self.plain[first..][..bytes.len()].copy_from_slice(&bytes);
            }
            Step::Lift(place) => self.planted.lift(address(place).0),
            Step::Resume => self.planted.resume(),
            Step::Reset(bytes) => {
                self.plain = bytes.repeat(MEMORY / 4);
                self.planted.memory.clone_from(&self.plain);
                self.planted.table.memory_replaced();
            }
        }
    }
}

/// Carries out any sequence of steps.
///
/// # Panics
/// Where a planted instruction shows, or is left.
pub fn check(data: &[u8]) {
    let plain: Vec<u8> = (0..MEMORY as u8).map(|byte| byte ^ 0xa5).collect();
    let mut machine = Machine { planted: planting::Machine::new(plain.clone()), plain };
    let mut source = Unstructured::new(data);
    while let Ok(step) = source.arbitrary::<Step>() {
        machine.carry_out(&step);
        assert_eq!(machine.planted.read(0, MEMORY), machine.plain, "{step:?} shows");
        if source.is_empty() {
            break;
        }
    }
    for owner in 0..2 {
        machine.planted.table.remove_owner(Owner(owner));
    }
    machine.planted.resume();
    assert_eq!(machine.planted.memory, machine.plain);
    assert_eq!(machine.planted.table.sites().count(), 0);
}
